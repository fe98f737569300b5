"""One watch with all that it left: each slice, each harm, each column's bars; read when it is looked at."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from monitoring.console.phrases import p_value, percent
from monitoring.console.reading.watches import NAME, Harmed, Moved, Quality, Sliced, Told, Watch
from monitoring.histograms import Histogram

_VERDICT, _COLUMNS = "verdict.json", "columns.json"


class Harm(Harmed, frozen=True):
    """What the drift of one column does to the model; `change` of the primary metric, below zero is worse."""

    column: str = ""
    change: float | None = None
    low: float | None = None
    high: float | None = None


class Slice(Sliced, frozen=True):
    """One part of the rows beside the rest; scores are those of the primary metric, as they are kept."""

    slice: str = ""
    rows: int = 0
    labelled: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None
    rest: float | None = None
    before: float | None = None
    change: float | None = None
    unknown: str | None = None

    @property
    def notable(self) -> bool:
        """Whether it fell behind or is worse."""
        return bool(self.alarm or self.worse)


class Report(Watch, frozen=True):
    """A watch, with what only its own page tells."""

    harms: tuple[Harm, ...] = ()
    slices: tuple[Slice, ...] = ()

    @property
    def judged(self) -> tuple[Told, ...]:
        """What was found about the data's quality, alarms first as they were written."""
        return (self.quality or Quality()).findings


def headline(report: Watch, lasting: Mapping[str, int]) -> str:
    """Say in one sentence whether the data drifted: what moved most, by how much, and for how long it has.

    `lasting` are the `spells` of its columns.
    """
    verdict = report.verdict
    moved = [each for each in verdict.findings if each.drift]
    if verdict.drift and moved:
        more = len(moved) - 1
        beside = f", and {more:,} more column{'' if more == 1 else 's'}" if more else ""
        return f"Drift: {_far(moved[0])}{beside}{_since(lasting.get(moved[0].column, 1))}"
    if verdict.drift:
        return f"Drift: {verdict.said}"
    if verdict.drift is None:
        return f"Cannot say whether the data drifted: {verdict.said or 'nothing was judged'}"
    columns = sum(each.what != "together" for each in verdict.findings)
    return f"No drift: none of {columns:,} columns moved both surely and far enough"


def _far(moved: Moved) -> str:
    if moved.what == "together":  # how well a classifier tells windows apart is no share of rows
        return moved.words or moved.column
    far = f"{moved.column} moved"
    if moved.effect is not None:
        far += f" in {percent(moved.effect)} of rows"
    sure = p_value(moved.p_value)
    # Nowhere in it may a line end.
    sure = f"p {sure if sure[0] == '<' else f'= {sure}'}".replace(" ", "\u00a0")
    return far if moved.p_value is None else f"{far} ({sure})"


def _since(watches: int) -> str:
    return f", at the last {watches:,} watches in a row" if watches > 1 else ""


def read_report(folder: Path, name: str) -> Report | None:
    """Read all that a watch left, or None where there is none that can be read."""
    if NAME.fullmatch(name) is None:
        return None
    try:
        return msgspec.json.decode((folder / name / _VERDICT).read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError):
        return None


def read_columns(folder: Path, name: str) -> list[Histogram] | None:
    """Read the bars of every column; None where an older Keepfit left none, or where they cannot be read."""
    try:
        found = msgspec.json.decode((folder / name / _COLUMNS).read_bytes(), type=list[Histogram])
    except (OSError, msgspec.MsgspecError):
        return None
    return [each for each in found if _whole(each)]


def _whole(drawn: Histogram) -> bool:
    """Tell whether there is an edge, or a name, for every bar."""
    bars = len(drawn.reference)
    edges = all(low < high for low, high in zip(drawn.edges, drawn.edges[1:], strict=False))
    return bars == len(drawn.current) == max(len(drawn.names), len(drawn.edges) - 1, 0) and edges


def read_files(folder: Path, name: str) -> dict[str, msgspec.Raw]:
    """Give what a watch left as it was written: its verdict, and its columns where there are any."""
    found: dict[str, msgspec.Raw] = {}
    for key, file in (("verdict", _VERDICT), ("columns", _COLUMNS)):
        try:
            found[key] = msgspec.Raw((folder / name / file).read_bytes())
        except OSError:
            continue
    return found


def spells(watches: Sequence[Watch], watch: Watch) -> dict[str, int]:
    """Count for each column that drifted in how many watches in a row it did, this one included."""
    lasting = {each.column for each in watch.verdict.findings if each.drift}
    found = dict.fromkeys(lasting, 1)
    for before in sorted(watches, key=lambda each: each.as_of, reverse=True):
        if before.as_of >= watch.as_of:
            continue
        lasting &= {each.column for each in before.verdict.findings if each.drift}
        if not lasting:
            break
        for column in lasting:
            found[column] += 1
    return found

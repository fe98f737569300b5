"""What was judged, as a page for people and files for programs."""

import html
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from keepfit.spec import Project
from monitoring.drawing import COLUMNS, ROWS, UNDRAWABLE, draw_page, place_in
from monitoring.drift import DriftVerdict
from monitoring.histograms import histograms
from monitoring.triggers import Reason, Triggers
from monitoring.windows import Windows

if TYPE_CHECKING:
    from data.examples import Examples
    from data.matching import LabelCounts
    from monitoring.harm import Harm
    from monitoring.late.estimate import Estimate
    from monitoring.performance import Performance
    from monitoring.quality import Quality
    from monitoring.slices import SliceFinding

_PAGE, _VERDICT, _COLUMNS = "report.html", "verdict.json", "columns.json"


@dataclass(frozen=True, slots=True)
class Standing:
    """The scores of one way of answering, on the `rows` of a window that are labelled and were answered.

    `version` is the one that answered all of them; None where each row keeps the answer that was given.
    """

    version: int | None
    scores: Mapping[str, float]
    rows: int


@dataclass(frozen=True)
class Judged:
    """All that one `watch` found out; `version` is the champion's."""

    project: str
    as_of: datetime
    version: int | None
    windows: Windows
    verdict: DriftVerdict
    performance: "Performance | None"
    reason: Reason | None
    journal_positions: Mapping[str, int] = field(default_factory=dict[str, int])
    """How far the journals were read."""
    labels: "LabelCounts | None" = None
    """Of the labels that became known in the current window."""
    served: Standing | None = None
    frozen: Standing | None = None
    """The answers as given in the current window, and those of the project's first champion to the same."""
    estimate: "Estimate | None" = None
    """How good all answers of the current window will prove, once every label is there."""
    harms: "tuple[Harm, ...]" = ()
    """What each drift does to the model, the worst first."""
    slices: "tuple[SliceFinding, ...]" = ()
    quality: "Quality | None" = None
    withheld: str | None = None
    """Why no retrain is asked for although something moved or is due."""
    person: bool = False
    """Whether somebody has to look, for no retrain will be asked for until then."""

    @property
    def asks(self) -> str:
        """Say whether a retrain is asked for, and why not."""
        return Triggers(self.reason, self.withheld, self.person).sentence


@dataclass(frozen=True)
class Report:
    """Where the verdict and the page are; without a page `no_page_because` says why."""

    verdict: Path
    page: Path | None
    no_page_because: str | None = None


def write_report(
    folder: Path, project: Project, judged: Judged, reference: "Examples", current: "Examples"
) -> Report:
    """Write `verdict.json`, `columns.json` and, where there is something to draw, `report.html`.

    Each file is replaced at once, so a reader never sees half of it, and writing again is harmless. The
    second holds a `Histogram` for every column, in the order of the findings. The page is Evidently's, of
    at most 20,000 rows a window and the 12 columns that moved most, and makes no request to any other
    address. Text from the data cannot become markup in it, and no script runs in it but Evidently's; serve
    it sandboxed all the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page, because = folder / _PAGE, None
    try:
        drawn = draw_page(project, judged.verdict, reference, current)
        _replace(page, drawn.replace("<body>", f"<body>{_heading(judged, reference, current)}", 1))
    except UNDRAWABLE as fault:
        because = f"{type(fault).__name__}: {fault}"
        page.unlink(missing_ok=True)
    _replace(folder / _COLUMNS, _laid_out(project, judged.verdict, reference, current))
    report = Report(folder / _VERDICT, None if because else page, because)
    _replace(report.verdict, json.dumps(_document(judged, report, len(reference), len(current)), indent=1))
    return report


def _laid_out(project: Project, verdict: DriftVerdict, reference: "Examples", current: "Examples") -> str:
    place = place_in(verdict)
    found = sorted(histograms(project, reference, current), key=lambda each: place(each.column))
    return msgspec.json.encode(found).decode()


def _heading(judged: Judged, reference: "Examples", current: "Examples") -> str:
    drift = {True: "Drift", False: "No drift", None: "Cannot say"}[judged.verdict.drift]
    windows = judged.windows
    lines = [
        f"reference {windows.reference.since:%F %R} to {windows.reference.until:%F %R}, "
        f"current {windows.current.since:%F %R} to {windows.current.until:%F %R}",
        f"drawn: {min(len(reference), ROWS):,} of {len(reference):,} reference rows, "
        f"{min(len(current), ROWS):,} of {len(current):,} current rows, the {COLUMNS} columns that "
        "moved most; the verdict rests on all",
        *judged.verdict.reasons,
        *([judged.performance.sentence] if judged.performance else []),
        *([judged.estimate.sentence] if judged.estimate else []),
        *(harm.words for harm in judged.harms),
        *(found.words for found in judged.slices if found.alarm),
        *(found.words for found in (judged.quality.alarms if judged.quality else ())),
        judged.asks,
        "Below are Evidently's distances and drawings; the verdict is the one above, by permutation of days.",
    ]
    items = "".join(f"<li>{html.escape(_encodable(line))}</li>" for line in lines)
    title = html.escape(f"{judged.project}: {drift}, as of {judged.as_of:%F %R}")
    return f'<section style="font-family:sans-serif;margin:2rem"><h1>{title}</h1><ul>{items}</ul></section>'


def _document(judged: Judged, report: Report, reference_rows: int, current_rows: int) -> dict[str, Any]:
    page = {
        "file": report.page.name if report.page else None,
        "no_page_because": report.no_page_because,
        "reference_rows": min(reference_rows, ROWS),
        "current_rows": min(current_rows, ROWS),
    }
    found: dict[str, Any] = _plain({**asdict(judged), "page": page})
    if judged.performance is not None:
        found["performance"]["sentence"] = judged.performance.sentence
    if judged.estimate is not None:
        # What the delays are made of is of no use to a reader.
        found["estimate"] = {**found["estimate"], "sentence": judged.estimate.sentence, "delays": None}
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a dataclass holds
    """Turn a value into what JSON can hold; a number that is none becomes null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _replace(path: Path, text: str) -> None:
    """Replace a file at once, and only by a whole one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)

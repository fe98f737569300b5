"""`drift`: two files of rows -> whether the second drifted from the first, with or without a project."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from control.options import JsonOption, answer, begin
from keepfit.errors import FileUnreadable

if TYPE_CHECKING:
    import pandas as pd

    from keepfit.spec import Project
    from monitoring.drift.verdicts import DriftVerdict

_MOST_ROWS = 2_000_000
"""More rows of a file are not needed to judge it, and might not fit into memory."""
_BATCH = 16_384


@dataclass(frozen=True)
class Told:
    """A verdict, said in text or as JSON."""

    verdict: "DriftVerdict"
    notes: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """Give what a program reads: `drift` is true, false or null for "cannot say"."""
        verdict = self.verdict
        return {
            "drift": verdict.drift,
            "p_value": verdict.p_value,
            "findings": [asdict(finding) for finding in verdict.findings],
            "reasons": [*verdict.reasons, *self.notes],
            "rows": {"reference": verdict.reference_rows, "current": verdict.current_rows},
            "blocks": verdict.blocks,
        }

    def text(self) -> str:
        """Say the verdict first, then what moved most."""
        verdict = self.verdict
        said = {True: "drift", False: "no drift", None: "cannot say"}[verdict.drift]
        chance = "" if verdict.p_value is None else f", p = {verdict.p_value:.4g}"
        rows = f"{verdict.reference_rows:,} reference and {verdict.current_rows:,} current rows"
        lines = [f"{said} ({rows}{chance})"]
        for finding in verdict.findings:
            mark = {True: "drifted", False: "-", None: "unknown"}[finding.drift]
            share = "" if finding.effect is None else f"{finding.effect:.0%} of rows".replace("%", " %")
            p_value = "" if finding.p_value is None else f"p = {finding.p_value:.4g}"
            lines.append(f"  {mark:8}{share:14}{p_value:12}{finding.words}")
        words = {finding.words for finding in verdict.findings}
        lines += [reason for reason in (*verdict.reasons, *self.notes) if reason not in words]
        return "\n".join(lines)


def drift(
    reference: Annotated[Path, typer.Option(help="Rows from before, in the order of time.")],
    current: Annotated[Path, typer.Option(help="Rows to compare with them, in the order of time.")],
    project: Annotated[
        str | None,
        typer.Option("--project", "-p", help="Whose columns, days and limits to use; guessed without it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether one file of rows drifted from another: Parquet, CSV or JSON lines."""
    begin(f"comparing {current.name} with {reference.name}")
    from keepfit.loading import load_project

    answer(compare(reference, current, None if project is None else load_project(project)), as_json)


def compare(reference: Path, current: Path, project: "Project | None" = None) -> Told:
    """Judge two files; raise FileUnreadable for what is none."""
    from monitoring.drift import judge

    notes: list[str] = []
    before, after = (_read(file, project, notes) for file in (reference, current))
    if project is None:
        return Told(judge(before, after), tuple(notes))
    days = [_days(frame, project.time) for frame in (before, after)]
    verdict = judge(
        before.drop(columns=_beside(before, project)),
        after.drop(columns=_beside(after, project)),
        columns=project.features,
        blocks_reference=days[0],
        blocks_current=days[1],
        p_value=1 / project.windows_per_false_alarm,
        effect=project.drift_effect,
        min_rows=project.min_rows,
        resamples=max(999, 10 * project.windows_per_false_alarm),
        seed=project.seed,
    )
    return Told(verdict, tuple(notes))


def _beside(frame: "pd.DataFrame", project: "Project") -> list[str]:
    """Name the columns that a project's files have beside its features."""
    known = (project.time, project.label_time, project.reference, project.subject, project.target.name)
    return [name for name in known if name is not None and name in frame and name not in project.features]


def _days(frame: "pd.DataFrame", time: str) -> Any:  # noqa: ANN401 - an array, or None where there is no time
    import pandas as pd

    if time not in frame.columns or len(frame) == 0:
        return None
    times = pd.to_datetime(frame[time], utc=True, errors="coerce")
    if times.isna().any():
        return None
    return times.dt.tz_convert(None).to_numpy().astype("datetime64[D]").astype("int64")


def _read(path: Path, project: "Project | None", notes: list[str]) -> "pd.DataFrame":
    """Read a file; of a very large one stretches of neighbours that are evenly spaced."""
    import pandas as pd
    import pyarrow as pa

    from data.files import FORMATS, shown_name

    name = shown_name(path.name)
    kind = FORMATS.get(path.suffix.lower())
    if not path.exists():
        msg = f"{name}: there is no such file; name one of {', '.join(FORMATS)}"
        raise FileUnreadable(msg)
    if kind is None or not path.is_file():
        msg = f"{name}: expected one of {', '.join(FORMATS)}; convert it, or rename it if it is one"
        raise FileUnreadable(msg)
    try:
        if path.stat().st_size == 0:
            return pd.DataFrame()
        if kind == "Parquet":
            return _read_parquet(path, notes)
        # In CSV a category may look like a number.
        texts = {n: "str" for n, c in project.features.items() if c.kind == "category"} if project else None
        frames = (
            pd.read_csv(path, chunksize=_BATCH * 8, low_memory=False, dtype=texts)
            if kind == "CSV"
            else pd.read_json(path, lines=True, chunksize=_BATCH * 8)
        )
        return _thinned(frames, name, notes)
    except (OSError, pa.ArrowException, ValueError, OverflowError) as fault:
        what = (str(fault).splitlines() or [type(fault).__name__])[0][:200]
        msg = f"{name}: cannot be read as {kind}: {what}; write it again, whole"
        raise FileUnreadable(msg) from fault


def _read_parquet(path: Path, notes: list[str]) -> "pd.DataFrame":
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        rows = file.metadata.num_rows
        step = max(1, -(-rows // _MOST_ROWS))
        batches = file.iter_batches(_BATCH)
        kept = [batch for place, batch in enumerate(batches) if place % step == 0]
        if step > 1:
            notes.append(_thinning(path.name, sum(map(len, kept)), rows))
        return pa.Table.from_batches(kept, file.schema_arrow).to_pandas()


def _thinned(frames: Any, name: str, notes: list[str]) -> "pd.DataFrame":  # noqa: ANN401 - pandas' own reader
    """Put parts together; whenever they grow too many every other one is dropped."""
    import pandas as pd

    kept: list[pd.DataFrame] = []
    rows, step = 0, 1
    for place, frame in enumerate(frames):
        rows += len(frame)
        if place % step:
            continue
        kept.append(frame)
        if sum(map(len, kept)) > _MOST_ROWS:
            kept, step = kept[::2], step * 2
    if step > 1:
        notes.append(_thinning(name, sum(map(len, kept)), rows))
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()


def _thinning(name: str, kept: int, rows: int) -> str:
    return f"of {name} {kept:,} rows were judged, in stretches that are evenly spaced over all {rows:,}"

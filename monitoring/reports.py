"""What was judged, as a page for people and a verdict for programs; the one doorway to Evidently."""

import html
import json
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from keepfit.spec import Project
from monitoring.drift import DriftVerdict
from monitoring.drift.columns import answer_names, label_name
from monitoring.sealing import neutral, sealed
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

ROWS = 20_000
"""Of a window with more rows a random part of this size is drawn."""

COLUMNS = 12
"""The columns that moved most are drawn: each takes time, and nobody reads 200."""

CATEGORIES = 40
"""The most frequent categories are drawn; all others together are one more."""

_PAGE, _VERDICT = "report.html", "verdict.json"

# Evidently raises these on columns that it cannot draw; the verdict must not be lost with the page.
_UNDRAWABLE = (ValueError, KeyError, TypeError, IndexError, ArithmeticError)


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
    """Write `verdict.json`, and `report.html` where there is something to draw, into `folder`.

    Each file is replaced at once, so a reader never sees half of it, and writing again is harmless. The
    page is Evidently's, of at most 20,000 rows a window and the 12 columns that moved most, and makes no
    request to any other address. Text from the data cannot become markup in it, and no script runs in it but
    Evidently's; serve it sandboxed all the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page, because = folder / _PAGE, None
    try:
        drawn = _draw(project, judged.verdict, reference, current)
        _replace(page, sealed(drawn).replace("<body>", f"<body>{_heading(judged, reference, current)}", 1))
    except _UNDRAWABLE as fault:
        because = f"{type(fault).__name__}: {fault}"
        page.unlink(missing_ok=True)
    report = Report(folder / _VERDICT, None if because else page, because)
    _replace(report.verdict, json.dumps(_document(judged, report, len(reference), len(current)), indent=1))
    return report


def _draw(project: Project, verdict: DriftVerdict, reference: "Examples", current: "Examples") -> str:
    """Let Evidently draw the two windows; raises ValueError where there is nothing to draw."""
    before, after = (_frame(project, _sample(window, project.seed)) for window in (reference, current))
    # Evidently raises on a column without a value, and finds drift in a single row.
    held = [c for c in before.columns if before[c].notna().sum() > 1 and after[c].notna().sum() > 1]
    if not held:
        msg = "no column has two values in both windows"
        raise ValueError(msg)
    places = {finding.column: place for place, finding in reversed([*enumerate(verdict.findings)])}
    held = sorted(held, key=lambda name: places.get(name, len(places)))[:COLUMNS]
    before, after = before[held], after[held]
    numbers = {c for c in held if before[c].dtype == np.float64}
    for name in held:
        if name not in numbers:
            before[name], after[name] = _plain_categories(before[name], after[name])
    before.columns = after.columns = pd.Index(neutral(held))
    return _evidently(
        before, after, [c for c, name in zip(before.columns, held, strict=True) if name in numbers]
    )


def _evidently(before: pd.DataFrame, after: pd.DataFrame, numbers: list[str]) -> str:
    with warnings.catch_warnings():
        # Evidently 0.7 warns about its own use of numpy, pandas and litestar, and divides by empty bins.
        for category in (DeprecationWarning, FutureWarning, RuntimeWarning):
            warnings.simplefilter("ignore", category)
        from evidently import DataDefinition, Dataset
        from evidently import Report as Page
        from evidently.metrics import ValueDrift

        texts = [name for name in before.columns if name not in numbers]
        definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
        after_set, before_set = (
            Dataset.from_pandas(frame, data_definition=definition) for frame in (after, before)
        )
        # Each with its method named, so that small windows are measured like large ones instead of tested.
        # Not the preset: it draws every column twice, and says "drift" of the whole by a rule of its own.
        drawn = [
            ValueDrift(column=c, method="wasserstein" if c in numbers else "jensenshannon", threshold=0.1)
            for c in before.columns
        ]
        return Page(drawn).run(after_set, before_set).get_html_str(as_iframe=False)


def _sample(examples: "Examples", seed: int) -> "Examples":
    if len(examples) <= ROWS:
        return examples
    mask = np.zeros(len(examples), dtype=bool)
    mask[np.random.default_rng(seed).choice(len(examples), ROWS, replace=False)] = True
    return examples.where(mask)


def _names(project: Project) -> list[str]:
    return [*project.features, *answer_names(project), label_name(project)]


def _frame(project: Project, examples: "Examples") -> pd.DataFrame:
    """Lay features, answers and labels side by side: numbers as float64, all else as text or None."""
    columns: list[pd.Series] = []
    for name, column in project.features.items():
        values = examples.features[name]
        if column.kind == "number":
            columns.append(values.astype(np.float64).replace([np.inf, -np.inf], np.nan))
        elif column.kind == "flag":
            columns.append(_text(values.map({0.0: "false", 1.0: "true"})))
        else:
            columns.append(_text(values.where(values != "", None)))
    columns += [pd.Series(output) for output in examples.outputs.T]
    labels = pd.Series(examples.labels)
    columns.append(labels.astype(np.float64) if project.target.kind == "regression" else _text(labels))
    return pd.DataFrame({name: c.to_numpy() for name, c in zip(_names(project), columns, strict=True)})


def _text(values: pd.Series) -> pd.Series:
    """Write what is there as text (a label 1.0 as 1), what is not as None."""
    texts = [None if pd.isna(v) else f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    return pd.Series(texts, dtype=object)


def _plain_categories(before: pd.Series, after: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Keep the most frequent categories of both windows together, under names that are safe to draw."""
    counts = pd.concat([before, after]).value_counts()
    top = [str(category) for category in counts.index[:CATEGORIES]]
    *plain, other = neutral([*top, "all others"])
    known = dict(zip(top, plain, strict=True))

    def rename(values: pd.Series) -> pd.Series:
        return pd.Series([None if v is None else known.get(v, other) for v in values], dtype=object)

    return rename(before), rename(after)


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

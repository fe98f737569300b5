"""Two windows -> DriftVerdict: has the world moved, by how much, and can that be said at all.

Every column has one statistic for its values, one for what is missing and, for categories, one for what
the reference never saw. All are computed from counts per block of rows, for the windows as they are
and for windows of blocks dealt at random; the p-values are adjusted over all statistics at once. Drift
is what is significant *and* moves at least a given share of the rows.

A limit: the test asks whether the current days could as well have been reference days. Weekdays are
alike in both windows when these hold whole weeks, but a season is drift: February differs from January,
each year, and the verdict says so. It also takes one day as independent of the next, so a slow wave that
outlasts the current window (weather, a sale) counts as drift. Whether it harms is `performance`'s question.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from keepfit.spec import Column, Project
from monitoring.columns import WindowValues, answer_names, infer_columns, label_name, read_windows
from monitoring.permutation import (
    Blocking,
    adjusted_p_values,
    assignments,
    block_by_days,
    block_by_rows,
    smallest_p,
)
from monitoring.statistic import Statistic, measure_columns
from monitoring.wording import What, describe_counts, describe_numbers, share

if TYPE_CHECKING:
    from data.examples import Examples

_MATURED = 0.9


@dataclass(frozen=True, slots=True)
class Limits:
    """When a difference is worth a word: its p-value below `p_value` and its effect at least `effect`."""

    p_value: float = 0.01
    effect: float = 0.1
    min_rows: int = 200
    resamples: int = 999
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one column: whether it drifted, and what moved most.

    `effect` is the share of rows that moved, from 0 to 1; `p_value` is adjusted over all columns.
    `drift`, `effect` and `p_value` are None where nothing can be said.
    """

    column: str
    drift: bool | None
    words: str
    what: What | None = None
    effect: float | None = None
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class DriftVerdict:
    """Whether the current window drifted from the reference; `drift` is None for "cannot say".

    `findings` come drifted ones first, then those about which nothing can be said, then by size.
    `p_value` is that of the strangest column, before the margin. `blocks` is what changed places.
    """

    drift: bool | None
    p_value: float | None
    findings: tuple[Finding, ...]
    reasons: tuple[str, ...]
    reference_rows: int
    current_rows: int
    blocks: Literal["days", "rows"] | None = None


def cannot_say(reason: str, reference_rows: int, current_rows: int) -> DriftVerdict:
    """Give the verdict that there is none, because of `reason`."""
    return DriftVerdict(None, None, (), (reason,), reference_rows, current_rows)


def judge(  # noqa: PLR0913 - the one call a person makes from Python, all settings by keyword
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    columns: Mapping[str, Column] | None = None,
    blocks_reference: NDArray[Any] | None = None,
    blocks_current: NDArray[Any] | None = None,
    p_value: float = 0.01,
    effect: float = 0.1,
    min_rows: int = 200,
    resamples: int = 999,
    seed: int = 0,
) -> DriftVerdict:
    """Judge whether `current` drifted from `reference`.

    `columns` are judged (without them: all, by the kinds they hold). `blocks_*` name the block of each
    row, usually its day; they are used when both windows have at least seven, otherwise rows are taken
    as independent and the verdict says so. Frames are not changed. No input raises: what cannot be
    judged makes the verdict "cannot say", unless another column drifted.
    """
    blocks = None
    if blocks_reference is not None and blocks_current is not None:
        blocks = (blocks_reference, blocks_current)
    return _judge((reference, current), columns, blocks, Limits(p_value, effect, min_rows, resamples, seed))


def judge_examples(
    project: Project,
    reference: "Examples",
    current: "Examples",
    scores: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> DriftVerdict:
    """Judge two windows of a project by days, with its limits: features, the champion's answers, labels.

    `scores` are the answers of one model to both windows, [n, outputs]. Without them the stored answers
    are judged where one version gave all of them: answers of two versions differ without any drift.
    Labels are judged where nine tenths of both windows have one: those that arrive first are no fair part.
    """
    columns, left = dict(project.features), []
    frames = (reference.features.copy(deep=False), current.features.copy(deep=False))
    if scores is None and _of_one_version(reference, current):
        scores = (reference.outputs, current.outputs)
    if scores is None:
        left.append("answers were not judged: the windows do not hold those of one model")
    else:
        for i, name in enumerate(answer_names(project)):
            columns[name] = Column.number(optional=True)
            for frame, given in zip(frames, scores, strict=True):
                frame[name] = given[:, i]
    matured = min(examples.labelled.mean() if len(examples) else 0.0 for examples in (reference, current))
    label = label_name(project)
    if matured < _MATURED:
        left.append(f"labels were not judged: a window has them for {share(float(matured))} of its rows only")
    else:
        kinds = {"binary": Column.flag, "multiclass": Column.category, "regression": Column.number}
        columns[label] = kinds[project.target.kind](optional=True)
        for frame, examples in zip(frames, (reference, current), strict=True):
            frame[label] = _labels(project, examples)
    limits = Limits(
        1 / project.windows_per_false_alarm,
        project.drift_effect,
        project.min_rows,
        max(999, 10 * project.windows_per_false_alarm),
        project.seed,
    )
    verdict = _judge(frames, columns, (reference.days(), current.days()), limits, may_lack=frozenset({label}))
    return replace(verdict, reasons=(*verdict.reasons, *left))


def _judge(
    frames: tuple[pd.DataFrame, pd.DataFrame],
    columns: Mapping[str, Column] | None,
    blocks: tuple[NDArray[Any], NDArray[Any]] | None,
    limits: Limits,
    may_lack: frozenset[str] = frozenset(),
) -> DriftVerdict:
    """Judge as `judge` says; of the columns in `may_lack` it is no matter how many values are missing."""
    reference, current = frames
    rows = (len(reference), len(current))
    if refusal := _refusal(rows, limits):
        return cannot_say(refusal, *rows)
    blocking, remarks = _blocking(rows, blocks, limits)
    if smallest_p(blocking, limits.resamples) >= limits.p_value:
        tried = f"{limits.resamples} permutations of {blocking.permuted} blocks"
        return cannot_say(f"cannot say: {tried} give no p-value below {limits.p_value:g}", *rows)
    if columns is None:
        columns, left = infer_columns(reference, current)
        remarks += left
    elif extra := [str(c) for c in {*reference.columns, *current.columns} if c not in columns]:
        remarks.append(f"not judged, as the project does not name them: {', '.join(sorted(extra))}")
    read = {name: read_windows(reference, current, name, column) for name, column in columns.items()}
    refused = {n: why for n, why in read.items() if isinstance(why, str)}
    unread = [Finding(str(n), None, f"cannot say: {n} {why}") for n, why in refused.items()]
    values = {n: v for n, v in read.items() if not isinstance(v, str)}
    dealt = assignments(blocking, limits.resamples, limits.seed)
    statistics = measure_columns(values, columns, blocking.block, dealt, may_lack)
    found = _findings(statistics, values, blocking, limits)
    return _verdict([*found, *unread], remarks, rows, blocking.kind)


def _of_one_version(reference: "Examples", current: "Examples") -> bool:
    versions = pd.concat([reference.facts["version"], current.facts["version"]])
    answered = np.isfinite(reference.outputs).all() and np.isfinite(current.outputs).all()
    return bool(answered) and bool(versions.notna().all()) and versions.nunique() == 1


def _labels(project: Project, examples: "Examples") -> pd.Series:
    if project.target.kind != "multiclass":
        return pd.Series(examples.labels)
    return pd.Series([None if label is None else str(label) for label in examples.labels], dtype=object)


def _refusal(rows: tuple[int, int], limits: Limits) -> str | None:
    for name, count in zip(("reference", "current"), rows, strict=True):
        if count < max(limits.min_rows, 1):
            return f"cannot say: the {name} window has {count} rows, fewer than {max(limits.min_rows, 1)}"
    return None


def _blocking(
    rows: tuple[int, int], days: tuple[NDArray[Any], NDArray[Any]] | None, limits: Limits
) -> tuple[Blocking, list[str]]:
    if days is None:
        return block_by_rows(*rows, limits.seed), []
    by_days = block_by_days(*days)
    if by_days is not None:
        return by_days, []
    counts = " and ".join(str(len(pd.unique(window))) for window in days)
    why = f"rows were taken as independent: windows of {counts} days are too short to compare days"
    return block_by_rows(*rows, limits.seed), [why]


def _findings(
    statistics: list[Statistic], values: Mapping[str, WindowValues], blocking: Blocking, limits: Limits
) -> list[Finding]:
    if not statistics:
        return []
    p_values = adjusted_p_values(np.column_stack([s.values for s in statistics]))
    best: dict[str, tuple[tuple[bool, float, float], Statistic]] = {}
    for statistic, p in zip(statistics, p_values.tolist(), strict=True):
        moved = p < limits.p_value and statistic.effect >= limits.effect
        # Of one column the statistic that moved speaks, then the less likely one, then the larger.
        rank = (not moved, p, -statistic.effect)
        if statistic.column not in best or rank < best[statistic.column][0]:
            best[statistic.column] = (rank, statistic)
    return [
        Finding(str(name), not still, _words(s, values[name], blocking), s.what, s.effect, p)
        for name, ((still, p, _), s) in best.items()
    ]


def _words(statistic: Statistic, windows: WindowValues, blocking: Blocking) -> str:
    name, counted = statistic.column, statistic.profile
    numbers = statistic.what == "values" and counted.kind == "number"
    if numbers and not any(pd.isna(held).all() for held in windows):
        before, after = (held.astype(np.float64, copy=False) for held in windows)
        return describe_numbers(name, before, after)
    return describe_counts(name, statistic.what, counted, blocking.reference_blocks)


def _verdict(
    findings: list[Finding], remarks: list[str], rows: tuple[int, int], kind: Literal["days", "rows"]
) -> DriftVerdict:
    order = {True: 0, None: 1, False: 2}
    ordered = tuple(sorted(findings, key=lambda f: (order[f.drift], -(f.effect or 0.0), f.column)))
    judged = [f.p_value for f in ordered if f.p_value is not None]
    moved = [f.words for f in ordered if f.drift]
    unsaid = [f.words for f in ordered if f.drift is None]
    drift = True if moved else (None if unsaid or not judged else False)
    reasons = [*moved, *unsaid, *remarks]
    if drift is False:
        most = f"{ordered[0].column}, by {share(ordered[0].effect or 0.0)} of its rows"
        reasons.insert(0, f"no column moved both surely and far enough; the farthest is {most}")
    if not findings:
        reasons.insert(0, "cannot say: there is no column to judge")
    return DriftVerdict(drift, min(judged, default=None), ordered, tuple(reasons), *rows, kind)

"""Two windows -> DriftVerdict: has the world moved, by how much, and can that be said at all.

Every column has one statistic for its values, one for what is missing and, for categories, one for what
the reference never saw; a classifier looks at all columns together. All are computed from blocks of rows, for
the windows as they are and for windows of blocks dealt at random; the p-values are adjusted over all
statistics at once. Drift is what is significant *and* moves at least a given share of the rows.

A limit: the test asks whether the current rows could as well have been reference rows. Weekdays change places
with themselves, but a season is drift: February differs from January, each year, and the verdict says so.
Whether it harms is `performance`'s question.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from keepfit.spec import Column, Project
from monitoring.drift.coding import Coded, code
from monitoring.drift.columns import answer_names, infer_columns, label_name, read_windows
from monitoring.drift.dependence import Memory, row_memory
from monitoring.drift.permutation import MIN_DAYS, Blocking, block_by_rows, resolves
from monitoring.drift.profiles import Profile, profile
from monitoring.drift.summed import sum_up
from monitoring.drift.verdicts import Case, DriftVerdict, Finding, Limits, cannot_say, judge_profiles
from monitoring.drift.wording import share

if TYPE_CHECKING:
    from data.examples import Examples
    from data.spans import DayCounts

_MATURED = 0.9
_THREADS = 2


def judge(  # noqa: PLR0913 - the one call a person makes from Python, all settings by keyword
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    columns: Mapping[str, Column] | None = None,
    blocks_reference: NDArray[Any] | None = None,
    blocks_current: NDArray[Any] | None = None,
    p_value: float = 0.01,
    effect: float = 0.1,
    min_rows: int = 30,
    resamples: int = 999,
    seed: int = 0,
) -> DriftVerdict:
    """Judge whether `current` drifted from `reference`.

    Rows are in the order of time. `columns` are judged (without them: all, by the kinds they hold).
    `blocks_*` name the block of each row, usually its day; they are used when both windows have at least
    seven, otherwise neighbours change places together, as many as remember each other. Frames are not
    changed. No input raises: what cannot be judged makes the verdict "cannot say", unless another column
    drifted.
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
    counts: "tuple[DayCounts, DayCounts] | None" = None,
) -> DriftVerdict:
    """Judge two windows of a project by days, with its limits: features, the champion's answers, labels.

    `scores` are the answers of one model to both windows, [n, outputs]. Without them the stored answers
    are judged where one version gave all of them: answers of two versions differ without any drift.
    Labels are judged where nine tenths of both windows have one: those that arrive first are no fair part.
    Where the windows are parts, drawn of more rows, `counts` are those of all rows: features are judged by
    them, and the rest by the parts.
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
    limits = Limits.of(project)
    days = (reference.days(), current.days())
    verdict = _judge(frames, columns, days, limits, frozenset({label}), counts)
    return replace(verdict, reasons=(*verdict.reasons, *left))


def _judge(
    frames: tuple[pd.DataFrame, pd.DataFrame],
    columns: Mapping[str, Column] | None,
    blocks: tuple[NDArray[Any], NDArray[Any]] | None,
    limits: Limits,
    may_lack: frozenset[str] = frozenset(),
    counts: "tuple[DayCounts, DayCounts] | None" = None,
) -> DriftVerdict:
    """Judge as `judge` says; of the columns in `may_lack` it is no matter how many values are missing."""
    reference, current = frames
    rows = (len(reference), len(current))
    if refusal := _refusal(rows, limits):
        return cannot_say(refusal, *rows)
    remarks: list[str] = []
    if columns is None:
        columns, remarks = infer_columns(reference, current)
    elif extra := [str(c) for c in {*reference.columns, *current.columns} if c not in columns]:
        remarks.append(f"not judged, as the project does not name them: {', '.join(sorted(extra))}")
    kinds = dict(columns)

    def read(name: str) -> Coded | str:
        windows = read_windows(reference, current, name, kinds[name])
        return windows if isinstance(windows, str) else code(kinds[name].kind, windows)

    # Most of the work is done by numpy and Arrow, which let another thread work meanwhile.
    with ThreadPoolExecutor(_THREADS) as threads:
        found = dict(zip(kinds, threads.map(read, kinds), strict=True))
        coded = {name: each for name, each in found.items() if isinstance(each, Coded)}
        blocking, memory, why = _blocking(coded, rows, blocks, limits)
        if memory is not None:
            long = _too_long(coded, memory, rows, limits)
            if 0 < len(long) < len(coded):  # a running number, such as a row's: not for all others
                found |= dict.fromkeys(long, "goes on from row to row for longer than these windows can tell")
                coded = {name: each for name, each in coded.items() if name not in long}
                blocking, memory, why = _blocking(coded, rows, blocks, limits)
        counted = threads.map(lambda each: profile(each, blocking), coded.values())
        profiles: dict[str, Profile] = dict(zip(coded, counted, strict=True))
    widening = {} if memory is None else dict(zip(coded, _wider(memory, blocking, rows), strict=True))
    unread = tuple(
        Finding(str(n), None, f"cannot say: {n} {each}") for n, each in found.items() if isinstance(each, str)
    )
    whole = {name: each for name, each in coded.items() if name not in may_lack}
    if counts is not None and _are_of_more_rows(counts, rows, blocking):
        drawn, rows = rows, (int(counts[0].rows.sum()), int(counts[1].rows.sum()))
        profiles |= {n: sum_up(counts[0].columns[n], counts[1].columns[n]) for n in counts[0].columns}
        part = f"{drawn[0]:,} of the {rows[0]:,} reference and {drawn[1]:,} of the {rows[1]:,} current rows"
        why.append(f"answers, labels and what columns do together are those of {part}, drawn by their ids")
    told = (*remarks, *why)
    return judge_profiles(Case(profiles, blocking, rows, whole, widening, unread, told, may_lack), limits)


def _are_of_more_rows(
    counts: "tuple[DayCounts, DayCounts]", rows: tuple[int, int], blocking: Blocking
) -> bool:
    """Say whether counts are of the same days as the rows, and of rows that were not drawn."""
    known = np.concatenate([each.days for each in counts])
    same_days = blocking.days is not None and np.array_equal(blocking.days, known)
    return same_days and rows != tuple(int(each.rows.sum()) for each in counts)


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
    coded: Mapping[str, Coded],
    rows: tuple[int, int],
    days: tuple[NDArray[Any], NDArray[Any]] | None,
    limits: Limits,
) -> tuple[Blocking, Memory | None, list[str]]:
    """Choose blocks: days where there are enough of them, otherwise rows, by how long they remember."""
    why: list[str] = []
    if days is not None:
        by_days = block_by_days(*days)
        if by_days is not None:
            return by_days, None, why
        counts = " and ".join(str(len(pd.unique(window))) for window in days)
        why.append(f"rows were compared, and not days: windows of {counts} days are too short for that")
    memory = row_memory(list(coded.values()), rows[0], limits.seed)
    return block_by_rows(*rows, memory, limits.p_value), memory, why


def block_by_days(reference: NDArray[Any], current: NDArray[Any]) -> Blocking | None:
    """Make a block of each day of each window; None where a window has too few days.

    A day in both windows is a block in each. Days that are whole numbers change places with the same
    weekday only, so that a window of ten days is not told from the others by its two Mondays.
    """
    code_r, days_r = pd.factorize(reference, sort=True)
    code_c, days_c = pd.factorize(current, sort=True)
    if len(days_r) < MIN_DAYS or len(days_c) < MIN_DAYS or (code_r < 0).any() or (code_c < 0).any():
        return None
    block = np.concatenate([code_r, code_c + len(days_r)])
    days = [np.asarray(days) for days in (days_r, days_c)]
    known = np.concatenate(days).astype(np.int64) if all(d.dtype.kind in "iu" for d in days) else None
    return Blocking(block, len(days_r), len(days_c), "days", days=known)


def _too_long(coded: Mapping[str, Coded], memory: Memory, rows: tuple[int, int], limits: Limits) -> list[str]:
    """Name the columns that remember for too long to be judged, where the windows cannot be for them."""
    if resolves(*rows, memory, limits.p_value):
        return []
    alone = [Memory(each[None]) for each in memory.correlation]
    return [n for n, m in zip(coded, alone, strict=True) if not resolves(*rows, m, limits.p_value)]


def _wider(memory: Memory, blocking: Blocking, rows: tuple[int, int]) -> list[float]:
    """Tell of each column how much wider chance is than the blocks show, which remember less."""
    return np.sqrt((memory.phi(min(rows)) / memory.phi(blocking.rows)).clip(1)).tolist()

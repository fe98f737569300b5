"""Counts per block of two windows -> DriftVerdict: what is significant, large enough, or cannot be said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

import numpy as np

from keepfit.spec import Project
from monitoring.drift.coding import Coded
from monitoring.drift.dependence import day_widening
from monitoring.drift.permutation import Blocking, adjusted_p_values, assignments, smallest_p
from monitoring.drift.profiles import Profile, distance_counts
from monitoring.drift.statistic import Statistic, measure_profiles
from monitoring.drift.together import Together, judge_together
from monitoring.drift.wording import What, describe_counts, describe_together, share

TOGETHER = "all columns together"
_OF_COLUMNS, _OF_TOGETHER = 0.8, 0.2
"""How the level is shared, so that single columns keep their power: weighted Bonferroni, as in Genovese,
Roeder and Wasserman, Biometrika 93 (2006)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a difference is worth a word: its p-value below `p_value` and its effect at least `effect`."""

    p_value: float = 0.01
    effect: float = 0.1
    min_rows: int = 30
    resamples: int = 999
    seed: int = 0

    @classmethod
    def of(cls, project: Project) -> Self:
        """Take a project's: its level is such that one false alarm in so many windows is kept to."""
        many = project.windows_per_false_alarm
        return cls(1 / many, project.drift_effect, project.min_rows, max(999, 10 * many), project.seed)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one column: whether it drifted, and what moved most.

    `effect` is the share of rows that moved, from 0 to 1; `p_value` is adjusted over all columns.
    `drift`, `effect` and `p_value` are None where nothing can be said. What no single column shows is a
    finding of its own, whose `what` is "together".
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


@dataclass(frozen=True)
class Case:
    """What there is to judge.

    `profiles` are of the blocks of `blocking`; `rows` are those of the two windows. `coded` are rows, for
    what columns do together: without them single columns are judged only. `widening` says for a column by
    how much chance is wider than the blocks show. `unread` is why columns could not be read; of those in
    `may_lack` it is no matter how many values are missing.
    """

    profiles: Mapping[str, Profile]
    blocking: Blocking
    rows: tuple[int, int]
    coded: Mapping[str, Coded] = field(default_factory=dict)
    widening: Mapping[str, float] = field(default_factory=dict)
    unread: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()
    may_lack: frozenset[str] = frozenset()


def cannot_say(reason: str, reference_rows: int, current_rows: int) -> DriftVerdict:
    """Give the verdict that there is none, because of `reason`."""
    return DriftVerdict(None, None, (), (reason,), reference_rows, current_rows)


def judge_profiles(case: Case, limits: Limits) -> DriftVerdict:
    """Judge profiles that were made before, by rows or by days."""
    if not case.profiles:
        return _verdict((), case, None)
    together, part = None, 1.0
    widening = case.widening or _of_days(case.profiles, case.blocking)
    if len(case.coded) > 1:
        level, widest = _OF_TOGETHER * limits.p_value, max(widening.values(), default=1.0)
        together = judge_together(case.coded, case.blocking, level, limits.seed, widest)
    if isinstance(together, Together):
        part = _OF_COLUMNS
    dealt = assignments(case.blocking, limits.resamples, limits.seed)
    statistics = measure_profiles(case.profiles, dealt, widening, case.may_lack)
    smallest = smallest_p(case.blocking, limits.resamples) / part
    found = _findings(statistics, case.blocking, limits, part)
    if isinstance(together, Together):
        p = min(1.0, together.p_value / _OF_TOGETHER)
        moved = p < limits.p_value and together.effect >= limits.effect
        words = describe_together(together.by, together.auc, told_apart=p < limits.p_value)
        found.append(Finding(_beside(case.profiles), moved, words, "together", together.effect, p))
    return _verdict(found, case, _unresolved(case, smallest, limits))


def _of_days(profiles: Mapping[str, Profile], blocking: Blocking) -> dict[str, float]:
    """Tell how much wider chance is where days are blocks, and one says something of the next."""
    if blocking.days is None:
        return {}
    first = blocking.reference_blocks >= blocking.current_blocks
    blocks = slice(None, blocking.reference_blocks) if first else slice(blocking.reference_blocks, None)
    shares: dict[str, np.ndarray] = {}
    for name, counted in profiles.items():
        counts = np.column_stack([distance_counts(counted), counted.missing])[blocks]
        of_day = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        shares[name] = of_day.cumsum(axis=1) if counted.kind == "number" else of_day
    return day_widening(
        shares, blocking.days[blocks], min(blocking.reference_blocks, blocking.current_blocks)
    )


def _unresolved(case: Case, smallest: float, limits: Limits) -> str | None:
    """Say why no p-value could be below the level, where that is so."""
    if smallest < limits.p_value:
        return None
    blocking = case.blocking
    if blocking.arrangements() > limits.resamples:
        tried = f"{limits.resamples} permutations of {blocking.permuted} blocks"
        return f"cannot say: {tried} give no p-value below {limits.p_value:g}"
    times = case.rows[0] / max(case.rows[1], 1)
    needed = int(np.ceil(case.rows[1] / limits.p_value))
    return (
        f"cannot say: rows depend on those before them, and the reference is only {times:.1f} times the "
        f"current window: a p-value below {limits.p_value:g} needs a longer current window, or {needed:,} "
        "reference rows"
    )


def _beside(profiles: Mapping[str, Profile]) -> str:
    name = TOGETHER
    while name in profiles:
        name += "*"
    return name


def _findings(
    statistics: Sequence[Statistic], blocking: Blocking, limits: Limits, part: float
) -> list[Finding]:
    p_values = adjusted_p_values(np.column_stack([s.values for s in statistics])) / part
    best: dict[str, tuple[tuple[bool, float, float], Statistic]] = {}
    for statistic, p in zip(statistics, p_values.clip(max=1).tolist(), strict=True):
        moved = p < limits.p_value and statistic.effect >= limits.effect
        # Of one column the statistic that moved speaks, then the less likely one, then the larger.
        rank = (not moved, p, -statistic.effect)
        if statistic.column not in best or rank < best[statistic.column][0]:
            best[statistic.column] = (rank, statistic)
    return [
        Finding(
            str(name),
            not still,
            describe_counts(str(name), s.what, s.profile, blocking.reference_blocks),
            s.what,
            s.effect,
            p,
        )
        for name, ((still, p, _), s) in best.items()
    ]


def _verdict(found: Sequence[Finding], case: Case, unresolved: str | None) -> DriftVerdict:
    order = {True: 0, None: 1, False: 2}
    # What a classifier sees is told last of what drifted: single columns are the plainer words.
    ordered = tuple(
        sorted(
            (*found, *case.unread),
            key=lambda f: (order[f.drift], f.what == "together", -(f.effect or 0.0), f.column),
        )
    )
    judged = [f.p_value for f in ordered if f.p_value is not None]
    moved = [f.words for f in ordered if f.drift]
    unsaid = [f.words for f in ordered if f.drift is None] + ([unresolved] if unresolved else [])
    drift = True if moved else (None if unsaid or not judged else False)
    reasons = [*moved, *unsaid, *case.remarks]
    if drift is False:
        farthest = next(f for f in ordered if f.drift is False)
        most = f"{farthest.column}, by {share(farthest.effect or 0.0)} of its rows"
        reasons.insert(0, f"no column moved both surely and far enough; the farthest is {most}")
    if not ordered:
        reasons.insert(0, "cannot say: there is no column to judge")
    p_value = min(judged, default=None)
    return DriftVerdict(drift, p_value, ordered, tuple(reasons), *case.rows, case.blocking.kind)

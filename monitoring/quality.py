"""Is what comes in as sound as before: do labels match, are they in time, is no more set aside than usual.

Each day of the current window counts as one observation, and so does each of the window before: days are
compared by their ranks (Mann and Whitney, Annals of Mathematical Statistics 18, 1947), so one bad day is no
alarm, and neither is a change that is smaller than a margin. All comparisons together give a false alarm in
one of `windows_per_false_alarm` windows at most. A source that is silent is judged by its own past gaps.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import pandas as pd
from scipy.stats import mannwhitneyu

from data.health import Health, Intake
from data.matching import LabelCounts
from keepfit.spec import Project
from monitoring.drift.wording import share

LEAST_OF_A_DAY = 10
"""A day with fewer labels, or fewer rows, says nothing about a share of them."""
LEAST_GAPS = 10
"""A source that was heard of less often has no habit that it could break."""
TIMES_ITS_PAST = 2.0
"""The newest of n gaps is the longest by chance once in n; twice as long as all before it hardly ever is."""
MARGINS: Mapping[str, float] = {"matched": 0.05, "doubled": 0.05, "contradicting": 0.01, "quarantined": 0.01}
"""Smaller changes of a share are not worth a word: rows are rarely so few that one in a hundred matters."""
LATER = 1.25
"""A median delay that grew less is not worth a word."""

What = Literal["matched", "delay", "doubled", "contradicting", "quarantined", "schema", "silent"]


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """One thing about what comes in; shares are from 0 to 1, delays and silences in seconds.

    `alarm` is None where nothing can be said. `before` is the same of the window before; NaN of nothing.
    """

    what: What
    words: str
    alarm: bool | None
    now: float = math.nan
    before: float = math.nan


@dataclass(frozen=True, slots=True)
class Quality:
    """What is known of what comes in: alarms first, then what cannot be said."""

    findings: tuple[QualityFinding, ...]

    @property
    def alarms(self) -> tuple[QualityFinding, ...]:
        """Give what somebody should look at."""
        return tuple(finding for finding in self.findings if finding.alarm)


def judge_quality(
    project: Project,
    before: Health,
    now: Health,
    heard: Mapping[str, Sequence[int]],
    frames: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> Quality:
    """Judge what came in `now` beside what came `before`, windows of the same length, one after the other.

    `heard` are the hours since 1970 in which each source was heard of, ascending, those of its past and of
    `now`. `frames` are the features before and now. Nothing at all is no alarm but "cannot say".
    """
    labels = (list(before.labels.values()), list(now.labels.values()))
    intake = (_received(before), _received(now))
    level = 1 / (project.windows_per_false_alarm * 5)
    found = [
        _share_of_labels("matched", "labels that found their prediction", labels, level),
        _share_of_labels("doubled", "labels that say again what was said", labels, level),
        _share_of_labels("contradicting", "labels that contradict an earlier one", labels, level),
        _delay(labels, level),
        _quarantined(intake, level),
        *_schema(project, intake, frames),
        *_silent(heard, now.until.timestamp() / 3600),
    ]
    order = {True: 0, None: 1, False: 2}
    return Quality(tuple(sorted(found, key=lambda finding: order[finding.alarm])))


_Labels = tuple[list[LabelCounts], list[LabelCounts]]


@dataclass(frozen=True)
class _Received:
    """All that came in on a day, and what of it was set aside."""

    received: int
    reasons: Mapping[str, int]


_Days = tuple[list[_Received], list[_Received]]


def _share_of_labels(
    what: Literal["matched", "doubled", "contradicting"], words: str, labels: _Labels, level: float
) -> QualityFinding:
    def of(counts: LabelCounts) -> int:
        return {
            "matched": counts.matched,
            "doubled": counts.doubled,
            "contradicting": counts.contradicting,
        }[what]

    sizes = tuple([(of(day), day.labels) for day in window] for window in labels)
    return _compared(what, words, (sizes[0], sizes[1]), level)


def _compared(
    what: What, words: str, days: tuple[list[tuple[int, int]], list[tuple[int, int]]], level: float
) -> QualityFinding:
    """Compare a share; days are (part, all) of each. Only what is matched should not fall."""
    shares = [_ratio(sum(p for p, _ in window), sum(n for _, n in window)) for window in days]
    each = [[p / n for p, n in window if n >= LEAST_OF_A_DAY] for window in days]
    said = f"{words}: {_said(shares[1])}, before {_said(shares[0])}"
    sign = -1 if what == "matched" else 1
    moved = _shifted([[sign * value for value in window] for window in each], level)
    if isinstance(moved, str):
        return QualityFinding(
            what, f"{said}; cannot say whether it changed: {moved}", None, shares[1], shares[0]
        )
    alarm = moved and sign * (shares[1] - shares[0]) >= MARGINS[what]
    return QualityFinding(what, said, alarm, shares[1], shares[0])


def _delay(labels: _Labels, level: float) -> QualityFinding:
    medians = [
        [
            day.delay_median_s
            for day in window
            if day.delay_median_s is not None and day.matched >= LEAST_OF_A_DAY
        ]
        for window in labels
    ]
    last = [
        [day.delay_95_s for day in window if day.delay_95_s is not None and day.matched >= LEAST_OF_A_DAY]
        for window in labels
    ]
    before, now = (_middle(window) for window in medians)
    slowest = [f" (95 % within {_span(_middle(window))})" if window else "" for window in last]
    said = f"labels come after {_span(now)}{slowest[1]}, before after {_span(before)}{slowest[0]}"
    moved = _shifted(medians, level)
    if isinstance(moved, str):
        return QualityFinding("delay", f"{said}; cannot say whether it changed: {moved}", None, now, before)
    return QualityFinding("delay", said, moved and now >= LATER * max(before, 60.0), now, before)


def _quarantined(days: _Days, level: float) -> QualityFinding:
    sizes = tuple([(sum(day.reasons.values()), day.received) for day in window] for window in days)
    found = _compared("quarantined", "rows and labels set aside", (sizes[0], sizes[1]), level)
    reasons = _reasons(days[1]).most_common(3)
    if not reasons:
        return found
    told = ", ".join(f"{reason} ({count:,})" for reason, count in reasons)
    return QualityFinding(found.what, f"{found.words}; most: {told}", found.alarm, found.now, found.before)


_COMPLAINT = re.compile(r"(?P<column>.*?): expected (?P<rest>.*)", re.DOTALL)


def _schema(
    project: Project, days: _Days, frames: tuple[pd.DataFrame, pd.DataFrame] | None
) -> list[QualityFinding]:
    """Columns that vanished, or came as something else."""
    found: list[QualityFinding] = []
    for name, gone in _missing(project, frames).items():
        words = f"{name} is missing in every row; before in {share(gone)} of them"
        found.append(QualityFinding("schema", words, alarm=True, now=1.0, before=gone))
    old, new = (_reasons(window) for window in days)
    sizes = [sum(day.received for day in window) for window in days]
    for reason, count in new.most_common():
        told = _COMPLAINT.match(reason)
        now, before = _ratio(count, sizes[1]), _ratio(old[reason], sizes[0])
        if told is None or told["column"] not in project.features or now < MARGINS["quarantined"]:
            continue
        if math.isnan(before):
            said = f"{reason}, in {share(now)} of what came in; nothing came before"
            found.append(QualityFinding("schema", said, None, now, before))
        elif now > 10 * before:  # new, or nearly so
            said = f"{reason}, in {share(now)} of what came in and {share(before)} before"
            found.append(QualityFinding("schema", said, alarm=True, now=now, before=before))
    return found


def _missing(project: Project, frames: tuple[pd.DataFrame, pd.DataFrame] | None) -> dict[str, float]:
    """Tell of each column that no row has now how much of it was missing before."""
    if frames is None or not all(len(frame) for frame in frames):
        return {}
    lost: dict[str, float] = {}
    for name in project.features:
        gone = [
            float((frame[name].isna() | (frame[name] == "")).mean()) if name in frame else 1.0
            for frame in frames
        ]
        if gone[1] == 1 and gone[0] < 1:
            lost[name] = gone[0]
    return lost


def _silent(heard: Mapping[str, Sequence[int]], now: float) -> list[QualityFinding]:
    found: list[QualityFinding] = []
    for source, hours in heard.items():
        gaps = [after - before for before, after in pairwise(hours)]
        if len(gaps) < LEAST_GAPS:
            continue
        silence, longest = now - hours[-1] - 1, max(gaps)
        words = (
            f"{source}: nothing came for {_span(silence * 3600)}, before never for {_span(longest * 3600)}"
        )
        alarm = silence > TIMES_ITS_PAST * longest
        if alarm:
            found.append(QualityFinding("silent", words, alarm, silence * 3600, longest * 3600))
    return found


def _shifted(days: Sequence[Sequence[float]], level: float) -> bool | str:
    """Say whether the second days lie higher than the first, or why that cannot be said."""
    before, now = days
    if 1 / math.comb(len(before) + len(now), len(now)) > level:
        return f"there are {len(before)} days before and {len(now)} now with enough of them"
    if len({*before, *now}) == 1:
        return False
    return bool(mannwhitneyu(now, before, alternative="greater").pvalue <= level)


def _received(health: Health) -> list[_Received]:
    days = sorted(health.labels.keys() | health.intake.keys())
    return [
        _Received(
            health.intake.get(day, Intake()).predictions
            + sum(health.intake.get(day, Intake()).quarantined.values())
            + health.labels.get(day, LabelCounts()).labels,
            health.intake.get(day, Intake()).quarantined,
        )
        for day in days
    ]


def _reasons(days: list[_Received]) -> Counter[str]:
    return sum((Counter(day.reasons) for day in days), Counter[str]())


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2] if values else math.nan


def _said(part: float) -> str:
    return "none came" if math.isnan(part) else share(part)


def _span(seconds: float) -> str:
    if math.isnan(seconds):
        return "nobody knows how long"
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"

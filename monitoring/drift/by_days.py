"""Two spans of days, as they were counted when they came in -> DriftVerdict: no row, and no project, is read.

Where both spans have a whole week and no day in common, days change places as in `two_windows`. Otherwise
it is said how far each column is apart, and that nobody can say how surely.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from monitoring.drift.permutation import MIN_DAYS, Blocking
from monitoring.drift.profiles import Profile, distance, distance_counts
from monitoring.drift.summed import sum_up
from monitoring.drift.verdicts import Case, DriftVerdict, Finding, Limits, cannot_say, judge_profiles
from monitoring.drift.wording import What, describe_counts

if TYPE_CHECKING:
    from data.spans import DayCounts

_NOBODY = np.empty(0, np.intp)


def judge_days(reference: "DayCounts", current: "DayCounts", limits: Limits) -> DriftVerdict:
    """Judge the columns that both spans have; without enough days each finding has its effect alone."""
    rows = (int(reference.rows.sum()), int(current.rows.sum()))
    if not min(rows):
        empty = " and the ".join(name for name, n in zip(("first", "second"), rows, strict=True) if not n)
        return cannot_say(f"cannot say: no row is kept of the {empty} span", *rows)
    profiles = {
        name: sum_up(counted, current.columns[name])
        for name, counted in reference.columns.items()
        if name in current.columns
    }
    if why := _no_chance(reference, current, rows, limits):
        return _far(profiles, len(reference.days), rows, why)
    days = np.concatenate([reference.days, current.days])
    blocking = Blocking(_NOBODY, len(reference.days), len(current.days), "days", days=days)
    return judge_profiles(Case(profiles, blocking, rows), limits)


def _no_chance(
    reference: "DayCounts", current: "DayCounts", rows: tuple[int, int], limits: Limits
) -> str | None:
    """Say why days cannot change places, where they cannot."""
    if min(rows) < limits.min_rows:
        return f"cannot say: of one span there are {min(rows)} rows, fewer than {limits.min_rows}"
    shared = len(np.intersect1d(reference.days, current.days))
    if shared:
        both = "1 day is" if shared == 1 else f"{shared} days are"
        return f"cannot say how surely: {both} in both spans"
    fewest = min(len(reference.days), len(current.days))
    if fewest < MIN_DAYS:
        have = "1 day" if fewest == 1 else f"{fewest} days"
        return f"cannot say how surely: a span has rows of {have}, and chance is told from {MIN_DAYS} on"
    return None


def _far(profiles: Mapping[str, Profile], first: int, rows: tuple[int, int], why: str) -> DriftVerdict:
    """Tell how far columns are apart, and nothing of chance."""
    found: list[Finding] = []
    for name, counted in profiles.items():
        counts, lost = distance_counts(counted), counted.missing
        before, after = counts[:first].sum(axis=0), counts[first:].sum(axis=0)
        apart = float(distance(counted, before, after))
        gone = [
            float(missing.sum() / max(missing.sum() + held.sum(), 1))
            for missing, held in ((lost[:first], before), (lost[first:], after))
        ]
        what: What = "missing" if abs(gone[1] - gone[0]) > apart else "values"
        words = describe_counts(name, what, counted, first)
        found.append(Finding(name, None, words, what, max(apart, abs(gone[1] - gone[0]))))
    found.sort(key=lambda finding: (-(finding.effect or 0.0), finding.column))
    return DriftVerdict(None, None, tuple(found), (why,), *rows)

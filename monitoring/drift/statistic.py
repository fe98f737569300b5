"""How far two windows are apart in each column: for the windows as they are, and for blocks dealt anew."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.drift.profiles import Counts, Profile, distance, distance_counts, unseen_share
from monitoring.drift.wording import What


@dataclass(frozen=True)
class Statistic:
    """One number about one column: as it is, and for every assignment of blocks, the observed first."""

    column: str
    what: What
    profile: Profile
    effect: float
    values: NDArray[np.float64]


def measure_profiles(
    profiles: Mapping[str, Profile], dealt: Counts, widening: Mapping[str, float], may_lack: frozenset[str]
) -> list[Statistic]:
    """Compute every statistic of every column; of those in `may_lack` none of what is missing.

    `dealt` [k, blocks] is 1 where a block is current, as observed first. The data are counted once: an
    assignment costs a product of matrices. What chance would do is multiplied by the column's `widening`,
    where blocks that change places remember less of each other than those of a window.
    """
    found: list[Statistic] = []
    for name, counted in profiles.items():
        for statistic in _statistics(name, counted, dealt):
            if statistic.what != "missing" or name not in may_lack:
                statistic.values[1:] *= widening.get(name, 1.0)
                found.append(statistic)
    return found


def _statistics(name: str, counted: Profile, dealt: Counts) -> list[Statistic]:
    counts = distance_counts(counted)
    lost, rows = counted.missing, counted.missing + counted.counts.sum(axis=1)
    # Counts below 2^24 are exact as float32, and multiplied in half the time.
    small = np.float32 if rows.sum() < 1 << 24 else np.float64
    part = dealt.astype(small)
    current = (part @ counts.astype(small)).astype(np.float64)
    apart = distance(counted, counts.sum(axis=0) - current, current)
    lost_now, rows_now = (dealt @ np.column_stack([lost, rows])).T
    missing = np.abs(lost_now / rows_now - (lost.sum() - lost_now) / (rows.sum() - rows_now))
    found = [
        Statistic(name, "values", counted, float(apart[0]), apart),
        Statistic(name, "missing", counted, float(missing[0]), missing),
    ]
    if counted.kind == "category":
        unseen = unseen_share(counted, dealt)
        # Small windows always hold some category that the other lacks: only the excess is an effect.
        excess = max(0.0, float(unseen[0] - unseen[1:].mean()))
        found.append(Statistic(name, "unseen", counted, excess, unseen))
    return found

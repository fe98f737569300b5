"""How far two windows are apart in each column: for the windows as they are, and for blocks dealt anew."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keepfit.spec import Column
from monitoring.columns import WindowValues
from monitoring.profiles import Blocks, Counts, Profile, distance, distance_counts, profile, unseen_share
from monitoring.wording import What


@dataclass(frozen=True)
class Statistic:
    """One number about one column: as it is, and for every assignment of blocks, the observed first."""

    column: str
    what: What
    profile: Profile
    effect: float
    values: NDArray[np.float64]


def measure_columns(
    values: Mapping[str, WindowValues],
    columns: Mapping[str, Column],
    block: Blocks,
    dealt: Counts,
    may_lack: frozenset[str],
) -> list[Statistic]:
    """Compute every statistic of every column; of those in `may_lack` none of what is missing.

    `block` is of the rows of both windows, the reference's first; `dealt` [k, blocks] is 1 where a block
    is current. The data are read once: an assignment costs a product of matrices.
    """
    found: list[Statistic] = []
    for name, windows in values.items():
        of_column = _statistics(name, profile(columns[name].kind, np.concatenate(windows), block), dealt)
        found += [s for s in of_column if s.what != "missing" or name not in may_lack]
    return found


def _statistics(name: str, counted: Profile, dealt: NDArray[np.float64]) -> list[Statistic]:
    counts = distance_counts(counted)
    current = dealt @ counts
    apart = distance(counted, counts.sum(axis=0) - current, current)
    lost, rows = counted.missing, counted.missing + counted.counts.sum(axis=1)
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

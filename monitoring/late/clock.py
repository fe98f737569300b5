"""A sum of features that says when a label is due: a booking's nights before arrival and in the hotel.

Ages are then told in shares of that time (accelerated failure time: Wei, Statistics in Medicine 11, 1992).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Codes = NDArray[np.intp]

_SHORTEST = 60.0 / 86_400.0  # a clock that says "due at once" still takes a minute


@dataclass(frozen=True)
class Clock:
    """When a label is due, in days after its prediction: a sum of number features, by least squares."""

    names: tuple[str, ...]
    weights: Numbers
    constant: float

    def due(self, features: pd.DataFrame) -> Numbers:
        """Say when the label of each row is due [n]; a missing value counts as nothing."""
        given = _numbers(features, self.names)
        return np.maximum(given @ self.weights + self.constant, _SHORTEST)


def find_clock(features: pd.DataFrame, waited: Numbers, kind: Codes) -> Clock | None:
    """Look for a sum of number features that says when labels of some kind are due.

    Kept where, on the newer half of that kind's labels, it misses by a tenth at most of what the
    median delay misses by. Labels that are still out do not bias a relation as close as that.
    """
    names = tuple(str(n) for n in features.columns if features[n].dtype.kind == "f")
    if not names:
        return None
    given = np.column_stack([_numbers(features, names), np.ones(len(features))])
    best: tuple[float, Numbers] | None = None
    for k in np.unique(kind[kind >= 0]):
        rows = np.flatnonzero(kind == k)
        if len(rows) < _ROWS_FOR_A_CLOCK:
            continue
        older, newer = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        weights = _sparse(given[older], waited[older])
        usual = float(np.median(np.abs(waited[newer] - np.median(waited[older]))))
        if usual <= 0 or not weights[:-1].any():
            continue
        missed = float(np.median(np.abs(waited[newer] - given[newer] @ weights))) / usual
        if missed <= _CLOSE and (best is None or missed < best[0]):
            best = missed, weights
    if best is None:
        return None
    weights = best[1]
    kept = np.flatnonzero(weights[:-1])
    return Clock(tuple(names[i] for i in kept), weights[kept], float(weights[-1]))


_ROWS_FOR_A_CLOCK = 100
_CLOSE = 0.1


def _sparse(given: Numbers, waited: Numbers) -> Numbers:
    """Fit least squares, then once more with the features only that move the due time by a hundredth."""
    weights = np.linalg.lstsq(given, waited, rcond=None)[0]
    keep = np.abs(weights) * given.std(axis=0) >= 0.01 * max(float(waited.std()), 1e-12)
    keep[-1] = True
    found = np.zeros(given.shape[1])
    found[keep] = np.linalg.lstsq(given[:, keep], waited, rcond=None)[0]
    return found


def _numbers(features: pd.DataFrame, names: tuple[str, ...]) -> Numbers:
    given = features[list(names)].to_numpy(dtype=np.float64)
    return np.nan_to_num(given, nan=0.0, posinf=0.0, neginf=0.0)

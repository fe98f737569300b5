"""What counts of alarms allow one to say: an interval of the rate, and which rates are surely too high."""

from collections.abc import Sequence

import numpy as np
from scipy import stats


def interval(hits: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Give the interval of a rate that holds for every rate (Clopper and Pearson, Biometrika, 1934)."""
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, hits, of - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, of - hits)) if hits < of else 1.0
    return low, high


def above(hits: int, of: int, rate: float) -> float:
    """Give the p-value of "the rate is at most `rate`", exactly."""
    return float(stats.binom.sf(hits - 1, of, rate))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values over all of them (Holm, Scandinavian Journal of Statistics, 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)) if len(p) else p
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted.tolist()


def percent(value: float) -> str:
    """Write a rate."""
    return f"{100 * value:.1f} %"


def between(hits: int, of: int) -> str:
    """Write the interval of a rate in percent."""
    low, high = interval(hits, of)
    return f"{100 * low:.1f}-{100 * high:.1f}"

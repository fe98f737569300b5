"""A column of two windows in bins that the reference fills, to weigh its rows by the current shares."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from monitoring.tallies import Codes

OUTSIDE = -1
NUMBER_BINS = 64
LEAST_IN_BIN = 10
"""Categories of fewer reference rows are one bin, unless the current window has far more of them."""
FAR_MORE = 10.0


@dataclass(frozen=True)
class Bins:
    """A column of two windows in bins that the reference fills; OUTSIDE where only the current one has rows.

    `pooled` is the share of the current rows in the bin of all that is rare in the reference.
    """

    count: int
    reference: Codes
    current: Codes
    pooled: float = 0.0


def bins_of(kind: str, reference: np.ndarray, current: np.ndarray) -> Bins:
    """Cut a column into the reference's 64 quantiles or its categories, each with one more for missing.

    Numbers beyond its smallest and largest are outside, as are categories that it has not; and those of
    which it has a few rows only, where the current window has more than ten times their share.
    """
    if kind == "category":
        codes, _ = pd.factorize(np.concatenate([reference, current]).astype(object))
        codes = codes.astype(np.intp) + 1  # 0: missing
        return _together(codes[: len(reference)], codes[len(reference) :])
    before, after = reference.astype(np.float64), current.astype(np.float64)
    known = np.sort(before[~np.isnan(before)])
    if not len(known):
        return _together(np.zeros(len(before), np.intp), np.where(np.isnan(after), 0, 1))
    bins = min(NUMBER_BINS, max(len(known) // (2 * LEAST_IN_BIN), 1))
    ends = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="lower"))
    codes = [
        np.where(np.isnan(each), 0, np.searchsorted(ends, each, side="left") + 1) for each in (before, after)
    ]
    beyond = (after < known[0]) | (after > known[-1])
    found = _together(*codes)
    return replace(found, current=np.where(beyond, OUTSIDE, found.current))


def _together(reference: Codes, current: Codes) -> Bins:
    """Number the bins that the reference fills anew, thin ones together."""
    size = int(max(reference.max(initial=0), current.max(initial=0))) + 1
    before, after = (np.bincount(each, minlength=size) for each in (reference, current))
    thin = before < LEAST_IN_BIN
    much = after * max(len(reference), 1) > FAR_MORE * before * max(len(current), 1)
    number = np.full(size, OUTSIDE, dtype=np.intp)
    number[~thin] = np.arange(int((~thin).sum()))
    pooled = thin & (before > 0) & ~much
    number[pooled] = int((~thin).sum())
    # What the reference has and the current window lacks keeps its bin, of weight 0.
    number[(before > 0) & (number == OUTSIDE)] = int((~thin).sum()) + 1
    outside = np.where(thin & ((before == 0) | much), OUTSIDE, number)
    share = float(after[pooled].sum() / max(len(current), 1))
    return Bins(int(number.max(initial=0)) + 1, number[reference], outside[current], share)

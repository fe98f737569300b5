"""P-values by permuting blocks between two windows, adjusted over all statistics by max-T.

Sources: p = (1 + #{null >= observed}) / (B + 1): Phipson and Smyth, Statistical Applications in Genetics
and Molecular Biology 9 (2010). Single-step max-T: Westfall and Young, Resampling-Based Multiple Testing
(1993). Whole blocks change places because the rows of one day are not independent.
"""

from dataclasses import dataclass
from math import comb
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MIN_DAYS = 7
"""A window of fewer days holds no whole week, and leaves too few ways to permute them."""

ROW_BLOCKS = 600
MIN_ROW_BLOCKS = 10

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Blocking:
    """Which block each row is in: the reference's blocks come first, then the current window's.

    `block` is of the rows of both windows, the reference's first, and -1 for a row that is left out.
    """

    block: NDArray[np.intp]
    reference_blocks: int
    current_blocks: int
    kind: Literal["days", "rows"]

    @property
    def permuted(self) -> int:
        """How many blocks change places."""
        return self.reference_blocks + self.current_blocks


def block_by_days(reference: NDArray[Any], current: NDArray[Any]) -> Blocking | None:
    """Make a block of each day of each window; None where a window has too few days.

    A day in both windows is a block in each.
    """
    code_r, days_r = pd.factorize(reference, sort=True)
    code_c, days_c = pd.factorize(current, sort=True)
    if len(days_r) < MIN_DAYS or len(days_c) < MIN_DAYS or (code_r < 0).any() or (code_c < 0).any():
        return None
    return Blocking(np.concatenate([code_r, code_c + len(days_r)]), len(days_r), len(days_c), "days")


def block_by_rows(reference: int, current: int, seed: int) -> Blocking:
    """Deal the rows of each window at random into blocks of about equal size.

    Permuting random groups of independent rows is as valid as permuting the rows, and costs less. Of a
    window that is a hundred times the other a random part is enough.
    """
    rng = np.random.default_rng(seed)
    smaller = min(reference, current)
    size = max(1.0, min((reference + current) / ROW_BLOCKS, smaller / MIN_ROW_BLOCKS))
    groups_r, groups_c = max(1, round(reference / size)), max(1, round(current / size))
    dealt_r = rng.permutation(reference) * groups_r // reference
    dealt_c = rng.permutation(current) * groups_c // current
    kept_r, kept_c = min(groups_r, 2 * ROW_BLOCKS), min(groups_c, 2 * ROW_BLOCKS)
    block_r = np.where(dealt_r < kept_r, dealt_r, -1)
    block_c = np.where(dealt_c < kept_c, dealt_c + kept_r, -1)
    return Blocking(np.concatenate([block_r, block_c]), kept_r, kept_c, "rows")


def smallest_p(blocking: Blocking, resamples: int) -> float:
    """Tell the smallest p-value that these blocks and so many permutations can give."""
    return max(1 / (resamples + 1), 1 / comb(blocking.permuted, blocking.current_blocks))


def assignments(blocking: Blocking, resamples: int, seed: int) -> Numbers:
    """Assign blocks to the current window, [1 + resamples, permuted]: as observed, then at random."""
    rng = np.random.default_rng(seed)
    observed = np.arange(blocking.permuted) >= blocking.reference_blocks
    shuffled = rng.permuted(np.tile(observed, (resamples, 1)), axis=1)
    return np.vstack([observed, shuffled]).astype(np.float64)


def adjusted_p_values(statistics: Numbers) -> Numbers:
    """Adjust the p-value of each statistic for all of them, by max-T.

    `statistics` is [1 + resamples, statistics], observed first, larger is stranger. Each is brought to
    mean 0 and standard deviation 1 over all assignments, the observed one included: then the observed
    maximum is exchangeable with the others, and the test exact at any number of resamples.
    """
    spread = statistics.std(axis=0)
    varies = spread > 1e-12
    standard = np.where(varies, (statistics - statistics.mean(axis=0)) / np.where(varies, spread, 1), 0)
    largest = standard.max(axis=1)
    # The same assignment drawn again may differ in the last digit, and is a tie.
    reached = largest[1:, None] >= standard[0] - 1e-9
    return (1 + reached.sum(axis=0)) / len(statistics)

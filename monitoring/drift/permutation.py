"""P-values by permuting blocks between two windows, adjusted over all statistics by max-T.

Sources: p = (1 + #{null >= observed}) / (B + 1): Phipson and Smyth, Statistical Applications in Genetics
and Molecular Biology 9 (2010). Single-step max-T: Westfall and Young, Resampling-Based Multiple Testing
(1993). Whole blocks change places because the rows of one day are not independent.
"""

from dataclasses import dataclass
from functools import cached_property
from math import comb, prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitoring.drift.dependence import Memory

MIN_DAYS = 7
"""A window of fewer days holds no whole week, and leaves too few ways to permute them."""

ROW_BLOCKS = 600
MIN_ROW_BLOCKS = 10
"""Blocks of the smaller window, where rows remember little enough to cut it into so many."""

_FADED = 0.93
"""Blocks are long enough when the variance of a block's mean tells so much of that of the window's mean."""
_LEAST = 0.7
"""And too short to tell it at all below so much of it."""
_RESOLVED = 10
"""How many times the permutations should outnumber 1 / level."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Blocking:
    """Which block each row is in: the reference's blocks come first, then the current window's.

    `block` is of the rows of both windows, the reference's first, and -1 for a row that is left out.
    `rows` is how many are in a block, 0 where blocks are of several sizes. `days` [blocks] are the
    calendar's, since 1970, where they are known.
    """

    block: NDArray[np.intp]
    reference_blocks: int
    current_blocks: int
    kind: Literal["days", "rows"]
    rows: int = 0
    days: NDArray[np.int64] | None = None

    @property
    def stratum(self) -> NDArray[np.int64] | None:
        """Which blocks change places with each other: those of one weekday; all where it is None."""
        return None if self.days is None else self.days % MIN_DAYS

    @cached_property
    def runs(self) -> list[tuple[int, int, int]]:
        """Stretches of rows of one block: its number, the first row and the one after the last."""
        begin = np.flatnonzero(self.block[1:] != self.block[:-1]) + 1
        starts = np.concatenate([[0], begin]) if len(self.block) else begin
        ends = np.append(starts[1:], len(self.block))
        kept = self.block[starts] >= 0
        return [*zip(*(each[kept].tolist() for each in (self.block[starts], starts, ends)), strict=True)]

    @property
    def permuted(self) -> int:
        """How many blocks change places."""
        return self.reference_blocks + self.current_blocks

    def arrangements(self) -> int:
        """How many ways there are to change places."""
        if self.stratum is None:
            return comb(self.permuted, self.current_blocks)
        among = np.bincount(self.stratum)
        current = np.bincount(self.stratum[self.reference_blocks :], minlength=len(among))
        return prod(comb(n, k) for n, k in zip(among.tolist(), current.tolist(), strict=True))


def block_by_rows(reference: int, current: int, memory: Memory, level: float) -> Blocking:
    """Cut each window into blocks of neighbours of one size; what is left over is the oldest.

    Blocks are short where rows are independent, and otherwise long enough for the variance of their means
    to tell that of the windows'; as long as the smaller window where it is too short for that, which is
    exact however long rows remember, but gives few p-values.
    """
    smaller = min(reference, current)
    blocks = _smaller_blocks(smaller, reference + current, memory, level)
    size = smaller // blocks
    # Of a window that is a hundred times the other, blocks that are evenly spaced are enough.
    kept = [_spaced(window, size) for window in (reference, current)]
    block = np.full(reference + current, -1, np.intp)
    for starts, before in zip(kept, (0, len(kept[0])), strict=True):
        begin = starts + (reference if before else 0)
        block[(begin[:, None] + np.arange(size)).ravel()] = np.repeat(before + np.arange(len(starts)), size)
    return Blocking(block, len(kept[0]), len(kept[1]), "rows", size)


def resolves(reference: int, current: int, memory: Memory, level: float) -> bool:
    """Say whether windows of so many rows can give a p-value below the level."""
    smaller, rows = min(reference, current), reference + current
    blocks = _smaller_blocks(smaller, rows, memory, level)
    return comb(rows // (smaller // blocks), blocks) * level > 1


def _smaller_blocks(smaller: int, rows: int, memory: Memory, level: float) -> int:
    """Say into how many blocks the smaller window is cut."""
    whole = memory.phi(smaller)

    def told(blocks: int) -> float:
        return float((memory.phi(smaller // blocks) / whole).min(initial=1.0))

    few = max(1.0, min(rows / ROW_BLOCKS, smaller / MIN_ROW_BLOCKS))
    enough = min(smaller, round(smaller / few))
    for blocks in sorted({max(1, round(enough / 1.25**step)) for step in range(40)}, reverse=True):
        if blocks < MIN_ROW_BLOCKS:
            break
        if told(blocks) >= _FADED:
            return blocks
    ratio = rows / smaller
    for blocks in range(1, min(MIN_ROW_BLOCKS, smaller) + 1):
        if blocks > 1 and told(blocks) < _LEAST:
            return blocks - 1
        if comb(int(ratio * blocks), blocks) >= _RESOLVED / level:
            return blocks
    return min(smaller, MIN_ROW_BLOCKS)


def _spaced(window: int, size: int) -> NDArray[np.intp]:
    """Give the first row of each block, from the newest back; of very many, some that are evenly spaced."""
    starts = np.arange(window % size, window - size + 1, size)
    return starts[:: -(-len(starts) // (2 * ROW_BLOCKS))]


def smallest_p(blocking: Blocking, resamples: int) -> float:
    """Tell the smallest p-value that these blocks and so many permutations can give."""
    return max(1 / (resamples + 1), 1 / blocking.arrangements())


def assignments(blocking: Blocking, resamples: int, seed: int) -> Numbers:
    """Assign blocks to the current window, [1 + resamples, permuted]: as observed, then at random."""
    rng = np.random.default_rng(seed)
    observed = (np.arange(blocking.permuted) >= blocking.reference_blocks).astype(np.float64)
    dealt = np.tile(observed, (resamples + 1, 1))
    stratum = np.zeros(blocking.permuted, np.intp) if blocking.stratum is None else blocking.stratum
    for each in np.unique(stratum):
        places = np.flatnonzero(stratum == each)
        dealt[1:, places] = rng.permuted(dealt[1:, places], axis=1)
    return dealt


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

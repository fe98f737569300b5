"""What a column holds as counts per block of rows: they add up, so a window is a sum of blocks."""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.drift.coding import Coded, Kind
from monitoring.drift.permutation import Blocking

Counts = NDArray[np.float64]

TOP_CATEGORIES = 100
REST_BINS = 28
"""Rarer categories share this many bins by a hash of their text."""

_CHUNK = 1_024
_FEW_BLOCKS = 6
_MANY_RUNS = 4_096
"""Stretches of one block that are counted one by one; more are counted row by row."""


@dataclass(frozen=True)
class Profile:
    """The counts of one column.

    `counts` is [blocks, bins] of the rows that hold a value; `missing` [blocks] of those that do not.
    Bins of numbers are in their order. Those of categories are one per category, named by
    `categories`; `coarse` says which of the bins of a distance each belongs to. `hashed` is the number
    of categories where there were too many to count each, otherwise 0. `quantiles` are as of `Coded`.
    """

    kind: Kind
    counts: Counts
    missing: Counts
    categories: tuple[str, ...] = ()
    coarse: NDArray[np.intp] | None = None
    hashed: int = 0
    quantiles: NDArray[np.float64] | None = None


def profile(column: Coded, blocking: Blocking) -> Profile:
    """Count a column per block."""
    blocks, width = blocking.permuted, column.width + 1
    if len(blocking.runs) > _MANY_RUNS:
        kept = blocking.block >= 0
        cells = blocking.block[kept] * width + column.codes[kept]
        counts = np.bincount(cells, minlength=blocks * width).reshape(blocks, width)
    else:
        counts = np.zeros((blocks, width), np.int64)
        for block, start, stop in blocking.runs:
            counts[block] += np.bincount(column.codes[start:stop], minlength=width)
    return profile_of(column, counts[:, :-1].astype(np.float64), counts[:, -1].astype(np.float64))


def profile_of(column: Coded, counts: Counts, missing: Counts) -> Profile:
    """Take counts per block [blocks, bins] that were made elsewhere, as a profile."""
    coarse = _coarse(column.names, counts) if column.kind == "category" else None
    return Profile(column.kind, counts, missing, column.names, coarse, column.hashed, column.quantiles)


def distance(profile: Profile, reference: Counts, current: Counts) -> NDArray[np.float64]:
    """Tell how far the values of two windows are apart, from 0 to 1; 0 where one holds none.

    Counts are [..., bins]. For numbers the Kolmogorov-Smirnov distance on the bins, for the others
    the total variation distance: in both the least share of the rows that must have moved.
    """
    difference = _shares(current) - _shares(reference)
    empty = (reference.sum(axis=-1) == 0) | (current.sum(axis=-1) == 0)
    if profile.kind == "number":
        apart = np.abs(np.cumsum(difference, axis=-1)).max(axis=-1)
    else:
        apart = np.abs(difference).sum(axis=-1) / 2
    return np.where(empty, 0.0, apart)


def distance_counts(profile: Profile) -> Counts:
    """Give the counts [blocks, bins] on which distances are taken."""
    if profile.coarse is None:
        return profile.counts
    summed = np.zeros((len(profile.counts), TOP_CATEGORIES + REST_BINS))
    top = np.flatnonzero(profile.coarse < TOP_CATEGORIES)
    summed[:, profile.coarse[top]] = profile.counts[:, top]
    for rest in range(TOP_CATEGORIES, TOP_CATEGORIES + REST_BINS):
        summed[:, rest] = profile.counts[:, profile.coarse == rest].sum(axis=1)
    return summed


def unseen_share(profile: Profile, assignment: Counts) -> NDArray[np.float64]:
    """Tell the share of the current rows in categories that the reference lacks, for each assignment.

    `assignment` is [k, blocks], 1 where a block is current. Only categories that are in few enough
    blocks to be absent from a reference are looked at.
    """
    held_in = profile.counts > 0
    in_blocks = held_in.sum(axis=0)
    current_blocks = assignment.sum(axis=1).max()
    unseen = np.zeros(len(assignment))
    dealt = assignment.astype(bool).T
    for few in range(1, _FEW_BLOCKS + 1):
        # Of a category in few blocks it is enough to look at these: all of them must be current.
        which = np.flatnonzero(in_blocks == few)
        places = np.nonzero(held_in[:, which].T)[1].reshape(-1, few)
        total = profile.counts[:, which].sum(axis=0)
        for start in range(0, len(which), _CHUNK):
            part = places[start : start + _CHUNK]
            only = dealt[part[:, 0]]
            for other in range(1, few):
                only = only & dealt[part[:, other]]
            unseen += total[start : start + _CHUNK] @ only
    rare = profile.counts[:, (in_blocks > _FEW_BLOCKS) & (in_blocks <= current_blocks)].astype(np.float32)
    for start in range(0, rare.shape[1], _CHUNK):
        part = rare[:, start : start + _CHUNK]
        current = assignment.astype(np.float32) @ part
        unseen += np.where(current == part.sum(axis=0), current, 0).sum(axis=1, dtype=np.float64)
    held = assignment @ profile.counts.sum(axis=1)
    return np.divide(unseen, held, out=np.zeros(len(assignment)), where=held > 0)


def _shares(counts: Counts) -> NDArray[np.float64]:
    total = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)


def _coarse(names: tuple[str, ...], counts: Counts) -> NDArray[np.intp]:
    # By count and then by name: the order of rows must not decide which categories are on top.
    total = counts.sum(axis=0)
    order = sorted(range(len(names)), key=lambda i: (-total[i], names[i]))
    coarse = np.zeros(max(len(names), 1), dtype=np.intp)
    for rank, i in enumerate(order):
        coarse[i] = rank if rank < TOP_CATEGORIES else TOP_CATEGORIES + _hash(names[i], REST_BINS)
    return coarse


def _hash(text: str, bins: int) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) % bins

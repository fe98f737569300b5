"""What a column holds as counts per block of rows: they add up, so a window is a sum of blocks."""

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Counts = NDArray[np.float64]
Blocks = NDArray[np.intp]

NUMBER_BINS = 64
TOP_CATEGORIES = 100
REST_BINS = 28
"""Rarer categories share this many bins by a hash of their text."""
MOST_CATEGORIES = 20_000
"""More than these are counted by the hash of their text alone."""

_CHUNK = 1_024


@dataclass(frozen=True)
class Profile:
    """The counts of one column.

    `counts` is [blocks, bins] of the rows that hold a value; `missing` [blocks] of those that do not.
    Bins of numbers are in their order. Those of categories are one per category, named by
    `categories`; `coarse` says which of the bins of a distance each belongs to. `hashed` is the number
    of categories where there were too many to count each, otherwise 0.
    """

    kind: Literal["number", "category", "flag"]
    counts: Counts
    missing: Counts
    categories: tuple[str, ...] = ()
    coarse: NDArray[np.intp] | None = None
    hashed: int = 0


Values = NDArray[np.float64] | NDArray[np.object_]
"""A column as it is judged: numbers (missing: NaN) or text (missing: None)."""


def profile(
    kind: Literal["number", "category", "flag"], values: NDArray[np.generic], block: Blocks
) -> Profile:
    """Count a column's values, of both windows together, per block; blocks are numbered from 0.

    `values` are numbers (missing: NaN) or text (missing: None), as `read_column` gives them; a row of
    block -1 is left out.

    Bins of numbers end at quantiles of all values together, each distinct value having its own where
    there are few; so they do not depend on which window a row is in, as a permutation test asks.
    """
    if kind == "category":
        codes, names, hashed = _categories(values)
        counts, missing = _tally(codes, max(len(names), 1), block)
        return Profile(kind, counts, missing, names, _coarse(names, counts), hashed)
    numbers = values.astype(np.float64, copy=False)
    edges = np.array([0.0]) if kind == "flag" else _edges(numbers)
    codes = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="left"))
    return Profile(kind, *_tally(codes, len(edges) + 1, block))


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
    np.add.at(summed.T, profile.coarse, profile.counts.T)
    return summed


def unseen_share(profile: Profile, assignment: Counts) -> NDArray[np.float64]:
    """Tell the share of the current rows in categories that the reference lacks, for each assignment.

    `assignment` is [k, blocks], 1 where a block is current. Only categories that are in few enough
    blocks to be absent from a reference are looked at.
    """
    in_blocks = (profile.counts > 0).sum(axis=0)
    current_blocks = assignment.sum(axis=1).max()
    rare = profile.counts[:, (in_blocks > 0) & (in_blocks <= current_blocks)].astype(np.float32)
    unseen = np.zeros(len(assignment))
    for start in range(0, rare.shape[1], _CHUNK):
        part = rare[:, start : start + _CHUNK]
        current = assignment.astype(np.float32) @ part
        unseen += np.where(current == part.sum(axis=0), current, 0).sum(axis=1, dtype=np.float64)
    held = assignment @ profile.counts.sum(axis=1)
    return np.divide(unseen, held, out=np.zeros(len(assignment)), where=held > 0)


def _tally(codes: NDArray[np.intp], width: int, block: Blocks) -> tuple[Counts, Counts]:
    blocks = int(block.max()) + 1
    held, lost = (codes >= 0) & (block >= 0), (codes < 0) & (block >= 0)
    cells = np.bincount(block[held] * width + codes[held], minlength=blocks * width)
    missing = np.bincount(block[lost], minlength=blocks)
    return cells.reshape(blocks, width).astype(np.float64), missing.astype(np.float64)


def _categories(values: NDArray[np.generic]) -> tuple[NDArray[np.intp], tuple[str, ...], int]:
    """Number the categories, -1 where missing, and name them; too many are numbered by their hash."""
    codes, found = pd.factorize(values)
    names = tuple(str(name) for name in found)
    if len(names) <= MOST_CATEGORIES:
        return codes, names, 0
    hashes = np.array([_hash(name, MOST_CATEGORIES) for name in names])
    return np.where(codes < 0, -1, hashes[codes]), tuple(map(str, range(MOST_CATEGORIES))), len(names)


def _shares(counts: Counts) -> NDArray[np.float64]:
    total = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)


def _edges(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the upper ends of all bins but the last."""
    ordered = np.sort(numbers[~np.isnan(numbers)])
    if len(ordered) == 0:
        return np.array([0.0])
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    if len(first) <= NUMBER_BINS:
        return ordered[first][:-1]
    ranks = np.linspace(0, len(ordered) - 1, NUMBER_BINS + 1)[1:-1].astype(np.intp)
    return np.unique(ordered[ranks])


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

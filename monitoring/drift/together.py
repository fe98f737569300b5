"""A classifier two-sample test: whether columns moved together, where none moved by itself.

Sources: Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017; that permuting keeps it
exact: Kim, Ramdas, Singh and Wasserman, Annals of Statistics 49 (2021). The classifier is Fisher's linear
one (Annals of Eugenics 7, 1936) on normal scores and their products in pairs: it sees a changed correlation,
which trees see late, and is fitted without iterating. It learns from every other block and is tried on the
others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitoring.drift.coding import Coded
from monitoring.drift.permutation import Blocking, adjusted_p_values, assignments, smallest_p

Numbers = NDArray[np.float64]

_ROWS = 8_000
"""Rows that are looked at, of each window."""
_LEAST_ROWS = 200
_LEVELS = 4
"""The most frequent categories of a column; the others count as one."""
_TERMS = 100
_MOST_COLUMNS = 400
_RIDGE = 0.1


@dataclass(frozen=True)
class Together:
    """What a classifier found: its AUC, the share of rows that it tells apart, and what it goes by."""

    p_value: float
    auc: float
    effect: float
    by: tuple[str, ...]


@dataclass(frozen=True)
class _Halves:
    """Rows that were looked at: their block, and which half they are in, of which window."""

    block: NDArray[np.intp]
    learnt: NDArray[np.bool_]
    current: NDArray[np.bool_]


def judge_together(
    columns: Mapping[str, Coded], blocking: Blocking, level: float, seed: int, widening: float = 1.0
) -> Together | str:
    """Try to tell the windows apart by all columns; say why not, where there is too little to try it.

    What chance would do is multiplied by `widening`, that of the column whose blocks remember most: the
    classifier may go by any of them.
    """
    if not 2 <= len(columns) <= _MOST_COLUMNS:
        return "there is one column only" if len(columns) < 2 else f"there are more than {_MOST_COLUMNS}"
    place = np.arange(blocking.permuted)
    is_current = place >= blocking.reference_blocks
    tried = np.flatnonzero((place - blocking.reference_blocks * is_current) % 2 == 1)
    now = int(is_current[tried].sum())
    days = None if blocking.days is None else blocking.days[tried]
    half = replace(blocking, reference_blocks=len(tried) - now, current_blocks=now, days=days)
    resamples = int(np.ceil(2 / level))
    rows = _looked_at(blocking)
    if now == 0 or smallest_p(half, resamples) >= level:
        return "there are too few independent stretches of rows"
    block = blocking.block[rows]
    halves = _Halves(block, ~np.isin(block, tried), block >= blocking.reference_blocks)
    counted = [(halves.learnt & halves.current).sum(), (halves.learnt & ~halves.current).sum()]
    if min(counted) < _LEAST_ROWS / 2:
        return f"there are fewer than {_LEAST_ROWS} rows in a window"
    scores, by = _classify(_scored(columns, rows), halves)
    place = np.searchsorted(tried, block[~halves.learnt])
    sums = np.bincount(place, weights=scores, minlength=len(tried))
    count = np.bincount(place, minlength=len(tried))
    dealt = assignments(half, resamples, seed + 1)
    apart = (dealt @ sums) / (dealt @ count) - ((1 - dealt) @ sums) / ((1 - dealt) @ count)
    apart[1:] *= widening
    p_value = float(adjusted_p_values(apart[:, None])[0])
    was_now = halves.current[~halves.learnt]
    # Here: it takes half a second to import, and who judges single columns alone needs none of it.
    from scipy.stats import rankdata

    ranks = rankdata(scores)[was_now]
    pairs = len(ranks) * (len(scores) - len(ranks))
    auc = float((ranks.sum() - len(ranks) * (len(ranks) + 1) / 2) / pairs)
    effect = float((scores[was_now] > 0).mean() - (scores[~was_now] > 0).mean())
    return Together(p_value, auc, max(0.0, effect), by)


def _looked_at(blocking: Blocking) -> NDArray[np.intp]:
    """Choose rows that are evenly spaced in their block, equally many of each block of a window."""
    kept = np.flatnonzero(blocking.block >= 0)
    block = blocking.block[kept]
    if (np.diff(block) < 0).any():
        order = np.argsort(block, kind="stable")
        kept, block = kept[order], block[order]
    begin = np.searchsorted(block, np.arange(blocking.permuted + 1))
    taken: list[NDArray[np.intp]] = []
    for blocks in (range(blocking.reference_blocks), range(blocking.reference_blocks, blocking.permuted)):
        rows = begin[blocks.stop] - begin[blocks.start]
        step = max(1, -(-int(rows) // _ROWS))
        taken += [kept[begin[b] : begin[b + 1] : step] for b in blocks]
    return np.concatenate(taken)


def _scored(columns: Mapping[str, Coded], rows: NDArray[np.intp]) -> tuple[list[str], Numbers]:
    """Give names and values [rows, scores], of mean 0 and spread 1; what is missing is 0."""
    from scipy.special import ndtri  # as in `judge_together`

    names: list[str] = []
    scores: list[Numbers] = []
    for name, column in columns.items():
        codes = column.codes[rows].astype(np.intp)
        counts = np.bincount(codes, minlength=column.width + 1).astype(np.float64)
        counts[-1] = 0
        tables: list[Numbers] = []
        if column.kind == "category":
            tables += [
                np.eye(1, len(counts), int(c))[0] for c in np.argsort(-counts, kind="stable")[:_LEVELS]
            ]
        elif counts.sum() > 0:
            tables.append(ndtri((np.cumsum(counts) - counts / 2).clip(0.5) / (counts.sum() + 1)))
        for table in tables:
            middle = (table * counts).sum() / max(counts.sum(), 1)
            spread = np.sqrt(((table - middle) ** 2 * counts).sum() / max(counts.sum(), 1))
            if spread > 0.05:  # a category of less than a 400th of the rows says little with another
                standard = (table - middle) / spread
                standard[-1] = 0
                names.append(name)
                scores.append(standard[codes])
    return names, np.column_stack(scores) if scores else np.empty((len(rows), 0))


def _classify(scored: tuple[list[str], Numbers], halves: _Halves) -> tuple[Numbers, tuple[str, ...]]:
    """Learn from one half, and score the other: above 0 what looks current."""
    names, scores = scored
    now, before = (scores[halves.learnt & which] for which in (halves.current, ~halves.current))
    changed = now.T @ now / len(now) - before.T @ before / len(before)
    first, second = np.triu_indices(len(names), 1)
    apart = np.array(names)[first] != np.array(names)[second]
    first, second = first[apart], second[apart]
    most = np.argsort(-np.abs(changed[first, second]), kind="stable")[:_TERMS]
    first, second = first[most], second[most]
    alone = np.argsort(-np.abs(now.mean(axis=0) - before.mean(axis=0)), kind="stable")[:_TERMS]

    def terms(values: Numbers) -> Numbers:
        return np.hstack([values[:, alone], values[:, first] * values[:, second]])

    after, earlier = terms(now), terms(before)
    step = after.mean(axis=0) - earlier.mean(axis=0)
    within = (np.cov(after.T) + np.cov(earlier.T)) / 2
    weight = np.linalg.solve(np.atleast_2d(within) + _RIDGE * np.eye(len(step)), step)
    middle = (after.mean(axis=0) + earlier.mean(axis=0)) / 2
    told = [(names[i],) for i in alone] + [(names[i], names[j]) for i, j in zip(first, second, strict=True)]
    by = told[int(np.argmax(np.abs(weight * step)))] if told else ()
    return (terms(scores[~halves.learnt]) - middle) @ weight, by

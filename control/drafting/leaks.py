"""What a column gives away of the target: so much that it can only be known afterwards."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from control.drafting.facts import Cell, Facts

_REMOVED = 0.99
"""The share of the errors that a column must take away by itself, to be held for the outcome."""
_ENOUGH = 50
"""Fewer labelled rows, or errors to take away, give nothing away."""
_DEPTH = 3
_TOLD_APART = 20
"""A value stands for at least so many rows on average: nearly every row with its own tells nothing."""
_EMPTY, _FULL = 0.8, 0.01


def leak(column: Facts, target: Facts, *, of_classes: bool) -> str | None:
    """Say how a column gives the target away, or return None where it does not."""
    labelled = [i for i, label in enumerate(target.values) if label is not None]
    values = [column.values[i] for i in labelled]
    labels = [target.values[i] for i in labelled]
    if len(labelled) < _ENOUGH:
        return None
    told = _classes_told(column, values, labels) if of_classes else _value_told(column, values, labels)
    if told < _REMOVED:
        return _comes_with_the_label(column, target)
    return f"it tells {target.name!r} by itself ({_percent(told)}): seems known only with the outcome"


def _comes_with_the_label(column: Facts, target: Facts) -> str | None:
    """Say that a column is empty where nothing is known of the outcome yet, and only there."""
    pairs = list(zip(column.values, target.values, strict=True))
    waiting = [value is None for value, label in pairs if label is None]
    settled = [value is None for value, label in pairs if label is not None]
    if len(waiting) < _TOLD_APART or len(settled) < _TOLD_APART:
        return None
    if sum(waiting) / len(waiting) < _EMPTY or sum(settled) / len(settled) > _FULL:
        return None
    return f"it is empty where {target.name!r} is, and there only: seems to come with the outcome"


def _classes_told(column: Facts, values: list[Cell], labels: list[Cell]) -> float:
    """Measure the share of the errors of always saying the commonest class that the column takes away."""
    codes = np.asarray(pd.factorize(pd.Series(labels, dtype=object))[0])
    ones = np.eye(int(codes.max()) + 1)[codes]
    errors = len(codes) - ones.sum(axis=0).max()
    if errors < _ENOUGH / 2:
        return 0.0
    if column.kind == "number":
        numbers = np.array([math.nan if v is None else v for v in values], dtype=np.float64)
        there = ~np.isnan(numbers)
        order = np.argsort(numbers[there], kind="stable")
        left = _wrong(ones[~there]) + _split(numbers[there][order], ones[there][order], _DEPTH)
    else:
        if len(column.counts) > len(values) / _TOLD_APART:
            return 0.0
        groups: dict[Cell, Counter[int]] = defaultdict(Counter)
        for value, code in zip(values, codes.tolist(), strict=True):
            groups[value][code] += 1
        left = sum(group.total() - max(group.values()) for group in groups.values())
    return float(1 - left / errors)


def _split(numbers: "np.ndarray[Any, Any]", ones: "np.ndarray[Any, Any]", depth: int) -> float:
    """Count the errors that are left after the best few cuts through sorted numbers."""
    wrong = _wrong(ones)
    if depth == 0 or wrong == 0 or len(numbers) < 2:
        return wrong
    below = np.cumsum(ones, axis=0)
    above = below[-1] - below
    counts = np.arange(1, len(numbers) + 1)
    errors = (counts - below.max(axis=1)) + (len(numbers) - counts - above.max(axis=1))
    # Impurity finds cuts that only pay together with the next; only between two values can one be.
    impurity = -(below**2).sum(axis=1) / counts - (above**2).sum(axis=1) / np.maximum(
        len(numbers) - counts, 1
    )
    possible = np.flatnonzero(numbers[1:] > numbers[:-1])
    if len(possible) == 0:
        return wrong
    cut = int(possible[np.argmin(impurity[possible])]) + 1
    best = float(errors[possible].min())
    both = _split(numbers[:cut], ones[:cut], depth - 1) + _split(numbers[cut:], ones[cut:], depth - 1)
    return min(best, both)


def _wrong(ones: "np.ndarray[Any, Any]") -> float:
    return float(len(ones) - ones.sum(axis=0).max()) if len(ones) else 0.0


def _value_told(column: Facts, values: list[Cell], labels: Sequence[Cell]) -> float:
    """Measure the share of a number's variance that the column takes away, by order or by group."""
    target = pd.Series([float(label) for label in labels if isinstance(label, int | float)])
    if column.kind == "number":
        numbers = pd.Series([float(v) if isinstance(v, int | float) else math.nan for v in values])
        both = numbers.notna()
        if both.mean() < _EMPTY:
            return 0.0
        told = numbers[both].rank().corr(target[both].rank())
        return 0.0 if math.isnan(told) else told**2
    if len(column.counts) > len(values) / _TOLD_APART:
        return 0.0
    within = target.groupby(pd.Series(values, dtype=object).fillna("")).transform("mean")
    spread = float(target.var())
    return 0.0 if not spread > 0 else 1 - float((target - within).var()) / spread


def _percent(share: float) -> str:
    return f"{math.floor(share * 1000) / 10:g} %"

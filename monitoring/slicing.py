"""Into which parts rows are cut: by category, by quarter of the numbers, by flag, and as the project says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from keepfit.spec import Column, Project, shown
from monitoring.tallies import Codes

MOST = 30
"""So many categories of a column, the most frequent, are slices of their own."""
QUARTERS = (0.25, 0.5, 0.75)

# What a function of the user raises on a frame that it does not expect.
_FAULTS = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError),
    *(RuntimeError, TypeError, ValueError, pd.errors.IndexingError, pd.errors.InvalidIndexError),
)


@dataclass(frozen=True)
class Cut:
    """Slices of one kind: what each is called, and which one each row is in (-1: none of them).

    `codes` has an array for each frame that was cut. Where `fault` is set the cut could not be made.
    """

    names: tuple[str, ...]
    column: str | None
    codes: tuple[Codes, ...]
    fault: str | None = None


def cut_rows(
    project: Project, frames: Sequence[pd.DataFrame], judged: NDArray[np.bool_], least: int
) -> list[Cut]:
    """Cut frames of features alike, by the quarters of the last frame.

    Categories that have fewer than `least` of the `judged` rows of the first frame are one slice together.
    """
    cuts = [
        _cut_column(name, column, [frame[name].to_numpy() for frame in frames], (judged, least))
        for name, column in project.features.items()
        if all(name in frame.columns for frame in frames)
    ]
    return cuts + [_cut_by(name, rule, frames) for name, rule in project.slices.items()]


def _cut_column(
    name: str, column: Column, values: list[np.ndarray], enough: tuple[NDArray[np.bool_], int]
) -> Cut:
    if column.kind == "category":
        return _cut_categories(name, values, *enough)
    numbers = [each.astype(np.float64) for each in values]
    if column.kind == "flag":
        edges, names = np.array([0.5]), [f"{name} is false", f"{name} is true"]
    else:
        edges = _edges(numbers[-1])
        names = _ranges(name, edges)
    codes = tuple(
        np.where(np.isnan(each), len(names), np.searchsorted(edges, each, side="right")) for each in numbers
    )
    return Cut((*names, f"{name} is missing"), name, codes)


def _edges(numbers: np.ndarray) -> np.ndarray:
    """Give the lower ends of all bins but the first: values that occur."""
    known = np.sort(numbers[~np.isnan(numbers)])
    if not len(known):
        return np.zeros(0)
    distinct = known[np.append(True, known[1:] != known[:-1])]
    if len(distinct) <= len(QUARTERS) + 1:
        return distinct[1:]
    edges = np.unique([known[int(part * len(known))] for part in QUARTERS])
    return edges[edges > distinct[0]]


def _ranges(name: str, edges: np.ndarray) -> list[str]:
    if not len(edges):
        return [f"{name} is known"]
    ends = [f"{edge:.4g}" for edge in edges]
    between = [f"{name} from {low} to below {high}" for low, high in pairwise(ends)]
    return [f"{name} below {ends[0]}", *between, f"{name} from {ends[-1]}"]


def _cut_categories(name: str, values: list[np.ndarray], judged: NDArray[np.bool_], least: int) -> Cut:
    found, names = pd.factorize(np.concatenate(values).astype(object))
    found = np.where(found < 0, len(names), found)
    counts = np.bincount(found[: len(judged)][judged], minlength=len(names) + 1)
    # By count and then by name: the order of rows must not decide which are slices of their own.
    told = [
        (-int(counts[i]), str(each), i) for i, each in enumerate(names) if counts[i] >= least and each != ""
    ]
    kept = sorted(told)[:MOST]
    code = np.full(len(names) + 1, len(kept), dtype=np.intp)
    code[[i for _, _, i in kept]] = np.arange(len(kept))
    code[[*(i for i, each in enumerate(names) if each == ""), len(names)]] = len(kept) + 1
    codes = np.split(code[found], np.cumsum([len(each) for each in values])[:-1])
    kept = [each for _, each, _ in kept]
    names = [f"{name} is {shown(each)}" for each in kept]
    rest = f"{name} is a rarer one" if kept else f"{name} is known"
    return Cut((*names, rest, f"{name} is missing"), name, tuple(codes))


def _cut_by(name: str, rule: Callable[[pd.DataFrame], object], frames: Sequence[pd.DataFrame]) -> Cut:
    none = tuple(np.full(len(frame), -1, dtype=np.intp) for frame in frames)
    codes: list[Codes] = []
    for frame in frames:
        try:
            said = rule(frame.copy())
        except _FAULTS as raised:
            fault = f"its function raised {type(raised).__name__}: {raised}; mend it in the project's slices"
            return Cut((name,), None, none, fault)
        mask = _mask(said, len(frame))
        if mask is None:
            fault = (
                f"its function must say true or false of each of the {len(frame)} rows, "
                f"and gave {type(said).__name__}; mend it in the project's slices"
            )
            return Cut((name,), None, none, fault)
        codes.append(np.where(mask, 0, -1))
    return Cut((name,), None, tuple(codes))


def _mask(said: object, rows: int) -> np.ndarray | None:
    """Read what a user's function said of each row; missing is no."""
    if isinstance(said, np.ndarray | pd.api.extensions.ExtensionArray | list | tuple) and len(said) == rows:
        said = pd.Series(list(said), dtype=object)
    if not isinstance(said, pd.Series) or len(said) != rows:
        return None
    values = said.reset_index(drop=True)
    values = values.astype(object).where(values.notna(), False)
    if not all(isinstance(each, bool | np.bool_) for each in values.unique()):
        return None
    return values.to_numpy(dtype=bool)

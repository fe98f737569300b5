"""Changes put into a current window: of one column or many, of values, presence, of what belongs together."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.drift.worlds import sticky

NUMBERS, CATEGORIES = 13, 7
_FACTOR = np.sqrt(0.3)


@dataclass(frozen=True, slots=True)
class Shift:
    """One change and the number of columns that it is put into."""

    name: str
    columns: int
    put: Callable[[pd.DataFrame, str, np.random.Generator], object]
    of: str = "n"
    """The columns it is for: n are numbers, k are categories."""

    def __call__(self, current: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """Change the first columns of this kind."""
        moved = current.copy()
        for i in range(self.columns):
            moved[f"{self.of}{i}"] = self.put(moved, f"{self.of}{i}", rng)
        return moved


def base(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Make 20 columns of independent rows: 13 normal numbers that share a factor, 7 of 8 categories."""
    shared = rng.standard_normal(rows)
    numbers = {f"n{i}": np.sqrt(0.7) * rng.standard_normal(rows) + _FACTOR * shared for i in range(NUMBERS)}
    return pd.DataFrame(numbers | {f"k{i}": sticky(rows, 8, 0.0, rng) for i in range(CATEGORIES)})


def shifts() -> list[Shift]:
    """List the changes of the protocol."""
    means = [_mean(by, columns) for columns in (1, 5, 10) for by in (0.05, 0.1, 0.25, 0.5)]
    return [
        Shift("nothing", 1, lambda frame, name, _: frame[name]),
        *means,
        *(_spread(by) for by in (1.2, 1.5)),
        *(_mix(share) for share in (0.05, 0.2)),
        *(_missing(share) for share in (0.02, 0.05, 0.4)),
        *(_unseen(share) for share in (0.005, 0.02)),
        Shift("constant", 1, lambda frame, name, _: float(frame[name].iloc[0])),
        Shift("shuffled against the others", 1, _apart),
        Shift("correlation with another .3 -> .9", 1, _together),
        Shift("correlation with another .3 -> -.3", 1, _against),
    ]


def _mean(by: float, columns: int) -> Shift:
    return Shift(f"mean by {by:g} sd", columns, lambda frame, name, _: frame[name] + by)


def _spread(by: float) -> Shift:
    return Shift(f"sd times {by:g}", 1, lambda frame, name, _: frame[name] * by)


def _mix(share: float) -> Shift:
    def put(frame: pd.DataFrame, name: str, rng: np.random.Generator) -> object:
        return frame[name].where(rng.random(len(frame)) >= share, "k5")

    return Shift(f"{share:.0%} of rows to a rare category", 1, put, "k")


def _missing(share: float) -> Shift:
    return Shift(
        f"missing 0 -> {share:.0%}", 1, lambda f, name, rng: f[name].where(rng.random(len(f)) >= share)
    )


def _unseen(share: float) -> Shift:
    def put(frame: pd.DataFrame, name: str, rng: np.random.Generator) -> object:
        return frame[name].where(rng.random(len(frame)) >= share, "never seen")

    return Shift(f"a new category, {share:.1%}", 1, put, "k")


def _apart(frame: pd.DataFrame, name: str, rng: np.random.Generator) -> object:
    return rng.permutation(frame[name].to_numpy())


def _together(frame: pd.DataFrame, _name: str, rng: np.random.Generator) -> object:
    return 0.9 * frame["n1"] + np.sqrt(1 - 0.9**2) * rng.standard_normal(len(frame))


def _against(frame: pd.DataFrame, name: str, _rng: np.random.Generator) -> object:
    return -frame[name]

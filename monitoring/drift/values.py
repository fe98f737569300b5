"""The values of one column in two windows: what is read of a data frame, and what is coded."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Texts:
    """A column of text: the place of each row's text in `names`, -1 where it is missing."""

    places: NDArray[np.int32]
    names: tuple[str, ...]


Values = NDArray[np.floating] | Texts
"""A column as it is judged: numbers (missing: NaN) or texts."""


class WindowValues(NamedTuple):
    """The values of one column in the two windows."""

    reference: Values
    current: Values

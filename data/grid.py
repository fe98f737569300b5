"""One grid for all numbers: whatever is counted on it adds up, whenever and wherever it was counted.

A cell holds the float32 values that share their sign, exponent and first 11 bits of the mantissa: neighbours
differ by a two-thousandth at most, whole numbers up to 4,096 have a cell each. Nothing need be known of a
column before it is counted, as bins between its quantiles would need.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CELLS = 1 << 20
MISSING = -1

_DROPPED = 12
_HALF = CELLS >> 1

Cells = NDArray[np.int32]


def cells(numbers: NDArray[Any]) -> Cells:
    """Number the cell of each value, in the order of the values; MISSING for NaN."""
    with np.errstate(over="ignore"):
        short = numbers.astype(np.float32) + np.float32(0)  # -0 becomes 0
    bits = short.view(np.int32)
    # A negative float's bits rise as it falls: turned around, they are in its order.
    found = ((bits ^ ((bits >> 31) & 0x7FFFFFFF)) >> _DROPPED) + _HALF
    found[np.isnan(short)] = MISSING
    return found


def lowest(of: Cells) -> NDArray[np.float64]:
    """Tell the end of each cell that is nearer to zero: for whole numbers up to 4,096 the number itself."""
    ordered = (of.astype(np.int64) - _HALF) << _DROPPED
    # At most -2: -1 would be -0, which is counted as 0.
    ordered = np.where(ordered < 0, np.minimum(ordered | ((1 << _DROPPED) - 1), -2), ordered).astype(np.int32)
    bits = ordered ^ ((ordered >> 31) & 0x7FFFFFFF)
    return bits.view(np.float32).astype(np.float64)

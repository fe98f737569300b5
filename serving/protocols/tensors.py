"""Tensors of the Open Inference Protocol: JSON or binary data to values, and back."""

import math
import struct
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from keepfit.spec import Value, shown
from serving.protocols.messages import InputTensor
from serving.refusal import invalid

_NUMBERS = {
    "BOOL": np.dtype("?"),
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
_DIMENSIONS = 8
DATATYPES = (*_NUMBERS, "BYTES")
_TAKEN: dict[str, tuple[set[type], str]] = {
    "BOOL": ({bool, type(None)}, "true or false"),
    "BYTES": ({str, type(None)}, "text"),
    **{name: ({int, type(None)}, "whole numbers") for name in _NUMBERS if "INT" in name},
    **{name: ({int, float, type(None)}, "numbers") for name in _NUMBERS if name.startswith("FP")},
}
"""What JSON data of a datatype may be; null, as NaN, is a missing value."""


def size_of(tensor: InputTensor, path: str) -> int:
    """Count a tensor's elements by its shape; refuse one that is no tensor."""
    if tensor.datatype not in DATATYPES:
        told = f"expected one of {', '.join(DATATYPES)}, got {tensor.datatype[:60]!r}"
        raise invalid(f"{path}.datatype", told)
    # Bounded before it is multiplied: the product of many long lengths takes minutes.
    if not 0 < len(tensor.shape) <= _DIMENSIONS or any(length < 0 for length in tensor.shape):
        told = f"expected 1 to {_DIMENSIONS} lengths of 0 and more, got {shown(tensor.shape[:_DIMENSIONS])}"
        raise invalid(f"{path}.shape", told)
    return math.prod(tensor.shape)


def from_json(tensor: InputTensor, path: str) -> list[Value]:
    """Read the elements, row by row, of a tensor whose data are in the JSON."""
    if tensor.data is None:
        raise invalid(path, "expected data, in the JSON or as binary_data_size bytes after it")
    size = size_of(tensor, path)
    flat: list[Any] = tensor.data
    for _ in tensor.shape[1:]:
        if flat and isinstance(flat[0], list):
            flat = [
                cell
                for part in flat
                for cell in (cast("list[Any]", part) if isinstance(part, list) else [part])
            ]
    if len(flat) != size:
        raise invalid(f"{path}.data", f"expected {size} elements by shape {tensor.shape}, got {len(flat)}")
    types, expected = _TAKEN[tensor.datatype]
    if not set(map(type, flat)) <= types:
        place = next(place for place, cell in enumerate(flat) if type(cell) not in types)
        told = f"expected {expected}, as datatype {tensor.datatype} says, got {shown(flat[place])}"
        raise invalid(f"{path}.data[{place}]", told)
    return flat


def from_binary(tensor: InputTensor, blob: memoryview, path: str) -> list[Value]:
    """Read the elements of a tensor from the bytes that follow the JSON."""
    size = size_of(tensor, path)
    if tensor.datatype == "BYTES":
        return _texts(blob, size, path)
    dtype = _NUMBERS[tensor.datatype]
    if len(blob) != size * dtype.itemsize:
        told = f"expected {size * dtype.itemsize} bytes by shape {tensor.shape}, got {len(blob)}"
        raise invalid(path, told)
    cells = np.frombuffer(blob, dtype)
    if dtype.kind == "f":
        return [None if cell != cell else cell for cell in cells.astype(np.float64).tolist()]
    return cells.tolist()


def to_binary(datatype: str, data: Sequence[Any]) -> bytes:
    """Write elements as the bytes that follow the JSON."""
    if datatype != "BYTES":
        return np.array(data, _NUMBERS[datatype]).tobytes()
    return b"".join(struct.pack("<I", len(text)) + text for text in (str(cell).encode() for cell in data))


def _texts(blob: memoryview, size: int, path: str) -> list[Value]:
    texts: list[Value] = []
    start = 0
    while start < len(blob):
        length = int.from_bytes(blob[start : start + 4], "little")
        end = start + 4 + length
        if end > len(blob):
            raise invalid(path, f"element {len(texts)} is longer than the data that are left")
        try:
            texts.append(str(blob[start + 4 : end], "utf-8"))
        except UnicodeDecodeError:
            raise invalid(path, f"element {len(texts)} is not UTF-8") from None
        start = end
    if len(texts) != size:
        raise invalid(path, f"expected {size} elements by its shape, got {len(texts)}")
    return texts

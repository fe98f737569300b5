"""An inference request of the Open Inference Protocol: its parts, and the rows that its tensors are."""

import msgspec

from keepfit.spec import Value, shown
from serving.exchange import Request
from serving.protocols.given import REFERENCE, Given, Reader, decoded
from serving.protocols.messages import InferRequest, InputTensor
from serving.protocols.tensors import from_binary, from_json, size_of
from serving.refusal import Refused, invalid, key

_JSON_BYTES = b"inference-header-content-length"


_decoder = msgspec.json.Decoder(InferRequest)


def read_infer(request: Request, body: bytes) -> tuple[InferRequest, memoryview]:
    """Read the JSON of a body, and give what follows it."""
    length = request.header(_JSON_BYTES)
    if length is None:
        return decoded(_decoder, body), memoryview(b"")
    if not (length.isascii() and length.isdigit() and len(length) < 16 and int(length) <= len(body)):
        told = f"expected the bytes of JSON in a body of {len(body)}, got {length[:60]!r}"
        raise Refused(400, told, "header Inference-Header-Content-Length")
    return decoded(_decoder, body[: int(length)]), memoryview(body)[int(length) :]


def rows_of(asked: InferRequest, rest: memoryview, reader: Reader) -> Given:
    """Make rows of one tensor for each column, or of one for all columns in the model's order."""
    for place, tensor in enumerate(asked.inputs):
        # By its shape, before anything is made of its data.
        size_of(tensor, f"$.inputs[{place}]")
        reader.check_count(tensor.shape[0], f"$.inputs[{place}].shape")
    if len(asked.inputs) == 1 and _is_matrix(asked.inputs[0], reader):
        return _matrix(asked.inputs[0], rest, reader)
    names = [tensor.name for tensor in asked.inputs]
    rows = asked.inputs[0].shape[0]
    for place, tensor in enumerate(asked.inputs):
        if tensor.shape not in ([rows], [rows, 1]):
            told = f"expected [{rows}, 1] or [{rows}], got {tensor.shape[:8]}"
            raise invalid(f"$.inputs[{place}].shape", told)
    blobs = _blobs(asked.inputs, rest)
    cells = [_cells(tensor, blobs[place], f"$.inputs[{place}]") for place, tensor in enumerate(asked.inputs)]

    def at(row: int, name: str | None) -> str:
        if name is None:
            return f"$.inputs, row {row}"
        if name not in names:
            return f"$.inputs{key(name)}"
        known = name in reader.schema.columns or name == REFERENCE
        return f"$.inputs[{names.index(name)}]" + (f".data[{row}]" if known else ".name")

    return reader.by_place(names, list(zip(*cells, strict=True)), "$.inputs", at)


def _is_matrix(tensor: InputTensor, reader: Reader) -> bool:
    columns = reader.schema.columns
    return tensor.name not in columns and len(tensor.shape) == 2 and tensor.shape[1] == len(columns)


def _matrix(tensor: InputTensor, rest: memoryview, reader: Reader) -> Given:
    names = list(reader.schema.columns)
    cells = _cells(tensor, _blobs([tensor], rest)[0], "$.inputs[0]")
    rows = [cells[start : start + len(names)] for start in range(0, len(cells), len(names))]

    def at(row: int, name: str | None) -> str:
        return "$.inputs[0]" + (f".data[{row}]" + (f"[{names.index(name)}]" if name in names else ""))

    return reader.by_place(names, rows, "$.inputs", at)


def _cells(tensor: InputTensor, blob: memoryview | None, path: str) -> list[Value]:
    if "shared_memory_region" in tensor.parameters:
        raise invalid(f"{path}.parameters", "shared memory is not taken here; send the data in the request")
    return from_json(tensor, path) if blob is None else from_binary(tensor, blob, path)


def _blobs(tensors: list[InputTensor], rest: memoryview) -> list[memoryview | None]:
    """Cut what follows the JSON: the data of each tensor that has binary ones, in their order."""
    blobs: list[memoryview | None] = []
    end = 0
    for place, tensor in enumerate(tensors):
        size = tensor.parameters.get("binary_data_size")
        if size is not None and (type(size) is not int or size < 0):
            told = f"expected a number of bytes, got {shown(size)}"
            raise invalid(f"$.inputs[{place}].parameters.binary_data_size", told)
        blobs.append(None if size is None else rest[end : end + size])
        end += size or 0
    if end != len(rest):
        told = f"the inputs' binary_data_size ask for {end} bytes after the JSON, and {len(rest)} follow"
        raise invalid("$.inputs", told)
    return blobs

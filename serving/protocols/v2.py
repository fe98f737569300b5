"""The Open Inference Protocol V2 with its binary tensors: KServe, Seldon, MLServer and Triton speak it."""

from typing import Any

from keepfit import VERSION
from keepfit.spec import Target
from serving.contract import PredictAnswer
from serving.desk import Desk
from serving.exchange import JSON, Request, Response, answered, encode
from serving.protocols.given import Given, Reader, ask, checked_id, read_aside
from serving.protocols.instances import headers
from serving.protocols.kserve import check_model, refused
from serving.protocols.messages import (
    InferAnswer,
    InferRequest,
    ModelMetadata,
    OutputTensor,
    RequestedOutput,
    ServerMetadata,
    TensorMetadata,
)
from serving.protocols.platforms import INFER, LIVE, METADATA, MODEL_READY, READY, SERVER
from serving.protocols.requested import read_infer, rows_of
from serving.protocols.tensors import to_binary
from serving.refusal import Refused, invalid
from serving.routes import DESCRIBES, OPEN, PREDICTS, Route
from serving.slot import LiveModel

BINARY = b"application/octet-stream"
_JSON_BYTES = b"inference-header-content-length"
_DATATYPES = {"number": "FP32", "flag": "BOOL", "category": "BYTES"}


async def server(_desk: Desk, _: Request) -> Response:
    """GET /v2."""
    return answered(ServerMetadata("keepfit", VERSION, ["binary_tensor_data"]))


async def live(_desk: Desk, _: Request) -> Response:
    """GET /v2/health/live: it checks nothing but that this loop turns."""
    return Response(200, b'{"live":true}')


async def ready(desk: Desk, _: Request) -> Response:
    """GET /v2/health/ready: there is a model."""
    desk.model()
    return Response(200, b'{"ready":true}')


async def model_ready(desk: Desk, request: Request) -> Response:
    """GET /v2/models/{model}/ready, of the version that is live or of one by its number."""
    _named(desk, request)
    return Response(200, b'{"ready":true}')


async def metadata(desk: Desk, request: Request) -> Response:
    """GET /v2/models/{model}: the tensors that the live model takes and gives."""
    model = _named(desk, request)
    inputs = [
        TensorMetadata(name, _DATATYPES[column.kind], [-1, 1])
        for name, column in model.schema.columns.items()
    ]
    outputs = [TensorMetadata(*told) for told in _outputs(model.schema.target)]
    told = ModelMetadata(desk.worker.project, [str(model.version)], "onnxruntime_onnx", inputs, outputs)
    return answered(told)


async def infer(desk: Desk, request: Request) -> Response:
    """POST /v2/models/{model}/infer."""
    check_model(desk, request)
    body = await request.body(desk.settings.body_bytes, (JSON.decode(), BINARY.decode()))
    model = _named(desk, request)
    target = model.schema.target

    def taken(body: bytes) -> tuple[InferRequest, Given]:
        asked, rest = read_infer(request, body)
        name = checked_id(asked.id or None, "$.id")
        return asked, rows_of(asked, rest, Reader(model.schema, desk.settings.rows, name))

    asked, given = await read_aside(body, taken)
    wanted = _wanted(asked, target)
    answer = await ask(desk, request, model, given)
    return _told(desk.worker.project, asked, wanted, _tensors(answer, target), answer)


def _named(desk: Desk, request: Request) -> LiveModel:
    """Give the live model if it is the one that the path names; raise Refused with 404 or 503."""
    check_model(desk, request)
    model = desk.model()
    version = request.segments.get("version")
    if version is not None and version != str(model.version):
        raise Refused(404, f"version {version[:60]!r} is not live; {model.version} is")
    return model


def _outputs(target: Target) -> list[tuple[str, str, list[int]]]:
    """Name the outputs, each with its datatype and its shape, in their order."""
    if target.kind == "regression":
        return [("output", "FP64", [-1]), ("prediction_id", "BYTES", [-1])]
    kind = "BYTES" if isinstance(target.classes[0], str) else "INT64"
    probabilities = ("probabilities", "FP64", [-1, len(target.classes)])
    return [("output", kind, [-1]), probabilities, ("prediction_id", "BYTES", [-1])]


def _tensors(answer: PredictAnswer, target: Target) -> dict[str, OutputTensor]:
    rows = answer.predictions
    data: dict[str, list[Any]] = {
        "output": [row.output for row in rows],
        "probabilities": [cell for row in rows for cell in row.probabilities or ()],
        "prediction_id": [row.prediction_id for row in rows],
    }
    return {
        name: OutputTensor(name, kind, [len(rows), *shape[1:]], data[name])
        for name, kind, shape in _outputs(target)
    }


def _wanted(asked: InferRequest, target: Target) -> list[tuple[str, bool]]:
    """Say which outputs the caller wants, and which of them as binary; refuse what there is not."""
    names = [name for name, _, _ in _outputs(target)]
    if not asked.outputs:
        return [(name, asked.parameters.get("binary_data_output") is True) for name in names]
    return [_chosen(output, names, f"$.outputs[{place}]") for place, output in enumerate(asked.outputs)]


def _chosen(output: RequestedOutput, names: list[str], path: str) -> tuple[str, bool]:
    if output.name not in names:
        raise invalid(f"{path}.name", f"expected one of {', '.join(names)}, got {output.name[:60]!r}")
    for unknown in ("classification", "shared_memory_region"):
        if unknown in output.parameters:
            raise invalid(f"{path}.parameters", f"{unknown!r} is an extension that is not here; leave it out")
    return output.name, output.parameters.get("binary_data") is True


def _told(
    project: str,
    asked: InferRequest,
    wanted: list[tuple[str, bool]],
    tensors: dict[str, OutputTensor],
    answer: PredictAnswer,
) -> Response:
    outputs: list[OutputTensor] = []
    blobs: list[bytes] = []
    for name, binary in wanted:
        tensor = tensors[name]
        if binary:
            blobs.append(to_binary(tensor.datatype, tensor.data or ()))
            size = {"binary_data_size": len(blobs[-1])}
            tensor = OutputTensor(name, tensor.datatype, tensor.shape, None, size)
        outputs.append(tensor)
    captured = {"captured": answer.captured}
    told = encode(InferAnswer(project, str(answer.version), captured, outputs, asked.id or None))
    if not blobs:
        return Response(200, told, headers=headers(answer))
    length = (_JSON_BYTES, str(len(told)).encode())
    return Response(200, told + b"".join(blobs), BINARY, (*headers(answer), length))


_MODEL = "/v2/models/{model}"
_VERSION = f"{_MODEL}/versions/{{version}}"
ROUTES = (
    Route("GET", "/v2", DESCRIBES, server, refused, SERVER),
    Route("GET", "/v2/health/live", OPEN, live, refused, LIVE),
    Route("GET", "/v2/health/ready", OPEN, ready, refused, READY),
    *(Route("GET", path, DESCRIBES, metadata, refused, METADATA) for path in (_MODEL, _VERSION)),
    *(
        Route("GET", f"{path}/ready", DESCRIBES, model_ready, refused, MODEL_READY)
        for path in (_MODEL, _VERSION)
    ),
    *(Route("POST", f"{path}/infer", PREDICTS, infer, refused, INFER) for path in (_MODEL, _VERSION)),
)

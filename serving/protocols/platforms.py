"""What the platforms' routes are, in words."""

from collections.abc import Sequence

from msgspec import Struct

from keepfit import VERSION
from serving.describing.operations import (
    IDEMPOTENCY_KEY,
    KEEPFIT_CLOCK,
    PREDICTING,
    Bodies,
    Body,
    Operation,
    Parameter,
)
from serving.describing.schemas import Json
from serving.protocols.forms import bare, in_any_form, inferred, instances, invoked, predicted, tensors
from serving.protocols.messages import (
    MlflowError,
    ModelMetadata,
    ModelNames,
    ModelReady,
    SentenceError,
    ServerMetadata,
)

OIP = "Open Inference Protocol V2"
KSERVE = "KServe V1"
INVOCATIONS = "MLflow and SageMaker"
VERTEX = "Vertex AI"

_HEADER = "header"
_TELLS = (
    Parameter("Keepfit-Version", _HEADER, "The version that answered.", {"type": "string"}, "7"),
    Parameter(
        "Keepfit-Captured", _HEADER, "`false` where nothing was captured.", {"const": "false"}, "false"
    ),
)
_ASKED = (IDEMPOTENCY_KEY, KEEPFIT_CLOCK)
_INFERENCE_ID = Parameter(
    "X-Amzn-SageMaker-Inference-Id",
    _HEADER,
    "The caller's own name for the rows, as SageMaker hands it on.",
    {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "order-9",
)


def _answers(kind: type[Struct]) -> Bodies:
    return lambda schemas: [Body(schemas.of(kind), {})]


def _says(word: str, value: object) -> Bodies:
    schema: Json = {"type": "object", "properties": {word: {"const": value}}, "required": [word]}
    return lambda _: [Body(schema, {word: {word: value}})]


def _sentence(contract: str, summary: str, answers: Bodies, refusals: Sequence[int] = ()) -> Operation:
    return Operation(
        contract=contract, summary=summary, answers=answers, refusals=tuple(refusals), error=SentenceError
    )


SERVER = _sentence(OIP, "This server", _answers(ServerMetadata))
LIVE = _sentence(OIP, "A worker answers", _says("live", True))
READY = _sentence(OIP, "It has a model", _says("ready", True))
MODEL_READY = _sentence(OIP, "The model is live", _says("ready", True), (404,))
METADATA = _sentence(OIP, "The tensors that the model takes and gives", _answers(ModelMetadata), (404,))
INFER = Operation(
    contract=OIP,
    summary="Answer rows as tensors",
    details=(
        "One input for each column, of shape [n, 1] or [n]; or one of shape [n, columns] for all, in the "
        "order of the model's metadata. null, NaN and empty text are a missing value. `id` is your own name "
        "for the rows; an input `reference_id` names each. Data may be binary, as the extension "
        "binary_tensor_data says: the header Inference-Header-Content-Length is then the bytes of JSON."
    ),
    takes=tensors,
    answers=inferred,
    parameters=_ASKED,
    tells=_TELLS,
    refusals=(*PREDICTING, 404),
    error=SentenceError,
)
MODELS = _sentence(KSERVE, "The models that are here", _answers(ModelNames))
MODEL = _sentence(KSERVE, "The model is live", _answers(ModelReady), (404,))
_INSTANCES = (
    "Each row is an object, or a list in the order of the model's columns. `reference_id` in an object is "
    "your own name for the row. `answer` asks for the class or value, the probabilities, or all that is "
    "known."
)
PREDICT = Operation(
    contract=KSERVE,
    summary="Answer instances",
    details=_INSTANCES,
    takes=instances,
    answers=predicted,
    parameters=_ASKED,
    tells=_TELLS,
    refusals=(*PREDICTING, 404),
    error=SentenceError,
)
INVOKE = Operation(
    contract=INVOCATIONS,
    summary="Answer a frame, instances, inputs, CSV or lines of JSON",
    details=(
        f"{_INSTANCES} Exactly one of the four forms. CSV has a header, or its cells are in that order. An "
        "`Accept` of text/csv or application/jsonlines asks for a line for each row."
    ),
    takes=invoked,
    answers=in_any_form,
    parameters=(*_ASKED, _INFERENCE_ID),
    tells=_TELLS,
    refusals=PREDICTING,
    error=MlflowError,
)
HEALTH = Operation(
    contract=INVOCATIONS, summary="It has a model", answers=_says("status", "ready"), error=MlflowError
)
VERSION_TOLD = Operation(
    contract=INVOCATIONS,
    summary="The version of Keepfit",
    answers=lambda _: [Body({"const": VERSION}, {"now": VERSION}, "text/plain")],
    error=MlflowError,
)
VERTEX_PREDICT = Operation(
    contract=VERTEX,
    summary="Answer instances, on the path that the platform names",
    details=_INSTANCES,
    takes=instances,
    answers=bare,
    parameters=_ASKED,
    tells=_TELLS,
    refusals=PREDICTING,
    error=SentenceError,
)
VERTEX_HEALTH = _sentence(VERTEX, "It has a model", _says("status", "ready"))

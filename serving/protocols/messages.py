"""What the platforms' callers send and are answered: the wire types of every contract but our own."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from serving.contract import Id

How = Literal["output", "probabilities", "full"]
"""What stands for a row: the class or value; the probabilities; or all that Keepfit says of it."""


class Parameters(Struct, frozen=True, forbid_unknown_fields=True):
    """What a caller may ask for beside its rows; KEEPFIT_ANSWER is what it gets without."""

    answer: How | None = None


class About(Struct, frozen=True, omit_defaults=True):
    """What Keepfit says of an answer, beside the contract's own keys."""

    version: int
    captured: bool
    prediction_ids: list[str]
    classes: tuple[int | str, ...] = ()


class Predictions(Struct, frozen=True, omit_defaults=True):
    """One prediction for each row, in their order; a missing `keepfit` is a contract without room for it."""

    predictions: list[Any]
    keepfit: About | None = None
    client_request_id: str | None = None


class InstancesRequest(Struct, frozen=True):
    """POST /v1/models/{model}:predict, and what Vertex sends; other keys are left alone."""

    instances: list[Any]
    parameters: Parameters | None = None


class ModelNames(Struct, frozen=True):
    """GET /v1/models."""

    models: list[str]


class ModelReady(Struct, frozen=True):
    """GET /v1/models/{model}."""

    name: str
    ready: bool


class SentenceError(Struct, frozen=True):
    """The body of a refusal, as KServe and the Open Inference Protocol write one."""

    error: str


class Split(Struct, frozen=True, forbid_unknown_fields=True):
    """A data frame as pandas' `to_dict(orient="split")` writes it; its index is no feature."""

    data: list[list[Any]]
    columns: list[str] | None = None
    index: list[Any] | None = None


class Invocation(Struct, frozen=True):
    """The JSON of POST /invocations; keys that are not here are left alone, as MLflow does."""

    dataframe_split: Split | UnsetType = UNSET
    dataframe_records: list[dict[str, Any]] | UnsetType = UNSET
    instances: list[Any] | dict[str, Any] | UnsetType = UNSET
    inputs: list[Any] | dict[str, Any] | UnsetType = UNSET
    params: Parameters | None = None
    client_request_id: Id | None = None


class MlflowError(Struct, frozen=True):
    """The body of a refusal, as MLflow writes one."""

    error_code: str
    message: str


class InputTensor(Struct, frozen=True):
    """One input: its data are row-major, flat or nested, or follow the JSON as binary."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class OutputTensor(Struct, frozen=True, omit_defaults=True):
    """One output; its data are flat."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class RequestedOutput(Struct, frozen=True):
    """One output that the caller wants."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(Struct, frozen=True):
    """POST /v2/models/{model}/infer; parameters that mean nothing here are left alone."""

    inputs: Annotated[list[InputTensor], Meta(min_length=1)]
    id: str | None = None
    outputs: list[RequestedOutput] | None = None
    parameters: dict[str, Any] = {}


class InferAnswer(Struct, frozen=True, omit_defaults=True):
    """The outputs, and of which version; the caller's id is told again."""

    model_name: str
    model_version: str
    parameters: dict[str, bool]
    outputs: list[OutputTensor]
    id: str | None = None


class ServerMetadata(Struct, frozen=True):
    """GET /v2."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(Struct, frozen=True):
    """A tensor that a model takes or gives; -1 is the number of rows."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Struct, frozen=True):
    """GET /v2/models/{model}."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]

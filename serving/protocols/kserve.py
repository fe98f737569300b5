"""KServe V1: /v1/models."""

import msgspec

from serving.desk import Desk
from serving.exchange import Request, Response, answered, encode
from serving.protocols.given import Given, Reader, ask, decoded, read_aside
from serving.protocols.instances import about, asked_for, headers, predictions, read
from serving.protocols.messages import InstancesRequest, ModelNames, ModelReady, Predictions, SentenceError
from serving.protocols.platforms import MODEL, MODELS, PREDICT
from serving.refusal import Refused
from serving.routes import DESCRIBES, PREDICTS, Route

_request = msgspec.json.Decoder(InstancesRequest)


def refused(refusal: Refused) -> Response:
    """Answer a refusal in one sentence."""
    told = SentenceError(f"{refusal.path}: {refusal.reason}" if refusal.path != "$" else refusal.reason)
    return Response(refusal.status, encode(told), headers=refusal.headers)


def check_model(desk: Desk, request: Request) -> None:
    """Refuse a model of another name than the project's."""
    named, project = request.segments["model"], desk.worker.project
    if named != project:
        raise Refused(404, f"no model {named[:200]!r} here; there is {project!r}")


async def answer_instances(desk: Desk, request: Request, *, room: bool) -> Response:
    """Answer `{"instances": [...]}`; `room` is that the contract takes a key beside `predictions`."""
    body = await request.body(desk.settings.body_bytes)
    live = desk.model()
    reader = Reader(live.schema, desk.settings.rows)

    def taken(body: bytes) -> tuple[InstancesRequest, Given]:
        asked = decoded(_request, body)
        return asked, read(reader, asked.instances, "$.instances")

    asked, given = await read_aside(body, taken)
    how = asked_for(desk, asked.parameters, live.schema.target.kind, "$.parameters")
    answer = await ask(desk, request, live, given)
    told = Predictions(predictions(answer, how), about(answer) if room else None)
    return Response(200, encode(told), headers=headers(answer))


async def predict(desk: Desk, request: Request) -> Response:
    """POST /v1/models/{model}:predict."""
    check_model(desk, request)
    return await answer_instances(desk, request, room=True)


async def models(desk: Desk, _: Request) -> Response:
    """GET /v1/models."""
    return answered(ModelNames([desk.worker.project]))


async def model(desk: Desk, request: Request) -> Response:
    """GET /v1/models/{model}: 503 until there is one to answer."""
    check_model(desk, request)
    desk.model()
    return answered(ModelReady(desk.worker.project, ready=True))


ROUTES = (
    Route("GET", "/v1/models", DESCRIBES, models, refused, MODELS),
    Route("GET", "/v1/models/{model}", DESCRIBES, model, refused, MODEL),
    Route("POST", "/v1/models/{model}:predict", PREDICTS, predict, refused, PREDICT),
)

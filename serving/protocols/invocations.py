"""POST /invocations and GET /ping, which MLflow and SageMaker share: the media type says what is sent."""

from typing import Any

import msgspec

from serving.desk import Desk
from serving.exchange import JSON, Request, Response, encode
from serving.protocols import mlflow, sagemaker
from serving.protocols.frames import read_csv
from serving.protocols.given import Given, Reader, ask, decoded, read_aside
from serving.protocols.instances import about, asked_for, predictions, read
from serving.protocols.messages import Invocation, Predictions
from serving.protocols.platforms import HEALTH, INVOKE
from serving.refusal import Refused
from serving.routes import OPEN, PREDICTS, Route

_MEDIA = (JSON.decode(), sagemaker.CSV, sagemaker.LINES)
_HEADERS = {"present": True, "absent": False}

_lines = msgspec.json.Decoder(list[Any])


async def invocations(desk: Desk, request: Request) -> Response:
    """POST /invocations."""
    header = _said_header(request)
    body = await request.body(desk.settings.body_bytes, _MEDIA)
    live = desk.model()
    reader = Reader(live.schema, desk.settings.rows, sagemaker.inference_id(request))
    asked = Invocation()  # lines ask for nothing but answers
    if request.media == sagemaker.CSV:
        given = await read_aside(body, lambda body: read_csv(reader, body, header))
    elif request.media == sagemaker.LINES:
        given = await read_aside(body, lambda body: _read_lines(reader, body))
    else:
        asked, given = await read_aside(body, lambda body: mlflow.read_invocation(body, reader))
    how = asked_for(desk, asked.params, live.schema.target.kind, "$.params")
    answer = await ask(desk, request, live, given)
    values = predictions(answer, how)
    told = sagemaker.attributes(request, answer)
    media = sagemaker.wanted(request)
    if media != JSON.decode():
        return Response(200, sagemaker.written(values, media), media.encode(), told)
    return Response(200, encode(Predictions(values, about(answer), asked.client_request_id)), headers=told)


def _read_lines(reader: Reader, body: bytes) -> Given:
    lines = [line for line in body.splitlines() if line.strip()]
    return read(reader, decoded(_lines, b"[" + b",".join(lines) + b"]"), "$")


def _said_header(request: Request) -> bool | None:
    """Say what a CSV's type says of its first line; refuse another charset and what is unknown."""
    header = None
    for parameter in (request.header(b"content-type") or "").split(";")[1:]:
        name, _, value = (part.strip().strip('"').lower() for part in parameter.partition("="))
        if name == "header" and value in _HEADERS and request.media == sagemaker.CSV:
            header = _HEADERS[value]
        elif (name, value) not in {("charset", "utf-8"), ("charset", "utf8"), ("", "")}:
            raise Refused(415, f"expected charset=utf-8 and no other parameter, got {parameter.strip()[:60]}")
    return header


ROUTES = (
    Route("GET", "/ping", OPEN, mlflow.health, mlflow.refused, HEALTH),
    Route("POST", "/invocations", PREDICTS, invocations, mlflow.refused, INVOKE),
)

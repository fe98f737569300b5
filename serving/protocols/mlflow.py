"""MLflow's scoring server, as Databricks has it too: the four JSON forms, and what is answered."""

from dataclasses import replace

import msgspec
from msgspec import UNSET

from keepfit import VERSION
from serving.desk import Desk
from serving.exchange import Request, Response, encode
from serving.protocols.frames import read_split
from serving.protocols.given import Given, Reader, checked_id, decoded
from serving.protocols.instances import read
from serving.protocols.messages import Invocation, MlflowError
from serving.protocols.platforms import HEALTH, VERSION_TOLD
from serving.refusal import Refused, invalid
from serving.routes import DESCRIBES, OPEN, Route

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_ONE_FORM = f"expected an object with exactly one of {', '.join(FORMS)}"
_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    413: "INVALID_PARAMETER_VALUE",
    422: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}


_invocation = msgspec.json.Decoder(Invocation)


def read_invocation(body: bytes, reader: Reader) -> tuple[Invocation, Given]:
    """Read the rows of whichever form a body has; raise Refused when it has none, or several."""
    try:
        asked = decoded(_invocation, body)
    except Refused as refusal:
        if refusal.path == "$" and refusal.reason.startswith("expected object"):
            raise invalid("$", refusal.reason.replace("expected object", _ONE_FORM)) from None
        raise
    given = [form for form in FORMS if getattr(asked, form) is not UNSET]
    if len(given) != 1:
        raise invalid("$", f"{_ONE_FORM}, got {' and '.join(given) or 'none of them'}")
    if asked.client_request_id is not None:
        reader = replace(reader, reference_id=checked_id(asked.client_request_id, "$.client_request_id"))
    if asked.dataframe_split is not UNSET:
        return asked, read_split(reader, asked.dataframe_split, "$.dataframe_split")
    return asked, read(reader, getattr(asked, given[0]), f"$.{given[0]}")


def refused(refusal: Refused) -> Response:
    """Answer a refusal as MLflow writes one."""
    told = MlflowError(_CODES.get(refusal.status, "BAD_REQUEST"), f"{refusal.path}: {refusal.reason}")
    return Response(refusal.status, encode(told), headers=refusal.headers)


async def health(desk: Desk, _: Request) -> Response:
    """GET /health and /ping: there is a model."""
    desk.model()
    return Response(200, b'{"status":"ready"}')


async def version(_desk: Desk, _: Request) -> Response:
    """GET /version: of Keepfit, where MLflow's server says its own."""
    return Response(200, VERSION.encode(), b"text/plain; charset=utf-8")


ROUTES = (
    Route("GET", "/health", OPEN, health, refused, HEALTH),
    Route("GET", "/version", DESCRIBES, version, refused, VERSION_TOLD),
)

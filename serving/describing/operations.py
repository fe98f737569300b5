"""What a protocol says of a route, so that it stands in the OpenAPI document and on /docs.

A protocol module declares one `Operation` beside each `Route`. A body's schema and examples are made when
the document is, from the live model: `takes` and `answers` are functions of `Schemas`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct

from serving.contract import ErrorAnswer
from serving.describing.schemas import TIME, Json, Schemas

JSON_MEDIA = "application/json"


@dataclass(frozen=True, slots=True)
class Body:
    """One form that a body may have: its schema, and examples of it by name."""

    schema: Json
    examples: Mapping[str, object]
    media: str = JSON_MEDIA


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or a header, of a request or of an answer."""

    name: str
    where: Literal["query", "header"]
    means: str
    schema: Json
    example: object


Bodies = Callable[[Schemas], Sequence[Body]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What one route does, takes and answers.

    `refusals` are the statuses of 400 and above that the route itself can answer, beside `ALWAYS`; `error`
    is the shape that its contract gives them.
    """

    contract: str
    """The heading it stands under, the same for all routes of one contract."""
    summary: str
    details: str = ""
    takes: Bodies | None = None
    answers: Bodies
    parameters: tuple[Parameter, ...] = ()
    tells: tuple[Parameter, ...] = ()
    """Headers of its answer."""
    refusals: tuple[int, ...] = ()
    error: type[Struct] = ErrorAnswer
    successes: Mapping[int, str] = field(default_factory=lambda: {200: "Answered."})


READING = (413, 415, 422)
"""What reading a body may be refused with, beside `ALWAYS`."""
PREDICTING = (*READING, 409, 429)
"""What every contract's predict may be refused with."""
ALWAYS = (400, 401, 403, 405, 408, 429, 431, 500, 503)
"""What any route may be refused with: most of it before the route is known."""

MEANINGS = {
    400: "No HTTP, no JSON, no UTF-8, nested too deeply, or a header or parameter that cannot be read.",
    401: "No API key that is in use came with the request, where one is asked for.",
    403: "The API key may not do this; or the request means another host, or comes from a page elsewhere.",
    404: "There is no such model or version here.",
    405: "Another method.",
    408: "The request did not come whole in time.",
    409: "Another body was sent under this Idempotency-Key.",
    413: "More bytes or rows than one request may have.",
    415: "Another Content-Type, or a Content-Encoding.",
    422: "Understood, and may not be: unknown, missing or mistyped values, or values outside of their range.",
    429: "More work waits than can be done in time, or this API key asks too often: come again after "
    "Retry-After seconds.",
    431: "The headers are too large.",
    500: "The server failed; its log says how.",
    503: "There is no model yet, too many connections are open, the worker ends, or no prediction can be "
    "captured where that is required: come again.",
    507: "The labels could not be written to disk: send them again.",
}

IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "header",
    "Makes a retry safe: it determines the ids of what the request makes, and the store keeps each once.",
    {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]{1,200}$"},
    "01a200b4-f620-7d6e-92da-455efe24a139",
)
KEEPFIT_CLOCK = Parameter(
    "Keepfit-Clock",
    "header",
    "The time that the server takes for its own, where it replays the past (KEEPFIT_REPLAY=true).",
    TIME,
    "2026-01-31T08:30:00Z",
)

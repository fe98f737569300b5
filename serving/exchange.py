"""One HTTP exchange as ASGI has it: the request that was read, the response that is sent."""

import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import msgspec

from data.apikeys import ApiKey
from serving.contract import ErrorAnswer, ErrorDetail
from serving.refusal import Refused

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = b"application/json"
TEXT = b"text/plain; version=0.0.4; charset=utf-8"

_LONGEST_NAME = 200

encode = msgspec.json.Encoder().encode

_TRACE = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


class CallerGone(Exception):
    """The caller closed the connection: nobody waits for an answer."""


class Request:
    """A request whose body is not read yet; `segments` are the parts of its path that its route names.

    `caller` is the API key that it came with, where one is asked for.
    """

    __slots__ = ("began", "caller", "content", "headers", "receive", "scope", "segments")

    def __init__(self, scope: Scope, receive: Receive, segments: Mapping[str, str] | None = None) -> None:
        self.began = time.perf_counter()
        self.scope = scope
        self.receive = receive
        self.segments = segments or {}
        self.content = b""
        self.caller: ApiKey | None = None
        # Once: a look into a table for each header that anybody asks for.
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])

    def header(self, name: bytes) -> str | None:
        """Give a header's value; the name in lower case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def gone(self) -> bool:
        """Whether the caller has closed the connection; uvicorn has a flag for it, ASGI none."""
        return getattr(getattr(self.receive, "__self__", None), "disconnected", False)

    @property
    def trace_id(self) -> str | None:
        """The trace that the request belongs to, by W3C's `traceparent`; None without a valid one."""
        given = self.headers.get(b"traceparent")
        if given is None or (found := _TRACE.fullmatch(given)) is None or not found[1].strip(b"0"):
            return None
        return found[1].decode()

    @property
    def key(self) -> str | None:
        """The idempotency key, as it came."""
        return self.header(b"idempotency-key")

    @property
    def request_id(self) -> str | None:
        """What the caller calls this request, in `X-Request-Id`; None where that is no printable ASCII."""
        given = self.headers.get(b"x-request-id", b"")[:_LONGEST_NAME].decode("latin-1")
        return given if given and given.isascii() and given.isprintable() else None

    @property
    def echoed(self) -> list[tuple[bytes, bytes]]:
        """What of the request's headers goes back with its answer: its name, and its place in a trace."""
        found: list[tuple[bytes, bytes]] = []
        if b"x-request-id" not in self.headers and b"traceparent" not in self.headers:
            return found
        if name := self.request_id:
            found.append((b"x-request-id", name.encode()))
        if self.trace_id:
            found.append((b"traceparent", self.headers[b"traceparent"]))
        return found

    async def body(self, most_bytes: int, media: tuple[str, ...] = ("application/json",)) -> bytes:
        """Read the whole body; raise Refused when it is larger than `most_bytes`, or is none of `media`.

        A body that does not say what it is is taken for the first. It stays as `content`.
        """
        self._check_media(media)
        declared = self.headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared[:20]) > most_bytes:
            raise _too_large(most_bytes)
        message = await self.receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body") or len(body) > most_bytes or message["type"] != "http.request":
            body = await self._rest(message, most_bytes)
        self.content = body
        return body

    async def _rest(self, message: MutableMapping[str, Any], most_bytes: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            if message["type"] != "http.request":
                raise CallerGone
            part: bytes = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > most_bytes:
                raise _too_large(most_bytes)
            if not message.get("more_body"):
                return b"".join(parts)
            message = await self.receive()

    @property
    def media(self) -> str:
        """What the body says it is, in lower case and without parameters; empty when it does not say."""
        return (self.header(b"content-type") or "").split(";")[0].strip().lower()

    def _check_media(self, media: tuple[str, ...]) -> None:
        usual = self.headers.get(b"content-type") == JSON and "application/json" in media
        if usual and b"content-encoding" not in self.headers:
            return
        kind = self.media or media[0]
        if kind not in media and not (kind.endswith("+json") and "application/json" in media):
            raise Refused(415, f"expected Content-Type: {' or '.join(media)}, got {kind[:100]}")
        coding = self.header(b"content-encoding")
        if coding and coding.lower() != "identity":
            raise Refused(415, f"expected a body without Content-Encoding, got {coding[:100]}")


@dataclass(slots=True)  # not frozen: that would cost more than all of its fields
class Response:
    """What is answered."""

    status: int
    body: bytes
    media: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send, echoed: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Send it whole, with the headers of the request that it answers."""
        headers = [
            (b"content-type", self.media),
            (b"content-length", b"%d" % len(self.body)),
            *self.headers,
            *echoed,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def answered(answer: msgspec.Struct) -> Response:
    """Answer 200 with a wire type."""
    return Response(200, encode(answer))


def refused(refusal: Refused) -> Response:
    """Answer a refusal in the one shape that every error has."""
    body = encode(ErrorAnswer(ErrorDetail(refusal.path, refusal.reason)))
    return Response(refusal.status, body, headers=refusal.headers)


def _too_large(most_bytes: int) -> Refused:
    return Refused(413, f"expected a body of at most {most_bytes} bytes; send fewer rows in one request")

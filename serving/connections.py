"""One caller's connection, within limits: how many there are, how large a head is, how slow a caller may be.

uvicorn reads and writes HTTP; what it leaves open for good is bounded here, at no cost to a request: the
connections are looked over now and then, and what has stood in one place for too long is cut.
"""

import asyncio
import time
from collections import Counter, deque
from typing import Any, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from keepfit.settings import Settings
from serving.contract import ErrorAnswer, ErrorDetail

_LOOK_S = 0.25
_LINGER_S = 0.5
"""How long an ending worker leaves idle connections open: a request may be on its way."""
_HEAD_BYTES = 64 * 1024
_VERSIONS = {"1.0", "1.1"}
_ONCE = {
    *(b"host", b"origin", b"authorization", b"cookie", b"content-type", b"content-encoding", b"expect"),
    *(b"transfer-encoding", b"idempotency-key", b"keepfit-clock", b"inference-header-content-length"),
    *(b"x-amzn-sagemaker-inference-id", b"x-request-id", b"traceparent"),
}
"""Headers that stand once or not at all: whoever stands between may have looked at another than we do."""
_DROPPED: Any = deque(maxlen=0)
"""Where the headers behind a body go: among its own they would count, unseen by who looked at its head."""
_LARGE_HEAD = f"expected at most {_HEAD_BYTES} bytes before the body"
_PHRASES = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


class _Unfit(Exception):
    """A head that the parser takes and we do not."""


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, which knows since when its caller has been at one thing."""

    def __init__(self, limits: Settings, **given: Any) -> None:  # noqa: ANN401 - what uvicorn gives its protocols
        super().__init__(**given)
        self._limits = limits
        self._head_bytes = 0
        self._seen: tuple[str, object] = ("", None)
        self._since = time.monotonic()
        self._ending = False
        self._deaf = False
        self._unfit = ""
        self._last_words: tuple[int, str, str] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a connection, or refuse it at once when there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self.cut(503, f"{self._limits.connections} connections are open, ask again soon", "connections")
        else:
            OPEN.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        OPEN.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a head that does not end is refused."""
        if self._deaf:
            return
        before = cast("object | None", self.scope)
        self._head_bytes += len(data)
        HttpToolsProtocol.data_received(self, data)  # by name: this is done for every packet
        if not self._in_head() or (before is not None and before is not self.scope):
            self._head_bytes = 0  # what stands before this head in the packet is none of it
        elif self._head_bytes > _HEAD_BYTES:
            self._refuse(431, _LARGE_HEAD, "headers too large")

    def shutdown(self) -> None:
        """Begin to end: what a caller has sent before it could know is answered, and then no more."""
        self._ending = True
        if (cycle := self._cycle) is None or cycle.response_complete:
            self.loop.call_later(_LINGER_S, self._close_idle)
        else:
            super().shutdown()

    def on_headers_complete(self) -> None:
        """Take a request; the last one, where the worker ends."""
        self._check_head()
        HttpToolsProtocol.on_headers_complete(self)
        self.headers = _DROPPED
        if self._ending:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Know that the body is here, also of a request that was answered before it came: it is idle then."""
        HttpToolsProtocol.on_message_complete(self)
        self.cycle.more_body = False
        if self.cycle.response_complete and self.timeout_keep_alive_task is None:
            after, close = self.timeout_keep_alive, self.timeout_keep_alive_handler
            self.timeout_keep_alive_task = self.loop.call_later(after, close)

    def on_response_complete(self) -> None:
        """Go on with the next request; when all that were good are answered, refuse what came behind them."""
        answered = not self.pipeline
        HttpToolsProtocol.on_response_complete(self)
        if answered and self._last_words:
            self.cut(*self._last_words)

    def _check_head(self) -> None:
        names = [name for name, _ in self.headers]
        if len(set(names)) < len(names):
            twice = [name for name, count in Counter(names).items() if count > 1 and name in _ONCE]
            if twice:
                raise self._no(f"header {twice[0].decode()}: it stands twice; send it once")
        if b"transfer-encoding" in names and dict(self.headers)[b"transfer-encoding"].lower() != b"chunked":
            raise self._no("header transfer-encoding: expected chunked and nothing else")
        parser: Any = self.parser  # not None while it calls
        if parser.get_http_version() not in _VERSIONS:
            raise self._no("expected HTTP/1.1")
        if self._head_bytes > _HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > _HEAD_BYTES:
                raise self._no(_LARGE_HEAD)

    def _no(self, reason: str) -> _Unfit:
        self._unfit = reason
        return _Unfit(reason)  # the parser stops, and what it says then is `send_400_response`

    def _close_idle(self) -> None:
        if (cycle := self._cycle) is None or cycle.response_complete:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP in the shape that every refusal has."""
        if self._unfit == _LARGE_HEAD:
            self._refuse(431, _LARGE_HEAD, "headers too large")
        else:
            self._refuse(400, self._unfit or f"{msg.rstrip('.')}: it is no HTTP/1.1", "malformed")

    def _unsupported_upgrade_warning(self) -> None:
        """Answer in HTTP/1.1 and end: what follows may be of the protocol that was asked for."""
        self._deaf = True
        self.cycle.keep_alive = False
        if self.cycle.response_complete:
            self.transport.close()

    def _refuse(self, status: int, reason: str, counted: str) -> None:
        """Refuse what was read last, after the answers of what came before it, and read no more."""
        self._deaf = True
        waiting = bool(self.pipeline)
        if self._in_head():
            waiting = waiting or ((cycle := self._cycle) is not None and not cycle.response_complete)
        elif waiting:
            self.pipeline.popleft()  # its body is what cannot be read: it is not answered
        if waiting:
            self._last_words = (status, reason, counted)
        else:
            self.cut(status, reason, counted)

    def look(self, now: float) -> None:
        """Cut a caller that has been too long at one thing."""
        doing = self._doing()
        if doing != self._seen:
            self._seen, self._since = doing, now
            return
        after = now - self._since
        if doing[0] == "head" and after > self._limits.header_s:
            self.cut(408, f"expected the head of a request within {self._limits.header_s:g} s", "too slow")
        elif doing[0] == "body" and after > self._limits.body_s:
            self.cut(408, f"expected the whole body within {self._limits.body_s:g} s", "too slow")
        elif doing[0] == "reading" and after > self._limits.body_s:
            REFUSED["too slow"] += 1
            self.transport.abort()  # what was written to it is not read: it cannot be told

    def cut(self, status: int, reason: str, counted: str) -> None:
        """Say why, where nothing else was said of the same request, and close."""
        if self.transport.is_closing():
            return
        REFUSED[counted] += 1
        if (cycle := self._cycle) is None or self._in_head() or not cycle.response_started:
            body = msgspec.json.encode(ErrorAnswer(ErrorDetail("$", reason)))
            head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\nconnection: close\r\n"
            again = b"retry-after: 1\r\n" if status == 503 else b""
            length = b"content-length: %d\r\n\r\n" % len(body)
            self.transport.write(head % (status, _PHRASES[status]) + again + length + body)
        self.transport.close()

    def _in_head(self) -> bool:
        scope = cast("object | None", self.scope)
        return scope is not None and ((cycle := self._cycle) is None or cycle.scope is not scope)

    def _doing(self) -> tuple[str, object]:
        """Say what the caller is at, and with which request."""
        cycle, sending = self._cycle, self._in_body()
        if self.flow.write_paused:
            return "reading", cycle
        if self.pipeline or (cycle is not None and not cycle.response_complete and not sending):
            return "waiting", cycle
        if self._in_head() or (self.timeout_keep_alive_task is None and not sending):
            return "head", self.scope
        return ("body" if sending else "idle"), cycle

    def _in_body(self) -> bool:
        return (cycle := self._cycle) is not None and cycle.more_body

    @property
    def _cycle(self) -> RequestResponseCycle | None:
        return self.cycle  # None before the first request, whatever its annotation says


OPEN: set[Connection] = set()
"""The connections of this process, which is one worker."""
REFUSED: Counter[str] = Counter()
"""How many were refused or cut, by the reason: no request of theirs ever reached the application."""


async def look_over() -> None:
    """Look over all connections again and again."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(_LOOK_S)
        now = time.monotonic()
        if now - before > 2 * _LOOK_S:
            continue  # this loop was held up: what callers sent meanwhile is not read yet
        for connection in list(OPEN):
            connection.look(now)

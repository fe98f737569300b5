"""A typed client of the prediction service, over connections that are kept alive."""

import http.client
import random
import select
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Self, TypeVar
from urllib.parse import urlsplit

import msgspec

from data.records import new_id
from keepfit.errors import KeyReused, RequestRefused, ServiceError, ServiceUnavailable
from serving.contract import (
    ErrorAnswer,
    FeedbackAnswer,
    FeedbackRequest,
    LabelRow,
    ModelAnswer,
    PredictAnswer,
    PredictRequest,
    Row,
)

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_BACKOFF_S = 0.05
_WAIT = (429, 503)
"""Nothing was done: the request may be sent again when the server says so."""
_COME_AGAIN = (*_WAIT, 507)


class Client:
    """Asks one prediction service; any number of threads may share it. Close it, or use it in `with`.

    A connection that cannot be made, or breaks before the answer, is tried again up to `retries` times,
    waiting 0.05, 0.1, 0.2, ... seconds in between. So is a request that a busy server refuses (429, 503)
    when it says when to come again (`Retry-After`), after that time, unless that is longer than `timeout_s`.
    `key` is the API key that a service may ask for; `trusted` says whose certificates are believed, this
    machine's authorities by default. An answer that takes longer than `timeout_s` is not asked for again.
    A request that is tried again may have been served before its connection broke: each carries an
    idempotency key (`key`, or one made for it), by which the store keeps its predictions and labels once.
    Raises ServiceUnavailable where the request may be sent again later, as it is (429, 503, 507); KeyReused
    for another body under a key that the server knows (409); and RequestRefused for every other answer of
    400 and above, with its `status`.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float = 10.0,
        retries: int = 5,
        *,
        key: str | None = None,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            msg = f"{url!r}: expected http://host:port or https://host:port"
            raise ValueError(msg)
        self.url = url.rstrip("/")
        self._address = (parts.hostname, parts.port)
        self._secured = parts.scheme == "https"
        self._trusted = trusted
        self._brought = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._timeout_s = timeout_s
        self._retries = retries
        self._idle: list[http.client.HTTPConnection] = []

    def predict(
        self,
        rows: Sequence[Row],
        clock: datetime | None = None,
        key: str | None = None,
        *,
        explain: bool = False,
    ) -> PredictAnswer:
        """Ask for the answers to rows, in their order; `clock` is for a server that replays the past.

        With `explain` each has what its features add to it.
        """
        path = "/v1/predict?explain=true" if explain else "/v1/predict"
        return self._post(path, PredictRequest(list(rows)), PredictAnswer, clock, key)

    def feedback(
        self, labels: Sequence[LabelRow], clock: datetime | None = None, key: str | None = None
    ) -> FeedbackAnswer:
        """Send true outcomes; when this returns, they are on the server's disk."""
        return self._post("/v1/feedback", FeedbackRequest(list(labels)), FeedbackAnswer, clock, key)

    def model(self) -> ModelAnswer:
        """Ask what every worker serves."""
        return msgspec.json.decode(self._ask("GET", "/v1/model", None, {}), type=ModelAnswer)

    def metrics(self) -> str:
        """Read what the workers counted, as Prometheus text."""
        return self._ask("GET", "/metrics", None, {}).decode()

    def is_live(self) -> bool:
        """Say whether a worker answers at all."""
        return self._is_up("/health/live")

    def is_ready(self) -> bool:
        """Say whether a worker answers and has a model."""
        return self._is_up("/health/ready")

    def close(self) -> None:
        """Close the connections that no request uses."""
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_up(self, path: str) -> bool:
        try:
            self._ask("GET", path, None, {}, patient=False)
        except (ServiceUnavailable, RequestRefused):
            return False
        return True

    def _post(
        self, path: str, request: msgspec.Struct, answer: type[T], clock: datetime | None, key: str | None
    ) -> T:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key or new_id()}
        if clock is not None:
            headers["Keepfit-Clock"] = clock.isoformat()
        return msgspec.json.decode(self._ask("POST", path, _encode(request), headers), type=answer)

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, patient: bool = True
    ) -> bytes:
        broken: Exception | None = None
        for attempt in range(self._retries + 1):
            if broken and attempt > 1:  # the first is at once: an idle connection may have closed
                time.sleep(_BACKOFF_S * 2 ** (attempt - 2))
            try:
                response, content = self._exchange(method, path, body, headers)
            except (OSError, http.client.HTTPException) as fault:
                broken = fault
                continue
            broken = None
            if response.status < 400:
                return content
            wait_s = self._wait_s(response) if patient and attempt < self._retries else None
            if wait_s is None:
                raise _refusal(self.url + path, response.status, content)
            # Not all at the same moment: those that were refused together would be refused together again.
            time.sleep(wait_s * random.uniform(1.0, 1.25))
        msg = f"{self.url}{path}: cannot be reached ({broken}); start it with `bin/keepfit serve`"
        raise ServiceUnavailable(msg) from broken

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Ask once; raise ServiceUnavailable when no answer comes in time, or what broke the connection."""
        connection = self._connection()
        try:
            connection.request(method, path, body, {**headers, **self._brought})
            response = connection.getresponse()
            content = response.read()
        except TimeoutError as fault:
            connection.close()
            msg = f"{self.url}{path}: no answer within {self._timeout_s:g} s; see the server's log"
            raise ServiceUnavailable(msg) from fault
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        self._idle.append(connection)
        return response, content

    def _wait_s(self, response: http.client.HTTPResponse) -> int | None:
        """Say how long the server asks to wait, if it is worth it: not without a word, nor for too long."""
        told = response.headers.get("Retry-After", "")
        if response.status not in _WAIT or not (told.isascii() and told.isdigit()):
            return None
        return int(told) if int(told[:9]) <= self._timeout_s else None

    def _connection(self) -> http.client.HTTPConnection:
        # No check of the list before it is popped: other threads pop too.
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if not _is_closed(connection):
                    return connection
                connection.close()
        host, port = self._address
        if self._secured:
            return http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=self._trusted)
        return http.client.HTTPConnection(host, port, timeout=self._timeout_s)


def _is_closed(connection: http.client.HTTPConnection) -> bool:
    """Say whether the server has closed an idle connection: then there is its end to be read."""
    if connection.sock is None:
        return True
    waiting = select.poll()
    waiting.register(connection.sock, select.POLLIN)
    return bool(waiting.poll(0))


def _refusal(where: str, status: int, content: bytes) -> ServiceError:
    try:
        error = msgspec.json.decode(content, type=ErrorAnswer).error
    except msgspec.MsgspecError:
        told = f"{where}: {status}: {content[:200].decode('utf-8', 'replace')}"
    else:
        told = f"{where}: {status}: {error.path}: {error.reason}"
    if status in _COME_AGAIN:
        return ServiceUnavailable(told)
    return KeyReused(told, status) if status == 409 else RequestRefused(told, status)

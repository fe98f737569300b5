"""A typed client of the prediction service, over connections that are kept alive."""

import http.client
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self, TypeVar
from urllib.parse import urlsplit

import msgspec

from data.records import new_id
from keepfit.errors import RequestRefused, ServiceUnavailable
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
_COME_AGAIN = (503, 507)


class Client:
    """Asks one prediction service; any number of threads may share it. Close it, or use it in `with`.

    A connection that cannot be made, or breaks before the answer, is tried again up to `retries` times,
    waiting 0.05, 0.1, 0.2, ... seconds in between; an answer that takes longer than `timeout_s` is not.
    A request that is tried again may have been served before its connection broke: each carries an
    idempotency key (`key`, or one made for it), by which the store keeps its predictions and labels once.
    Raises ServiceUnavailable, also for an answer that asks to come again (503, 507); and RequestRefused for
    every other answer of 400 and above.
    """

    def __init__(self, url: str, timeout_s: float = 10.0, retries: int = 5) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            msg = f"{url!r}: expected http://host:port"
            raise ValueError(msg)
        self.url = url.rstrip("/")
        self._address = (parts.hostname, parts.port or 80)
        self._timeout_s = timeout_s
        self._retries = retries
        self._idle: list[http.client.HTTPConnection] = []

    def predict(
        self, rows: Sequence[Row], clock: datetime | None = None, key: str | None = None
    ) -> PredictAnswer:
        """Ask for the answers to rows, in their order; `clock` is for a server that replays the past."""
        return self._post("/v1/predict", PredictRequest(list(rows)), PredictAnswer, clock, key)

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
            self._ask("GET", path, None, {})
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

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        broken: Exception | None = None
        for attempt in range(self._retries + 1):
            if attempt > 1:  # the first new try is at once: the server may have closed an idle connection
                time.sleep(_BACKOFF_S * 2 ** (attempt - 2))
            connection = self._connection()
            try:
                connection.request(method, path, body, dict(headers))
                response = connection.getresponse()
                content = response.read()
            except TimeoutError as fault:
                connection.close()
                msg = f"{self.url}{path}: no answer within {self._timeout_s:g} s; see the server's log"
                raise ServiceUnavailable(msg) from fault
            except (OSError, http.client.HTTPException) as fault:
                connection.close()
                broken = fault
                continue
            self._idle.append(connection)
            if response.status in _COME_AGAIN:
                raise ServiceUnavailable(_refusal(self.url + path, response.status, content))
            if response.status >= 400:
                raise RequestRefused(_refusal(self.url + path, response.status, content))
            return content
        msg = f"{self.url}{path}: cannot be reached ({broken}); start it with `bin/keepfit serve`"
        raise ServiceUnavailable(msg) from broken

    def _connection(self) -> http.client.HTTPConnection:
        try:
            return self._idle.pop()
        except IndexError:
            host, port = self._address
            return http.client.HTTPConnection(host, port, timeout=self._timeout_s)


def _refusal(where: str, status: int, content: bytes) -> str:
    try:
        error = msgspec.json.decode(content, type=ErrorAnswer).error
    except msgspec.MsgspecError:
        return f"{where}: {status}: {content[:200].decode('utf-8', 'replace')}"
    return f"{where}: {status}: {error.path}: {error.reason}"

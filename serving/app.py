"""The routes, as a bare ASGI application."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import msgspec

from data.records import ids_of, new_id, now
from data.releases import WorkerStatus
from keepfit.errors import CaptureFailed
from keepfit.settings import Settings
from serving.answer import acknowledged, answer, told
from serving.contract import (
    FeedbackAnswer,
    ModelAnswer,
    PredictAnswer,
    WorkerAnswer,
    instant,
    read_feedback_request,
    read_predict_request,
)
from serving.exchange import TEXT, CallerGone, Receive, Request, Response, Scope, Send, answered, refused
from serving.refusal import Refused
from serving.worker import Worker

NO_MODEL = "no model yet: import history, then retrain"
_INLINE_ROWS = 200
"""More rows than these are answered in a thread: other requests and health checks must not wait for them."""
_LONGEST_KEY = 200

_log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


class App:
    """The ASGI application of one worker."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._worker = Worker(settings)
        self._routes: Mapping[str, tuple[str, Handler]] = {
            "/v1/predict": ("POST", self._predict),
            "/v1/feedback": ("POST", self._feedback),
            "/v1/model": ("GET", self._model),
            "/health/live": ("GET", self._live),
            "/health/ready": ("GET", self._ready),
            "/metrics": ("GET", self._metrics),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event, as ASGI 3 says."""
        if scope["type"] == "http":
            await self._exchange(Request(scope, receive), send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _exchange(self, request: Request, send: Send) -> None:
        path: str = request.scope["path"]
        try:
            response = await self._handler(path, request.scope["method"])(request)
        except Refused as refusal:
            response = refused(refusal)
        except CallerGone:
            return
        except Exception:  # noqa: BLE001 - the one place: whatever a route raises is answered with 500
            _log.exception("%s %s: answered with 500", request.scope["method"], path)
            response = refused(Refused(500, "the server failed; its log says how"))
        self._worker.metrics.answered(path if path in self._routes else "other", response.status)
        await response.send(send)

    def _handler(self, path: str, method: str) -> Handler:
        found = self._routes.get(path)
        if found is None:
            raise Refused(404, f"no such path; there are {', '.join(self._routes)}")
        expected, handler = found
        if method != expected and (expected, method) != ("GET", "HEAD"):
            allowed = b"GET, HEAD" if expected == "GET" else b"POST"
            raise Refused(405, f"expected {expected}, got {method}", headers=((b"allow", allowed),))
        return handler

    async def _predict(self, request: Request) -> Response:
        began = time.perf_counter()
        body = await request.body(self._settings.body_bytes)
        live = self._worker.slot.live  # taken once: the whole request is answered by this model
        if live is None:
            raise Refused(503, NO_MODEL)
        clock = self._clock(request)
        asked = read_predict_request(body, self._settings.rows)
        ids = _ids(request, body, len(asked.rows))
        if len(asked.rows) > _INLINE_ROWS:
            made = await asyncio.to_thread(answer, live, asked, clock, ids)
        else:
            made = answer(live, asked, clock, ids)
        captured = self._worker.capture.predictions(made)
        target = live.schema.target
        predictions = [told(prediction, target) for prediction in made.rows]
        response = answered(PredictAnswer(live.version, captured, predictions, target.classes))
        self._worker.metrics.predicted(time.perf_counter() - began, len(made.rows), captured=captured)
        return response

    async def _feedback(self, request: Request) -> Response:
        body = await request.body(self._settings.body_bytes)
        clock = self._clock(request)
        live = self._worker.slot.live
        given = read_feedback_request(body, self._settings.rows)
        target = live.schema.target if live else None
        entry = acknowledged(given, target, clock, _ids(request, body, len(given.labels)))
        count = len(entry.labels)
        try:
            await self._worker.capture.labels(entry)
        except CaptureFailed as fault:
            self._worker.metrics.labelled(count, on_disk=False)
            raise Refused(507, f"the labels are not on disk, send them again: {fault}") from fault
        self._worker.metrics.labelled(count, on_disk=True)
        return answered(FeedbackAnswer(count, [label.label_id for label in entry.labels]))

    async def _model(self, _: Request) -> Response:
        seen = await self._worker.statuses()
        own = _worker_answer(self._worker.status())
        everyone = [_worker_answer(status) for status in seen]
        return answered(ModelAnswer(self._worker.project, own, everyone, self._settings.replay))

    async def _live(self, _: Request) -> Response:
        return Response(200, b'{"status":"live"}')

    async def _ready(self, _: Request) -> Response:
        if self._worker.slot.live is None:
            raise Refused(503, NO_MODEL)
        return Response(200, b'{"status":"ready"}')

    async def _metrics(self, _: Request) -> Response:
        return Response(200, (await self._worker.metrics_text()).encode(), TEXT)

    def _clock(self, request: Request) -> datetime:
        given = request.header(b"keepfit-clock")
        if given is None:
            return now()
        if not self._settings.replay:
            raise Refused(
                400, "header Keepfit-Clock: this server keeps its own clock; KEEPFIT_REPLAY=true lets callers"
            )
        try:
            return instant(msgspec.convert(given, datetime), now(), "$")
        except (msgspec.ValidationError, Refused):
            reason = f"header Keepfit-Clock: expected an RFC 3339 time with an offset, got {given[:60]!r}"
            raise Refused(400, reason) from None

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._worker.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._worker.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _ids(request: Request, body: bytes, count: int) -> list[str]:
    """Name a request's records: by its idempotency key, so that the store keeps a repetition once."""
    key = request.header(b"idempotency-key")
    if key is None:
        return [new_id() for _ in range(count)]
    if not (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
        raise Refused(400, f"header Idempotency-Key: expected 1 to {_LONGEST_KEY} characters of ASCII")
    return ids_of(key, body, count)


def _worker_answer(status: WorkerStatus) -> WorkerAnswer:
    return WorkerAnswer(
        host=status.host,
        pid=status.pid,
        version=status.version,
        digest=status.digest,
        generation=status.generation,
        error=status.error,
        refused=status.refused,
    )

"""What every wire contract asks of a worker: the live model, and rows answered and captured by it."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

import msgspec

from data.records import ids_of, new_id, now
from keepfit.errors import CaptureFailed
from keepfit.settings import Settings
from serving.answer import acknowledged, answer, told
from serving.contract import (
    FeedbackAnswer,
    FeedbackRequest,
    PredictAnswer,
    PredictRequest,
    Row,
    instant,
)
from serving.exchange import Request
from serving.refusal import Refused
from serving.slot import LiveModel
from serving.worker import Worker

NO_MODEL = "no model yet: import history, then retrain"
_INLINE_ROWS = 200
"""More rows than these are answered in a thread: other requests and health checks must not wait for them."""
_LONGEST_KEY = 200


class Desk:
    """One predictor, one capture and one kind of ids behind every contract."""

    def __init__(self, settings: Settings, worker: Worker) -> None:
        self.settings = settings
        self.worker = worker

    def model(self) -> LiveModel:
        """Give the live model; raise Refused (503) when there is none.

        Take it once: what a request reads by its schema must be answered by the same model.
        """
        live = self.worker.slot.live
        if live is None:
            raise Refused(503, NO_MODEL)
        return live

    async def predict(self, request: Request, live: LiveModel, rows: Sequence[Row]) -> PredictAnswer:
        """Answer rows, in their order, and capture what was answered; raise Refused, and keep nothing.

        A refusal's path begins with `$.rows[i]`: a contract that calls its rows otherwise says so itself.
        """
        began = time.perf_counter()
        if not rows:
            raise Refused(422, "expected at least one row", "$.rows")
        if len(rows) > self.settings.rows:
            raise Refused(
                413,
                f"expected at most {self.settings.rows} rows in one request, got {len(rows)}",
                "$.rows",
            )
        clock = self.clock(request)
        asked = PredictRequest(list(rows))
        ids = self.ids(request, len(rows))
        if len(rows) > _INLINE_ROWS:
            made = await asyncio.to_thread(answer, live, asked, clock, ids)
        else:
            made = answer(live, asked, clock, ids)
        captured = self.worker.capture.predictions(made)
        target = live.schema.target
        predictions = [told(prediction, target) for prediction in made.rows]
        self.worker.metrics.predicted(time.perf_counter() - began, len(made.rows), captured=captured)
        return PredictAnswer(live.version, captured, predictions, target.classes)

    async def acknowledge(self, request: Request, given: FeedbackRequest) -> FeedbackAnswer:
        """Put labels on disk; raise Refused, and acknowledge nothing."""
        clock = self.clock(request)
        live = self.worker.slot.live
        target = live.schema.target if live else None
        entry = acknowledged(given, target, clock, self.ids(request, len(given.labels)))
        count = len(entry.labels)
        try:
            await self.worker.capture.labels(entry)
        except CaptureFailed as fault:
            self.worker.metrics.labelled(count, on_disk=False)
            raise Refused(507, f"the labels are not on disk, send them again: {fault}") from fault
        self.worker.metrics.labelled(count, on_disk=True)
        return FeedbackAnswer(count, [label.label_id for label in entry.labels])

    def clock(self, request: Request) -> datetime:
        """Read the time: this server's, or the caller's where callers may replay the past."""
        given = request.header(b"keepfit-clock")
        if given is None:
            return now()
        if not self.settings.replay:
            raise Refused(
                400, "header Keepfit-Clock: this server keeps its own clock; KEEPFIT_REPLAY=true lets callers"
            )
        try:
            return instant(msgspec.convert(given, datetime), now(), "$")
        except (msgspec.ValidationError, Refused):
            reason = f"header Keepfit-Clock: expected an RFC 3339 time with an offset, got {given[:60]!r}"
            raise Refused(400, reason) from None

    def ids(self, request: Request, count: int) -> list[str]:
        """Name a request's records: by its idempotency key, so that the store keeps a repetition once."""
        key = request.header(b"idempotency-key")
        if key is None:
            return [new_id() for _ in range(count)]
        if not (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
            raise Refused(400, f"header Idempotency-Key: expected 1 to {_LONGEST_KEY} characters of ASCII")
        return ids_of(key, count)

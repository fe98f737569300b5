"""What every wire contract asks of a worker: the live model, and rows answered and captured by it."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

import msgspec

from data.records import ids_of, new_ids, now
from keepfit.errors import CaptureFailed
from keepfit.settings import Settings
from serving.answer import acknowledged, told
from serving.batch import Asked
from serving.contract import FeedbackAnswer, FeedbackRequest, PredictAnswer, Row, check_count, instant
from serving.exchange import Request
from serving.explaining.explanation import Explainer
from serving.keys import Keys
from serving.refusal import Refused, invalid
from serving.slot import LiveModel
from serving.typed import TypedRow, times_of
from serving.worker import Worker

NO_MODEL = "no model yet: import history, then retrain"
_NOT_CAPTURED = (
    "the predictions could not be written to the journal, and KEEPFIT_CAPTURE=required gives none without; "
    "ask again in 1 s, and free space where the server's log says"
)
_INLINE_BYTES = 64 * 1024
_INLINE_ROWS = 200
"""A larger body is read in a thread: other requests and health checks must not wait for it."""


class Desk:
    """One predictor, one capture and one kind of ids behind every contract."""

    def __init__(self, settings: Settings, worker: Worker) -> None:
        self.settings = settings
        self.worker = worker
        self._share = settings.capture_share
        self.explainer = Explainer(settings)
        self._predicted, self._labelled = Keys(), Keys()

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
        if not rows:
            raise invalid("$.rows", "expected at least one row")
        check_count("rows", len(rows), self.settings.rows)
        if len(rows) > _INLINE_ROWS:
            return await self.answer(request, live, await asyncio.to_thread(live.rows.take, rows))
        return await self.answer(request, live, live.rows.take(rows))

    async def predict_body(self, request: Request, live: LiveModel, body: bytes) -> PredictAnswer:
        """Answer the body of our own contract."""
        if len(body) > _INLINE_BYTES:
            rows = await asyncio.to_thread(live.rows.read, body, self.settings.rows)
        else:
            rows = live.rows.read(body, self.settings.rows)
        return await self.answer(request, live, rows)

    async def answer(self, request: Request, live: LiveModel, rows: Sequence[TypedRow]) -> PredictAnswer:
        """Answer rows that were checked by the live model's schema."""
        clock = self.clock(request)
        times = times_of(rows, clock)
        ids = self._ids(request, len(rows), self._predicted)
        asked = Asked(live, rows, ids, times, clock, request, self._weight(ids[0]))
        try:
            outputs, captured = await self.worker.line.answer(asked)
        except Refused:
            self._predicted.forget(request.key)  # nothing was kept: what comes next under it is the first
            raise
        lost = asked.weight > 0 and not captured
        if lost and self.settings.capture == "required":
            self.worker.metrics.uncaptured(len(rows))
            raise Refused(503, _NOT_CAPTURED, headers=((b"retry-after", b"1"),), counted="not captured")
        target = live.schema.target
        told_rows = [
            told(made, output, row.reference_id, target)
            for made, output, row in zip(ids, outputs, rows, strict=True)
        ]
        self.worker.metrics.predicted(time.perf_counter() - request.began, len(rows), lost=lost)
        return PredictAnswer(live.version, captured, told_rows, target.classes)

    async def acknowledge(self, request: Request, given: FeedbackRequest) -> FeedbackAnswer:
        """Put labels on disk; raise Refused, and acknowledge nothing."""
        clock = self.clock(request)
        live = self.worker.slot.live
        target = live.schema.target if live else None
        source = "http" if request.caller is None else f"http:{request.caller.name}"
        entry = acknowledged(
            given, target, clock, self._ids(request, len(given.labels), self._labelled), source
        )
        count = len(entry.labels)
        try:
            await self.worker.capture.labels(entry)
        except CaptureFailed as fault:
            # The key stays: the labels may be in the journal, and others under it would contradict them.
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

    def _ids(self, request: Request, count: int, keys: Keys) -> list[str]:
        """Name a request's records: by its idempotency key, so that the store keeps a repetition once."""
        key = request.key
        if key is None:
            return new_ids(count)
        keys.check(key, request.content)
        return ids_of(key, count)

    def _weight(self, first_id: str) -> float:
        """Say what a request's rows count for in the store; 0 when they are not captured.

        It is drawn from the id: a request that is sent again is captured again, or left out again.
        """
        share = self._share
        return 1.0 if share >= 1 else 1 / share if int(first_id[-8:], 16) < share * 2**32 else 0.0

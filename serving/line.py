"""The line before the model: requests that came at once are answered by one run, and kept by one write.

It is bounded by time: a request that would have to wait longer than its deadline is refused at once.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, cast

import numpy as np

from data.journal import encode_line
from data.records import CapturedPredictions, Prediction
from keepfit.errors import BundleUnusable
from keepfit.settings import Settings
from serving.capture import Capture
from serving.refusal import Refused, invalid
from serving.slot import LiveModel
from serving.typed import TypedRow, cells_of

_INLINE_S = 0.002
"""A run that takes longer has a thread of its own: other requests and health checks must not wait for it."""
_LONGEST_BATCH = 8192
"""Rows for one run, unless one request has more: what a model needs in between stays small."""
_GONE = 499
"""The status of a row whose caller left before its answer: nobody saw it."""

Outputs = list[list[float]]


class Caller(Protocol):
    """Who waits for an answer."""

    @property
    def gone(self) -> bool:
        """Whether the connection is closed."""
        ...


@dataclass(slots=True, eq=False, kw_only=True)
class Asked:
    """A request in the line: its rows, checked, and what they will be known by.

    `began` is when it came, of `time.perf_counter`; `weight` is 1 / the share of requests that are
    captured, and 0 where this one is not.
    """

    live: LiveModel
    rows: Sequence[TypedRow]
    ids: Sequence[str]
    times: Sequence[datetime]
    clock: datetime
    began: float
    caller: Caller
    weight: float = 1.0
    trace_id: str | None = None
    answered: "asyncio.Future[tuple[Outputs, bool]]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Line:
    """Takes requests in their order; only the event loop of its worker touches it."""

    def __init__(self, settings: Settings, capture: Capture) -> None:
        self._deadline_s = settings.deadline_s
        self._most_rows = settings.line_rows
        self._capture = capture
        self._waiting: deque[Asked] = deque()
        self._turning = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self.rows = 0
        """How many rows wait or are being answered."""
        self.abandoned = 0
        """How many requests were never run, because their callers had left."""

    async def answer(self, asked: Asked) -> tuple[Outputs, bool]:
        """Give the outputs of each row and whether they are in the journal; raise Refused."""
        self._admit(asked)
        self._waiting.append(asked)
        self.rows += len(asked.rows)
        if not self._turning:
            self._turning = True
            # Not at once: what else has come by now is taken along.
            asyncio.get_running_loop().call_soon(self._turn)
        return await asked.answered

    def close(self) -> None:
        """End the thread; nothing waits any more."""
        self._thread.shutdown()

    def _admit(self, asked: Asked) -> None:
        count, pace = len(asked.rows), asked.live.pace
        if self.rows + count <= pace.limit:
            return  # one batch answers them all
        if self.rows and self.rows + count > self._most_rows:
            raise _busy(1.0)
        own_s = pace.seconds(count) if pace.knows(count) else 0.0
        if own_s > self._deadline_s:
            most = max(1, int(count * self._deadline_s / own_s))
            reason = (
                f"{count} rows take about {own_s:.1f} s, and an answer may take {self._deadline_s:g} s; "
                f"send at most {most} in one request"
            )
            raise Refused(413, reason, "$.rows")
        late_s = pace.wait(self.rows) + own_s - self._deadline_s
        if late_s > 0:
            raise _busy(late_s)

    def _turn(self) -> None:
        batch = self._next_batch()
        if not batch:
            self._turning = False
            return
        rows = sum(len(asked.rows) for asked in batch)
        loop = asyncio.get_running_loop()
        if batch[0].live.pace.seconds(rows) <= _INLINE_S:
            self._finish(batch, rows, _run(batch))
            loop.call_soon(self._turn)
        else:
            running = loop.run_in_executor(self._thread, _run, batch)
            running.add_done_callback(lambda done: self._ran(batch, rows, done))

    def _ran(self, batch: "list[Asked]", rows: int, done: "asyncio.Future[_Ran]") -> None:
        if fault := done.exception():
            self.rows -= rows
            for asked in batch:
                _fail(asked, fault)
        else:
            self._finish(batch, rows, done.result())
        self._turn()

    def _next_batch(self) -> list[Asked]:
        """Take what is answered by one run: requests to one model, as many as keep to the time of a batch."""
        batch: list[Asked] = []
        rows, now = 0, time.perf_counter()
        while self._waiting:
            asked = self._waiting[0]
            count = len(asked.rows)
            if batch and (
                asked.live is not batch[0].live or rows + count > min(asked.live.pace.limit, _LONGEST_BATCH)
            ):
                break
            self._waiting.popleft()
            if asked.caller.gone or asked.answered.done():
                self.abandoned += 1
                self.rows -= count
                asked.answered.cancel()
            elif now - asked.began > self._deadline_s:
                self.rows -= count
                _fail(asked, _busy(1.0))
            else:
                batch.append(asked)
                rows += count
        return batch

    def _finish(self, batch: list[Asked], rows: int, ran: "_Ran") -> None:
        batch[0].live.pace.learn(rows, ran.seconds)
        self.rows -= rows
        captured = self._capture.lines(ran.lines) if ran.lines else True
        for asked, found in zip(batch, ran.found, strict=True):
            if isinstance(found, Refused):
                _fail(asked, found)
            elif not asked.answered.done():
                asked.answered.set_result((found, captured and asked.weight > 0))


@dataclass(slots=True)
class _Ran:
    """What a run gave for each request, the journal lines of what is answered, and how long it took."""

    found: "list[Outputs | Refused]"
    lines: bytes
    seconds: float


def _run(batch: list[Asked]) -> _Ran:
    began = time.perf_counter()
    found = _outputs(batch)
    lines: list[bytes] = []
    for asked, outputs in zip(batch, found, strict=True):
        if asked.weight and not isinstance(outputs, Refused):
            lines.append(encode_line(_captured(asked, outputs)))
    return _Ran(found, b"".join(lines), time.perf_counter() - began)


def _outputs(batch: list[Asked]) -> "list[Outputs | Refused]":
    cells = [cells_of(row) for asked in batch for row in asked.rows]
    try:
        numbers = batch[0].live.predictor.predict_cells(cells)
    except BundleUnusable as fault:
        if len(batch) > 1:  # some row of somebody's: the others are answered
            return [outputs for asked in batch for outputs in _outputs([asked])]
        # It answered its golden rows, so it is these rows that it cannot take.
        return [invalid("$.rows", f"the live model cannot answer these rows: {fault}")]
    finite = cast("list[bool]", np.isfinite(numbers).all(axis=1).tolist())
    every = all(finite)
    found: list[Outputs | Refused] = []
    outputs: Outputs = numbers.tolist()
    start = 0
    for asked in batch:
        end = start + len(asked.rows)
        if every or all(finite[start:end]):
            found.append(outputs[start:end])
        else:
            place = finite[start:end].index(False)
            found.append(invalid(f"$.rows[{place}]", "the live model has no finite answer to this row"))
        start = end
    return found


def _captured(asked: Asked, outputs: Outputs) -> CapturedPredictions:
    version = asked.live.version
    latency_s = round(time.perf_counter() - asked.began, 6)
    status = _GONE if asked.caller.gone else 200
    return CapturedPredictions(
        tuple(
            Prediction(
                prediction_id=made,
                features=row.features,  # pyright: ignore[reportArgumentType] - written as the mapping that is read back
                predicted_at=at,
                known_at=asked.clock,
                output=tuple(output),
                version=version,
                reference_id=row.reference_id,
                latency_s=latency_s,
                status=status,
                weight=asked.weight,
                trace_id=asked.trace_id,
            )
            for made, row, at, output in zip(asked.ids, asked.rows, asked.times, outputs, strict=True)
        )
    )


def _busy(late_s: float) -> Refused:
    again = max(1, math.ceil(late_s))
    return Refused(
        429,
        f"more is asked than can be answered in time; ask again in {again} s, or start more workers",
        headers=((b"retry-after", str(again).encode()),),
    )


def _fail(asked: Asked, fault: BaseException) -> None:
    if not asked.answered.done():
        asked.answered.set_exception(fault)

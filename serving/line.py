"""The line before the model: requests that came at once are answered by one run, and kept by one write.

It is bounded by time: a request that would have to wait longer than its deadline is refused at once.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from keepfit.settings import Settings
from serving.batch import Asked, Outputs, Ran, run
from serving.capture import Capture
from serving.exchange import CallerGone
from serving.pace import Pace
from serving.refusal import Refused
from serving.slot import LiveModel

_INLINE_S = 0.005
"""A run that takes longer has a thread of its own: other requests and health checks must not wait for it."""
_HELD_BACK = 0.5
"""The part of the deadline that a request may have to wait, by an estimate that may be wrong by as much."""
_LONGEST_BATCH = 8192
"""Rows for one run, unless one request has more: what a model needs in between stays small."""


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
        self.runs = 0
        """How often the model was run."""
        self.abandoned = 0
        """How many requests were never run, because their callers had left."""

    async def answer(self, asked: Asked) -> tuple[Outputs, bool]:
        """Give the outputs of each row and whether they are in the journal; raise Refused or CallerGone."""
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

    def check_room(self, live: LiveModel) -> None:
        """Refuse when not even one more row could be answered in time: before its body is read."""
        if self.rows > live.pace.limit:
            late_s = live.pace.wait(self.rows + 1) - self._deadline_s * _HELD_BACK
            if late_s > 0:
                raise _busy(late_s)

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
        if self.rows:
            late_s = pace.wait(self.rows) + own_s - self._deadline_s * _HELD_BACK
            if late_s > 0:
                raise _busy(late_s)

    def _turn(self) -> None:
        batch = self._next_batch()
        if not batch:
            self._turning = False
            return
        self.runs += 1
        rows = sum(len(asked.rows) for asked in batch)
        loop, began = asyncio.get_running_loop(), time.perf_counter()
        if batch[0].live.pace.seconds(rows) <= _INLINE_S:
            loop.call_soon(self._turn)  # said first: whatever this run does, the line goes on
            with self._failing_all(batch, rows):
                self._finish(batch, run(batch))
                batch[0].live.pace.learn(rows, time.perf_counter() - began)
        else:
            running = loop.run_in_executor(self._thread, run, batch)
            running.add_done_callback(lambda done: self._ran(batch, rows, began, done))

    def _ran(self, batch: list[Asked], rows: int, began: float, done: "asyncio.Future[Ran]") -> None:
        asyncio.get_running_loop().call_soon(self._turn)
        with self._failing_all(batch, rows):
            self._finish(batch, done.result())
            # What a run waits for its thread and for this loop, the next one waits for too.
            batch[0].live.pace.learn(rows, time.perf_counter() - began)

    @contextmanager
    def _failing_all(self, batch: list[Asked], rows: int) -> Generator[None]:
        """Answer a batch, whatever comes: a fault of ours is raised to each request (500)."""
        try:
            yield
        except Exception as fault:  # noqa: BLE001 - it is raised again, where each request waits
            for asked in batch:
                _fail(asked, fault)
        finally:
            self.rows -= rows

    def _next_batch(self) -> list[Asked]:
        """Take what is answered by one run: requests to one model, as many as keep to the time of a batch."""
        batch: list[Asked] = []
        rows, most, now = 0, 0, time.perf_counter()
        while self._waiting:
            asked = self._waiting[0]
            count = len(asked.rows)
            if batch and (asked.live is not batch[0].live or rows + count > most):
                break
            self._waiting.popleft()
            if asked.caller.gone or asked.answered.done():
                self.abandoned += 1
                self.rows -= count
                _fail(asked, CallerGone())
            elif now - asked.caller.began > self._deadline_s:
                self.rows -= count
                _fail(asked, _busy(1.0))
            else:
                batch.append(asked)
                rows += count
                if len(batch) == 1:
                    most = _most(asked.live.pace, count)
        return batch

    def _finish(self, batch: list[Asked], ran: Ran) -> None:
        kept = self._capture.lines(ran.lines) if ran.lines else 0
        if kept and self._capture.durable:
            on_disk = self._capture.on_disk()
            on_disk.add_done_callback(lambda done: _tell(batch, ran, 0 if done.result() else kept))
        else:
            _tell(batch, ran, kept)


def _tell(batch: list[Asked], ran: Ran, kept: int) -> None:
    """Answer each request of a batch of which so many lines, the first, are captured."""
    for asked, found in zip(batch, ran.found, strict=True):
        if isinstance(found, Refused):
            _fail(asked, found)
            continue
        captured = asked.weight > 0 and kept > 0
        kept -= captured
        if not asked.answered.done():
            asked.answered.set_result((found, captured))


def _most(pace: Pace, rows: int) -> int:
    """Say how many rows a batch may have that begins with so many.

    What can be answered at once is not made to wait for a thread by what came with it.
    """
    most = min(pace.limit, _LONGEST_BATCH)
    while most > rows and pace.seconds(most) > _INLINE_S >= pace.seconds(rows):
        most //= 2
    return most


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

"""A load generator that does not wait for answers: each request is sent when it is due.

`python -m benchmarks.paced` reads a Paced job from its input and writes what came of each request to its
output, as a numpy array of SEEN. Every answer is held against its request: version and rows.
"""

import asyncio
import sys
import time
from array import array
from collections import deque
from contextlib import suppress
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
import uvloop
from numpy.lib.recfunctions import unstructured_to_structured

SEEN = np.dtype(
    [
        ("due", "f8"),
        ("sent", "f8"),
        ("done", "f8"),
        ("status", "i2"),
        ("version", "i2"),
        ("rows", "i2"),
        ("fault", "i1"),
    ]
)
"""One request: when it came up, was sent, was answered (time.monotonic); what is wrong with the answer.

`status` 0 is no answer: REFUSED, no connection was had or nothing was ever answered on it; UNANSWERED, one in
use was closed without a byte; TORN, with half an answer.
"""
REFUSED, UNANSWERED, TORN, MIXED, WRONG_ROW, NO_RETRY_AFTER = 1, 2, 3, 4, 5, 6

Seen = npt.NDArray[Any]
STEP = 10_000
"""A row is answered with version * STEP + its distance + something below 1."""
_TICK_S = 0.001
_FIRST = 64
"""Connections that are open before the first request is due."""
_LENGTH = b"content-length: "


class Paced(msgspec.Struct, frozen=True):
    """What to send and how: requests, taken in turn, with the distances of their rows.

    With a rate, arrivals are a Poisson process: independent of each other and of the answers. Without one
    each connection sends the next request when the last is answered. It goes on for `seconds`, or until its
    input ends; then it waits for what is under way.
    """

    port: int
    requests: list[bytes]
    distances: list[list[int]]
    connections: int
    """The most that are open at once; more are opened as they are needed."""
    rate: float = 0.0
    seconds: float = 0.0
    drain_s: float = 10.0


class _Predicted(msgspec.Struct):
    output: float


class _Answer(msgspec.Struct):
    version: int
    predictions: list[_Predicted]


_answer = msgspec.json.Decoder(_Answer).decode


class Caller(asyncio.Protocol):
    """One connection: at most one request is under way."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._pending = b""
        self._asked: tuple[float, float, int] | None = None
        self._taken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def ask(self, due: float, number: int) -> None:
        """Send a request."""
        assert self._transport is not None
        self._asked = (due, time.monotonic(), number)
        self._transport.write(self._load.job.requests[number])

    def data_received(self, data: bytes) -> None:
        """Take what came; when the answer is whole, be free for the next request."""
        self._pending = self._pending + data if self._pending else data
        end = self._pending.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._pending[:end].lower()
        start = head.index(_LENGTH) + len(_LENGTH)
        whole = end + 4 + int(head[start:].split(b"\r", 1)[0])
        if len(self._pending) < whole:
            return
        body, self._pending = self._pending[end + 4 : whole], b""
        self._finish(head, body)

    def connection_lost(self, _: Exception | None) -> None:
        """Note a request that will not be answered."""
        if self._asked is not None:
            due, sent, number = self._asked
            self._asked = None
            fault = TORN if self._pending else UNANSWERED if self._taken else REFUSED
            self._load.note(due, sent, number, fault=fault)
        self._load.lost(self)

    def _finish(self, head: bytes, body: bytes) -> None:
        assert self._asked is not None
        (due, sent, number), self._asked = self._asked, None
        self._taken = True
        status, version, fault = int(head[9:12]), 0, 0
        if status == 200:
            version, fault = held(body, self._load.job.distances[number])
        elif status == 429 and b"\nretry-after: " not in head:
            fault = NO_RETRY_AFTER
        self._load.note(due, sent, number, status, version, fault)
        if b"\nconnection: close" in head:
            return  # `connection_lost` follows
        self._load.free(self)


class Load:
    """One run of a job."""

    def __init__(self, job: Paced) -> None:
        self.job = job
        self._seen = array("d")  # millions of requests: a few bytes each
        self._idle: deque[Caller] = deque()
        self._open = 0
        self._waiting: deque[tuple[float, int]] = deque()
        self._under_way = 0
        self._next = 0
        self._ending = False
        self._opening: set[asyncio.Task[None]] = set()

    async def run(self, ended: asyncio.Event) -> Seen:
        """Send until `ended`, or until the job's seconds are over."""
        first = min(self.job.connections, _FIRST) if self.job.rate else self.job.connections
        for _ in range(first):
            await self._open_one()
        if self.job.rate:
            await self._pace(ended)
        else:
            await _or_after(ended, self.job.seconds)
        self._ending = True
        until = time.monotonic() + self.job.drain_s
        while self._under_way and time.monotonic() < until:
            await asyncio.sleep(0.01)
        told = np.frombuffer(self._seen, np.float64).reshape(-1, len(SEEN))
        return unstructured_to_structured(told, SEEN)

    def note(
        self, due: float, sent: float, number: int, status: int = 0, version: int = 0, fault: int = 0
    ) -> None:
        """Remember what came of a request."""
        self._under_way -= 1
        rows = len(self.job.distances[number])
        self._seen.extend((due, sent, time.monotonic(), status, version, rows, fault))

    def free(self, caller: Caller) -> None:
        """Give a connection its next request, if one is due."""
        if self._waiting:
            self._ask(caller, *self._waiting.popleft())
        elif not self.job.rate and not self._ending:
            self._ask(caller, time.monotonic(), self._number())
        else:
            self._idle.append(caller)

    def lost(self, caller: Caller) -> None:
        """Forget a connection that ended; without a rate another takes its place."""
        self._open -= 1
        if caller in self._idle:
            self._idle.remove(caller)
        if not self._ending and (self._waiting or not self.job.rate):
            if not self.job.rate:
                self._waiting.append((time.monotonic(), self._number()))
            self._start_opening()

    async def _pace(self, ended: asyncio.Event) -> None:
        gaps = np.random.default_rng(0)
        due = began = time.monotonic()
        until = began + self.job.seconds if self.job.seconds else float("inf")
        while not ended.is_set() and due < until:
            for gap in gaps.exponential(1 / self.job.rate, 1000).tolist():
                due += gap
                while (now := time.monotonic()) < due:
                    await asyncio.sleep(max(_TICK_S, due - now))
                if ended.is_set() or due >= until:
                    return
                self._arrive()

    def _arrive(self) -> None:
        # Now, not when it was due: how late this process is says nothing of the server.
        if self._idle:
            self._ask(self._idle.popleft(), time.monotonic(), self._number())
            return
        self._waiting.append((time.monotonic(), self._number()))
        if self._open + len(self._opening) < self.job.connections:
            self._start_opening()

    def _ask(self, caller: Caller, due: float, number: int) -> None:
        self._under_way += 1
        caller.ask(due, number)

    def _number(self) -> int:
        self._next = (self._next + 1) % len(self.job.requests)
        return self._next

    def _start_opening(self) -> None:
        task = asyncio.ensure_future(self._open_one())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open_one(self) -> None:
        try:
            made = await asyncio.get_running_loop().create_connection(
                lambda: Caller(self), "127.0.0.1", self.job.port
            )
        except OSError:
            if self._waiting:
                due, number = self._waiting.popleft()
                self._under_way += 1
                self.note(due, time.monotonic(), number, fault=REFUSED)
            return
        self._open += 1
        self.free(made[1])


def held(body: bytes, distances: list[int]) -> tuple[int, int]:
    """Hold an answer against the rows asked: its version, and what is wrong with it."""
    answer = _answer(body)
    outputs = [p.output for p in answer.predictions]
    if [int(o % STEP) for o in outputs] != distances:
        return answer.version, WRONG_ROW
    if {int(o // STEP) for o in outputs} != {answer.version}:
        return answer.version, MIXED
    return answer.version, 0


def latencies_ms(seen: Seen) -> npt.NDArray[np.float64]:
    """Say how long each request took: from when it came up, so that a wait for a connection counts."""
    return (seen["done"] - seen["due"]) * 1000


def failed(seen: Seen) -> tuple[int, str]:
    """Count the requests that were not answered with 200, and say how many had which status."""
    statuses, counts = np.unique(seen["status"][seen["status"] != 200], return_counts=True)
    told = (f"{status or 'no answer'}: {count:,}" for status, count in zip(statuses, counts, strict=True))
    return int(counts.sum()), ", ".join(told)


async def _or_after(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds or None)


async def _run(job: Paced) -> Seen:
    ended = asyncio.Event()
    # What starts this may end it early, by closing its input.
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    return await Load(job).run(ended)


def main() -> None:
    """Read a job from the first line, run it, write what came back."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Paced)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(_run(job))
    np.save(sys.stdout.buffer, seen, allow_pickle=False)


if __name__ == "__main__":
    main()

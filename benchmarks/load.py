"""A load generator: keep-alive connections that each send the next request when the last is answered.

`python -m benchmarks.load` reads a Job from its input and writes a Result to its output, as JSON.
"""

import asyncio
import sys
import time
from itertools import cycle
from typing import cast

import msgspec
import numpy as np
import uvloop

_LENGTH = b"content-length: "


class Job(msgspec.Struct, frozen=True):
    """What to send: whole requests, precomputed and taken in turn."""

    connections: int
    seconds: float
    requests: list[bytes]
    port: int = 0
    warm_up_s: float = 0.5


class Result(msgspec.Struct, frozen=True):
    """What came back in `seconds`; latencies in milliseconds, from the send to the answer's last byte.

    `all_answers` are those of the warm-up too, and `cpu_us` the server's processor time for one of them.
    """

    answers: int
    seconds: float
    p50_ms: float
    p99_ms: float
    all_answers: int
    cpu_us: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


class Connection(asyncio.Protocol):
    """One caller: at most one request is under way."""

    def __init__(self, requests: list[bytes], first: int) -> None:
        self._requests = cycle(requests[first:] + requests[:first])
        self._transport: asyncio.Transport | None = None
        self._pending = b""
        self._sent_at = 0.0
        self.ended = asyncio.get_running_loop().create_future()
        self.latencies: list[tuple[float, float]] = []
        """When each answer came, and after how long."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take what came; when an answer is whole, send the next request."""
        self._pending = self._pending + data if self._pending else data
        head = self._pending.find(b"\r\n\r\n")
        if head < 0:
            return
        if not self._pending.startswith(b"HTTP/1.1 200"):
            self._end(RuntimeError(f"answered {self._pending[:500]!r}"))
            return
        start = self._pending.index(_LENGTH) + len(_LENGTH)
        length = int(self._pending[start : self._pending.index(b"\r", start)])
        if len(self._pending) < head + 4 + length:
            return
        at = time.perf_counter()
        self.latencies.append((at, at - self._sent_at))
        self._pending = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so: no server closes a connection that is in use."""
        self._end(exc or ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        assert self._transport is not None
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))

    def _end(self, fault: Exception) -> None:
        if not self.ended.done():
            self.ended.set_exception(fault)


async def run(job: Job) -> Result:
    """Run a job; what is answered while it warms up is not counted."""
    loop = asyncio.get_running_loop()
    opened: list[Connection] = []
    for number in range(job.connections):
        first = number * len(job.requests) // job.connections
        _, made = await loop.create_connection(
            lambda f=first: Connection(job.requests, f), "127.0.0.1", job.port
        )
        opened.append(made)
    began = time.perf_counter() + job.warm_up_s
    ended, _ = await asyncio.wait(
        [c.ended for c in opened],
        timeout=job.warm_up_s + job.seconds,
        return_when=asyncio.FIRST_COMPLETED,  # one only ends when it breaks
    )
    for broken in ended:
        broken.result()
    until = began + job.seconds
    taken = np.array([took for c in opened for at, took in c.latencies if began <= at < until]) * 1000
    p50, p99 = np.quantile(taken, [0.5, 0.99]).tolist()
    return Result(len(taken), job.seconds, p50, p99, sum(len(c.latencies) for c in opened))


def main() -> None:
    """Read a job, run it, write what came back."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(run(job))
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()

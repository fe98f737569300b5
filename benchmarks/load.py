"""A load generator: keep-alive connections that each send the next request when the last is answered.

`python -m benchmarks.load` reads a Job from its input and writes a Result to its output, as JSON. It is one
thread on `epoll` and nothing else: a generator that costs more than the server would measure itself.
"""

import select
import socket
import sys
import time
from contextlib import ExitStack
from itertools import cycle

import msgspec
import numpy as np

_LENGTH = b"content-length: "
_AT_ONCE = 1 << 18


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
    `busy` is the generator's own processor time as a share of the seconds: near 1 it is what was measured.
    """

    answers: int
    seconds: float
    p50_ms: float
    p99_ms: float
    all_answers: int
    busy: float
    cpu_us: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


class Caller:
    """One connection: at most one request is under way."""

    def __init__(self, port: int, requests: list[bytes], first: int) -> None:
        self._requests = cycle(requests[first:] + requests[:first])
        self._pending = b""
        self._sent_at = 0.0
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.settimeout(None)  # a time-out costs a system call more before each of ours
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.latencies: list[tuple[float, float]] = []
        """When each answer came, and after how long."""

    def send(self) -> None:
        """Send the next request."""
        self._sent_at = time.perf_counter()
        self.socket.sendall(next(self._requests))

    def take(self) -> None:
        """Take what came; when an answer is whole, send the next request."""
        came = self.socket.recv(_AT_ONCE)
        if not came:
            raise ConnectionError("the server closed a connection in use")
        self._pending = self._pending + came if self._pending else came
        if _whole(self._pending):
            at = time.perf_counter()
            self.latencies.append((at, at - self._sent_at))
            self._pending = b""
            self.send()


def _whole(answer: bytes) -> bool:
    """Say whether an answer is there to its last byte; refuse one that is not 200."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"answered {answer[:500]!r}")
    head = answer[: end + 2].lower()
    start = head.index(_LENGTH) + len(_LENGTH)
    return len(answer) >= end + 4 + int(head[start : head.index(b"\r", start)])


def run(job: Job) -> Result:
    """Run a job; what is answered while it warms up is not counted."""
    places = [number * len(job.requests) // job.connections for number in range(job.connections)]
    with ExitStack() as opened:
        callers = [Caller(job.port, job.requests, first) for first in places]
        for caller in callers:
            opened.enter_context(caller.socket)
        poll = opened.enter_context(select.epoll())
        for caller in callers:
            poll.register(caller.socket.fileno(), select.EPOLLIN)
            caller.send()
        by_number = {caller.socket.fileno(): caller for caller in callers}
        _drive(poll, by_number, time.perf_counter() + job.warm_up_s)
        began, worked = time.perf_counter(), time.process_time()
        until = began + job.seconds
        _drive(poll, by_number, until)
        busy = (time.process_time() - worked) / (time.perf_counter() - began)
    every = [one for caller in callers for one in caller.latencies]
    taken = np.array([took for at, took in every if began <= at < until]) * 1000
    if not len(taken):
        raise RuntimeError(f"no answer within {job.seconds:g} s")
    p50, p99 = np.quantile(taken, [0.5, 0.99]).tolist()
    return Result(len(taken), job.seconds, p50, p99, len(every), busy)


def _drive(poll: select.epoll, callers: dict[int, Caller], until: float) -> None:
    while (left := until - time.perf_counter()) > 0:
        for number, _ in poll.poll(left):
            callers[number].take()


def main() -> None:
    """Read a job, run it, write what came back; exit with a sentence where a server did not answer."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    try:
        result = run(job)
    except (OSError, RuntimeError) as fault:
        sys.exit(f"the load generator: {fault}")
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()

"""Slow clients by the hundred: what each does to a server, and until when the server lets it."""

import select
import socket
import time
from dataclasses import dataclass
from typing import Literal, get_args

from benchmarks.handmade import post
from benchmarks.service import sockets_of

Kind = Literal["head", "body", "silent", "deaf"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Sends its headers, or its body, one byte a second; sends nothing; asks a lot and reads no answer."""

_SECOND = 1.0
DEAF_ASK = "/openapi.json"
_ASKED = f"GET {DEAF_ASK} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode() * 200
"""Large answers that cost little, and more of them than the buffers of a connection hold."""
_SMALL = 4096


@dataclass
class SlowClient:
    """One connection; `closed_at` is when its worker held it no more."""

    kind: Kind
    socket: socket.socket
    began: float
    rest: bytes
    """What is not sent yet."""
    next_at: float
    closed_at: float | None = None

    def act(self, at: float) -> None:
        """Send what is due."""
        if at < self.next_at or not self.rest:
            return
        self.next_at = at + _SECOND
        some = self.rest if self.kind == "deaf" else self.rest[:1]
        try:
            sent = self.socket.send(some)
        except BlockingIOError:
            return
        except OSError:
            self.rest = b""  # it was cut
            return
        self.rest = self.rest[sent:]


class Crowd:
    """Slow clients of one worker."""

    def __init__(self, port: int, pid: int) -> None:
        self._port = port
        self._pid = pid
        self._others = sockets_of(pid)
        self._watched = select.epoll()
        self._by_number: dict[int, SlowClient] = {}
        self._deaf: list[SlowClient] = []
        self._most = 0
        """The most sockets of theirs that the worker held since the last of them came: all were accepted."""

    def join(self, kind: Kind, count: int) -> None:
        """Open connections."""
        self._most = 0
        whole = post(b" " * 1000)
        head, body = whole[:-1000], whole[-1000:]
        for _ in range(count):
            opened = socket.socket()
            if kind == "deaf":
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
            opened.connect(("127.0.0.1", self._port))
            opened.setblocking(False)
            if kind == "body":
                opened.send(head)
            rest = {"head": head, "body": body, "silent": b"", "deaf": _ASKED}[kind]
            began = time.monotonic()
            client = SlowClient(kind, opened, began, rest, began)
            self._by_number[opened.fileno()] = client
            if kind == "deaf":
                self._deaf.append(client)
            else:
                self._watched.register(opened.fileno(), select.EPOLLIN | select.EPOLLRDHUP)

    def act(self) -> int:
        """Send what is due and see who was cut; give how many are left."""
        for client in self._held():
            client.act(time.monotonic())
        for number, _ in self._watched.poll(0):  # it is told why, or just cut
            self._watched.unregister(number)
            self._by_number[number].closed_at = time.monotonic()
        self._see_deaf()
        return len(self._held())

    def ages(self, kind: Kind, since: float = 0.0) -> list[float]:
        """Say how long each of a kind that was cut was held, in seconds, from its beginning or `since`."""
        of_kind = [c for c in self._by_number.values() if c.kind == kind]
        return [c.closed_at - max(c.began, since) for c in of_kind if c.closed_at is not None]

    def leave(self) -> None:
        """Close every connection."""
        self._watched.close()
        for client in self._by_number.values():
            client.socket.close()

    def _held(self) -> list[SlowClient]:
        return [client for client in self._by_number.values() if client.closed_at is None]

    def _see_deaf(self) -> None:
        """Ask at the worker's end how many are left: who reads nothing sees no end of a connection."""
        at_worker = sockets_of(self._pid) - self._others
        deaf = [client for client in self._deaf if client.closed_at is None]
        hearing = len(self._held()) - len(deaf)
        self._most = max(self._most, at_worker)
        if self._most < len(deaf) + hearing:
            return  # some are not accepted yet
        for client in deaf[: max(0, len(deaf) + hearing - at_worker)]:
            client.closed_at = time.monotonic()


def refused_after(port: int, count: int, within_s: float) -> tuple[list[float], list[socket.socket]]:
    """Open connections at once; say after how many seconds some were closed again, and give all."""
    opened: dict[int, tuple[socket.socket, float]] = {}
    watched = select.epoll()
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", port), timeout=5)
        opened[one.fileno()] = (one, time.monotonic())
        watched.register(one.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
    ages: list[float] = []
    end = time.monotonic() + within_s
    while (left := end - time.monotonic()) > 0:
        for number, _ in watched.poll(left):
            ages.append(time.monotonic() - opened[number][1])
            watched.unregister(number)
    watched.close()
    return ages, [one for one, _ in opened.values()]

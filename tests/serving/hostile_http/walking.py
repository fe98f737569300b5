"""Send exactly these bytes, and read every answer that comes."""

import socket
from dataclasses import dataclass
from typing import BinaryIO

from tests.serving.running import Server


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def __str__(self) -> str:
        """The status, and the name of the request that is answered."""
        return f"{self.status} {self.headers.get('x-request-id', '')}".strip()


def told(server: Server, *parts: bytes) -> list[Answer]:
    """Send parts, each in a packet of its own; give the answers up to the probe's, or until it is closed."""
    answers: list[Answer] = []
    with connected(server) as caller, caller.makefile("rb") as file:
        try:
            for part in parts:
                caller.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was sent: what was said of it may have come
        try:
            while (said := answer(file)) is not None:
                answers.append(said)
                if str(said).endswith(" probe"):
                    break
        except ConnectionResetError:
            pass  # there was something of ours that it did not read
    return answers


def connected(server: Server) -> socket.socket:
    caller = socket.create_connection((server.settings.host, server.settings.serving_port), timeout=20)
    caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return caller


def answer(file: BinaryIO) -> Answer | None:
    line = file.readline()
    if not line:
        return None
    assert line.startswith(b"HTTP/1.1 "), line
    headers: dict[str, str] = {}
    while (header := file.readline()) not in {b"\r\n", b""}:
        name, _, value = header.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = file.read(int(headers.get("content-length", "0")))
    return Answer(int(line.split()[1]), headers, body)

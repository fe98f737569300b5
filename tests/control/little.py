"""Stacks of little real processes, for tests of what starts and ends them; also a program, `up` in small."""

import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from control.ports import Port
from control.running import Address
from control.services import Service, answers
from control.stack import Stack, interrupted_by_signals
from keepfit.settings import Settings

SERVER = """
import http.server, os, signal, subprocess, sys
port, *how = sys.argv[1:]
if "deaf" in how:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    def end(number, frame):
        print("ended in order", flush=True)
        os._exit(0)
    signal.signal(signal.SIGTERM, end)
if "parent" in how:
    subprocess.Popen(["sleep", "600"], start_new_session=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ.get(self.path[1:], "").encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
"""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def server(name: str = "web", *how: str, port: int | None = None, after: tuple[str, ...] = ()) -> Service:
    """A part that answers a GET of /NAME with its environment variable NAME.

    A "parent" has a child in a session of its own, as a flow run is; a "deaf" one ignores SIGTERM.
    """
    port = free_port() if port is None else port
    url = f"http://127.0.0.1:{port}"
    return Service(
        name,
        (sys.executable, "-c", SERVER, str(port), *how),
        answers(url),
        Port(port, f"KEEPFIT_{name.upper()}_PORT"),
        Address(name, url, "a test"),
        after=after,
    )


def script(name: str, code: str, *, once: bool = False) -> Service:
    """A part that runs some lines of Python and never answers."""
    return Service(name, (sys.executable, "-c", code), lambda _: False, once=once)


def stack_of(home: Path, *parts: Service, say: Callable[[str], None] = lambda _: None) -> Stack:
    """A stack of these parts that waits for nothing longer than a test wants to."""
    stack = Stack(Settings(home=home), "examples/flights", "flights", say=say, parts=parts)
    stack.start_s, stack.grace_s = 30.0, 3.0
    return stack


def until(holds: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait for what only looking can tell."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


if __name__ == "__main__":
    with interrupted_by_signals(), stack_of(Path(sys.argv[1]), server("web", "parent")) as up:
        up.supervise()

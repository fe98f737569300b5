import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.builders import ROW
from tests.serving.running import Server, eventually

BODY = json.dumps({"rows": [{"features": ROW}]}).encode()
HEAD = b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
WHOLE = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker without patience."""
    home = tmp_path_factory.mktemp("home")
    made = Server(home, workers=1, header_s=1.0, body_s=1.0, idle_s=30, connections=20)
    made.promote(1)
    yield made.start()
    assert made.stop() == 0


def connect(server: Server) -> socket.socket:
    return socket.create_connection((server.settings.host, server.settings.serving_port), timeout=20)


def until_closed(caller: socket.socket) -> bytes:
    """All that comes until the server closes."""
    told = b""
    try:
        while part := caller.recv(65536):
            told += part
    except ConnectionResetError:
        pass  # there was something of ours that it did not read
    return told


def ask(caller: socket.socket) -> bytes:
    """Send a whole request and read its whole answer."""
    caller.sendall(WHOLE)
    told = b""
    while b"\r\n\r\n" not in told or not told.endswith(b"}"):
        told += caller.recv(65536)
    return told


def ask_for_ever(caller: socket.socket) -> None:
    """Send until what is answered fills every buffer on the way, and the connection is cut."""
    while True:
        caller.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * 100)


@pytest.mark.parametrize("sent", [b"", b"GET /health/live HTTP/1.1\r\nhost:", b"\r\n"])
def test_a_caller_that_does_not_end_its_head_is_cut(server: Server, sent: bytes) -> None:
    with connect(server) as caller:
        caller.sendall(sent)
        told = until_closed(caller)
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"expected the head of a request within 1 s" in told


def test_a_caller_that_does_not_end_its_body_is_cut_and_nothing_of_it_is_kept(server: Server) -> None:
    kept = len(server.predictions())
    with connect(server) as caller:
        caller.sendall(WHOLE[:-1])
        told = until_closed(caller)
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"expected the whole body within 1 s" in told
    assert len(server.predictions()) == kept


def test_a_caller_that_does_not_read_its_answers_is_cut(server: Server) -> None:
    with connect(server) as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            ask_for_ever(caller)


def test_a_head_that_never_ends_is_refused(server: Server) -> None:
    with connect(server) as caller:
        told = b""
        try:
            caller.sendall(HEAD)
            for _ in range(10_000):
                caller.sendall(b"x-more: " + b"y" * 1000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        told = until_closed(caller)
    assert told == b"" or told.startswith(b"HTTP/1.1 431 ")  # a reset may overtake the refusal
    assert 'keepfit_refusals_total{worker="' in server.client.metrics()
    assert 'reason="headers too large"' in server.client.metrics()


def test_what_is_no_http_is_refused_as_everything_is(server: Server) -> None:
    with connect(server) as caller:
        caller.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        told = until_closed(caller)
    assert told.startswith(b"HTTP/1.1 400 ")
    assert json.loads(told.partition(b"\r\n\r\n")[2])["error"]["path"] == "$"


def test_an_idle_connection_stays_open_longer_than_a_slow_head(server: Server) -> None:
    with connect(server) as caller:
        assert ask(caller).startswith(b"HTTP/1.1 200 ")
        with connect(server) as slow:
            until_closed(slow)  # cut for its slowness
        assert ask(caller).startswith(b"HTTP/1.1 200 ")


def test_connections_beyond_the_limit_are_refused_at_once_and_others_go_on(server: Server) -> None:
    with ExitStack() as stack:
        good = stack.enter_context(connect(server))
        assert ask(good).startswith(b"HTTP/1.1 200 ")
        idle = [stack.enter_context(connect(server)) for _ in range(40)]
        told = until_closed(idle[-1])
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in told
        assert ask(good).startswith(b"HTTP/1.1 200 ")
    eventually(lambda: server.post("/v1/predict", BODY).status == 200)


def test_a_request_that_is_under_way_at_sigterm_is_answered_and_no_other_is_taken(server: Server) -> None:
    own = Server(server.settings.home / "own", workers=1)
    own.promote(1)
    own.start()
    with connect(own) as caller, connect(own) as idle:
        assert ask(idle).startswith(b"HTTP/1.1 200 ")
        caller.sendall(WHOLE[:-1])
        eventually(lambda: 'route="/v1/predict",status="200"' in own.client.metrics())
        (worker,) = own.statuses()
        own.process.send_signal(signal.SIGTERM)
        assert until_closed(idle) == b""
        caller.sendall(WHOLE[-1:])
        told = until_closed(caller)
    assert told.startswith(b"HTTP/1.1 200 ")
    assert own.stop() == 0
    assert len(own.predictions()) == 2
    assert worker.pid not in {status.pid for status in own.statuses()}

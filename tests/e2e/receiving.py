"""Those who are told, as they are: a webhook over HTTP, a mail server, and Slack's webhook over TLS."""

import json
import socketserver
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.certificates import certify
from tests.console.hostile import serving

SLACK = "hooks.slack.com"


@contextmanager
def webhook() -> Generator[tuple[str, list[dict[str, Any]]]]:
    """Take what is posted as JSON; give the address, as Apprise writes it, and what came."""
    with serving(_taking(came := [])) as port:
        yield f"json://127.0.0.1:{port}/", came


@contextmanager
def mailbox() -> Generator[tuple[str, list[str]]]:
    """Take mail by SMTP; give the address, as Apprise writes it, and the messages that came."""
    came: list[str] = []

    class Taking(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 here")
            while line := self.rfile.readline().decode().strip().upper():
                if line.startswith("DATA"):
                    self.say("354 go on")
                    came.append("".join(iter(lambda: self.rfile.readline().decode(), ".\r\n")))
                self.say("221 bye" if line.startswith("QUIT") else "250 well")

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with _serving(Taking) as port:
        yield (
            f"mailto://127.0.0.1:{port}/?from=keepfit@example.org&to=on-call@example.org&mode=insecure"
            "&format=text",
            came,
        )


@contextmanager
def slack(folder: Path) -> Generator[tuple[int, Path, list[dict[str, Any]]]]:
    """Be hooks.slack.com behind a proxy; give the proxy's port, who signed the certificate, and what came."""
    certified = certify(folder, SLACK)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certified.cert, certified.key)
    answering = _taking(came := [])

    class Proxy(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 through\r\n\r\n")
            with context.wrap_socket(self.connection, server_side=True) as inside:
                answering(inside, self.client_address, self.server)  # pyright: ignore[reportArgumentType]

    with _serving(Proxy) as port:
        yield port, certified.authority, came


def _taking(came: list[dict[str, Any]]) -> type[BaseHTTPRequestHandler]:
    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Taking


@contextmanager
def _serving(handler: type[socketserver.StreamRequestHandler]) -> Generator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()

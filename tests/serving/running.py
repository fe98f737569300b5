"""A real `python -m serving` with its workers, on a free port and a home of its own."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from data.journal import journal_files, read_journal
from data.records import AcknowledgedLabels, CapturedPredictions, Entry, Label, Prediction, now
from data.releases import WorkerStatus, read_statuses
from keepfit.settings import ROOT, Settings
from serving.client import Client
from tests.builders import Kind, published
from tests.keys import SETTINGS

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Told:
    """A raw answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> tuple[str, str]:
        """The path and the reason of a refusal."""
        return self.json["error"]["path"], self.json["error"]["reason"]


class Server:
    """One parent and its workers; `stop` ends them."""

    def __init__(self, home: Path, **changed: Any) -> None:
        fast = Settings(home=home, serving_port=free_port(), poll_s=0.02, status_s=0.1, workers=2)
        fast = replace(fast, **SETTINGS)
        self.settings = replace(fast, **changed)
        self.url = self.settings.serving_url
        self.client = Client(self.url, timeout_s=30)
        self.journal = self.settings.journal("flights")
        self.releases = self.settings.releases("flights")
        self.promotion = 0
        home.mkdir(parents=True, exist_ok=True)
        self._log = home / "serving.log"

    def start(self, **environment: str) -> "Server":
        env = {**self.settings.environment(), "PATH": os.environ["PATH"], **environment}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "serving"], cwd=ROOT, env=env, stderr=log)
        eventually(lambda: len(self.statuses()) == self.settings.workers)
        return self

    def promote(self, version: int, *, kind: Kind = "regression", **manifest: object) -> str:
        """Publish a bundle and move the pointer; give its digest."""
        self.promotion += 1
        folder = self.settings.home / f"promotion-{self.promotion}"
        return published(
            folder, self.releases, version=version, promotion=self.promotion, kind=kind, **manifest
        )

    def promote_and_confirm(self, version: int, *, kind: Kind = "regression") -> str:
        digest = self.promote(version, kind=kind)
        eventually(lambda: all(s.digest == digest for s in self.statuses()) and self.statuses())
        return digest

    def ask(self, method: str, path: str, body: bytes | str | None = None, **headers: str) -> Told:
        """Send exactly these bytes on a connection of their own."""
        host, port = self.settings.host, self.settings.serving_port
        connection = http.client.HTTPConnection(host, port, timeout=30)
        try:
            content = body.encode() if isinstance(body, str) else body
            connection.request(method, path, content, {n.replace("_", "-"): v for n, v in headers.items()})
            response = connection.getresponse()
            return Told(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def post(self, path: str, body: bytes | str, **headers: str) -> Told:
        return self.ask("POST", path, body, **(JSON | headers))

    def statuses(self) -> list[WorkerStatus]:
        """What workers that are alive say of themselves."""
        seen = read_statuses(self.journal, now())
        return [status for status in seen if _is_alive(status.pid)]

    def entries(self) -> list[Entry]:
        return [e for f in journal_files(self.journal) for chunk in read_journal(f, 0) for e in chunk.entries]

    def predictions(self) -> list[Prediction]:
        return [p for e in self.entries() if isinstance(e, CapturedPredictions) for p in e.rows]

    def labels(self) -> list[Label]:
        return [label for e in self.entries() if isinstance(e, AcknowledgedLabels) for label in e.labels]

    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> int:
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


Serve = Callable[..., Server]
"""Starts a server of a test's own."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(condition: Callable[[], object], within_s: float = 30.0) -> None:
    """Wait for what another process does; fail when it does not."""
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it ended before, or while, it was read
        return False

"""A home and a Prefect in which every text that a caller, a file or a person can choose is one of a list."""

import json
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

from data.decisions import Decision, save_decision
from data.promotions import Promotion
from data.records import Rejected, since_boot
from data.releases import WorkerStatus, write_status
from data.store import Batch
from keepfit.settings import Settings
from monitoring.console.reading.sources import Sources
from tests.console.years import EVERY, NAME, START, Year, verdict, write_watch
from tests.making import project

WATCH = f"/reports/{START + EVERY:%Y-%m-%dT%H%M%SZ}"
RUN = f"/runs/{UUID(int=1)}"
DECISION = "/decisions/all"


@dataclass(frozen=True)
class Home:
    """Where all texts stand wherever text can stand."""

    folder: Path
    texts: Sequence[str]

    @property
    def settings(self) -> Settings:
        return Year(self.folder).settings

    def filled(self) -> "Home":
        sources = Sources(self.settings, NAME)
        self._watch(sources.reports)
        self._store(sources)
        boot, up_s = since_boot()
        for pid, text in enumerate(self.texts):
            # Seen for as long as the test lasts.
            status = WorkerStatus(host="here", pid=pid, at=START, boot=boot, up_s=up_s + 3600, error=text)
            write_status(sources.settings.journal(NAME), status)
        sources.close()
        return self

    def _watch(self, reports: Path) -> None:
        told = verdict(1, 1, tuple(self.texts))
        for found, text in zip(told["verdict"]["findings"], self.texts, strict=True):
            found["words"] = f"moved: {text}"
        told["verdict"]["reasons"] = list(self.texts)
        # A chart is drawn for each.
        scores = dict.fromkeys(self.texts[::90], 0.5)
        told["performance"] |= {"metric": self.texts[0], "sentence": self.texts[-1], "scores": scores}
        told["served"]["scores"] = told["frozen"]["scores"] = scores
        told["reason"] = {"kind": "drift", "evidence": " and ".join(self.texts)}
        told["page"] = {"file": None, "no_page_because": " and ".join(self.texts)}
        write_watch(reports, START + EVERY, told, page=None)
        bars = {"reference": [0.5, 0.5], "current": [0.1, 0.9], "rows": [9, 9]}
        drawn = [{"column": t, "kind": "category", "names": [t, f"not {t}"], **bars} for t in self.texts]
        folder = reports / WATCH.removeprefix("/reports/")
        (folder / "columns.json").write_text(json.dumps(drawn), encoding="utf-8")

    def _store(self, sources: Sources) -> None:
        aside = [Rejected("row", text, text, text, START) for text in self.texts]
        sources.store.take_in(project(), Batch(rejected=aside))
        plain = Decision(project=NAME, as_of=START, promote=False, reason="asked", version=1)
        for number, text in enumerate(self.texts):
            save_decision(sources.store, replace(plain, reason=text, objections=(text,)), f"{number:064x}")
            entry = Promotion(kind="retrain", version=1, digest=None, reason=text, as_of=START)
            sources.ledger.append(entry, sources.ledger.latest())
        told = tuple(f"said: {text}" for text in self.texts)
        scores = dict.fromkeys(self.texts, 0.5)
        whole = replace(
            plain, reasons=told, objections=told, challenger_scores=scores, champion_scores=scores
        )
        save_decision(sources.store, whole, "all")


def answers(texts: Sequence[str], path: str) -> Any:
    """Say what such a Prefect answers."""
    times = {"start_time": START.isoformat(), "end_time": (START + timedelta(minutes=1)).isoformat()}
    runs = [
        {
            "id": str(UUID(int=number + 1)),
            "flow_id": "a flow",
            "name": text,
            "state": {"type": "FAILED" if number else text, "name": text, "message": text},
            "parameters": {"reason": text, f"key {text}": text},
            **times,
        }
        for number, text in enumerate(texts)
    ]
    if path.startswith("/api/flow_runs/0"):
        return {**runs[0], "parameters": {f"key {text}": text for text in texts}}
    at = START.isoformat()
    return {
        "/api/deployments/filter": [
            {"id": text, "name": f"{NAME}-{flow}", "paused": False, "parameters": {}}
            for flow, text in zip(("feedback", "watch", "retrain", "rollback"), texts, strict=False)
        ],
        "/api/flow_runs/filter": runs,
        "/api/flows/a%20flow": {"name": texts[0]},
        "/api/logs/filter": [{"name": text, "timestamp": at, "level": 40, "message": text} for text in texts],
        "/api/automations/filter": [
            {"id": "1", "name": text, "actions": [{"block_document_id": "1"}]} for text in texts
        ],
        "/api/events/filter": {"events": [untold(text) for text in texts]},
        "/api/artifacts/filter": [{"description": text} for text in texts],
    }[path]


def untold(name: str) -> Any:
    """Say that a notice did not arrive at a receiver of this name."""
    block = {"prefect.resource.id": "prefect.block-document.1", "prefect.resource.role": "block"}
    return {
        "event": "prefect.automation.action.failed",
        "related": [{**block, "prefect.resource.name": name}],
    }


@contextmanager
def prefect_saying(texts: Sequence[str]) -> Generator[int]:
    """Answer as a Prefect does of which somebody else has filled the database; give its port."""

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            told = json.dumps(answers(texts, self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with serving(Answering) as port:
        yield port


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Generator[int]:
    """Answer on a free port, and give it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

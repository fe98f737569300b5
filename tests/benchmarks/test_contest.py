"""What the serving benchmark counts, and what it refuses to give as a figure."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import made
from benchmarks.contest import EMPTY, OURS, Contestant
from benchmarks.goals import BODIES, MANY, ONE, Figures, Measured, goals
from benchmarks.load import Job, run
from benchmarks.models import Model
from benchmarks.rivals.catalogue import RIVALS, Rival
from benchmarks.servers import Command, NotServed, Served, free_port, running

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab"


@contextmanager
def answering(status: int, *parts: bytes) -> Iterator[int]:
    """Answer every POST with the same parts, each in a packet of its own; give the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 0

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(sum(map(len, parts))))
            self.end_headers()
            for part in parts:
                self.wfile.write(part)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_an_answer_counts_once_however_it_is_cut_into_packets() -> None:
    with answering(200, b'{"whole"', b":", b"true}") as port:
        result = run(Job(2, 0.2, [REQUEST], port, warm_up_s=0.05))
    assert 0 < result.answers <= result.all_answers
    assert 0 < result.p50_ms <= result.p99_ms


def test_a_load_that_is_refused_is_no_figure() -> None:
    with answering(503, b"busy") as port, pytest.raises(RuntimeError, match=r"answered .*503"):
        run(Job(1, 0.2, [REQUEST], port))


def test_a_server_that_ends_instead_of_answering_says_why(tmp_path: Path) -> None:
    words = (sys.executable, "-c", "raise SystemExit('no model here')")
    command = Command("other", free_port(), words, "/health", tmp_path / "log", dict(os.environ))
    with pytest.raises(NotServed, match="no model here"), running(command):
        pass


class Half:
    """A pipeline that answers one half, whatever it is asked."""

    def predict_proba(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(0.5, index=frame.index, columns=[0, 1]).to_numpy()


@pytest.mark.parametrize(
    ("said", "measured"), [(b"[0.5]", True), (b"[0.6]", False), (b"[0.5,0.5]", False), (b"no JSON", False)]
)
def test_a_server_whose_answers_are_not_the_pipelines_is_not_measured(said: bytes, measured: bool) -> None:
    frame = made.features(1)
    model = Model(made.project, Half(), frame, made.cells(frame))
    with answering(200, said) as port:
        one = Contestant(Served("other", port, 0), "/", list, list)
        if measured:
            one.check(model)
        else:
            with pytest.raises(NotServed, match="other"):
                one.check(model)


def figures(**rates: float) -> Figures:
    """Make figures in which each server has one rate under every load."""
    had = {name: Measured(rate, 1.0, 2.0, 10.0, 0.5, 0.0) for name, rate in rates.items()}
    contestants = [Contestant(Served(name, 0, 0), "/", list, None) for name in rates]
    return Figures(
        "made",
        "a model",
        contestants,
        {},
        dict.fromkeys((ONE, MANY, BODIES), had),
        dict.fromkeys(had, (90.0, 120.0)),
    )


def test_a_goal_is_kept_missed_or_unknown_when_its_server_was_not_measured() -> None:
    measured = figures(**{OURS: 12_000, EMPTY: 30_000, "FastAPI with pandas": 200})
    verdicts = {goal.removeprefix("made: "): verdict for goal, *_, verdict in goals([measured], 1.6).rows}
    assert verdicts == {
        "16 connections beside mlflow models serve": "UNKNOWN",
        "16 connections beside the best other (FastAPI with pandas)": "kept",
        "16 connections beside the empty function": "MISSED",
        "16 connections, p99 beside the empty function's": "kept",
        "bodies of 100 rows beside mlflow models serve": "UNKNOWN",
        "`python -m serving` is ready": "MISSED",
        "a worker's memory after all loads": "kept",
    }


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_every_version_in_a_rivals_environment_is_pinned(rival: Rival) -> None:
    lines = [line for line in rival.pins.read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    assert [line for line in lines if "==" not in line] == []
    assert rival.file.is_file()

"""Starting and ending the parent and its workers."""

import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data.journal import journal_files, read_journal
from data.records import now
from data.releases import read_statuses
from keepfit.settings import ROOT, Settings
from serving.contract import Row
from tests.builders import ROW
from tests.serving.running import Serve, Server, eventually

pytestmark = pytest.mark.e2e


def test_sigterm_ends_it_with_zero_closes_the_journals_and_takes_the_statuses_away(serve: Serve) -> None:
    server = serve()
    server.promote_and_confirm(1)
    server.client.predict([Row(ROW)])
    assert server.stop() == 0
    assert read_statuses(server.journal, now()) == []
    chunks = [list(read_journal(path, 0))[-1] for path in journal_files(server.journal)]
    assert chunks
    assert all(chunk.finished for chunk in chunks)


def test_workers_end_with_a_parent_that_is_killed(serve: Serve) -> None:
    server = serve()
    pids = [s.pid for s in server.statuses()]
    server.process.kill()
    server.process.wait()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_a_taken_port_is_one_sentence_with_the_setting_and_no_traceback(server: Server) -> None:
    env = {**server.settings.environment(), "PATH": os.environ["PATH"]}
    second = subprocess.run(
        [sys.executable, "-m", "serving"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert second.returncode != 0
    (sentence,) = second.stderr.splitlines()
    assert str(server.settings.serving_port) in sentence
    assert "KEEPFIT_SERVING_PORT" in sentence


def test_a_request_in_flight_is_finished_when_sigterm_comes(serve: Serve) -> None:
    server = serve(workers=1)
    server.promote_and_confirm(1)
    connection = http.client.HTTPConnection(server.settings.host, server.settings.serving_port, timeout=30)
    connection.putrequest("POST", "/v1/predict")
    body = b'{"rows": [{"features": {"distance": 1, "carrier": "AA", "holiday": 0}}]}'
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:10])
    eventually(
        lambda: server.client.is_ready()
    )  # the worker has read what came before on its other connection
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: "Shutting down" in server.log())
    connection.send(body[10:])
    assert connection.getresponse().status == 200
    connection.close()
    assert server.stop() == 0


def test_a_server_imports_nothing_that_is_heavy() -> None:
    heavy = (
        "prefect mlflow great_expectations evidently pandas sklearn sqlalchemy pyarrow onnx skl2onnx scipy"
    )
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, serving.app, serving.supervision, serving.client; print(*sys.modules)",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not set(heavy.split()) & {name.split(".")[0] for name in told.stdout.split()}


def test_the_project_that_is_served_is_a_setting() -> None:
    assert Settings().project_name == "flights"
    assert Settings(project_name="churn").environment()["KEEPFIT_PROJECT_NAME"] == "churn"

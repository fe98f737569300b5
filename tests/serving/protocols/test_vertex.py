"""Vertex AI and SageMaker, started as they start a container: by their own variables and arguments."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keepfit.errors import StackError
from keepfit.settings import ROOT, Settings
from serving.__main__ import settings_of
from tests.builders import ROW, published
from tests.keys import TRUSTED
from tests.serving.running import eventually, free_port

pytestmark = pytest.mark.e2e

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `python -m serving` with arguments and variables, and nothing else in its environment."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        env = {"PATH": os.environ["PATH"], "KEEPFIT_HOME": str(tmp_path), "KEEPFIT_WORKERS": "1"}
        env |= {"KEEPFIT_TRUSTED_KEYS": str(TRUSTED), **variables}
        command = [sys.executable, "-m", "serving", *arguments]
        started.append(subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE))
        return started[-1]

    yield begin
    for process in started:
        process.terminate()
        process.communicate(timeout=30)


def asked(port: int, path: str, body: object = None) -> tuple[int, Any]:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", content, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())
    except OSError:
        return 0, None


def is_ready(port: int, path: str) -> Callable[[], bool]:
    return lambda: asked(port, path)[0] == 200


def test_vertex_names_the_port_the_routes_and_the_model(start: Start, tmp_path: Path) -> None:
    model, port = tmp_path / "model", free_port()
    published(tmp_path, model, version=700, kind="binary")
    # Where a route is called like one of ours, Vertex is who asks there.
    start(
        AIP_HTTP_PORT=str(port),
        AIP_HEALTH_ROUTE="/v1/endpoints/7/deployedModels/9",
        AIP_PREDICT_ROUTE="/invocations",
        AIP_STORAGE_URI=model.as_uri(),
    )
    eventually(is_ready(port, "/v1/endpoints/7/deployedModels/9"))
    status, told = asked(port, "/invocations", {"instances": [ROW, ROW], "parameters": {}})
    assert (status, told) == (200, {"predictions": [1, 1]})  # and no other key: Vertex allows none
    _, told = asked(port, "/invocations", {"instances": [ROW], "parameters": {"answer": "full"}})
    assert (told["predictions"][0]["version"], len(told["predictions"][0]["prediction_id"])) == (700, 36)
    status, told = asked(port, "/invocations", {"instances": [{**ROW, "distance": -1}]})
    assert (status, list(told)) == (422, ["error"])


def test_sagemaker_serves_what_it_has_unpacked(start: Start, tmp_path: Path) -> None:
    model, port = tmp_path / "model", free_port()
    process = start("serve", KEEPFIT_RELEASE_FOLDER=str(model), SAGEMAKER_BIND_TO_PORT=str(port))
    eventually(lambda: asked(port, "/ping")[0] == 503)
    published(tmp_path, model, version=700, kind="binary")
    eventually(lambda: asked(port, "/ping")[0] == 200)
    assert asked(port, "/invocations", {"instances": [ROW]})[1]["predictions"] == [1]
    process.terminate()
    assert process.wait(30) == 0


def test_serve_is_where_sagemaker_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEEPFIT_HOST", raising=False)
    settings = settings_of(["serve"])
    assert (settings.host, settings.serving_port) == ("0.0.0.0", 8080)
    assert settings.releases("flights") == Path("/opt/ml/model")
    assert settings_of([]).releases("flights") == settings.home / "releases" / "flights"


def test_a_variable_of_ours_stands_before_a_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIP_HTTP_PORT", "9000")
    assert (Settings.from_env().serving_port, Settings.from_env().host) == (9000, "0.0.0.0")
    monkeypatch.setenv("KEEPFIT_SERVING_PORT", "9001")
    monkeypatch.setenv("KEEPFIT_HOST", "127.0.0.1")
    assert (Settings.from_env().serving_port, Settings.from_env().host) == (9001, "127.0.0.1")


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("AIP_STORAGE_URI", "gs://bucket/model", "copy it to a folder before the server starts"),
        ("AIP_PREDICT_ROUTE", "predict", "expected a path that begins with /"),
        ("KEEPFIT_HEALTH_ROUTE", "/{model}", "expected a path that begins with /"),
        ("KEEPFIT_ANSWER", "odds", "expected one of output, probabilities, full"),
        ("AIP_HTTP_PORT", "http", "expected a whole number"),
    ],
)
def test_a_variable_that_cannot_be_used_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(StackError, match=rf"^{variable}={text!r}: {sentence}"):
        Settings.from_env()


def test_a_bucket_that_was_copied_is_no_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIP_STORAGE_URI", "gs://bucket/model")
    monkeypatch.setenv("KEEPFIT_RELEASE_FOLDER", str(tmp_path))
    assert Settings.from_env().releases("flights") == tmp_path

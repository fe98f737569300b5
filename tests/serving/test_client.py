"""The typed client: what it tries again, what it raises, and that its documented example runs."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from data.bundles import open_bundle
from data.releases import publish
from keepfit import Column, Target
from keepfit.errors import KeyReused, RequestRefused, ServiceUnavailable
from keepfit.settings import ROOT
from serving.client import Client
from serving.contract import PredictAnswer, Row
from tests.builders import ROW, manifest, release, write_signed
from tests.keys import TRUST
from tests.serving.running import Serve, Server, eventually

ANSWER = {"version": 3, "captured": True, "predictions": [{"prediction_id": "a", "output": 1}]}
Answer = tuple[int, dict[str, str]]
BUSY: Answer = (429, {"Retry-After": "0"})
GIVEN: Answer = (200, {})


class Scripted(HTTPServer):
    """A server that gives these statuses in turn, the last one again and again."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.answers = answers
        self.keys: list[str | None] = []
        self.bodies: list[bytes] = []
        self.closed = threading.Event()

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.closed.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Asked(BaseHTTPRequestHandler):
    server: Scripted
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.server.keys.append(self.headers["Idempotency-Key"])
        answers = self.server.answers
        status, headers = answers.pop(0) if len(answers) > 1 else answers[0]
        body = json.dumps(ANSWER if status == 200 else {"error": {"path": "$", "reason": "busy"}}).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True  # without a word, as a server does with a connection that is idle

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what was asked is in `keys`."""


@contextmanager
def answering(*answers: Answer) -> Iterator[Scripted]:
    with Scripted(list(answers)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again() -> None:
    with answering(GIVEN) as server, Client(server.url, retries=0) as client:
        for _ in range(3):
            server.closed.clear()
            assert client.predict([Row(ROW)]).version == 3
            assert server.closed.wait(10)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says_so_under_the_same_key(status: int) -> None:
    again = (status, {"Retry-After": "0"})
    with answering(again, again, GIVEN) as server, Client(server.url) as client:
        answer = client.predict([Row(ROW)])
    assert isinstance(answer, PredictAnswer)
    assert (answer.version, answer.predictions[0].output) == (3, 1)
    assert len(server.keys) == 3
    assert len(set(server.keys)) == len(set(server.bodies)) == 1
    assert server.keys[0]


def test_a_server_that_stays_busy_is_asked_no_more_often_than_was_said() -> None:
    with answering(BUSY) as server, Client(server.url, retries=2) as client:
        with pytest.raises(ServiceUnavailable, match=r"/v1/predict: 429: \$: busy"):
            client.predict([Row(ROW)])
        assert len(server.keys) == 3


@pytest.mark.parametrize(
    "answer", [(429, {"Retry-After": "3600"}), (503, {}), (429, {"Retry-After": "soon"}), (507, {})]
)
def test_an_answer_that_is_not_worth_waiting_for_is_raised_at_once(answer: Answer) -> None:
    with answering(answer) as server, Client(server.url) as client:
        with pytest.raises(ServiceUnavailable):
            client.predict([Row(ROW)])
        assert len(server.keys) == 1


def test_whether_a_server_is_ready_is_asked_once() -> None:
    with answering((503, {"Retry-After": "0"})) as server, Client(server.url) as client:
        assert not client.is_ready()
        assert len(server.keys) == 1


def test_what_a_server_refuses_is_raised_with_its_status() -> None:
    with answering((413, {"Retry-After": "0"})) as server, Client(server.url) as client:
        with pytest.raises(RequestRefused) as refused:
            client.predict([Row(ROW)])
        assert (refused.value.status, len(server.keys)) == (413, 1)


@pytest.mark.e2e
def test_another_body_under_a_key_that_the_server_knows_is_raised_as_such(serve: Serve) -> None:
    server = serve(workers=1)
    server.promote_and_confirm(1)
    first = server.client.predict([Row(ROW)], key="visit 9")
    again = server.client.predict([Row(ROW)], key="visit 9")
    assert again.predictions[0].prediction_id == first.predictions[0].prediction_id
    with pytest.raises(KeyReused) as refused:
        server.client.predict([Row({**ROW, "distance": 1})], key="visit 9")
    assert refused.value.status == 409


@pytest.mark.e2e
def test_the_example_of_the_documents_runs(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs/http.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    server = serve(workers=1)
    _promote_churn(server)
    exec(example.replace("http://localhost:8300", server.url), {})
    assert capsys.readouterr().out == "0 [0.75, 0.25] 7\n"
    assert [label.label for label in server.labels()] == [True]


def _promote_churn(server: Server) -> None:
    """Publish a model of the documents' columns: P(positive) is 0.25."""
    inputs = [
        helper.make_tensor_value_info("plan", TensorProto.STRING, [None, 1]),
        helper.make_tensor_value_info("months", TensorProto.FLOAT, [None, 1]),
    ]
    nodes = [
        helper.make_node("Mul", ["months", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "odds"], ["answer"]),
    ]
    known = {"nothing": [[0.0]], "odds": [[0.75, 0.25]]}
    graph = helper.make_graph(
        nodes,
        "churn",
        inputs,
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in known.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx_model = made.SerializeToString()
    columns = {"plan": Column.category(), "months": Column.number(between=(0, 600))}
    described = manifest(
        onnx_model,
        version=7,
        columns=columns,
        target=Target.binary("left"),
        golden_rows=[{"plan": "basic", "months": 7}],
    )
    folder: Path = server.settings.home / "churn"
    digest = write_signed(folder, onnx_model, described)
    publish(open_bundle(folder, digest, TRUST), server.releases, TRUST)
    release(server.releases, digest, 7, 1)
    eventually(lambda: all(status.digest == digest for status in server.statuses()))

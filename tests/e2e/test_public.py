"""`bin/keepfit up --public` over TLS, once for all of these: who comes in, and what it tells nobody."""

import base64
import json
import os
import signal
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from control.running import as_up, running
from control.services import answers, environment, services, signed_in
from data.apikeys import make_api_key
from data.credentials import Credentials, credentials, credentials_file
from data.records import new_id, now
from data.registry import Registry
from keepfit.errors import StackError
from keepfit.settings import ROOT, Settings
from keepfit.tls import client_context
from monitoring.console.reading.flowruns import FlowRuns, signed_in_client
from tests.certificates import certify
from tests.conftest import _quiet_ports
from tests.control.little import until
from tests.e2e.routes import WEBSOCKET
from tests.e2e.worlds import write_project

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(600)]

NAME = "guarded"
PREFECT_OPEN = {
    *(("GET", path) for path in ("/", "/v2/", "/x", "/ui-settings", "/api/health", "/api/ready")),
    *(("HEAD", path) for path in ("/", "/v2/", "/x")),
}
"""That it is alive, and its pages: they ask people for the credential, and show nothing without it."""
MLFLOW_OPEN = {("GET", "/health"), ("HEAD", "/health")}
_REFUSED = (401, 403)


@dataclass
class Public:
    """The stack that is up, as others reach it."""

    settings: Settings
    project: str
    asked: Credentials
    api_key: str
    variables: dict[str, str]
    output: Path
    routes: dict[str, list[tuple[str, str]]]
    without_a_door: dict[str, int]
    said: list[str] = field(default_factory=list[str])
    """What its commands printed."""

    def command(self, *words: str) -> None:
        ran = subprocess.run(
            [str(ROOT / "bin/keepfit"), *words, "-p", self.project],
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        self.said += [ran.stdout, ran.stderr]
        assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Public]:
    folder = tmp_path_factory.mktemp("public")
    files, project = certify(folder), write_project(folder / "projects", NAME, "multiclass")
    ports = _quiet_ports(4)
    given = Settings(
        home=folder / "home",
        **dict(zip(("serving_port", "prefect_port", "mlflow_port", "console_port"), ports, strict=True)),
        name="localhost",
        project_name=NAME,
        tls_cert=str(files.cert),
        tls_key=str(files.key),
        tls_ca=str(files.authority),
    )
    _, api_key = make_api_key(given.api_keys_file, "everything", ["predict", "feedback", "read", "operate"])
    ours = {
        name: value for name, value in os.environ.items() if name.split("_")[0] not in ("PREFECT", "MLFLOW")
    }
    # As a person sets them: what `--public` chooses by itself is not among them.
    chosen = {"KEEPFIT_HOST", "KEEPFIT_ACCESS"}
    variables = ours | {n: v for n, v in given.environment().items() if n not in chosen}
    output = folder / "up.txt"
    with output.open("w") as file:
        up = subprocess.Popen(
            [str(ROOT / "bin/keepfit"), "up", "--public", "-p", project],
            env=variables,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        until(lambda: up.poll() is not None or ((seen := running(given)) is not None and seen.ready), 240)
        assert up.poll() is None, output.read_text()
        settings = as_up(given)
        asked = credentials(settings)
        assert asked is not None
        tables = {name: _tables(settings, project, name) for name in ("prefect", "mlflow")}
        routes = {name: [(method, path) for method, path in told["routes"]] for name, told in tables.items()}
        alone = {name: told["without_the_door"] for name, told in tables.items()}
        yield Public(settings, project, asked, api_key, variables, output, routes, alone)
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(60)


def _tables(settings: Settings, project: str, name: str) -> dict[str, Any]:
    (service,) = (each for each in services(settings) if each.name == name)
    ran = subprocess.run(
        [sys.executable, "-m", "tests.e2e.routes", name],
        env={**environment(settings, project, NAME), **service.environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def _walk(public: Public, name: str, port: int) -> set[tuple[str, str]]:
    """Ask each route in each of the wrong ways; those that let any of them in."""
    basic = base64.b64encode(f"keepfit:{public.api_key}".encode()).decode()
    ways = [{}, {"Authorization": "Basic d3Jvbmc6d3Jvbmc="}]
    ways += [{"Authorization": f"Bearer {public.api_key}"}, {"Authorization": f"Basic {basic}"}]
    let_in: set[tuple[str, str]] = set()
    with closing(HTTPSConnection("localhost", port, context=client_context(public.settings))) as connection:
        for method, path in public.routes[name]:
            for headers in ways if method != WEBSOCKET else []:
                connection.request(method, path, headers=headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status not in _REFUSED:
                    let_in.add((method, path))
    return let_in


def test_up_chose_to_listen_to_all_and_to_ask_for_keys(public: Public) -> None:
    settings = public.settings
    assert (settings.host, settings.name, settings.access) == ("0.0.0.0", "localhost", "keys")
    assert settings.mlflow_url.startswith("https://localhost:")


def test_every_route_of_prefect_asks_for_its_credential_but_for_these(public: Public) -> None:
    assert len(public.routes["prefect"]) > 200
    assert _walk(public, "prefect", public.settings.prefect_port) == PREFECT_OPEN


def test_every_route_of_mlflow_asks_for_its_credential_but_for_these(public: Public) -> None:
    assert len(public.routes["mlflow"]) > 500
    assert _walk(public, "mlflow", public.settings.mlflow_port) == MLFLOW_OPEN


def test_a_browser_asks_people_for_mlflow_and_prefects_pages_ask_by_themselves(public: Public) -> None:
    settings, asked = public.settings, list[str | None]()
    for port in (settings.prefect_port, settings.mlflow_port):
        with closing(HTTPSConnection("localhost", port, context=client_context(settings))) as connection:
            connection.request("GET", "/api/x")
            asked.append(connection.getresponse().headers["WWW-Authenticate"])
    assert asked == [None, 'Basic realm="keepfit", charset="UTF-8"']


def test_every_websocket_asks_for_the_credential_in_its_first_message(public: Public) -> None:
    sockets = [path for method, path in public.routes["prefect"] if method == WEBSOCKET]
    assert len(sockets) >= 5
    trusted = client_context(public.settings)
    for path in sockets:
        url = f"wss://localhost:{public.settings.prefect_port}{path}"
        with pytest.raises(InvalidStatus), connect(url, ssl=trusted, proxy=None, open_timeout=60):
            pytest.fail(f"{path} let somebody in")
        for token in (None, "wrong", public.api_key):
            try:
                opened = connect(url, ssl=trusted, proxy=None, subprotocols=["prefect"])
            except TimeoutError:
                continue  # a busy Prefect did not take it: nobody is in
            with opened as socket:
                socket.send(json.dumps({"type": "auth", "token": token}))
                with pytest.raises(ConnectionClosed) as closed:
                    socket.recv(timeout=60)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1008


def test_both_ask_by_themselves_too_behind_their_doors(public: Public) -> None:
    assert public.without_a_door == {"prefect": 401, "mlflow": 401}


def test_a_certificate_that_nobody_vouches_for_is_told_at_once(public: Public) -> None:
    with pytest.raises(StackError, match=r"certificate is not trusted .* KEEPFIT_TLS_CA"):
        answers(f"{public.settings.serving_url}/health/live", ssl.create_default_context())(now())


def test_a_flow_of_the_runner_the_registry_and_a_command_work_and_no_secret_is_left_anywhere(
    public: Public, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, asked, seen = public.settings, public.asked, set[str]()

    def over() -> bool:
        for process in psutil.process_iter():
            try:
                seen.update(process.cmdline())
            except psutil.Error:
                continue
        found = runs.run(started)
        return found is not None and found.over

    runs = FlowRuns(settings.prefect_url, NAME, signed_in_client(settings))
    with closing(runs.client):
        started = runs.start("feedback", {}, new_id())
        until(over, 120)
        ended = runs.run(started)
        assert ended is not None
        assert ended.kind == "COMPLETED"
    for name, value in signed_in(settings).items():
        monkeypatch.setenv(name, value)
    registry = Registry(settings.mlflow_url, NAME)
    assert registry.version("made by a test") == 1
    assert registry.champion() is None
    public.command("feedback")
    pairs = [asked.prefect_string, f"keepfit:{asked.mlflow}", f"keepfit:{public.api_key}"]
    plain = [asked.prefect, asked.mlflow, asked.mlflow_forms, public.api_key]
    secrets = [text.encode() for text in plain]
    secrets += [base64.b64encode(text.encode()).rstrip(b"=") for text in (*plain, *pairs)]
    places = {"up": public.output.read_bytes(), "commands": "".join(public.said).encode()}
    places |= {"command lines": "\n".join(seen).encode()}
    for file in settings.home.rglob("*"):
        if file.is_file() and file != credentials_file(settings):
            places[str(file)] = file.read_bytes()
    assert len(seen) > 20
    assert len(places) > 20
    assert [name for name, content in places.items() if any(secret in content for secret in secrets)] == []
    assert str(credentials_file(settings)) in public.output.read_text()


def test_the_secrets_are_in_one_file_of_this_user(public: Public) -> None:
    file = credentials_file(public.settings)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [each.name for each in file.parent.iterdir()] == [file.name]

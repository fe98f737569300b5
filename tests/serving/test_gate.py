"""Every route and method of the prediction service, with no key, wrong ones, and one of each role."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.apikeys import ROLES, Role, make_api_key, revoke_api_key
from keepfit.errors import StackError
from keepfit.settings import HOSTED, Settings
from serving.app import routes
from serving.supervision import serve as serve_alone
from tests.builders import ROW
from tests.serving.running import Serve, Server, eventually

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
NAMED = {"health_route": "/platform/health", "predict_route": "/platform/predict"}

EVERYBODY: frozenset[Role] = frozenset()
DESCRIBING = frozenset({"predict", "read"})
ANY = frozenset(ROLES)
MAY: dict[tuple[str, str], frozenset[str]] = {
    ("POST", "/v1/predict"): frozenset({"predict"}),
    ("POST", "/v1/feedback"): frozenset({"feedback"}),
    ("GET", "/v1/model"): DESCRIBING,
    ("GET", "/health/live"): EVERYBODY,
    ("GET", "/health/ready"): EVERYBODY,
    ("GET", "/metrics"): frozenset({"read"}),
    ("GET", "/v2"): DESCRIBING,
    ("GET", "/v2/health/live"): EVERYBODY,
    ("GET", "/v2/health/ready"): EVERYBODY,
    ("GET", "/v2/models/{model}"): DESCRIBING,
    ("GET", "/v2/models/{model}/versions/{version}"): DESCRIBING,
    ("GET", "/v2/models/{model}/ready"): DESCRIBING,
    ("GET", "/v2/models/{model}/versions/{version}/ready"): DESCRIBING,
    ("POST", "/v2/models/{model}/infer"): frozenset({"predict"}),
    ("POST", "/v2/models/{model}/versions/{version}/infer"): frozenset({"predict"}),
    ("GET", "/v1/models"): DESCRIBING,
    ("GET", "/v1/models/{model}"): DESCRIBING,
    ("POST", "/v1/models/{model}:predict"): frozenset({"predict"}),
    ("GET", "/health"): EVERYBODY,
    ("GET", "/version"): DESCRIBING,
    ("GET", "/ping"): EVERYBODY,
    ("POST", "/invocations"): frozenset({"predict"}),
    ("GET", "/platform/health"): EVERYBODY,
    ("POST", "/platform/predict"): frozenset({"predict"}),
    ("GET", "/openapi.json"): ANY,
    ("GET", "/docs"): ANY,
}
"""Who may ask what; a route that does not stand here fails the walk."""

ASKED = json.dumps({"rows": [{"features": ROW}]}).encode()
LABEL = b'{"labels":[{"reference_id":"a","label":1}]}'


class Keyed:
    """A server that asks for keys, one key of each role, and some that are none."""

    def __init__(self, home: Path) -> None:
        self.file = home / "home" / "keys" / "api.json"
        self.keys = {role: make_api_key(self.file, f"only-{role}", [role])[1] for role in ROLES}
        _, self.revoked = make_api_key(self.file, "was", ROLES)
        revoke_api_key(self.file, "was")
        self.server = Server(home / "home", access="keys", workers=1, **NAMED)
        self.server.promote(1)
        self.server.start()

    def ask(self, method: str, path: str, key: str | None, body: bytes | None = None) -> int:
        brought = {} if key is None else {"Authorization": f"Bearer {key}"}
        return self.server.ask(method, path, body, **brought).status


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    made = Keyed(tmp_path_factory.mktemp("keyed"))
    yield made
    assert made.server.stop() == 0


def test_the_table_has_every_route_and_no_other() -> None:
    there = {(route.method, route.path) for route in routes(Settings(**NAMED))}
    assert there == set(MAY)


@pytest.mark.e2e
def test_every_route_and_method_lets_in_whom_the_table_says(keyed: Keyed) -> None:
    wrong: list[str] = []
    strangers = {"no": None, "a made up": "keepfit_" + "A" * 43, "an empty": "", "a revoked": keyed.revoked}
    for path, method in itertools.product(sorted({path for _, path in MAY}), METHODS):
        asked = path.replace("{model}", "flights").replace("{version}", "1")
        may = MAY.get(("GET" if method == "HEAD" else method, path))
        for name, key in (*strangers.items(), *keyed.keys.items()):
            status = keyed.ask(method, asked, key)
            if may == EVERYBODY:
                right = status not in (401, 403, 405)
            elif name in strangers:
                right = status == 401 or (may is None and status == 405 and _is_open(path))
            elif may is None:
                right = status == 405
            else:
                right = (status not in (401, 403, 405)) if name in may else status == 403
            if not right:
                wrong.append(f"{method} {path} with {name} key: {status}")
    assert wrong == []


def _is_open(path: str) -> bool:
    return MAY.get(("GET", path)) == EVERYBODY


@pytest.mark.e2e
def test_who_has_no_key_does_not_learn_which_paths_there_are(keyed: Keyed) -> None:
    assert keyed.ask("GET", "/nothing/here", None) == 401
    assert keyed.ask("GET", "/nothing/here", keyed.keys["predict"]) == 404


@pytest.mark.e2e
@pytest.mark.parametrize("scheme", ["Basic", "Token", "bearer", "BEARER", "Bearer  "])
def test_a_key_is_a_bearer_however_that_is_written(keyed: Keyed, scheme: str) -> None:
    told = keyed.server.ask("GET", "/metrics", None, Authorization=f"{scheme} {keyed.keys['read']}")
    assert told.status == (200 if scheme.strip().lower() == "bearer" else 401)


@pytest.mark.e2e
def test_a_refusal_says_how_to_bring_a_key_and_what_it_may(keyed: Keyed) -> None:
    told = keyed.server.ask("POST", "/v1/predict", ASKED, Content_Type="application/json")
    assert told.status == 401
    assert told.headers["www-authenticate"] == 'Bearer realm="keepfit"'
    assert "Authorization: Bearer KEY" in told.error[1]
    told = keyed.server.post("/v1/predict", ASKED, Authorization=f"Bearer {keyed.keys['feedback']}")
    assert told.error[1] == "the key only-feedback may feedback; this needs a key that may predict"


@pytest.mark.e2e
def test_nothing_of_a_refused_request_is_kept(keyed: Keyed) -> None:
    kept = len(keyed.server.entries())
    for key in ("nobody", keyed.keys["read"]):
        for path, body in (("/v1/predict", ASKED), ("/v1/feedback", LABEL)):
            assert keyed.server.post(path, body, Authorization=f"Bearer {key}").status in (401, 403)
    assert len(keyed.server.entries()) == kept


@pytest.mark.e2e
def test_a_label_says_whose_key_it_came_with(keyed: Keyed) -> None:
    told = keyed.server.post("/v1/feedback", LABEL, Authorization=f"Bearer {keyed.keys['feedback']}")
    assert told.status == 200
    assert keyed.server.labels()[-1].source == "http:only-feedback"


@pytest.mark.e2e
def test_a_key_is_taken_and_refused_as_soon_as_it_is_made_and_revoked(keyed: Keyed) -> None:
    _, key = make_api_key(keyed.file, "soon", ["read"])
    eventually(lambda: keyed.ask("GET", "/metrics", key) == 200)
    revoke_api_key(keyed.file, "soon")
    eventually(lambda: keyed.ask("GET", "/metrics", key) == 401)


@pytest.mark.e2e
def test_what_is_described_says_which_key_each_route_needs(keyed: Keyed) -> None:
    told = keyed.server.ask("GET", "/openapi.json", None, Authorization=f"Bearer {keyed.keys['read']}").json
    assert told["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            assert set(operation["x-keepfit-roles"]) == MAY[method.upper(), path]
            assert bool(operation["security"]) == bool(MAY[method.upper(), path])


@pytest.mark.e2e
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/v1/predict", "/health/live", "/docs"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "10.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_from_elsewhere_may_ask_nothing(
    server: Server, method: str, path: str, headers: dict[str, str]
) -> None:
    assert server.ask(method, path, None, **headers).status == 403


@pytest.mark.e2e
def test_a_browser_on_the_own_page_may_ask(server: Server) -> None:
    port = server.settings.serving_port
    own = {"Origin": f"http://localhost:{port}", "Host": f"localhost:{port}", "Sec-Fetch-Site": "same-origin"}
    assert server.post("/v1/predict", ASKED, **own).status == 200


@pytest.mark.e2e
def test_a_key_that_asks_too_often_waits_whichever_worker_it_meets(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    _, often = make_api_key(file, "often", ["predict"], rate=5)
    _, other = make_api_key(file, "other", ["predict"])
    server = serve(access="keys", api_keys=str(file), workers=2)
    told = [server.post("/v1/predict", ASKED, Authorization=f"Bearer {often}") for _ in range(60)]
    refused = [each for each in told if each.status == 429]
    # Five at once, and five a second for as long as it took; a new connection each, so both workers.
    assert refused
    assert refused[0].error[1] == "the key often may ask 5 times a second; ask again later"
    assert 1 <= int(refused[0].headers["retry-after"]) <= 2
    assert server.post("/v1/predict", ASKED, Authorization=f"Bearer {other}").status == 503  # no model yet


def test_a_server_that_others_reach_is_not_started_without_keys_or_in_the_clear(tmp_path: Path) -> None:
    public = {"home": tmp_path, "host": "0.0.0.0"}
    with pytest.raises(StackError, match=r"unencrypted; set KEEPFIT_TLS_CERT .* KEEPFIT_CLEARTEXT=true"):
        serve_alone(Settings(**public))
    with pytest.raises(StackError, match=r"holds no API key .* bin/keepfit keys make NAME"):
        serve_alone(Settings(**public, cleartext=True))


def test_a_platform_s_container_leaves_it_to_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIP_HTTP_PORT", "8080")
    settings = Settings.from_env()
    assert not settings.asks_keys
    assert {name: getattr(settings, name) for name in HOSTED} == HOSTED

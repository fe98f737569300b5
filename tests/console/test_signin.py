"""Every page and method of the console, with no key, wrong ones, and one of each role."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.routing import Mount, Route

from data.apikeys import ROLES, make_api_key, revoke_api_key
from keepfit.errors import StackError
from keepfit.settings import Settings
from monitoring.console import signin
from monitoring.console.signin import SignIn
from monitoring.console.site import make_site
from tests.console.opening import console_on
from tests.console.years import Year

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
EVERYBODY: frozenset[str] = frozenset()
LOOKS, CHANGES, ANY = frozenset({"read"}), frozenset({"operate"}), frozenset(ROLES)
PAGES = (
    *("/", "/timeline", "/labels", "/quarantine", "/ledger", "/ledger/{number}"),
    *("/decisions", "/decisions/{key}", "/reports", "/reports/{as_of}", "/reports/{as_of}/page", "/runs"),
    *("/runs/{number}", "/quarantine.csv", "/ledger.csv", "/decisions.csv", "/audit"),
    *("/compare", "/compare.html", "/compare.json", "/compare.csv", "/timeline.json", "/timeline.csv"),
    *("/timeline.html", "/reports/{as_of}.html", "/decisions/{key}.html"),
    *("/decisions.html", "/decisions.json", "/decisions/{key}.json", "/models", "/models/{version}"),
    *(f"/models{of}.{form}" for of in ("", "/{version}") for form in ("html", "json")),
    "/models.csv",
    *("/reports/{as_of}.json", "/reports/{as_of}.csv"),
)
PREDICTION = "/predictions/{prediction_id:path}"
PAGES += ("/predictions", *(f"{PREDICTION}{ending}" for ending in ("", ".html", ".json", ".csv")))
MAY: dict[tuple[str, str], frozenset[str]] = {
    **{("GET", page): LOOKS for page in PAGES},
    **{("POST", path): CHANGES for path in ("/retrain", "/rollback", "/readmit", "/release")},
    ("GET", "/sign-in"): EVERYBODY,
    ("POST", "/sign-in"): EVERYBODY,
    ("POST", "/sign-out"): ANY,
    ("GET", "/health/live"): EVERYBODY,
    ("GET", "/static"): EVERYBODY,
}
"""Who may ask what; a route that does not stand here fails the walk."""


class Keyed:
    """The console of a year that asks for keys, one key of each role, and one that is none any more."""

    def __init__(self, year: Year, url: str, keys: dict[str, str]) -> None:
        self.url = url
        self.keys = keys
        self.file = year.settings.api_keys_file
        self.client = httpx.Client(base_url=url, trust_env=False)

    def ask(self, method: str, path: str, key: str | None) -> httpx.Response:
        headers = {"Origin": self.url} | ({} if key is None else {"Authorization": f"Bearer {key}"})
        return self.client.request(method, path, headers=headers)

    def sign_in(self, client: httpx.Client, key: str, following: str = "/") -> httpx.Response:
        return client.post("/sign-in", data={"key": key, "next": following}, headers={"Origin": self.url})


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    year = Year(tmp_path_factory.mktemp("keyed")).live()
    file = year.settings.api_keys_file
    keys = {role: make_api_key(file, f"only-{role}", [role])[1] for role in ROLES}
    keys["revoked"] = make_api_key(file, "was", ROLES)[1]
    revoke_api_key(file, "was")
    with console_on(replace(year.settings, access="keys")) as url:
        made = Keyed(year, url, keys)
        yield made
        made.client.close()


def path_of(route: Route | Mount) -> str:
    return route.path


def test_the_table_has_every_route_and_no_other(tmp_path: Path) -> None:
    there: set[tuple[str, str]] = set()
    for route in make_site(Settings(home=tmp_path)).routes:
        if isinstance(route, Mount):
            there.add(("GET", route.path))
        elif isinstance(route, Route):
            there |= {(method, route.path) for method in (route.methods or ()) if method != "HEAD"}
    assert there == set(MAY)


def test_every_route_and_method_lets_in_whom_the_table_says(keyed: Keyed) -> None:
    wrong: list[str] = []
    strangers = {"no": None, "a made up": "keepfit_" + "A" * 43, "a revoked": keyed.keys["revoked"]}
    for path, method in itertools.product(sorted({path for _, path in MAY}), METHODS):
        asked = path.replace("{number:int}", "1").replace("{number}", "1").replace("{", "").replace("}", "")
        asked = "/static/console.css" if path == "/static" else asked
        may = MAY.get(("GET" if method == "HEAD" else method, path))
        for name, key in (*strangers.items(), *((role, keyed.keys[role]) for role in ROLES)):
            status = keyed.ask(method, asked, key).status_code
            if may == EVERYBODY:
                right = status not in (403, 405) and (status != 401 or path == "/sign-in")
            elif may is not None:
                right = status not in (401, 403, 405) if name in may else status in (401, 403)
            else:  # no such method: whoever may change something learns that
                right = status in (401, 403, 405)
            if not right:
                wrong.append(f"{method} {path} with {name} key: {status}")
    assert wrong == []


def test_a_browser_without_a_key_is_led_to_the_sign_in_and_back(keyed: Keyed) -> None:
    with httpx.Client(base_url=keyed.url, trust_env=False) as browser:
        told = browser.get("/quarantine?reason=a%26b", headers={"Accept": "text/html"})
        assert told.status_code == 303
        page = browser.get(told.headers["location"])
        assert 'value="/quarantine?reason=a%26b"' in page.text
        assert "Performance" not in page.text
        signed = keyed.sign_in(browser, keyed.keys["read"], "/quarantine?reason=a%26b")
        assert (signed.status_code, signed.headers["location"]) == (303, "/quarantine?reason=a%26b")
        assert "only-read" in browser.get("/").text


def test_the_cookie_is_for_no_script_and_for_no_other_site(keyed: Keyed) -> None:
    with httpx.Client(base_url=keyed.url, trust_env=False) as browser:
        told = keyed.sign_in(browser, keyed.keys["read"]).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(told.split("; "))
    assert keyed.keys["read"] not in told


def test_over_tls_the_cookie_is_bound_to_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, access="keys", tls_cert="cert.pem", tls_key="key.pem")
    made, _ = make_api_key(settings.api_keys_file, "a", ["read"])
    told = SignIn(settings).stay(made)
    assert told.startswith("__Host-keepfit=")
    assert told.endswith("; Secure")


@pytest.mark.parametrize("key", ["", "nothing", "revoked", "predict"])
def test_a_key_that_may_not_look_does_not_sign_in(keyed: Keyed, key: str) -> None:
    with httpx.Client(base_url=keyed.url, trust_env=False) as browser:
        told = keyed.sign_in(browser, keyed.keys.get(key, key))
        assert told.status_code == 401
        assert 'role="alert"' in told.text
        assert "set-cookie" not in told.headers


def test_a_sign_in_from_a_page_elsewhere_is_refused(keyed: Keyed) -> None:
    form = {"key": keyed.keys["read"]}
    for headers in ({}, {"Origin": "http://evil.example"}):
        told = httpx.post(f"{keyed.url}/sign-in", data=form, headers=headers, trust_env=False)
        assert told.status_code == 403


@pytest.mark.parametrize(
    "following",
    [
        *(
            "//evil.example",
            "https://evil.example/",
            "/\\evil.example",
            "\\\\evil.example",
            "javascript:alert(1)",
        ),
        *("/\t/evil.example", "evil.example", "", "/\r\nSet-Cookie: a=b", "///evil.example"),
    ],
)
def test_who_signs_in_stays_on_this_site(keyed: Keyed, following: str) -> None:
    with httpx.Client(base_url=keyed.url, trust_env=False) as browser:
        assert keyed.sign_in(browser, keyed.keys["read"], following).headers["location"] == "/"


def test_who_signs_out_is_asked_again(keyed: Keyed) -> None:
    with httpx.Client(base_url=keyed.url, trust_env=False) as browser:
        keyed.sign_in(browser, keyed.keys["read"])
        assert browser.get("/").status_code == 200
        browser.post("/sign-out", headers={"Origin": keyed.url})
        assert browser.get("/").status_code == 401


def test_a_key_that_is_revoked_ends_its_sessions(keyed: Keyed) -> None:
    _, key = make_api_key(keyed.file, "leaving", ["read"])
    with httpx.Client(base_url=keyed.url, trust_env=False) as browser:
        keyed.sign_in(browser, key)
        assert browser.get("/").status_code == 200
        revoke_api_key(keyed.file, "leaving")
        assert browser.get("/").status_code == 401


@pytest.fixture
def gate(tmp_path: Path) -> SignIn:
    settings = Settings(home=tmp_path, access="keys")
    for role in ("read", "operate"):
        make_api_key(settings.api_keys_file, role, [role])
    return SignIn(settings)


def cookie_of(gate: SignIn, number: int) -> str:
    key = gate._keys and gate._keys.numbered(number)
    assert key
    return gate.stay(key).partition(";")[0]


def test_a_cookie_says_who_asks_until_it_ends(gate: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = cookie_of(gate, 1)
    found = gate.caller({"cookie": cookie})
    assert found is not None
    assert found.name == "read"
    later = time.time() + signin.STAY_S + 1
    monkeypatch.setattr(signin.time, "time", lambda: later)
    assert gate.caller({"cookie": cookie}) is None


def test_a_cookie_that_was_changed_says_nothing(gate: SignIn) -> None:
    name, _, value = cookie_of(gate, 1).partition("=")
    number, until, mac = value.split(".")
    for forged in (
        f"2.{until}.{mac}",
        f"{number}.{int(until) + 9}.{mac}",
        f"{number}.{until}.",
        mac,
        "a.b.c",
        "",
    ):
        assert gate.caller({"cookie": f"{name}={forged}"}) is None
    assert gate.caller({"cookie": "\x00=;;=\x7f"}) is None


def test_a_key_in_the_request_goes_before_a_cookie(gate: SignIn) -> None:
    assert gate.caller({"cookie": cookie_of(gate, 1), "authorization": "Bearer nobody"}) is None


def test_a_console_that_others_reach_is_not_made_without_keys(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="holds no API key"):
        make_site(Settings(home=tmp_path, host="0.0.0.0", cleartext=True))

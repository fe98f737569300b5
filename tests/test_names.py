"""No name leads out of its folder, and none is a command: every door, and every hostile name."""

import http.client
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from control.drafting.beginning import Place, new
from control.drafting.roles import Asked
from data.archives import FORMAT, Manifest, Member, add_manifest, check_archive
from data.registry import Registry
from data.releases import released
from keepfit.errors import BundleDamaged, KeepfitError, ProjectError, StackError
from keepfit.loading import absolute, load_project
from keepfit.settings import Settings
from monitoring.console.reading.watches import Watches, drawn_page
from serving.__main__ import settings_of
from tests.console.opening import console_on
from tests.console.years import Year
from tests.keys import TRUST
from tests.making import NOON, project

SECRET = "what is outside stays outside"
NAMES = [
    *("..", ".", "", "../outside", "../../outside", "/outside", "made/../../outside", "made/made"),
    *("made\n", "made\0", "made\u202e", "made\\..", "..%2foutside", "%2e%2e%2foutside"),
    *("$(touch outside)", "`touch outside`", "made;touch outside", "made touch", "-rf", "--help"),
    *("{{ $HOME }}", "{{ prefect.blocks.secret.made }}", "Made", "m\u00e4de", "m" * 64),
]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home beside what no name may lead to; nothing there is another afterwards."""
    for place in (".", "home", "home/reports", "home/releases"):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / "outside").mkdir()
        for file in ("verdict.json", "report.html", "manifest.json", "project.py"):
            (tmp_path / place / "outside" / file).write_text(SECRET)
    before = listing(tmp_path)
    yield tmp_path / "home"
    after = listing(tmp_path)
    assert {path: after.get(path) for path in before} == before
    assert [path for path in set(after) - set(before) if not path.startswith("home/")] == []


def listing(folder: Path) -> dict[str, bytes | None]:
    found = sorted(folder.rglob("*"))
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in found}


def refused(door: Callable[[], object], *by: type[KeepfitError]) -> None:
    """Go through a door, and be told in one line why not."""
    with pytest.raises(by or KeepfitError) as caught:
        door()
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_hostile_name_is_refused_at_every_door(
    home: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    refused(lambda: project(name=name), ProjectError)
    refused(lambda: Settings(home=home, project_name=name), StackError)
    refused(lambda: settings_of([f"--project={name}"]), StackError)
    if name and "\0" not in name:
        monkeypatch.setenv("KEEPFIT_PROJECT_NAME", name)
        refused(Settings.from_env, StackError)
        monkeypatch.delenv("KEEPFIT_PROJECT_NAME")
    if name:
        refused(lambda: new(tmp_path / "history.csv", Asked(), Place(name)), ProjectError)
    refused(lambda: load_project(f"{name}:made" if name in (".", "..") else name), ProjectError)
    refused(lambda: released(home / "releases", name, TRUST), BundleDamaged)
    assert Watches(home / "reports").named(name) is None
    assert drawn_page(home / "reports", name) is None


def test_a_hostile_name_in_an_address_of_the_console_is_no_page(home: Path) -> None:
    with console_on(Year(home).settings) as url:
        # Not httpx, which takes the dots out of a path before it asks.
        asking = http.client.HTTPConnection(urlsplit(url).netloc)
        for name in filter(None, NAMES):
            for page in ("reports/{}", "reports/{}/page", "decisions/{}", "ledger/{}", "static/{}"):
                asking.request("GET", "/" + page.format(quote(name, safe="%/")))
                told = asking.getresponse()
                assert (told.status, SECRET in told.read().decode()) == (404, False), (page, name)
        asking.close()


def test_a_member_of_a_backup_with_a_path_in_its_name_is_never_written(home: Path) -> None:
    path = home / "a.backup"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../outside/verdict.json", "changed")
        add_manifest(
            archive,
            Manifest(
                format=FORMAT,
                backup_id="b",
                taken_at=NOON,
                keepfit="0",
                members=[Member("../../outside/verdict", 0, "0")],
                positions={},
            ),
        )
    refused(lambda: check_archive(path))


def test_a_project_in_a_folder_with_any_name_is_found_there(tmp_path: Path) -> None:
    folder = tmp_path / "a b $(touch x) `touch x` 'q' \"q\" ;& -rf %s"
    folder.mkdir()
    (folder / "project.py").write_text(
        "from tests.making import project as made\nproject = made(name='elsewhere')\n"
    )
    assert load_project(absolute(str(folder))).name == "elsewhere"
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


class Lying(BaseHTTPRequestHandler):
    """A registry whose artifacts lie where they are not."""

    path_told = ""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        version = {
            "name": "made",
            "version": "1",
            "run_id": "a" * 32,
            "tags": [{"key": "keepfit.digest", "value": "0" * 64}],
        }
        info = {
            "run_id": "a" * 32,
            "artifact_uri": "mlflow-artifacts:/0/a/artifacts",
            "experiment_id": "0",
            "status": "FINISHED",
        }
        answer: object = {}
        if path.endswith("/model-versions/get"):
            answer = {"model_version": version}
        elif path.endswith("/runs/get"):
            answer = {"run": {"info": info, "data": {}}}
        elif path.endswith("/artifacts"):
            answer = {"files": [{"path": self.path_told, "is_dir": False, "file_size": 7}]}
        body = b"changed" if "/artifacts/" in path else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    "told", ["../../outside/verdict.json", "/outside/verdict.json", "%2e%2e/outside", "..\\x"]
)
def test_what_a_registry_says_of_its_artifacts_is_written_nowhere_else(
    home: Path, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(home))
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Told", (Lying,), {"path_told": told})) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            registry = Registry(f"http://127.0.0.1:{server.server_port}", "made")

            def fetch() -> None:
                with registry.bundle(1):
                    raise BundleDamaged("what was fetched is looked at by open_bundle")

            refused(fetch)
        finally:
            server.shutdown()
            thread.join()

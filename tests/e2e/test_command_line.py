"""bin/keepfit as a person or a script meets it, where nothing is up."""

import json
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keepfit.settings import ROOT
from tests.control.little import free_port
from tests.e2e.worlds import MOVED, PER_DAY, START, made, write_project

pytestmark = pytest.mark.e2e

COMMANDS = [
    *("new", "up", "down", "status", "check", "import"),
    *("feedback", "watch", "retrain", "rollback", "serve", "replay", "demo"),
    *("backup", "restore", "rotate-key"),
]
HEAVY = {
    "pandas",
    "sklearn",
    "mlflow",
    "prefect",
    "evidently",
    "great_expectations",
    "sqlalchemy",
    "onnxruntime",
}


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def refusal(self) -> str:
        """The one sentence of a command that was refused, behind what it said that it was doing."""
        assert self.code == 1, self
        assert self.out == ""
        *doing, line = self.err.splitlines()
        assert [said for said in doing if not said.endswith(" ...")] == []
        assert line.startswith("keepfit: ")
        return line


Keepfit = Callable[..., Said]


def keepfit_in(folder: Path) -> Keepfit:
    """Run bin/keepfit in a folder, on a home of its own with nothing up."""
    ports = {f"KEEPFIT_{part}_PORT": str(free_port()) for part in ("SERVING", "PREFECT", "MLFLOW")}
    home = {"KEEPFIT_HOME": str(folder / "home")}

    def run(*arguments: str, **environment: str) -> Said:
        done = subprocess.run(
            [f"{ROOT}/bin/keepfit", *arguments],
            env={**os.environ, **home, **ports, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=folder,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def keepfit(tmp_path: Path) -> Keepfit:
    return keepfit_in(tmp_path)


@pytest.fixture
def parcels(tmp_path: Path) -> str:
    return write_project(tmp_path, "parcels", "multiclass")


@dataclass(frozen=True)
class Imported:
    """A history with one row that lacks its place, imported once."""

    arguments: tuple[str, ...]
    keepfit: Keepfit
    said: Said


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    folder = tmp_path_factory.mktemp("imported")
    rows = made("multiclass", START, MOVED)
    rows.loc[7, "place"] = None
    rows.to_csv(folder / "history.csv", index=False)
    arguments = ("import", "-p", write_project(folder, "parcels", "multiclass"), "history.csv", "--json")
    keepfit = keepfit_in(folder)
    return Imported(arguments, keepfit, keepfit(*arguments))


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_answers_without_importing_anything_heavy(keepfit: Keepfit, command: str) -> None:
    said = keepfit(command, "--help", PYTHONPROFILEIMPORTTIME="1")
    assert said.code == 0
    assert f"Usage: bin/keepfit {command}" in said.out
    imported = set(re.findall(r"\| +([\w.]+)$", said.err, re.MULTILINE))
    assert "typer" in imported
    assert imported.isdisjoint(HEAVY)


def test_help_names_every_command(keepfit: Keepfit) -> None:
    told = keepfit("--help").out
    assert [name for name in COMMANDS if not re.search(rf"^ +{name} ", told, re.MULTILINE)] == []


def test_a_project_that_is_nowhere_is_refused(keepfit: Keepfit) -> None:
    assert "no such file, folder or module" in keepfit("status", "-p", "nowhere/at_all.py").refusal


def test_a_project_that_does_not_import_is_refused_with_its_line(keepfit: Keepfit, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("from keepfit import Project\n\nproject = Project(nme='broken')\n")
    refusal = keepfit("check", "-p", "broken.py").refusal
    assert "line 3" in refusal
    assert "nme" in refusal


def test_a_history_that_is_not_there_is_refused(keepfit: Keepfit, parcels: str) -> None:
    assert "there is no such file" in keepfit("import", "-p", parcels, "history.csv").refusal


@pytest.mark.parametrize("command", ["feedback", "watch", "retrain", "rollback"])
def test_what_needs_the_stack_says_how_to_start_it(keepfit: Keepfit, parcels: str, command: str) -> None:
    assert "start everything with bin/keepfit up" in keepfit(command, "-p", parcels).refusal


def test_an_as_of_that_is_no_time_is_refused_with_what_would_be_one(keepfit: Keepfit) -> None:
    said = keepfit("retrain", "--as-of", "yesterday")
    assert said.code == 2
    assert "Traceback" not in said.err
    assert "'yesterday'" in said.err
    assert "%Y-%m-%dT%H:%M:%S" in said.err


def test_a_setting_of_the_wrong_type_is_refused_by_its_variable(keepfit: Keepfit) -> None:
    assert "KEEPFIT_WORKERS='two'" in keepfit("status", KEEPFIT_WORKERS="two").refusal


def test_a_taken_port_is_refused_by_its_number(keepfit: Keepfit, parcels: str, taken_port: int) -> None:
    refusal = keepfit("serve", "-p", parcels, "--port", str(taken_port)).refusal
    assert f"port {taken_port} " in refusal


def test_up_refuses_a_taken_port_before_it_starts_anything(
    keepfit: Keepfit, parcels: str, taken_port: int, tmp_path: Path
) -> None:
    refusal = keepfit("up", "-p", parcels, KEEPFIT_MLFLOW_PORT=str(taken_port)).refusal
    assert f"port {taken_port} on 127.0.0.1 is needed by mlflow" in refusal
    assert "KEEPFIT_MLFLOW_PORT" in refusal
    assert list((tmp_path / "home").glob("logs/*")) == []


def test_up_refuses_a_project_that_cannot_work(keepfit: Keepfit, parcels: str) -> None:
    fitted = "make_pipeline(encoded, getattr(linear_model, LEARNER)())"
    Path(parcels).write_text(Path(parcels).read_text().replace(fitted, "encoded"))
    assert "without fit and predict" in keepfit("up", "-p", parcels).refusal


def test_check_of_a_sound_project_ends_well(keepfit: Keepfit, parcels: str) -> None:
    said = keepfit("check", "-p", parcels, "--json")
    assert said.code == 0, said
    assert said.json["ok"]
    assert {trial["objection"] for trial in said.json["trials"]} == {None}


def test_check_of_a_project_that_cannot_be_served_names_the_cure(keepfit: Keepfit, parcels: str) -> None:
    careless = Path(parcels).read_text().replace('handle_unknown="ignore"', "")
    Path(parcels).write_text(careless)
    said = keepfit("check", "-p", parcels)
    assert said.code == 1
    assert "FAIL an unknown category is answered" in said.out
    assert "handle_unknown=" in said.out
    assert "Traceback" not in said.err


def test_import_counts_what_it_took_and_what_it_set_aside(imported: Imported) -> None:
    rows = 30 * PER_DAY
    assert imported.said.json == {"rows": rows - 1, "labels": rows - 1, "quarantined": 1}


def test_a_part_of_a_file_is_imported_and_what_was_left_out_is_counted(imported: Imported) -> None:
    until = f"{START + timedelta(days=10):%Y-%m-%d}"
    said = imported.keepfit(*imported.arguments, "--until", until, KEEPFIT_HOME="elsewhere")
    # The row that lacks its place is of the first day.
    told = {"rows": 10 * PER_DAY - 1, "labels": 10 * PER_DAY - 1, "quarantined": 1, "left_out": 20 * PER_DAY}
    assert said.json == told


def test_what_takes_seconds_says_at_once_what_it_is_doing(imported: Imported) -> None:
    assert imported.said.err == "importing history.csv ...\n"


def test_a_draft_of_a_file_is_checked_and_imports_it(keepfit: Keepfit, tmp_path: Path) -> None:
    made("multiclass", START, MOVED).to_csv(tmp_path / "parcels.csv", index=False)
    drafted = keepfit("new", "parcels.csv", "--json")
    assert drafted.json["target"] == {"name": "size", "kind": "multiclass"}
    assert keepfit("check", "-p", "parcels.py").code == 0
    rows = 30 * PER_DAY
    taken = keepfit("import", "parcels.csv", "-p", "parcels.py", "--json").json
    assert taken == {"rows": rows, "labels": rows, "quarantined": 0}


def test_a_draft_never_writes_over_a_file(keepfit: Keepfit, tmp_path: Path) -> None:
    (tmp_path / "parcels.py").write_text("mine")
    (tmp_path / "parcels.csv").write_text("a,b\n")
    assert "is there already and is not written over" in keepfit("new", "parcels.csv").refusal


def test_a_module_in_the_working_folder_does_not_stand_in_for_ours(keepfit: Keepfit, tmp_path: Path) -> None:
    for name in ("data.py", "csv.py", "control.py"):
        (tmp_path / name).write_text("raise SystemExit('imported')")
    assert keepfit("down").out == "nothing was up\n"


def test_importing_the_same_file_twice_says_so_and_takes_nothing(imported: Imported) -> None:
    assert "was taken in before" in imported.keepfit(*imported.arguments).refusal


def test_status_of_a_project_that_never_ran_is_json(keepfit: Keepfit, parcels: str) -> None:
    told = keepfit("status", "-p", parcels, "--json").json
    assert (told["project"], told["up"], told["champion"], told["workers"]) == ("parcels", False, None, [])


def test_the_key_is_rotated_in_two_steps(keepfit: Keepfit) -> None:
    assert "no key is waiting; begin with bin/keepfit rotate-key" in keepfit("rotate-key", "--finish").refusal
    public = Path(keepfit("rotate-key", "--json").json["public_key"])
    done = keepfit("rotate-key", "--finish", "--json").json
    assert (done["signed"], done["left"]) == (0, [])
    assert [file.name for file in public.parent.iterdir()] == [public.name] == [f"{done['new'][:12]}.pem"]


def test_down_where_nothing_is_up_says_so(keepfit: Keepfit) -> None:
    said = keepfit("down")
    assert (said.code, said.out) == (0, "nothing was up\n")

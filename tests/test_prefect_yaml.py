import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.cli.deploy._core import apply_values

from control.deployments import FILE, check_prefect_yaml
from control.services import POOL
from keepfit.errors import ProjectNotFound
from keepfit.loading import load_project

NAMES = ["feedback", "watch", "retrain", "rollback"]


def deployments() -> list[dict[str, Any]]:
    return yaml.safe_load(FILE.read_text())["deployments"]


def test_the_repositorys_file_has_nothing_that_prefect_would_ignore() -> None:
    assert check_prefect_yaml() == []


def test_each_flow_has_a_deployment_by_its_dotted_path() -> None:
    assert [each["entrypoint"] for each in deployments()] == [f"flows.{name}.{name}" for name in NAMES]


@pytest.mark.parametrize("key", ["description", "schedules", "concurrency_limit", "parameters", "tags"])
def test_each_deployment_says_what_it_does_when_for_whom_and_how_often_at_once(key: str) -> None:
    assert all(each.get(key) for each in deployments())


def test_each_deployment_goes_to_the_pool_that_the_runner_works_on() -> None:
    assert {each["work_pool"]["name"] for each in deployments()} == {POOL}


def test_what_takes_in_and_watches_is_scheduled_and_what_needs_a_reason_is_not() -> None:
    waiting = [each["name"] for each in deployments() if not each["schedules"][0].get("active", True)]
    assert waiting == [f"{{{{ $KEEPFIT_PROJECT_NAME }}}}-{step}" for step in ("retrain", "rollback")]


@pytest.mark.parametrize(
    ("sound", "misspelt", "told"),
    [
        ("\ndeployments:", "\ndeployment:", "ignore `deployment` at $: did you mean `deployments`?"),
        ("    entrypoint: flows.watch", "    entry_point: flows.watch", "did you mean `entrypoint`?"),
        ("    schedules:", "    scheduls:", "ignore `scheduls` at $.deployments[0]"),
        ("{interval: 300", "{intervall: 300", "ignore `intervall` at $.deployments[0].schedules[0]"),
        ("collision_strategy:", "colision_strategy:", "at $.deployments[0].concurrency_limit"),
        (
            "  pool: &pool\n    name:",
            "  pool: &pool\n    pool:",
            "ignore `pool` at $.deployments[0].work_pool",
        ),
        ("        expect:", "        expects:", "ignore `expects` at $.deployments[2].triggers[0]"),
        ("- type: event", "- type: evnt", "$.deployments[2].triggers[0]"),
        ("set_working_directory", "set_work_directory", "cannot be imported"),
        ("directory: ", "dir: ", "missing a required argument: 'directory'"),
        ("limit: 1", "limit: one", "$.deployments[0].concurrency_limit"),
        ("pull:\n", "pull: [\n", "cannot be read as YAML"),
    ],
)
def test_a_slip_is_refused_with_its_place(tmp_path: Path, sound: str, misspelt: str, told: str) -> None:
    text = FILE.read_text()
    assert sound in text
    path = tmp_path / "prefect.yaml"
    path.write_text(text.replace(sound, misspelt))
    problems = check_prefect_yaml(path)
    assert any(told in problem for problem in problems), problems


def test_what_the_event_passes_on_are_parameters_of_the_flow() -> None:
    (trigger,) = deployments()[2]["triggers"]
    assert {
        key: re.findall(r"event\.payload\.(\w+)", value) for key, value in trigger["parameters"].items()
    } == {
        "project": ["project"],
        "reason": ["reason"],
        "as_of": ["as_of"],
        "asked_by": [],
    }
    assert trigger["parameters"]["asked_by"] == "watch"


def test_a_projects_path_is_no_template(monkeypatch: pytest.MonkeyPatch) -> None:
    # Prefect fills in its file twice: what a path holds must not be looked up in the second turn.
    place = "/home/me/a b $(touch x) `touch x` \"q\" 'q' ${HOME} $HOME {% raw %} {x}/project.py"
    monkeypatch.setenv("KEEPFIT_PROJECT", place)
    for each in deployments():
        once: Any = apply_values(each["parameters"], dict(os.environ), remove_notset=False)
        assert apply_values(once, {}, warn_on_notset=False) == {"project": place}
    with pytest.raises(
        ProjectNotFound, match=r"a project's path may hold no line break, nothing invisible and"
    ):
        load_project("/home/me/{{ $HOME }}/project.py")

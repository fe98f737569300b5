"""The flows by hand, as the commands run them on a stack that is up."""

import re
from typing import Any

import httpx
import pytest

from control.answers import Answer
from control.turning import feedback, retrain, watch
from keepfit.errors import StackError
from keepfit.settings import Settings
from tests.e2e.worlds import START, write_project

pytestmark = pytest.mark.e2e


def run_of(answer: Answer, settings: Settings) -> dict[str, Any]:
    """Ask Prefect for the run that an answer leads to."""
    assert f"  the run: {answer.told['run']}" in answer.lines
    (name,) = re.findall(rf"^{settings.prefect_url}/runs/flow-run/([0-9a-f-]+)$", answer.told["run"])
    return httpx.get(f"{settings.prefect_url}/api/flow_runs/{name}", timeout=30).raise_for_status().json()


def test_feedback_by_hand_says_what_it_took_and_leads_to_its_run(
    on_stack: Settings, stack_project: str
) -> None:
    answer = feedback(stack_project, None)
    assert re.match(r"\d+ predictions and \d+ labels taken in, \d+ set aside\n", answer.text())
    assert run_of(answer, on_stack)["state_type"] == "COMPLETED"


def test_watch_by_hand_says_what_it_found_and_leads_to_its_run(
    on_stack: Settings, stack_project: str
) -> None:
    answer = watch(stack_project, START)
    assert answer.told["sentence"] == answer.lines[0]
    assert run_of(answer, on_stack)["parameters"]["as_of"].startswith("2024-01-01")


def test_retrain_by_hand_leads_to_its_run_also_when_there_is_nothing_to_learn_from(
    on_stack: Settings, stack_project: str
) -> None:
    answer = retrain(stack_project, "a test", START)
    assert "min_rows asks for" in answer.lines[0]
    assert run_of(answer, on_stack)["state_type"] == "COMPLETED"


@pytest.mark.usefixtures("on_stack")
def test_a_flow_of_a_project_that_is_not_up_here_is_refused(settings: Settings) -> None:
    other = write_project(settings.home / "projects", "others", "regression")
    with pytest.raises(StackError, match=r"is up for parcels, not others; end that with bin/keepfit down"):
        feedback(other, None)

"""The deployments of prefect.yaml on the real stack: schedules, runs by hand, and the event of `watch`."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from prefect.deployments import run_deployment

from data.decisions import Decision, read_decisions
from flows.watch import watch
from keepfit.settings import Settings
from tasks.collect import import_file
from tasks.loop import Loop, open_loop
from tests.conftest import NAME
from tests.e2e.worlds import MOVED, START, eventually, made

pytestmark = pytest.mark.e2e

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@pytest.fixture(scope="module")
def prefect(on_stack: Settings) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{on_stack.prefect_url}/api", timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def loop(on_stack: Settings, stack_project: str) -> Loop:
    """The loop of the stack's own project, with history."""
    opened = open_loop(stack_project, on_stack)
    path = on_stack.home / "history.csv"
    made("multiclass", START, MOVED).to_csv(path, index=False)
    import_file(opened, path, lambda _: None)
    return opened


@pytest.fixture(scope="module")
def run_by_hand(loop: Loop) -> Any:  # noqa: ARG001 - it has to have history
    """A run of the deployment `retrain`, as Prefect's form starts it; it makes the first champion."""
    parameters = {"as_of": MOVED.isoformat(), "reason": "a person asked"}
    return run_deployment(f"retrain/{NAME}-retrain", parameters=parameters, timeout=120)


def runs(prefect: httpx.Client, step: str, *states: str) -> list[dict[str, Any]]:
    wanted = {
        "deployments": {"name": {"any_": [f"{NAME}-{step}"]}},
        "flow_runs": {"state": {"type": {"any_": states}}},
    }
    return prefect.post("/flow_runs/filter", json=wanted).raise_for_status().json()


def decision(loop: Loop, as_of: datetime) -> Decision:
    (found,) = (each for each in read_decisions(loop.store, loop.name) if each.as_of == as_of)
    return found


@pytest.mark.parametrize("step", ["feedback", "watch", "retrain"])
def test_a_deployed_schedule_really_has_scheduled_runs(prefect: httpx.Client, step: str) -> None:
    eventually(lambda: runs(prefect, step, "SCHEDULED"))


def test_a_rollback_is_never_scheduled(prefect: httpx.Client) -> None:
    eventually(lambda: runs(prefect, "retrain", "SCHEDULED"))
    assert runs(prefect, "rollback", "SCHEDULED") == []


def test_a_run_started_by_hand_works_with_its_parameters(loop: Loop, run_by_hand: Any) -> None:
    assert run_by_hand.state.name == "Completed"
    made_champion = decision(loop, MOVED)
    assert made_champion.promote
    assert made_champion.reason == "a person asked"
    assert made_champion.workers == 2


@pytest.mark.usefixtures("run_by_hand")
def test_the_event_of_watch_starts_retrain(prefect: httpx.Client, loop: Loop, stack_project: str) -> None:
    much_later = MOVED + timedelta(days=40)
    watched = watch(stack_project, much_later)
    assert watched.judged is not None
    assert watched.judged.reason is not None
    asked = {
        "project": stack_project,
        "reason": watched.judged.reason.evidence,
        "as_of": much_later.isoformat(),
    }

    def started() -> list[dict[str, Any]]:
        return [run for run in runs(prefect, "retrain", *ENDED) if run["parameters"] == asked]

    eventually(started, within_s=120)
    (run,) = started()
    assert run["state_type"] == "COMPLETED"
    assert decision(loop, much_later).reason == asked["reason"]

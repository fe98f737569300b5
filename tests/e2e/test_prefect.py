"""The deployments of prefect.yaml on the real stack: schedules, runs by hand, and the event of `watch`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from prefect.deployments import run_deployment

from control.services import environment
from data.decisions import Decision, read_decisions
from flows.watch import watch
from keepfit.settings import ROOT, Settings
from tests.e2e.worlds import MOVED, World, eventually, world_on

pytestmark = pytest.mark.e2e

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@pytest.fixture(scope="module")
def prefect(on_stack: Settings) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{on_stack.prefect_url}/api", timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def deployed(on_stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A project of its own, with history, served, and deployed beside the stack's."""
    with world_on(on_stack, tmp_path_factory.mktemp("deployed"), "multiclass") as world:
        world.remember()
        told = {**os.environ, **environment(world.settings, world.place, world.name)}
        subprocess.run([sys.executable, "-m", "control.deployments"], cwd=ROOT, env=told, check=True)
        yield world


@pytest.fixture(scope="module")
def run_by_hand(deployed: World) -> Any:
    """A run of the deployment `retrain`, as Prefect's form starts it; it makes the first champion."""
    parameters = {"as_of": MOVED.isoformat(), "reason": "a person asked"}
    return run_deployment(f"retrain/{deployed.name}-retrain", parameters=parameters, timeout=120)


def runs(prefect: httpx.Client, world: World, step: str, *states: str) -> list[dict[str, Any]]:
    wanted = {
        "deployments": {"name": {"any_": [f"{world.name}-{step}"]}},
        "flow_runs": {"state": {"type": {"any_": states}}},
    }
    return prefect.post("/flow_runs/filter", json=wanted).raise_for_status().json()


def decision(world: World, as_of: datetime) -> Decision:
    (found,) = (each for each in read_decisions(world.loop.store, world.name) if each.as_of == as_of)
    return found


@pytest.mark.parametrize("step", ["feedback", "watch"])
def test_a_deployed_schedule_really_has_scheduled_runs(
    prefect: httpx.Client, deployed: World, step: str
) -> None:
    eventually(lambda: runs(prefect, deployed, step, "SCHEDULED"))


@pytest.mark.parametrize("step", ["retrain", "rollback"])
def test_what_needs_a_reason_is_never_scheduled(prefect: httpx.Client, deployed: World, step: str) -> None:
    eventually(lambda: runs(prefect, deployed, "watch", "SCHEDULED"))
    assert runs(prefect, deployed, step, "SCHEDULED") == []


def test_a_run_started_by_hand_works_with_its_parameters(deployed: World, run_by_hand: Any) -> None:
    assert run_by_hand.state.name == "Completed"
    made_champion = decision(deployed, MOVED)
    assert made_champion.promote
    assert made_champion.reason == "a person asked"
    assert made_champion.workers == 2


@pytest.mark.usefixtures("run_by_hand")
def test_the_event_of_watch_starts_retrain(prefect: httpx.Client, deployed: World) -> None:
    much_later = MOVED + timedelta(days=40)
    watched = watch(deployed.place, much_later)
    assert watched.judged is not None
    assert watched.judged.reason is not None
    asked = {
        "project": deployed.place,
        "reason": watched.judged.reason.evidence,
        "as_of": much_later.isoformat(),
        "asked_by": "watch",
    }

    def started() -> list[dict[str, Any]]:
        return [run for run in runs(prefect, deployed, "retrain", *ENDED) if run["parameters"] == asked]

    eventually(started, within_s=120)
    (run,) = started()
    assert run["state_type"] == "COMPLETED"
    assert decision(deployed, much_later).reason == asked["reason"]

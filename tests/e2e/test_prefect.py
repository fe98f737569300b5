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
from data.decisions import Decision, kept_decisions, read_decisions
from flows.watch import Watched, watch
from keepfit.settings import ROOT, Settings
from tests.e2e.worlds import MOVED, World, eventually, world_on

pytestmark = pytest.mark.e2e

MUCH_LATER = MOVED + timedelta(days=40)
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


@pytest.fixture(scope="module")
def watched(deployed: World, run_by_hand: Any) -> Watched:  # noqa: ARG001 - it makes the first champion
    """A watch that has a reason to ask for a retrain."""
    return watch(deployed.place, MUCH_LATER)


def artifact(prefect: httpx.Client, key: str) -> str:
    """Return the last page that a flow left under a key."""
    return prefect.get(f"/artifacts/{key}/latest").raise_for_status().json()["data"]


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


def test_the_page_of_a_retrain_leads_to_its_decision_and_its_model(
    prefect: httpx.Client, deployed: World, run_by_hand: Any
) -> None:
    assert run_by_hand.state.name == "Completed"
    (kept,) = kept_decisions(deployed.loop.store, deployed.name)
    page, console = artifact(prefect, f"{deployed.name}-decision"), deployed.settings.console_url
    assert f"[The decision]({console}/decisions/{kept.key})" in page
    assert f"[The model]({console}/models/{kept.decision.version})" in page


def test_the_page_of_a_watch_leads_to_its_report(
    prefect: httpx.Client, deployed: World, watched: Watched
) -> None:
    assert watched.report is not None
    address = f"{deployed.settings.console_url}/reports/{watched.report.verdict.parent.name}"
    assert artifact(prefect, f"{deployed.name}-watch").endswith(f"[The report]({address})")


def test_the_event_of_watch_starts_retrain(prefect: httpx.Client, deployed: World, watched: Watched) -> None:
    assert watched.judged is not None
    assert watched.judged.reason is not None
    asked = {
        "project": deployed.place,
        "reason": watched.judged.reason.evidence,
        "as_of": MUCH_LATER.isoformat(),
        "asked_by": "watch",
    }

    def started() -> list[dict[str, Any]]:
        return [run for run in runs(prefect, deployed, "retrain", *ENDED) if run["parameters"] == asked]

    eventually(started, within_s=120)
    (run,) = started()
    assert run["state_type"] == "COMPLETED"
    assert decision(deployed, MUCH_LATER).reason == asked["reason"]

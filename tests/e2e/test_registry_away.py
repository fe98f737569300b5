"""A registry that takes connections and never answers: what is delayed, and what goes on."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from data.decisions import read_decisions
from data.registry import REST_S, RETRIES, TIMEOUT_S, Registry
from flows.feedback import feedback
from flows.retrain import retrain
from flows.rollback import rollback
from flows.watch import watch
from keepfit.errors import RegistryUnavailable
from keepfit.settings import Settings
from tests.e2e.worlds import LATER, MOVED, World

pytestmark = [pytest.mark.e2e, pytest.mark.long]

PATIENCE_S = 2
"""How long MLflow is waited for here, so that the tests take less than people do."""


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server that the kernel takes connections for, and nobody answers at."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", str(PATIENCE_S))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(RETRIES))
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening:
        yield listening.getsockname()[1]


def took(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def test_a_registry_that_hangs_is_asked_once_and_then_left_alone(silent: int) -> None:
    registry = Registry(f"http://127.0.0.1:{silent}", "made")

    def ask() -> None:
        with pytest.raises(RegistryUnavailable, match=r"does not answer: .*start it with bin/keepfit up"):
            registry.champion()

    assert (1 + RETRIES) * PATIENCE_S <= took(ask) < (1 + RETRIES) * PATIENCE_S + 2
    assert took(ask) < 0.1


def test_a_flow_waits_for_the_registry_less_than_a_minute_in_all() -> None:
    # Once before it trains, and once more after that when the rest is over.
    assert 2 * ((1 + RETRIES) * TIMEOUT_S + 1) < 60 <= REST_S


def test_a_registry_that_hangs_delays_a_promotion_and_nothing_else(
    world: World, on_stack: Settings, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.remember()
    assert retrain(world.place, "the first model", MOVED).promote
    monkeypatch.setenv("KEEPFIT_MLFLOW_PORT", str(silent))

    sent = world.live(MOVED, LATER)
    taken = feedback(world.place, LATER)
    assert (taken.collected.predictions, taken.collected.labels) == (sent, sent)
    (said,) = taken.said
    assert said.startswith("what needs the registry was left as it is")

    judged = watch(world.place, LATER).judged
    assert judged is not None
    assert judged.reason is not None

    with pytest.raises(RegistryUnavailable):
        retrain(world.place, "the world has moved", LATER)
    (away, _) = read_decisions(world.loop.store, world.name)
    assert not away.promote
    assert "could not be registered" in away.sentence
    assert away.gain_low is not None
    assert away.gain_low > 0
    assert [entry.version for entry in world.loop.ledger.history()] == [1]
    assert world.versions() == [1, 1]

    monkeypatch.setenv("KEEPFIT_MLFLOW_PORT", str(on_stack.mlflow_port))
    promoted = retrain(world.place, "the world has moved", LATER)
    assert promoted.promote, promoted.sentence
    assert world.versions() == [promoted.version] * 2

    monkeypatch.setenv("KEEPFIT_MLFLOW_PORT", str(silent))
    back = rollback(world.place, as_of=LATER + timedelta(hours=1))
    assert (back.version, back.workers, back.objection) == (1, 2, None)
    monkeypatch.setenv("KEEPFIT_MLFLOW_PORT", str(on_stack.mlflow_port))
    assert feedback(world.place, LATER).said == ("the registry's alias was put right: version 1",)

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from mlflow import MlflowClient

from data.bundles import MODEL
from data.decisions import read_decisions
from flows.feedback import feedback
from flows.retrain import retrain
from flows.rollback import rollback
from keepfit.settings import ROOT, Settings
from tests.e2e.worlds import LATER, MOVED, World, eventually, world_on

pytestmark = [pytest.mark.e2e, pytest.mark.long]


def first(world: World) -> None:
    """Import history, and make version 1 champion."""
    world.remember()
    decision = retrain(world.place, "the first model", MOVED)
    assert decision.promote, decision.sentence


@pytest.fixture(scope="module")
def two_versions(on_stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world that has moved, and the two versions that learned from it."""
    with world_on(on_stack, tmp_path_factory.mktemp("two"), "multiclass") as world:
        first(world)
        world.remember(MOVED, LATER)
        decision = retrain(world.place, "the world has moved", LATER)
        assert decision.promote, decision.sentence
        yield world


@pytest.fixture
def second(two_versions: World) -> World:
    """A world whose champion is the second of two versions."""
    champion = two_versions.loop.ledger.champion()
    if champion is None or champion.version != 2:
        rollback(two_versions.place, 2, "for the next test", LATER)
    assert two_versions.versions() == [2, 2]
    return two_versions


def entries(world: World) -> list[tuple[str, int | None, int | None]]:
    return [(entry.kind, entry.version, entry.workers) for entry in world.loop.ledger.history()]


@contextmanager
def another_process(world: World) -> Iterator[Callable[[], None]]:
    """Begin the first retrain in a process of its own; the yielded call kills it, which must be in time."""
    code = (
        "import sys, datetime; from flows.retrain import retrain; "
        "retrain(sys.argv[1], 'killed', datetime.datetime.fromisoformat(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, world.place, MOVED.isoformat()]
    with (
        (world.folder / "retrain.log").open("ab") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log) as process,
    ):
        try:

            def kill() -> None:
                assert process.poll() is None, "it ended by itself"
                process.kill()
                process.wait()

            yield kill
        finally:
            process.kill()


def test_a_retrain_that_was_killed_while_it_learned_can_be_run_again(world: World) -> None:
    world.remember()
    with world.held() as begun, another_process(world) as kill:
        begun()
        kill()
    retrain(world.place, "run again", MOVED)
    assert entries(world) == [("retrain", 1, 2)]
    assert world.versions() == [1, 1]
    versions = MlflowClient(world.settings.mlflow_url).search_model_versions(f"name = '{world.name}'")
    assert [int(version.version) for version in versions] == [1]


def test_two_retrains_at_once_never_both_promote_over_one_champion(world: World) -> None:
    first(world)
    world.remember(MOVED, LATER)
    ends = (LATER, LATER - timedelta(hours=1))
    with ThreadPoolExecutor(2) as pool:
        with world.held(2) as begun:
            both = [pool.submit(retrain, world.place, "at once", end) for end in ends]
            begun()
        decisions = [each.result() for each in both]
    (winner,) = (decision for decision in decisions if decision.promote)
    (loser,) = (decision for decision in decisions if not decision.promote)
    assert "another promotion" in loser.objections[0]
    assert entries(world) == [("retrain", 1, 2), ("retrain", winner.version, 2)]
    assert world.versions() == [winner.version] * 2


def test_both_decisions_are_kept_of_two_retrains_that_were_the_same(world: World) -> None:
    world.remember()
    with ThreadPoolExecutor(2) as pool:
        with world.held(2) as begun:
            both = [pool.submit(retrain, world.place, "at once", MOVED) for _ in range(2)]
            begun()
        assert sorted(each.result().promote for each in both) == [False, True]
    kept = read_decisions(world.loop.store, world.name)
    assert sorted(decision.promote for decision in kept) == [False, True]


def test_a_damaged_bundle_that_the_workers_refuse_is_taken_back(world: World) -> None:
    first(world)
    world.remember(MOVED, LATER)
    with ThreadPoolExecutor(1) as pool:
        with world.workers_stopped():
            judged = pool.submit(retrain, world.place, "the world has moved", LATER)
            eventually(lambda: entries(world)[1:] == [("retrain", 2, None)])
            entry = world.loop.ledger.latest()
            assert entry is not None
            model = world.loop.releases / str(entry.digest) / MODEL
            model.write_bytes(model.read_bytes()[:-1])
        decision = judged.result()
    assert not decision.promote
    assert "taken back" in decision.sentence
    assert "refused version 2" in decision.sentence
    assert [kind for kind, _, _ in entries(world)] == ["retrain", "retrain", "withdrawal"]
    champion = world.loop.ledger.champion()
    assert champion is not None
    assert (champion.version, world.loop.registry.champion()) == (1, 1)
    eventually(lambda: world.versions() == [1, 1])


def test_a_promotion_that_nobody_serves_is_taken_back(
    unserved: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPFIT_CONFIRM_S", "0.5")
    unserved.remember()
    decision = retrain(unserved.place, "the first model", MOVED)
    assert not decision.promote
    assert "no worker was seen" in decision.sentence
    assert unserved.loop.ledger.champion() is None
    assert unserved.loop.registry.champion() is None


def test_a_rollback_makes_the_version_before_champion_on_every_worker(second: World) -> None:
    done = rollback(second.place, reason="complaints", as_of=LATER)
    assert (done.replaced, done.version, done.workers, done.objection) == (2, 1, 2, None)
    assert second.versions() == [1, 1]
    assert entries(second)[-1] == ("rollback", 1, 2)
    assert second.loop.registry.champion() == 1


def test_a_damaged_bundle_is_fetched_from_the_registry_for_a_rollback(second: World) -> None:
    model = second.loop.releases / str(second.loop.ledger.history()[0].digest) / MODEL
    model.write_bytes(b"not what it was")
    assert rollback(second.place, as_of=LATER).objection is None
    assert second.versions() == [1, 1]


def test_an_alias_that_a_person_moved_becomes_an_entry_by_hand(second: World) -> None:
    MlflowClient(second.settings.mlflow_url).set_registered_model_alias(second.name, "champion", "1")
    said = feedback(second.place, LATER).said
    assert said == ("version 1 was made champion by hand, 2 workers serve it",)
    assert entries(second)[-1] == ("by hand", 1, 2)
    assert second.versions() == [1, 1]
    assert feedback(second.place, LATER).said == ()


def test_an_alias_moved_to_a_version_without_a_bundle_is_moved_back(second: World) -> None:
    registry = MlflowClient(second.settings.mlflow_url)
    run = registry.create_run(registry.get_experiment_by_name(second.name).experiment_id).info
    empty = registry.create_model_version(second.name, str(run.artifact_uri), run.run_id).version
    registry.set_registered_model_alias(second.name, "champion", str(empty))
    before = entries(second)
    (said,) = feedback(second.place, LATER).said
    assert f"moved back from version {empty} by hand" in said
    assert second.loop.registry.champion() == 2
    assert entries(second) == before


def test_a_release_pointer_that_went_away_is_put_right(second: World) -> None:
    (second.loop.releases / "champion.json").unlink()
    assert feedback(second.place, LATER).said == ("the release pointer was put right: version 2",)
    assert feedback(second.place, LATER).said == ()

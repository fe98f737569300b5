import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec
import pytest

from data.audit import oneself, walk
from data.chain import check_store
from data.decisions import Decision, read_decisions
from data.examples import query_examples
from data.statements import Statement
from flows.feedback import Feedback, feedback
from flows.retrain import retrain
from flows.watch import Watched, watch
from keepfit.settings import Settings
from tasks.collect import Collected
from tasks.register import fetch
from tests.e2e.worlds import LATER, MOVED, PER_DAY, World, world_on

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Turned:
    """What was said on the way round the loop: history, a model, a moved world, a better model."""

    world: World
    imported: Collected
    first: Decision
    served_first: list[int | None]
    sent: int
    taken: Feedback
    watched: Watched
    second: Decision


@pytest.fixture(scope="module", params=[("multiclass", "sqlite"), ("regression", "postgresql")], ids="-".join)
def turned(
    request: pytest.FixtureRequest, on_stack: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Turned]:
    kind, database = request.param
    url = request.getfixturevalue("postgres").fresh() if database == "postgresql" else on_stack.store_url
    settings = replace(on_stack, database_url=url)
    with (
        pytest.MonkeyPatch.context() as patch,
        world_on(settings, tmp_path_factory.mktemp("loop"), kind) as world,
    ):
        patch.setenv("KEEPFIT_DATABASE_URL", url)
        yield Turned(
            world,
            world.remember(),
            retrain(world.place, "the first model", MOVED),
            world.versions(),
            world.live(MOVED, LATER),
            feedback(world.place, LATER),
            watch(world.place, LATER),
            retrain(world.place, "the world has moved", LATER),
        )


def test_history_is_taken_in_whole(turned: Turned) -> None:
    taken = turned.imported
    assert (taken.predictions, taken.labels, taken.quarantined) == (30 * PER_DAY, 30 * PER_DAY, 0)


def test_the_first_model_is_promoted_and_served_by_every_worker(turned: Turned) -> None:
    assert turned.first.promote, turned.first.sentence
    assert (turned.first.version, turned.first.workers) == (1, 2)
    assert turned.served_first == [1, 1]


def test_every_answer_and_every_label_reaches_the_store(turned: Turned) -> None:
    collected = turned.taken.collected
    assert (collected.predictions, collected.labels, collected.quarantined) == (turned.sent, turned.sent, 0)


def test_every_label_finds_its_prediction(turned: Turned) -> None:
    counts = turned.taken.labels
    # The labels of the last hour before the window are history's.
    assert (counts.unmatched, counts.doubled, counts.contradicting, counts.early) == (0, 0, 0, 0)
    assert counts.matched == counts.labels >= turned.sent
    world = turned.world
    examples = query_examples(world.loop.store, world.loop.project, LATER, since=MOVED)
    assert len(examples) == turned.sent
    assert examples.labelled.all()
    assert set(examples.facts["version"]) == {1}


def test_the_delay_of_the_labels_is_said(turned: Turned) -> None:
    # Each day's outcomes are told at half past eight in the evening, of predictions made since midnight.
    assert turned.taken.labels.delay_median_s == pytest.approx(10.75 * 3600)


def test_watch_sees_that_the_world_has_moved(turned: Turned) -> None:
    judged = turned.watched.judged
    assert judged is not None
    assert judged.verdict.drift
    assert judged.reason is not None
    assert judged.reason.kind == "performance"
    assert "weight" in [found.column for found in judged.verdict.findings if found.drift]
    assert judged.estimate is not None
    assert "weight" in [harm.column for harm in judged.harms]
    assert judged.quality is not None


def test_watch_leaves_a_page_and_a_verdict(turned: Turned) -> None:
    report = turned.watched.report
    assert report is not None
    assert report.page is not None
    assert report.page.stat().st_size > 10_000
    assert report.verdict.read_bytes().startswith(b"{")


def test_the_second_model_gains_and_replaces_the_first(turned: Turned) -> None:
    decision = turned.second
    assert decision.promote, decision.sentence
    assert (decision.champion, decision.version, decision.workers) == (1, 2, 2)
    assert decision.gain_low is not None
    assert decision.gain_low > 0
    assert turned.world.versions() == [2, 2]


def test_the_decision_is_kept_with_its_gates_and_what_it_rests_on(turned: Turned) -> None:
    decision, loop = turned.second, turned.world.loop
    assert {found.kept for found in decision.gates} == {True}
    grounds = decision.grounds
    assert grounds is not None
    assert grounds.trained_since < grounds.holdout_since < decision.as_of
    assert 1 <= grounds.holdout_days <= (decision.as_of - grounds.holdout_since).days + 1
    assert decision.run is not None
    assert decision.run in (decision.who or "")
    assert [decision.champion_digest, decision.digest] == [e.digest for e in loop.ledger.history()]
    assert decision in read_decisions(loop.store, loop.name)


def test_the_ledger_says_who_was_champion_and_why(turned: Turned) -> None:
    history = turned.world.loop.ledger.history()
    assert [(entry.kind, entry.version, entry.workers, entry.reason) for entry in history] == [
        ("retrain", 1, 2, "the first model"),
        ("retrain", 2, 2, "the world has moved"),
    ]


def test_the_audit_log_says_in_whose_name_and_run_each_came(turned: Turned) -> None:
    with turned.world.loop.store.reading() as connection:
        assert check_store(connection).objection is None
        noted = [entry for entry in walk(connection) if entry.project == turned.world.loop.name]
    assert [(e.what, e.why) for e in noted if e.what != "file imported"] == [
        ("promoted", "the first model"),
        ("promoted", "the world has moved"),
    ]
    assert [e.who for e in noted if e.what == "file imported"] == [oneself()]
    for entry in noted[-2:]:
        assert re.fullmatch(rf"{re.escape(oneself())} in retrain run [0-9a-f-]{{36}}", entry.who)


def test_the_registry_has_the_champion_with_its_lineage(turned: Turned) -> None:
    registry = turned.world.loop.registry
    assert registry.champion() == 2
    with registry.bundle(2) as (_, digest):
        entry = turned.world.loop.ledger.champion()
        assert entry is not None
        assert digest == entry.digest


def test_the_champions_statement_says_what_was_decided_and_on_what(turned: Turned) -> None:
    decision = turned.second
    champion = fetch(turned.world.loop, 2)
    told = msgspec.json.decode(champion.statement_bytes, type=Statement).predicate
    assert (told.version, told.snapshot_id) == (decision.version, decision.snapshot_id)
    assert told.judgement is not None
    assert (told.judgement.promote, told.judgement.champion) == (True, 1)
    assert (told.judgement.reasons, told.judgement.asked_by) == (decision.reasons, decision.reason)
    assert told.judgement.gain_low == decision.gain_low
    with turned.world.loop.store.reading() as connection:
        assert told.judgement.audit_head in {entry.hash for entry in walk(connection)}


@pytest.mark.parametrize("as_of", [LATER - timedelta(days=1), MOVED])
def test_a_retrain_about_the_past_of_the_champion_is_a_rehearsal(turned: Turned, as_of: datetime) -> None:
    decision = retrain(turned.world.place, "an audit", as_of)
    assert decision.rehearsal
    assert not decision.promote
    assert turned.world.versions() == [2, 2]

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from data.records import now
from data.releases import Pointer, move_pointer, read_pointer
from keepfit.errors import ChampionChanged
from tasks.reconcile import settle_latest
from tasks.swap import promote
from tests.making import DAY, NOON, LoopOnFakes, loop
from tests.tasks.champions import crown, kept, promotion, worker


@pytest.fixture
def made(tmp_path: Path) -> Iterator[LoopOnFakes]:
    opened = loop(tmp_path)
    yield opened
    opened.store.close()


def test_a_promotion_is_confirmed_when_all_workers_serve_it(made: LoopOnFakes, tmp_path: Path) -> None:
    first = kept(made, tmp_path)
    for pid in (1, 2, 3):
        worker(made, pid, first)
    swap = promote(made, promotion(first), None)
    assert swap.confirmed
    assert swap.workers == 3
    champion = made.ledger.champion()
    assert champion is not None
    assert (champion.version, champion.workers) == (1, 3)
    assert read_pointer(made.releases) == Pointer(first.digest, 1, 1)
    assert (made.fake.named, made.fake.promotion) == (1, 1)


def test_a_flow_that_dies_while_it_moves_the_alias_leaves_that_to_the_next(
    made: LoopOnFakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kept(made, tmp_path)
    worker(made, 1, first)

    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(made.fake, "name_champion", die)
        with pytest.raises(SystemExit):
            promote(made, promotion(first), None)
    settle_latest(made)
    assert (made.fake.named, made.fake.promotion) == (1, 1)


def test_a_promotion_that_a_worker_refuses_is_taken_back_with_its_reason(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    first, second = kept(made, tmp_path), kept(made, tmp_path)
    champion = crown(made, first)
    worker(made, 1, second)
    worker(made, 2, first, refused=second.digest, error="golden row 3 gives 0.5 here and gave 0.7")
    swap = promote(made, promotion(second), champion)
    assert not swap.confirmed
    assert swap.objection == "worker 2 refused version 2: golden row 3 gives 0.5 here and gave 0.7"
    entries = made.ledger.history()
    assert [(e.kind, e.version) for e in entries] == [("retrain", 1), ("retrain", 2), ("withdrawal", 1)]
    assert entries[-1].reason == swap.objection
    assert read_pointer(made.releases) == Pointer(first.digest, 1, 3)
    assert (made.fake.named, made.fake.promotion) == (1, 3)


def test_what_a_withdrawal_brings_back_is_the_champion_as_it_was(made: LoopOnFakes, tmp_path: Path) -> None:
    first, second = kept(made, tmp_path), kept(made, tmp_path)
    facts = {"snapshot_id": "s", "training_until": NOON - DAY, "snapshot_until": NOON, "score": -0.5}
    champion = made.ledger.append(promotion(first, **facts), None)
    promote(made, promotion(second), champion)
    now_champion = made.ledger.champion()
    assert now_champion is not None
    assert {name: getattr(now_champion, name) for name in facts} == facts


def test_a_refusal_of_another_bundle_does_not_count(made: LoopOnFakes, tmp_path: Path) -> None:
    first, second = kept(made, tmp_path), kept(made, tmp_path)
    worker(made, 1, second, refused=first.digest, error="an old story")
    assert promote(made, promotion(second), None).confirmed


def test_a_promotion_that_nobody_serves_is_taken_back(made: LoopOnFakes, tmp_path: Path) -> None:
    swap = promote(made, promotion(kept(made, tmp_path)), None)
    assert swap.objection == ("no worker was seen within 0.3 s to confirm version 1: start bin/keepfit up")
    assert made.ledger.champion() is None
    assert read_pointer(made.releases) == Pointer(None, None, 2)
    assert made.fake.named is None


def test_a_worker_that_stays_behind_is_named(made: LoopOnFakes, tmp_path: Path) -> None:
    first, second = kept(made, tmp_path), kept(made, tmp_path)
    champion = crown(made, first)
    worker(made, 1, second)
    worker(made, 77, first)
    assert (
        promote(made, promotion(second), champion).objection
        == "workers 77 did not serve version 2 within 0.3 s"
    )


def test_a_worker_that_was_not_seen_for_a_while_is_not_waited_for(made: LoopOnFakes, tmp_path: Path) -> None:
    first = kept(made, tmp_path)
    worker(made, 1, first)
    worker(made, 2, None, at=now() - timedelta(seconds=60))
    assert promote(made, promotion(first), None).workers == 1


def test_over_a_champion_that_was_replaced_nothing_changes(made: LoopOnFakes, tmp_path: Path) -> None:
    first, second, third = (kept(made, tmp_path) for _ in range(3))
    champion = crown(made, first)
    crown(made, second)
    worker(made, 1, third)
    with pytest.raises(ChampionChanged):
        promote(made, promotion(third), champion)
    assert read_pointer(made.releases) == Pointer(second.digest, 2, 2)
    assert (made.fake.named, len(made.ledger.history())) == (2, 2)


def test_a_promotion_stands_though_the_registry_is_away(made: LoopOnFakes, tmp_path: Path) -> None:
    first = kept(made, tmp_path)
    worker(made, 1, first)
    made.fake.away = True
    assert promote(made, promotion(first), None).confirmed


def test_a_pointer_that_is_further_than_the_ledger_is_told(made: LoopOnFakes, tmp_path: Path) -> None:
    first = kept(made, tmp_path)
    worker(made, 1, first)
    move_pointer(made.releases, Pointer(first.digest, 1, 40))
    swap = promote(made, promotion(first), None)
    assert "the release pointer is at promotion 40 already, and this is 1" in (swap.objection or "")

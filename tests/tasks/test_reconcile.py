from collections.abc import Iterator
from pathlib import Path

import pytest

from data.bundles import MODEL
from data.releases import POINTER, Pointer, move_pointer, read_pointer, released
from tasks.reconcile import reconcile
from tests.making import NOON, LoopOnFakes, loop
from tests.tasks.champions import crown, kept, promotion, worker


@pytest.fixture
def made(tmp_path: Path) -> Iterator[LoopOnFakes]:
    opened = loop(tmp_path)
    yield opened
    opened.store.close()


def agree(made: LoopOnFakes) -> bool:
    """Say whether pointer and alias are what the ledger says."""
    latest = made.ledger.latest()
    assert latest is not None
    pointer = read_pointer(made.releases)
    return pointer == Pointer(latest.digest, latest.version, latest.number) and (
        made.fake.named,
        made.fake.promotion,
    ) == (latest.version, latest.number)


def test_before_the_first_promotion_nothing_has_to_be_put_right(made: LoopOnFakes) -> None:
    assert reconcile(made, NOON) == []
    assert read_pointer(made.releases) is None


def test_where_all_agree_nothing_has_to_be_put_right(made: LoopOnFakes, tmp_path: Path) -> None:
    crown(made, kept(made, tmp_path))
    assert reconcile(made, NOON) == []
    assert agree(made)


def test_a_pointer_that_was_lost_is_put_right(made: LoopOnFakes, tmp_path: Path) -> None:
    crown(made, kept(made, tmp_path))
    (made.releases / POINTER).unlink()
    assert reconcile(made, NOON) == ["the release pointer was put right: version 1"]
    assert agree(made)


def test_a_pointer_that_cannot_be_read_is_put_right(made: LoopOnFakes, tmp_path: Path) -> None:
    crown(made, kept(made, tmp_path))
    (made.releases / POINTER).write_text("nonsense")
    assert reconcile(made, NOON) == ["the release pointer was put right: version 1"]
    assert agree(made)


def test_a_pointer_that_was_changed_by_hand_is_put_right(made: LoopOnFakes, tmp_path: Path) -> None:
    first, second = kept(made, tmp_path), kept(made, tmp_path)
    crown(made, first)
    crown(made, second)
    (made.releases / POINTER).unlink()
    move_pointer(made.releases, Pointer(first.digest, 1, 2))
    assert reconcile(made, NOON) == ["the release pointer was put right: version 2"]
    assert agree(made)


def test_a_damaged_bundle_waits_for_a_registry_that_is_away(made: LoopOnFakes, tmp_path: Path) -> None:
    first = kept(made, tmp_path)
    crown(made, first)
    (made.releases / first.digest / MODEL).write_bytes(b"other")
    made.fake.away = True
    (told,) = reconcile(made, NOON)
    assert told.startswith("what needs the registry was left as it is: the registry does not answer")
    made.fake.away = False
    assert reconcile(made, NOON) == ["the bundle of version 1 was fetched from the registry"]


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_a_bundle_that_was_lost_or_damaged_comes_from_the_registry(
    made: LoopOnFakes, tmp_path: Path, damage: str
) -> None:
    first = kept(made, tmp_path)
    crown(made, first)
    model = made.releases / first.digest / MODEL
    model.unlink() if damage == "lost" else model.write_bytes(b"other")
    assert reconcile(made, NOON) == ["the bundle of version 1 was fetched from the registry"]
    assert released(made.releases, first.digest, made.trust) == first


def test_a_promotion_that_its_flow_left_before_the_pointer_moved_is_finished(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    first, second = kept(made, tmp_path), kept(made, tmp_path)
    made.ledger.append(promotion(second), crown(made, first))
    worker(made, 1, second)
    assert reconcile(made, NOON) == [
        "the release pointer was put right: version 2",
        "version 2, which its flow left unconfirmed, is served by 1 workers",
    ]
    assert agree(made)
    assert made.ledger.history()[-1].workers == 1
    assert reconcile(made, NOON) == []


def test_a_promotion_that_its_flow_left_and_a_worker_refuses_is_taken_back(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    first, second = kept(made, tmp_path), kept(made, tmp_path)
    crown(made, first)
    crown(made, second, workers=None)
    worker(made, 1, first, refused=second.digest, error="it disagrees")
    assert reconcile(made, NOON) == ["version 2 was taken back: worker 1 refused version 2: it disagrees"]
    assert agree(made)
    champion = made.ledger.champion()
    assert champion is not None
    assert champion.version == 1


def test_a_withdrawal_that_its_flow_left_before_the_pointer_moved_is_finished(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    first, second = kept(made, tmp_path), kept(made, tmp_path)
    crown(made, first)
    refused = crown(made, second, workers=None)
    made.ledger.append(promotion(first, kind="withdrawal"), refused)
    assert reconcile(made, NOON) == [
        "the release pointer was put right: version 1",
        "the registry's alias was put right: version 1",
    ]
    assert agree(made)


def test_an_alias_that_the_registry_missed_is_put_right(made: LoopOnFakes, tmp_path: Path) -> None:
    first, second = kept(made, tmp_path), kept(made, tmp_path)
    crown(made, first)
    crown(made, second)
    made.fake.named, made.fake.promotion = 1, 1
    assert reconcile(made, NOON) == ["the registry's alias was put right: version 2"]
    assert agree(made)


def test_an_alias_that_was_taken_away_is_put_back(made: LoopOnFakes, tmp_path: Path) -> None:
    crown(made, kept(made, tmp_path))
    made.fake.named = None
    assert reconcile(made, NOON) == ["the registry's alias was put right: version 1"]
    assert agree(made)


def test_a_registry_that_is_away_is_told_and_the_pointer_is_still_put_right(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    crown(made, kept(made, tmp_path))
    (made.releases / POINTER).unlink()
    made.fake.away = True
    pointer, alias = reconcile(made, NOON)
    assert pointer == "the release pointer was put right: version 1"
    assert alias.startswith("what needs the registry was left as it is: the registry does not answer")


def test_an_alias_that_a_person_moved_to_a_verified_version_is_a_promotion_by_hand(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    first, second = kept(made, tmp_path), kept(made, tmp_path, released=False)
    crown(made, first)
    made.fake.named = 2
    worker(made, 1, second)
    assert reconcile(made, NOON) == ["version 2 was made champion by hand, 1 workers serve it"]
    champion = made.ledger.champion()
    assert champion is not None
    assert (champion.kind, champion.version, champion.digest) == ("by hand", 2, second.digest)
    assert champion.reason == "a person moved the registry's alias"
    assert agree(made)
    assert reconcile(made, NOON) == []


def test_the_first_champion_may_be_chosen_by_hand(made: LoopOnFakes, tmp_path: Path) -> None:
    first = kept(made, tmp_path, released=False)
    made.fake.named = 1
    worker(made, 1, first)
    assert reconcile(made, NOON) == ["version 1 was made champion by hand, 1 workers serve it"]
    assert agree(made)


def test_an_alias_that_a_person_moved_to_a_version_without_a_bundle_is_moved_back_and_said(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    crown(made, kept(made, tmp_path))
    made.fake.named = made.fake.version("nothing was stored for this one")
    (told,) = reconcile(made, NOON)
    assert told.startswith("the registry's alias was moved back from version 2 by hand: ")
    assert "no bundle was stored for it" in told
    assert agree(made)


def test_an_alias_that_a_person_moved_to_a_damaged_bundle_is_moved_back(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    crown(made, kept(made, tmp_path))
    kept(made, tmp_path, released=False)
    files, digest = made.fake.kept[2]
    made.fake.kept[2] = ({**files, MODEL: b"other"}, digest)
    made.fake.named = 2
    (told,) = reconcile(made, NOON)
    assert "moved back from version 2 by hand: made version 2: the registry's bundle does not verify" in told
    assert agree(made)


@pytest.mark.parametrize("manifest", [{"project": "other"}, {"version": 7}])
def test_an_alias_that_a_person_moved_to_the_bundle_of_another_is_moved_back(
    made: LoopOnFakes, tmp_path: Path, manifest: dict[str, object]
) -> None:
    crown(made, kept(made, tmp_path))
    kept(made, tmp_path, released=False, **manifest)
    made.fake.named = 2
    (told,) = reconcile(made, NOON)
    assert "moved back from version 2 by hand: made version 2: the registry's bundle is of" in told
    assert agree(made)


def test_a_version_by_hand_that_a_worker_refuses_is_taken_back(made: LoopOnFakes, tmp_path: Path) -> None:
    first, second = kept(made, tmp_path), kept(made, tmp_path)
    crown(made, first)
    made.fake.named = 2
    worker(made, 1, first, refused=second.digest, error="it disagrees")
    assert reconcile(made, NOON) == [
        "version 2, chosen by hand, was taken back: worker 1 refused version 2: it disagrees"
    ]
    assert agree(made)
    assert [e.kind for e in made.ledger.history()] == ["retrain", "by hand", "withdrawal"]

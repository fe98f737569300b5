from pathlib import Path

import pytest

from data.bundles import MODEL, SIGNATURE
from data.releases import POINTER, Pointer, move_pointer
from data.signing import make_key
from serving.follower import Follower
from serving.slot import ModelSlot
from tests.builders import bundle, published, release
from tests.keys import TRUST, seal


class Following:
    def __init__(self, tmp_path: Path) -> None:
        self.slot = ModelSlot()
        self.releases = tmp_path / "releases"
        self.follower = Follower(self.slot, self.releases, "flights", TRUST)

    @property
    def version(self) -> int | None:
        return self.slot.live.version if self.slot.live else None


@pytest.fixture
def following(tmp_path: Path) -> Following:
    return Following(tmp_path)


def test_before_the_first_release_nothing_is_served_and_nothing_is_wrong(following: Following) -> None:
    assert not following.follower.look()
    assert (following.version, following.follower.error) == (None, None)


def test_the_pointer_is_followed_to_a_new_version_and_back(following: Following, tmp_path: Path) -> None:
    served: list[int | None] = []
    for promotion, version in enumerate((1, 2, 1)):
        published(tmp_path / str(promotion), following.releases, version=version, promotion=promotion)
        assert following.follower.look()
        served.append(following.version)
    assert served == [1, 2, 1]


def test_a_pointer_that_stays_is_not_followed_again(following: Following, tmp_path: Path) -> None:
    published(tmp_path, following.releases)
    assert [following.follower.look(), following.follower.look()] == [True, False]
    assert following.slot.generation == 1


def test_a_pointer_to_the_bundle_that_is_live_is_no_swap(following: Following, tmp_path: Path) -> None:
    digest = published(tmp_path, following.releases, version=4)
    following.follower.look()
    release(following.releases, digest, 4, promotion=5)
    assert not following.follower.look()
    assert following.slot.generation == 1


def test_a_pointer_to_nothing_ends_serving(following: Following, tmp_path: Path) -> None:
    published(tmp_path, following.releases)
    following.follower.look()
    release(following.releases, None, None, promotion=9)
    assert following.follower.look()
    assert following.version is None


def test_predictions_go_on_when_the_release_directory_is_gone(following: Following, tmp_path: Path) -> None:
    published(tmp_path, following.releases)
    following.follower.look()
    following.releases.rename(tmp_path / "elsewhere")
    following.follower.look()
    assert following.version == 1


def refused_release(following: Following, tmp_path: Path, how: str) -> str:
    """Make live, after version 1, a bundle that must not be served; give its digest."""
    published(tmp_path / "good", following.releases, version=1)
    following.follower.look()
    if how == "disagrees":
        return published(tmp_path, following.releases, version=2, golden_outputs=[[0.5], [0.5]])
    if how == "of another project":
        return published(tmp_path, following.releases, version=2, project="churn")
    if how == "never published":
        digest = bundle(tmp_path, version=2)[1]
        release(following.releases, digest, 2, promotion=2)
        return digest
    digest = published(tmp_path, following.releases, version=2)
    if how == "unsigned":
        (following.releases / digest / SIGNATURE).unlink()
        return digest
    if how == "signed by a stranger":
        make_key(tmp_path / "stranger.pem", tmp_path / "strangers")
        seal(following.releases / digest, tmp_path / "stranger.pem")
        return digest
    damaged = following.releases / digest / MODEL
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    return digest


REASONS = {
    "disagrees": "golden row 0 gives",
    "of another project": "is a bundle of project 'churn'",
    "never published": "no readable bundle",
    "unsigned": "has no model.sig",
    "signed by a stranger": "is signed by a key that is not trusted",
    "damaged": "is not what its signature names",
}


@pytest.mark.parametrize("how", REASONS)
def test_a_bundle_that_must_not_be_served_leaves_the_old_one_and_says_why(
    following: Following, tmp_path: Path, how: str
) -> None:
    digest = refused_release(following, tmp_path, how)
    assert following.follower.look()
    assert (following.version, following.follower.refused) == (1, digest)
    assert REASONS[how] in str(following.follower.error)


def test_a_refused_bundle_is_not_tried_again_while_the_pointer_stays(
    following: Following, tmp_path: Path
) -> None:
    refused_release(following, tmp_path, "disagrees")
    following.follower.look()
    assert not following.follower.look()
    assert following.follower.failures == 1


def test_nothing_is_wrong_any_more_once_the_pointer_went_back(following: Following, tmp_path: Path) -> None:
    refused_release(following, tmp_path, "damaged")
    following.follower.look()
    assert following.slot.live is not None
    release(following.releases, following.slot.live.digest, 1, promotion=3)
    assert following.follower.look()
    assert (following.follower.error, following.follower.refused) == (None, None)


def test_a_pointer_that_cannot_be_read_leaves_the_old_model_and_is_followed_once_repaired(
    following: Following, tmp_path: Path
) -> None:
    published(tmp_path / "1", following.releases, version=1)
    following.follower.look()
    (following.releases / POINTER).write_bytes(b"{")
    following.follower.look()
    assert following.version == 1
    assert "is no pointer" in str(following.follower.error)
    published(tmp_path / "2", following.releases, version=2)
    following.follower.look()
    assert (following.version, following.follower.error) == (2, None)


def test_an_overtaken_promotion_does_not_move_the_model_back(following: Following, tmp_path: Path) -> None:
    old = published(tmp_path / "1", following.releases, version=1)
    published(tmp_path / "2", following.releases, version=2)
    assert not move_pointer(following.releases, Pointer(old, 1, 1))
    following.follower.look()
    assert following.version == 2


@pytest.mark.parametrize("how", REASONS)
def test_a_worker_that_starts_beside_a_bundle_that_must_not_be_served_begins_with_the_last_good_one(
    following: Following, tmp_path: Path, how: str
) -> None:
    digest = refused_release(following, tmp_path, how)
    started = Following(tmp_path)
    assert started.follower.look()
    assert (started.version, started.follower.refused) == (1, digest)
    assert REASONS[how] in str(started.follower.error)


def test_a_worker_that_starts_without_a_pointer_begins_with_what_answered_last(
    following: Following, tmp_path: Path
) -> None:
    published(tmp_path, following.releases)
    following.follower.look()
    (following.releases / POINTER).unlink()
    started = Following(tmp_path)
    assert started.follower.look()
    assert started.version == 1
    assert "is gone" in str(started.follower.error)


def test_a_worker_that_starts_when_no_champion_is_left_serves_none(
    following: Following, tmp_path: Path
) -> None:
    published(tmp_path, following.releases)
    following.follower.look()
    release(following.releases, None, None, promotion=9)
    following.follower.look()
    (following.releases / POINTER).unlink()
    started = Following(tmp_path)
    started.follower.look()
    assert started.version is None


def test_a_release_directory_that_cannot_be_written_is_followed(following: Following, tmp_path: Path) -> None:
    published(tmp_path, following.releases)
    (following.releases / "served.json").mkdir()
    assert following.follower.look()
    assert (following.version, following.follower.error) == (1, None)

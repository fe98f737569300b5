from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from data.audit import walk
from data.bundles import FILES, SIGNATURE
from data.releases import publish, released
from data.signatures import Trust, hint, public_pem
from data.signing import make_key, public_key
from keepfit.errors import BundleUntrusted, RegistryUnavailable, StateError, VersionNotFound
from serving.follower import Follower
from serving.slot import ModelSlot
from tasks.register import fetch, release
from tasks.rotate import Rotated, Rotation
from tests.fakes import FakeRegistry
from tests.making import LoopOnFakes, loop, project
from tests.tasks.champions import crown, kept


@pytest.fixture
def made(tmp_path: Path) -> Iterator[LoopOnFakes]:
    """A loop with a key of its own, for it is replaced."""
    own = loop(tmp_path / "home", signing_key=None, trusted_keys=None)
    make_key(own.settings.key_file, own.settings.trusted_folder)
    yield own
    own.store.close()


@dataclass(frozen=True)
class OnFake(Rotation):
    """A rotation whose registry is a fake; all else of it is real."""

    fake: FakeRegistry

    def registry(self, project: str) -> FakeRegistry:  # type: ignore[override]  # noqa: ARG002
        return self.fake


def rotation(of: LoopOnFakes) -> Rotation:
    return OnFake(of.settings, of.store, of.fake)


def rotate(of: LoopOnFakes) -> Rotated:
    rotation(of).prepare()
    return rotation(of).finish()


def hints(of: LoopOnFakes) -> set[str]:
    return set(of.trust.keys().known)


def present(of: LoopOnFakes) -> str:
    return hint(public_key(of.settings.key_file))


def served_by_a_new_worker(of: LoopOnFakes) -> int | None:
    slot = ModelSlot()
    Follower(slot, of.releases, of.name, of.trust).look()
    return slot.live.version if slot.live else None


def test_the_next_key_is_trusted_before_anything_is_signed_with_it(made: LoopOnFakes) -> None:
    old = present(made)
    public = rotation(made).prepare()
    assert present(made) == old
    assert len(hints(made)) == 2
    assert public.parent == made.settings.trusted_folder
    assert rotation(made).prepare() == public, "and doing it twice makes no third"


def test_after_a_rotation_the_old_key_is_gone_and_what_was_promoted_is_served(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    champion = kept(made, tmp_path)
    crown(made, champion)
    old = present(made)
    done = rotate(made)
    assert (done.old, done.new, done.signed, done.left) == (old, present(made), 1, ())
    assert hints(made) == {done.new} != {done.old}
    assert served_by_a_new_worker(made) == 1
    again = released(made.releases, champion.digest, made.trust)
    assert (again.digest, again.statement_bytes) == (champion.digest, champion.statement_bytes)
    assert [path.name for path in made.settings.key_file.parent.glob("signing*")] == ["signing.pem"]
    assert sorted(path.name for path in (made.releases / champion.digest).iterdir()) == sorted(FILES)


def test_a_rotation_is_noted_by_the_hints_of_its_keys(made: LoopOnFakes) -> None:
    old = present(made)
    rotation(made).prepare()
    rotation(made).prepare()
    rotation(made).finish()
    with made.store.reading() as connection:
        begun, ended = walk(connection)
    assert (begun.what, begun.after) == ("signing key made", f'{{"key": "{present(made)}"}}')
    assert (ended.what, ended.before) == ("signing key rotated", f'{{"key": "{old}"}}')
    assert ended.after == f'{{"key": "{present(made)}", "signed": 0, "left": 0}}'


def test_one_can_roll_back_to_a_version_that_the_old_key_signed(made: LoopOnFakes, tmp_path: Path) -> None:
    first, second = (kept(made, tmp_path) for _ in range(2))
    crown(made, first)
    crown(made, second)
    rotate(made)
    release(made, fetch(made, 1, first.digest))
    crown(made, first)
    assert served_by_a_new_worker(made) == 1


def test_the_registry_has_the_new_signature_too(made: LoopOnFakes, tmp_path: Path) -> None:
    champion = kept(made, tmp_path)
    crown(made, champion)
    rotate(made)
    (made.releases / champion.digest).rename(tmp_path / "gone")
    assert fetch(made, 1, champion.digest).digest == champion.digest


def test_what_was_never_promoted_is_not_signed_anew(made: LoopOnFakes, tmp_path: Path) -> None:
    kept(made, tmp_path)  # as one would be that a thief of the old key signed
    assert rotate(made).signed == 0
    with pytest.raises(VersionNotFound, match="is signed by a key that is not trusted"):
        fetch(made, 1)


def test_a_signature_by_the_old_key_is_refused_wherever_it_comes_from(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    bundle = kept(made, tmp_path, released=False)
    rotate(made)
    with pytest.raises(BundleUntrusted, match="is signed by a key that is not trusted"):
        publish(bundle, made.releases, made.trust)


def test_the_versions_of_every_project_are_signed_anew(made: LoopOnFakes, tmp_path: Path) -> None:
    other = replace(made, project=project(name="other"))
    crown(made, kept(made, tmp_path))
    crown(other, kept(other, tmp_path))
    assert rotate(made).signed == 2
    assert (served_by_a_new_worker(made), served_by_a_new_worker(other)) == (1, 2)


def test_what_is_damaged_here_is_left_and_named(made: LoopOnFakes, tmp_path: Path) -> None:
    champion = kept(made, tmp_path)
    crown(made, champion)
    (made.releases / champion.digest / "model.onnx").write_bytes(b"")
    done = rotate(made)
    assert done.signed == 0
    assert "is not what its signature names" in done.left[0]


def test_a_retrain_that_was_promoted_meanwhile_is_signed_anew_too(made: LoopOnFakes, tmp_path: Path) -> None:
    crown(made, kept(made, tmp_path))
    late = kept(made, tmp_path)

    class Promoting(FakeRegistry):
        def keep(self, version: int, *told: object) -> None:
            made.fake.keep(version, *told)  # type: ignore[arg-type]
            if version == 1:
                crown(made, late)

    rotation(made).prepare()
    done = OnFake(made.settings, made.store, Promoting()).finish()
    assert done.signed == 2
    assert served_by_a_new_worker(made) == 2


def test_a_rotation_that_the_registry_stopped_goes_on_where_it_was(made: LoopOnFakes, tmp_path: Path) -> None:
    crown(made, kept(made, tmp_path))
    old = present(made)
    rotation(made).prepare()
    made.fake.away = True
    with pytest.raises(RegistryUnavailable):
        rotation(made).finish()
    assert served_by_a_new_worker(made) == 1, "the old key is still trusted"
    with pytest.raises(StateError, match="the last rotation was not finished"):
        rotation(made).prepare()
    made.fake.away = False
    assert rotation(made).finish().old == old
    assert served_by_a_new_worker(made) == 1


def test_without_a_next_key_there_is_nothing_to_finish(made: LoopOnFakes) -> None:
    with pytest.raises(StateError, match="no key is waiting; begin with bin/keepfit rotate-key"):
        rotation(made).finish()


def test_the_old_key_goes_under_whatever_name_it_was_trusted(made: LoopOnFakes) -> None:
    copied = made.settings.trusted_folder / "by hand.pem"
    copied.write_bytes(public_pem(public_key(made.settings.key_file)))
    done = rotate(made)
    assert set(Trust(made.settings.trusted_folder).keys().known) == {done.new}


def test_other_peoples_keys_stay(made: LoopOnFakes, tmp_path: Path) -> None:
    make_key(tmp_path / "theirs.pem", made.settings.trusted_folder)
    done = rotate(made)
    assert hints(made) == {done.new, hint(public_key(tmp_path / "theirs.pem"))}


def test_a_bundle_can_be_opened_while_its_next_signature_is_written(
    made: LoopOnFakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = kept(made, tmp_path)
    crown(made, champion)
    rotation(made).prepare()
    synced: list[str] = []

    def look(path: Path) -> None:
        synced.append(path.name)
        assert released(made.releases, champion.digest, made.trust).digest == champion.digest

    monkeypatch.setattr("data.durable.sync_file", look)
    rotation(made).finish()
    assert [name for name in synced if SIGNATURE in name]

"""Hostile bundles beside a real worker: each is refused, and the worker goes on as before."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from data.releases import POINTER, WorkerStatus
from serving.contract import Row
from tests.builders import ROW, told_version
from tests.serving.hostile import claims, folders, models, pointers, seals
from tests.serving.hostile.bundles import clear, lay, stage
from tests.serving.running import Server, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.long]

REFUSED = dict(kind for each in (seals, folders, claims, models) for kind in each.kinds())
"""At least 200 are asked for."""
MUTANTS = dict(models.mutants(40))


class Besieged:
    """One worker, two good bundles, and hostile ones beside them."""

    def __init__(self, home: Path) -> None:
        self.server = Server(home, workers=1, poll_s=0.005, load_s=2.0, load_bytes=2**29)
        self.releases = self.server.releases
        self.good = {self.server.promote(version): version for version in (1, 2)}
        self.server.start()
        self.canary = home / "canary"
        self.outside = stage(home)
        os.mkfifo(self.outside / "pipe")
        self._numbered = 1000
        self.pid = 0

    @property
    def status(self) -> WorkerStatus:
        (found,) = self.server.statuses()
        return found

    def point(self, lay: pointers.Lay) -> None:
        """Replace the pointer, past every rule."""
        coming, home = self.releases / ".coming", self.releases / POINTER
        lay(coming)
        if coming.is_dir() or home.is_dir():  # no folder is renamed onto a file, nor a file onto a folder
            shutil.rmtree(home) if home.is_dir() else home.unlink()
        coming.rename(home)

    def name(self, digest: str, version: int) -> None:
        told = {"digest": digest, "version": version, "promotion": version}
        self.point(lambda path: path.write_bytes(msgspec.json.encode(told)))

    def offer(self, kind: str) -> WorkerStatus:
        """Publish a hostile bundle raw; give what the worker says of itself once it has seen it."""
        self._numbered += 1
        spoil = REFUSED.get(kind) or MUTANTS[kind]
        digest = lay(spoil, self._numbered, self.releases, self.outside, self.canary)
        self.name(digest, self._numbered)
        try:
            eventually(lambda: digest in (self.status.refused, self.status.digest))
            return self.status
        finally:
            clear(self.releases, digest)

    def answer(self) -> int:
        """Ask the worker, and read the version out of the answer itself."""
        told = self.server.client.predict([Row(ROW)])
        assert told_version(float(told.predictions[0].output)) == told.version
        return told.version

    def serve_other(self) -> None:
        """Promote the good bundle that does not answer now, and see it answer."""
        other = next(d for d in self.good if d != self.status.digest)
        self.name(other, self.good[other])
        eventually(lambda: (self.status.digest, self.status.error) == (other, None))
        assert self.answer() == self.good[other]

    def memory(self) -> int:
        """The worker's resident memory, in bytes."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    made = Besieged(tmp_path_factory.mktemp("siege"))
    yield made
    assert made.server.stop() == 0


@pytest.fixture
def besieged(siege: Besieged) -> Besieged:
    """The worker that there is now: where a test failed, it may be another than before."""
    eventually(lambda: [s.digest in siege.good for s in siege.server.statuses()] == [True])
    siege.pid = siege.status.pid
    return siege


def test_there_are_at_least_two_hundred_kinds() -> None:
    assert len(REFUSED) >= 200


@pytest.mark.parametrize("kind", REFUSED)
def test_a_hostile_bundle_is_refused_and_the_next_good_one_is_served(besieged: Besieged, kind: str) -> None:
    before = besieged.status
    after = besieged.offer(kind)
    assert (after.digest, after.generation) == (before.digest, before.generation), after.error
    assert after.error
    assert besieged.answer() == before.version
    besieged.serve_other()
    assert besieged.status.pid == besieged.pid
    assert not besieged.canary.exists()


@pytest.mark.parametrize("kind", MUTANTS)
def test_a_mutant_is_survived(besieged: Besieged, kind: str) -> None:
    besieged.offer(kind)
    besieged.serve_other()
    assert besieged.status.pid == besieged.pid


@pytest.mark.parametrize("kind", pointers.KINDS)
def test_a_hostile_pointer_is_not_followed_and_the_next_good_one_is(besieged: Besieged, kind: str) -> None:
    before = besieged.status
    besieged.point(pointers.KINDS[kind])
    eventually(lambda: besieged.status.error)
    assert besieged.answer() == before.version
    besieged.serve_other()
    assert besieged.status.pid == besieged.pid


def test_a_worker_that_refused_many_bundles_has_no_more_memory_than_before(besieged: Besieged) -> None:
    kinds = ("a loop that doubles what it has", "20 GB by Expand", "an input whose name is no text")

    def refuse_all() -> int:
        for kind in kinds:
            besieged.offer(f"model: {kind}")
            besieged.serve_other()
        return besieged.memory()

    first = refuse_all()
    assert refuse_all() < first + 64 * 2**20

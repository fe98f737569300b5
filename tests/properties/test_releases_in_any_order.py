"""Promoters publish, move the pointer, die, are overtaken: it never falls, and ends where the ledger does."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from data import tables
from data.bundles import FILES, MODEL, Bundle
from data.promotions import Promotion
from data.records import new_id
from data.releases import POINTER, Pointer, move_pointer, read_pointer, released
from data.store import Store
from keepfit.errors import BundleError, ChampionChanged, StateError
from keepfit.settings import Settings
from tasks.reconcile import settle_latest
from tasks.register import release
from tests.fakes import FakeRegistry
from tests.keys import SETTINGS
from tests.making import LoopOnFakes, project
from tests.properties.dying import dying
from tests.tasks.champions import kept, promotion, worker

PROMOTERS = st.integers(0, 2)
VERSIONS = st.integers(1, 3)
PUBLISHING = ("publish.copy", "publish.rename", "publish.renamed")
SETTLING = ("pointer.move", "pointer.moved", "swap.confirmed", "ledger.confirm", "ledger.append")


@dataclass
class Promoter:
    """What one promoter has judged, published and appended so far; it may wait between any two."""

    bundle: Bundle
    before: Promotion | None
    published: bool = False
    entry: Promotion | None = None


@dataclass(frozen=True)
class Kept:
    """A loop, and the versions that its registry has."""

    loop: LoopOnFakes
    versions: Mapping[int, Bundle]


@pytest.fixture(scope="module")
def all_kept(open_store: Callable[[], Store], tmp_path_factory: pytest.TempPathFactory) -> Kept:
    home = tmp_path_factory.mktemp("home")
    where = Settings(home=home, confirm_s=0, **SETTINGS)
    loop = LoopOnFakes(project(), where, open_store())
    bundles = [kept(loop, home / "made", released=False) for _ in range(3)]
    return Kept(loop, {bundle.manifest.version: bundle for bundle in bundles})


class Releasing(RuleBasedStateMachine):
    """Promoters in any order on one release directory; the pointer may not fall below `floor`."""

    kept: Kept

    def __init__(self) -> None:
        super().__init__()
        fake = FakeRegistry(keys=[*self.kept.loop.fake.keys], kept=self.kept.loop.fake.kept)
        before = self.kept.loop
        self.loop = LoopOnFakes(before.project, before.settings, before.store, fake)
        self.releases = self.loop.releases
        for folder in (self.releases, self.loop.journal):
            shutil.rmtree(folder, ignore_errors=True)
        self.releases.mkdir(parents=True)
        with self.loop.store.transaction() as connection:
            connection.execute(tables.promotions.delete())
        self.promoters: dict[int, Promoter] = {}
        self.damaged: set[str] = set()
        self.floor = 0

    @rule(who=PROMOTERS, version=VERSIONS, steps=st.integers(1, 4))
    def promotes(self, who: int, version: int, steps: int) -> None:
        """Judge a challenger against the champion of now, and go on for some steps, then wait."""
        self.promoters[who] = Promoter(self.kept.versions[version], self.loop.ledger.latest())
        self.goes_on(who, steps - 1)

    @rule(who=PROMOTERS, steps=st.integers(1, 3))
    def goes_on(self, who: int, steps: int) -> None:
        for _ in range(steps):
            if (promoter := self.promoters.get(who)) is None:
                return
            if not promoter.published:
                self.publish(promoter.bundle)
                promoter.published = True
            elif promoter.entry is None:
                self.append(who, promoter)
            else:
                self.move(promoter.entry)

    @rule(
        who=PROMOTERS,
        at=st.sampled_from([*PUBLISHING, "pointer.move", "pointer.moved"]),
        time=st.integers(1, len(FILES)),
    )
    def dies(self, who: int, at: str, time: int) -> None:
        """Go on, and die at a point, if it is on the way."""
        with dying(at, time):
            self.goes_on(who, 3)
        self.promoters.pop(who, None)
        self.floor = max(self.floor, self.pointed())

    def publish(self, bundle: Bundle) -> None:
        release(self.loop, bundle)
        self.damaged.discard(bundle.digest)
        assert self.opens(bundle.digest)

    def append(self, who: int, promoter: Promoter) -> None:
        last = self.loop.ledger.latest()
        try:
            promoter.entry = self.loop.ledger.append(promotion(promoter.bundle), promoter.before)
        except ChampionChanged:
            assert last is not None
            assert promoter.before is None or promoter.before.number < last.number
            del self.promoters[who]
        else:
            assert (promoter.before and promoter.before.number) == (last and last.number)

    def move(self, entry: Promotion) -> None:
        """Move the pointer to what was appended, perhaps long ago."""
        before = self.pointed()
        move_pointer(self.releases, Pointer(entry.digest, entry.version, entry.number))
        self.floor = max(before, entry.number)
        assert self.pointed() == self.floor

    @rule(version=VERSIONS, files=st.integers(0, len(FILES)))
    def is_killed_publishing(self, version: int, files: int) -> None:
        """Leave what a SIGKILL leaves, after which nothing is cleared away."""
        coming = self.releases / f".{new_id()}"
        coming.mkdir()
        content = self.kept.versions[version].files()
        for name in sorted(content)[:files]:
            (coming / name).write_bytes(content[name][: 100 if files < len(FILES) else None])

    @rule(version=VERSIONS, how=st.sampled_from(["changed", "a file lost", "lost"]))
    def is_damaged(self, version: int, how: str) -> None:
        home = self.releases / self.kept.versions[version].digest
        if not home.exists():
            return
        self.damaged.add(home.name)
        if how == "lost":
            shutil.rmtree(home)
        elif how == "a file lost":
            (home / MODEL).unlink(missing_ok=True)
        else:
            (home / MODEL).write_bytes(b"other")

    @rule(torn=st.booleans())
    def loses_the_pointer(self, torn: bool) -> None:
        self.floor = 0
        if torn:
            (self.releases / POINTER).write_bytes(b"{")
        else:
            (self.releases / POINTER).unlink(missing_ok=True)

    @rule(refused=st.booleans(), at=st.sampled_from([None, None, *SETTLING]), time=st.integers(1, 2))
    def settles(self, refused: bool, at: str | None, time: int) -> None:
        """Bring the last entry into effect, as every flow does first; its workers serve it or refuse it."""
        if (latest := self.loop.ledger.latest()) is None:
            return
        if latest.version is not None:
            bundle = self.kept.versions[latest.version]
            told = {"refused": bundle.digest, "error": "it disagrees"} if refused else {}
            worker(self.loop, 1, None if refused else bundle, **told)
        with dying(at, time) as died:
            settle_latest(self.loop)
        self.floor = max(self.floor, self.pointed())
        self.damaged -= {digest for digest in self.damaged if self.opens(digest)}
        if not died:
            self.agrees()

    @invariant()
    def never_falls(self) -> None:
        assert self.pointed() >= self.floor

    @invariant()
    def names_what_opens(self) -> None:
        pointer = self.pointer()
        if pointer is not None and pointer.digest is not None and pointer.digest not in self.damaged:
            assert self.opens(pointer.digest)

    @invariant()
    def has_no_gap(self) -> None:
        entries = self.loop.ledger.history()
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))

    def agrees(self) -> None:
        latest = self.loop.ledger.latest()
        assert latest is not None
        assert self.pointer() == Pointer(latest.digest, latest.version, latest.number)
        assert latest.workers is not None or latest.kind == "withdrawal"

    def teardown(self) -> None:
        self.settles(refused=False, at=None, time=1)
        if (pointer := self.pointer()) is not None and pointer.digest is not None:
            assert self.opens(pointer.digest)

    def pointer(self) -> Pointer | None:
        try:
            return read_pointer(self.releases)
        except StateError:
            return None

    def pointed(self) -> int:
        pointer = self.pointer()
        return 0 if pointer is None else pointer.promotion

    def opens(self, digest: str) -> bool:
        try:
            released(self.releases, digest, self.loop.trust)
        except BundleError:
            return False
        return True


def test_the_pointer_never_falls_and_ends_at_the_ledger(all_kept: Kept) -> None:
    class OnLoop(Releasing):
        kept = all_kept

    run_state_machine_as_test(
        OnLoop, settings=hypothesis(max_examples=80, stateful_step_count=25, deadline=None)
    )

"""A worker that follows the pointer: whatever is promoted, refused, lost or dies, who asks gets one model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from data.bundles import MODEL
from data.releases import POINTER, Pointer, move_pointer, publish
from serving.contract import Row
from serving.follower import Follower
from serving.slot import LiveModel, ModelSlot
from serving.typed import cells_of
from tests.builders import ROW, opened, told_version
from tests.keys import TRUST
from tests.properties.dying import dying

GOOD = (1, 2, 3)
BAD = {4: "golden rows that lie", 5: "of another project", 6: "damaged", 7: "never published"}
LOST = ("nothing", "torn")


@dataclass(frozen=True)
class Released:
    """A release directory with bundles that are served, and others that must not be."""

    folder: Path
    digests: Mapping[int, str]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Released:
    made = tmp_path_factory.mktemp("releases")
    digests: dict[int, str] = {}
    for version in (*GOOD, *BAD):
        changed: dict[str, object] = {}
        if BAD.get(version) == "golden rows that lie":
            changed["golden_outputs"] = [[1.0], [2.0]]
        if BAD.get(version) == "of another project":
            changed["project"] = "churn"
        bundle = opened(made / "made", version=version, kind="regression", **changed)
        digests[version] = bundle.digest
        if BAD.get(version) != "never published":
            publish(bundle, made / "releases", TRUST)
    model = made / "releases" / digests[6] / MODEL
    model.write_bytes(model.read_bytes()[:-1])
    return Released(made / "releases", digests)


class Following(RuleBasedStateMachine):
    """One worker after another beside one pointer; the model is what a worker must serve.

    `named` is what the pointer says, `served` what answered last, and `live` what this worker answers with.
    """

    released: Released

    def __init__(self) -> None:
        super().__init__()
        self.folder = self.released.folder
        for name in (POINTER, "served.json"):
            (self.folder / name).unlink(missing_ok=True)
        self.promotion = 0
        self.named: int | str | None = "nothing"
        self.looked = True
        self.served: int | None = None
        self.asked: list[tuple[LiveModel, int, int]] = []
        self.starts()

    @rule()
    def starts(self) -> None:
        """Begin a new worker in the place of the one before."""
        self.slot = ModelSlot()
        self.follower = Follower(self.slot, self.folder, "flights", TRUST)
        self.live: int | None = None
        self.generation = 0
        self.looked = self.refuses = False
        self.asked.clear()
        self.looks()

    @rule(version=st.sampled_from([*GOOD, *GOOD, *BAD]), looked_at=st.booleans())
    def is_promoted(self, version: int, looked_at: bool) -> None:
        self.move(Pointer(self.released.digests[version], version, self.promotion + 1))
        self.changed(version, looked_at)

    @rule(looked_at=st.booleans())
    def nothing_is_left(self, looked_at: bool) -> None:
        self.move(Pointer(None, None, self.promotion + 1))
        self.changed(None, looked_at)

    @precondition(lambda self: self.named not in LOST)
    @rule(version=st.sampled_from(GOOD))
    def is_overtaken(self, version: int) -> None:
        assert not move_pointer(self.folder, Pointer(self.released.digests[version], version, -1))

    @rule(how=st.sampled_from(LOST), looked_at=st.booleans())
    def is_lost(self, how: str, looked_at: bool) -> None:
        if how == "torn":
            (self.folder / POINTER).write_bytes(b"{")
        else:
            (self.folder / POINTER).unlink(missing_ok=True)
        self.changed(how, looked_at)

    def move(self, pointer: Pointer) -> None:
        self.promotion = pointer.promotion
        assert move_pointer(self.folder, pointer)

    def changed(self, named: int | str | None, looked_at: bool) -> None:
        self.named, self.looked = named, False
        if looked_at:
            self.looks()

    @rule(at=st.sampled_from(["load.read", "load.check", "swap.assign", "swap.assigned"]))
    def dies_looking(self, at: str) -> None:
        """Die while the pointer is followed, where it is; another worker takes the place."""
        with dying(at) as died:
            self.follower.look()
        if died:
            self.starts()
        else:
            self.has_looked()

    @rule()
    def looks(self) -> None:
        changed = self.follower.look()
        assert not (changed and self.looked)
        self.has_looked()

    def has_looked(self) -> None:
        if self.looked:
            return
        before, self.live = self.live, self.to_serve()
        self.generation += before != self.live
        if self.named is None or self.named in GOOD:
            self.served = self.live
        if self.named != "nothing":
            self.refuses = self.named in BAD
        self.looked = True

    def to_serve(self) -> int | None:
        """Say what a worker must serve after it has looked."""
        if self.named is None or self.named in GOOD:
            return self.named  # pyright: ignore[reportReturnType]
        return self.served if self.live is None else self.live

    @rule()
    def is_asked(self) -> None:
        if (live := self.slot.live) is not None:
            self.asked.append((live, live.version, live.generation))

    @rule(which=st.integers(0, 5))
    def answers(self, which: int) -> None:
        """End a request that may have begun many swaps ago: it is answered by the model it began with."""
        if not self.asked:
            return
        live, version, generation = self.asked.pop(which % len(self.asked))
        rows = [cells_of(row) for row in live.rows.take([Row(ROW)] * 3)]
        told = {told_version(value) for value in live.predictor.predict_cells(rows)[:, 0].tolist()}
        assert (told, live.version, live.generation) == ({version}, version, generation)

    @invariant()
    def serves_what_the_model_says(self) -> None:
        live = self.slot.live
        assert (None if live is None else live.version) == self.live
        assert self.slot.generation == self.generation

    @invariant()
    def says_what_it_refuses(self) -> None:
        assert (self.follower.refused is not None) == self.refuses
        if self.looked and (self.refuses or self.named == "torn"):
            assert self.follower.error


def test_a_request_keeps_its_model_whatever_becomes_of_the_pointer(releases: Released) -> None:
    class OnReleases(Following):
        released = releases

    run_state_machine_as_test(
        OnReleases, settings=hypothesis(max_examples=60, stateful_step_count=25, deadline=None)
    )

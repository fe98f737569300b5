"""Whoever promotes, waits and is overtaken: no gap in the ledger, and each entry judged against the last."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from data.promotions import Ledger, Promotion
from data.store import Store
from keepfit.errors import ChampionChanged
from tests.making import NOON
from tests.properties.dying import dying

PROMOTERS = 3

_numbers = count()


class Promoters(RuleBasedStateMachine):
    """Promoters that look, wait and append in any interleaving; the model is a list of what is in force.

    Each has a store of its own, as each has a process.
    """

    stores: Sequence[Store]

    def __init__(self) -> None:
        super().__init__()
        self.project = f"made-{next(_numbers)}"
        self.ledgers = [Ledger(store, self.project) for store in self.stores]
        self.seen: list[Promotion | None] = [None] * PROMOTERS
        self.entries: list[Promotion] = []

    @rule(who=st.integers(0, PROMOTERS - 1))
    def looks(self, who: int) -> None:
        self.seen[who] = self.ledgers[who].latest()

    @rule(
        who=st.integers(0, PROMOTERS - 1),
        kind=st.sampled_from(["retrain", "rollback", "by hand", "withdrawal"]),
        at=st.sampled_from([None, None, "ledger.append", "ledger.appended"]),
    )
    def appends(self, who: int, kind: str, at: str | None) -> None:
        """Promote, or take back, over what was seen last; perhaps die before it is written, or after."""
        before = self.seen[who]
        version = None if kind == "withdrawal" else next(_numbers) + 1
        digest = None if version is None else f"{version:064}"
        wanted = Promotion(kind=kind, version=version, digest=digest, reason=f"by {who}", as_of=NOON)  # pyright: ignore[reportArgumentType]
        try:
            with dying(at) as died:
                self.ledgers[who].append(wanted, before)
        except ChampionChanged:
            assert before != self.last(before)
            return
        if died == ["ledger.append"]:
            return
        assert before == self.last(before)
        self.entries.append(replace(wanted, number=len(self.entries) + 1))

    @rule(who=st.integers(0, PROMOTERS - 1), workers=st.integers(1, 9))
    def confirms(self, who: int, workers: int) -> None:
        """Confirm what was seen last, which may be overtaken by now."""
        if (seen := self.seen[who]) is not None:
            self.ledgers[who].confirm(seen.number, workers)
            self.entries[seen.number - 1] = replace(self.entries[seen.number - 1], workers=workers)

    def last(self, seen: Promotion | None) -> Promotion | None:
        """Return what was seen if it is still the last entry, whatever was confirmed since."""
        return seen if (seen.number if seen else 0) == len(self.entries) else self.entries[-1]

    @invariant()
    def is_as_the_model_says(self) -> None:
        history = self.ledgers[0].history()
        assert [replace(entry, recorded_at=None) for entry in history] == self.entries
        assert [entry.number for entry in history] == list(range(1, len(history) + 1))
        champion = self.ledgers[-1].champion()
        in_force = history[-1] if history and history[-1].version is not None else None
        assert champion == in_force


def test_entries_follow_each_other_whoever_promotes_and_waits(open_store: Callable[[], Store]) -> None:
    class OnStores(Promoters):
        stores = tuple(open_store() for _ in range(PROMOTERS))

    run_state_machine_as_test(
        OnStores, settings=hypothesis(max_examples=60, stateful_step_count=25, deadline=None)
    )

"""Swap: append to the ledger, move the pointer, and see that every worker serves what was promoted."""

import time
from dataclasses import dataclass, replace

from data.promotions import Promotion
from data.records import now
from data.releases import POINTER, Pointer, WorkerStatus, move_pointer, read_pointer, read_statuses
from keepfit.errors import ChampionChanged, RegistryUnavailable
from keepfit.faults import reach
from tasks.loop import Loop

_POLL_S = 0.1
_LOST_AFTER = 5
"""A worker that missed so many of its signs of life is not waited for."""


@dataclass(frozen=True)
class Swap:
    """What became of a promotion: how many workers serve it, or why it was taken back."""

    promotion: Promotion
    workers: int
    objection: str | None = None

    @property
    def confirmed(self) -> bool:
        """Whether every worker serves what was promoted."""
        return self.objection is None


def promote(loop: Loop, promotion: Promotion, expected: Promotion | None) -> Swap:
    """Make a version champion: ledger, pointer, workers, alias; take it back when a worker refuses it.

    Raises ChampionChanged, and changes nothing, when another promotion came after `expected`. The
    bundle must be in the release directory already.
    """
    entry = loop.ledger.append(promotion, expected)
    return settle(loop, entry, expected)


def settle(loop: Loop, entry: Promotion, before: Promotion | None) -> Swap:
    """Bring the last entry of the ledger into effect; doing it again after a death ends the same."""
    wanted = Pointer(entry.digest, entry.version, entry.number)
    move_pointer(loop.releases, wanted)
    workers, objection = 0, _overtaken(loop, wanted)
    if objection is None:
        workers, objection = _await_workers(loop, entry)
    if objection is None:
        reach("swap.confirmed")
        # The alias first: the next flow brings to its end what is not confirmed, and nothing else.
        project_alias(loop, entry)
        loop.ledger.confirm(entry.number, workers)
        return Swap(replace(entry, workers=workers), workers)
    withdrawal = Promotion(
        kind="withdrawal",
        version=before.version if before else None,
        digest=before.digest if before else None,
        reason=objection,
        as_of=entry.as_of,
        snapshot_id=before.snapshot_id if before else None,
        training_until=before.training_until if before else None,
        snapshot_until=before.snapshot_until if before else None,
        score=before.score if before else None,
    )
    try:
        taken_back = loop.ledger.append(withdrawal, entry)
    except ChampionChanged:
        # Somebody else took it back, or promoted over it: theirs is the last word.
        return Swap(entry, workers, objection)
    move_pointer(loop.releases, Pointer(taken_back.digest, taken_back.version, taken_back.number))
    project_alias(loop, taken_back)
    return Swap(taken_back, workers, objection)


def project_alias(loop: Loop, entry: Promotion) -> None:
    """Move the registry's alias to what the ledger says; a registry that is away is put right later."""
    try:
        loop.registry.name_champion(entry.version, entry.number)
    except RegistryUnavailable:
        # The alias is a projection: the next feedback flow puts it right.
        return


def _overtaken(loop: Loop, wanted: Pointer) -> str | None:
    present = read_pointer(loop.releases)
    if present == wanted or present is None:
        return None
    return (
        f"the release pointer is at promotion {present.promotion} already, and this is {wanted.promotion}; "
        f"if the store was replaced, remove {loop.releases / POINTER}"
    )


def _await_workers(loop: Loop, entry: Promotion) -> tuple[int, str | None]:
    deadline = time.monotonic() + loop.settings.confirm_s
    while True:
        seen = read_statuses(loop.journal, now(), within_s=_LOST_AFTER * loop.settings.status_s)
        refusing = [s for s in seen if s.refused == entry.digest and s.error is not None]
        if refusing:
            return 0, f"worker {refusing[0].pid} refused version {entry.version}: {refusing[0].error}"
        if seen and all(status.digest == entry.digest for status in seen):
            return len(seen), None
        if time.monotonic() >= deadline:
            return 0, _too_late(loop, entry, seen)
        time.sleep(_POLL_S)


def _too_late(loop: Loop, entry: Promotion, seen: list[WorkerStatus]) -> str:
    waited = f"within {loop.settings.confirm_s:g} s"
    if not seen:
        return f"no worker was seen {waited} to confirm version {entry.version}: start bin/keepfit up"
    behind = [str(s.pid) for s in seen if s.digest != entry.digest]
    return f"workers {', '.join(behind)} did not serve version {entry.version} {waited}"

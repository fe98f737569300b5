"""Named points where a test can kill, fail, delay or tear what a process is doing.

Nothing in Keepfit arms them: no setting and no variable of the environment. A test calls `arm` in the
process that it means; without one, reaching a point costs a comparison.
"""

from collections.abc import Callable
from typing import Literal

Point = Literal[
    # The journal of a worker. `write` and `sync` are told the descriptor, and `write` the bytes.
    "journal.open",
    "journal.write",
    "journal.written",
    "journal.sync",
    "journal.synced",
    # A drain: a chunk was read; inside the transaction; after it; after the file went.
    "drain.read",
    "drain.moved",
    "drain.commit",
    "drain.committed",
    "drain.deleted",
    # A training set.
    "snapshot.write",
    "snapshot.rename",
    # The registry's version and bundle.
    "register.version",
    "register.keep",
    "register.kept",
    # The ledger: inside its transaction, and after it.
    "ledger.append",
    "ledger.appended",
    "ledger.confirm",
    # A bundle on its way into the release directory.
    "publish.copy",
    "publish.rename",
    "publish.renamed",
    # The pointer, while its lock is held, and after it moved.
    "pointer.move",
    "pointer.moved",
    # A worker that loads what the pointer names, and swaps.
    "load.read",
    "load.check",
    "swap.assign",
    "swap.assigned",
    # A flow that has seen every worker on what was promoted.
    "swap.confirmed",
]
"""Every point there is; `room.step`, in the order in which a promotion and a drain come by."""

_handler: Callable[..., None] | None = None


def reach(point: Point, *told: object) -> None:
    """Say that a point is reached: whatever an armed handler raises there comes out here."""
    if _handler is not None:
        _handler(point, *told)


def arm(handler: Callable[..., None] | None) -> None:
    """Have a handler called at every point of this process with its name and what is told; None: no more."""
    global _handler
    _handler = handler

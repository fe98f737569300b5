"""Who was champion when, as the ledger has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from data.promotions import Promotion


@dataclass(frozen=True, slots=True)
class Reign:
    """The time in which one version was champion; `until` is None of the one that still is."""

    version: int
    since: datetime
    until: datetime | None
    entry: int
    """The number of the ledger's entry that it began with."""

    def within(self, since: datetime, until: datetime) -> bool:
        """Tell whether any of it lies in a span."""
        return self.since < until and (self.until is None or self.until > since)


def reigns(history: Sequence[Promotion]) -> list[Reign]:
    """Turn the entries of the ledger, oldest first, into times; those that leave no champion end one."""
    found: list[Reign] = []
    for entry, following in zip(history, [*history[1:], None], strict=False):
        until = None if following is None else following.as_of
        # What was taken back at once, and what only says again who is champion, is no reign of its own.
        if entry.version is None or (until is not None and until <= entry.as_of):
            continue
        if found and found[-1].version == entry.version and found[-1].until == entry.as_of:
            last = found.pop()
            found.append(Reign(entry.version, last.since, until, last.entry))
        else:
            found.append(Reign(entry.version, entry.as_of, until, entry.number))
    return found

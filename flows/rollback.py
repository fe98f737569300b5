"""Rollback: make an earlier version champion again, through the same ledger and swap."""

import logging
from dataclasses import dataclass
from datetime import datetime

from prefect import flow

from data.promotions import Promotion
from data.records import now
from flows.news import link, tell
from flows.steps import leave_page, plain, started_by, step
from keepfit.errors import VersionNotFound
from monitoring.notices import of_rollback
from tasks.loop import Loop, open_loop
from tasks.reconcile import promotion_of, settle_latest
from tasks.register import fetch, release
from tasks.swap import promote

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rollback:
    """What a rollback did: from which version to which, and how many workers serve it, or why not."""

    replaced: int | None
    version: int
    workers: int
    objection: str | None = None


@flow(name="rollback", validate_parameters=True)
def rollback(
    project: str, version: int | None = None, reason: str = "by hand", as_of: datetime | None = None
) -> Rollback:
    """Make an earlier version champion again; one that died is finished first, and then that is all.

    Args:
        project: The project: a file, a folder or an import path.
        version: The version to go back to; the champion before this one when left empty.
        reason: Why, for the ledger.
        as_of: The time that the ledger notes; now when left empty.
    """
    loop = open_loop(project, who=started_by())
    found = loop.ledger.latest()
    step(settle_latest)(loop)
    latest = loop.ledger.latest()
    if latest is not None and version is None and _is_this(found, latest, (reason, as_of)):
        return Rollback(_version_before(loop), latest.version or 0, latest.workers or 0)
    chosen = version if version is not None else _earlier(loop)
    if latest is not None and latest.version == chosen:
        return Rollback(latest.version, chosen, latest.workers or 0, f"version {chosen} is champion already")
    digest = next((p.digest for p in loop.ledger.history() if p.version == chosen), None)
    if digest is None:
        msg = f"{loop.name}: version {chosen} was never champion; go back to one that was"
        raise VersionNotFound(msg)
    bundle = step(fetch)(loop, chosen, digest)
    step(release)(loop, bundle)
    entry = promotion_of(loop, bundle, "rollback", reason, as_of or now())
    swap = step(promote)(loop, entry, latest)
    _log.info("rolled back to version %d: %s", chosen, swap.objection or f"{swap.workers} workers serve it")
    done = Rollback(latest.version if latest else None, chosen, swap.workers, swap.objection)
    _say(loop, done, entry.as_of)
    return done


def _say(loop: Loop, done: Rollback, as_of: datetime) -> None:
    """Leave a page about the entry that this rollback made, and tell whoever wants to be told."""
    entry = next(e for e in reversed(loop.ledger.history()) if e.kind == "rollback")
    path = f"/ledger/{entry.number}"
    said = f"back to version {done.version}: {done.objection or f'{done.workers} workers serve it'}"
    leave_page(f"{loop.name}-rollback", f"{plain(said)}\n\n{link(loop, 'The entry', path)}", said)
    tell(loop, of_rollback(loop.name, done.replaced, done.version, done.objection, path), as_of)


def _is_this(found: Promotion | None, latest: Promotion, asked: tuple[str, datetime | None]) -> bool:
    """Say whether the last entry is this rollback, run again: it would go back one version more each time."""
    if found is None or found.number != latest.number or latest.kind != "rollback":
        return False
    return found.workers is None or (found.reason, found.as_of) == asked


def _version_before(loop: Loop) -> int | None:
    entries = loop.ledger.history()
    return entries[-2].version if len(entries) > 1 else None


def _earlier(loop: Loop) -> int:
    """Find the version that was champion before the one in force, going back over rollbacks as well."""
    entries: list[Promotion] = loop.ledger.history()
    in_force = entries[-1].version if entries else None
    for entry in reversed(entries):
        if entry.version is not None and in_force is not None and entry.version < in_force:
            return entry.version
    before = "was ever promoted" if in_force is None else f"was champion before version {in_force}"
    msg = f"{loop.name}: no version {before}; name one with --to VERSION"
    raise VersionNotFound(msg)

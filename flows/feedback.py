"""Feedback: take in what came, and put the projections right."""

import logging
from dataclasses import dataclass
from datetime import datetime

from prefect import flow

from data.holds import SourceFound
from data.matching import LabelCounts, count_labels
from data.records import now
from flows.news import link
from flows.steps import leave_page, plain, started_by, step
from tasks.collect import Collected, drain_journals, take_landed
from tasks.collect import readmit as take_again
from tasks.loop import Loop, open_loop
from tasks.reconcile import reconcile
from tasks.screen import screen

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Feedback:
    """What one run took in, how the labels of the current window fit, and what was put right."""

    collected: Collected
    labels: LabelCounts
    said: tuple[str, ...]
    readmitted: tuple[int, ...] = ()
    """The numbers of the quarantine that were asked for and are taken in by now."""
    failed_again: tuple[int, ...] = ()
    """Those that were asked for and stay."""
    sources: tuple[SourceFound, ...] = ()
    """Who said the labels, and which of them look wrong or are held."""


@flow(name="feedback", validate_parameters=True)
def feedback(
    project: str,
    as_of: datetime | None = None,
    readmit: list[int] | None = None,
    release: str | None = None,
    reason: str = "by hand",
) -> Feedback:
    """Drain the journals, take the landing folder, and put alias and pointer right by the ledger.

    Then who said the labels is looked at, and held where the project's rule says so.

    Args:
        project: The project: a file, a folder or an import path.
        as_of: Count the labels known at this time; now when left empty.
        readmit: The numbers of rows in quarantine to try again, as the project is now.
        release: A source of labels that is held, and whose labels shall count again.
        reason: Why it is released, for the audit log.
    """
    loop = open_loop(project, who=started_by())
    collected = step(drain_journals)(loop) + step(take_landed)(loop)
    readmitted, failed_again = _readmit(loop, readmit or [])
    until = as_of or now()  # asked after the collecting: what landed is known only from then on
    if release is not None:
        loop.holds.release(release, until, reason)
    sources = step(screen)(loop, until)
    counts = step(count_labels)(loop.store, loop.project, until - loop.project.current, until)
    said = tuple(step(reconcile)(loop, until))
    _log.info(
        "took in %d predictions and %d labels, set aside %d; %s",
        collected.predictions,
        collected.labels,
        collected.quarantined,
        "; ".join(said) or "nothing had to be put right",
    )
    done = Feedback(collected, counts, said, readmitted, failed_again, sources)
    _leave(loop, done)
    return done


def _leave(loop: Loop, done: Feedback) -> None:
    """Leave a page where something was set aside or put right: one every five minutes would be too many."""
    aside, failed = done.collected.quarantined, len(done.failed_again)
    told = [*done.said, *([f"{aside} rows were set aside"] if aside else [])]
    told += [f"{failed} rows were tried again and failed again"] if failed else []
    if not told:
        return
    took = f"took in {done.collected.predictions} predictions and {done.collected.labels} labels"
    where = (
        link(loop, "The quarantine", "/quarantine") if aside or failed else link(loop, "Labels", "/labels")
    )
    items = "\n".join(f"- {plain(each)}" for each in told)
    leave_page(f"{loop.name}-feedback", f"It {took}.\n\n{items}\n\n{where}", "; ".join(told))


def _readmit(loop: Loop, numbers: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Try rows of the quarantine again, and tell those that are taken in from those that stay."""
    if not numbers:
        return (), ()
    step(take_again)(loop, numbers)
    entries = loop.quarantine.entries(numbers)
    readmitted = tuple(sorted(entry.number for entry in entries if entry.readmitted_at is not None))
    failed_again = tuple(sorted(entry.number for entry in entries if entry.readmitted_at is None))
    _log.info("readmitted %d of the quarantine; %d failed again", len(readmitted), len(failed_again))
    return readmitted, failed_again

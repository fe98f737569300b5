"""Feedback: take in what came, and put the projections right."""

import logging
from dataclasses import dataclass
from datetime import datetime

from prefect import flow

from data.matching import LabelCounts, count_labels
from data.records import now
from flows.steps import step
from tasks.collect import Collected, drain_journals, take_landed
from tasks.loop import open_loop
from tasks.reconcile import reconcile

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Feedback:
    """What one run took in, how the labels of the current window fit, and what was put right."""

    collected: Collected
    labels: LabelCounts
    said: tuple[str, ...]


@flow(name="feedback", validate_parameters=True)
def feedback(project: str, as_of: datetime | None = None) -> Feedback:
    """Drain the journals, take the landing folder, and put alias and pointer right by the ledger.

    Args:
        project: The project: a file, a folder or an import path.
        as_of: Count the labels known at this time; now when left empty.
    """
    loop = open_loop(project)
    collected = step(drain_journals)(loop) + step(take_landed)(loop)
    until = as_of or now()  # asked after the collecting: what landed is known only from then on
    counts = step(count_labels)(loop.store, loop.project, until - loop.project.current, until)
    said = tuple(step(reconcile)(loop, until))
    _log.info(
        "took in %d predictions and %d labels, set aside %d; %s",
        collected.predictions,
        collected.labels,
        collected.quarantined,
        "; ".join(said) or "nothing had to be put right",
    )
    return Feedback(collected, counts, said)

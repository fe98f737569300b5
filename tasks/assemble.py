"""Assemble a snapshot: what a model may learn from, as it was known at as_of, frozen under its id."""

from dataclasses import replace
from datetime import datetime

from data.examples import query_examples
from data.snapshots import Snapshot, freeze
from monitoring.late.maturity import ripen
from tasks.loop import Loop


def assemble_snapshot(loop: Loop, as_of: datetime) -> Snapshot:
    """Freeze every labelled example known at `as_of` that a model may learn from.

    Where labels wait, what is no fair sample yet is left out, and the rest weighs what it stands for.
    """
    project = loop.project
    since = None if project.training is None else as_of - project.training - project.holdout
    past = query_examples(loop.store, project, as_of, since=since, until=as_of)
    examples, maturity = ripen(project, past, as_of)
    frozen = freeze(examples, project, as_of, loop.settings.snapshots(loop.name))
    return replace(frozen, maturity=maturity)

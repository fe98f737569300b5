"""Assemble a snapshot: what a model may learn from, as it was known at as_of, frozen under its id."""

from datetime import datetime

from data.examples import query_examples
from data.snapshots import Snapshot, freeze
from tasks.loop import Loop


def assemble_snapshot(loop: Loop, as_of: datetime) -> Snapshot:
    """Freeze every labelled example known at `as_of` that a model may learn from."""
    project = loop.project
    since = None if project.training is None else as_of - project.training - project.holdout
    examples = query_examples(loop.store, project, as_of, since=since, until=as_of).for_training()
    return freeze(examples, project, as_of, loop.settings.snapshots(loop.name))

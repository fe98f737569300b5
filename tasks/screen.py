"""Screen: look at who said the labels, and hold the sources that look wrong where the project says so."""

import logging
from datetime import datetime

from data.decisions import is_decided_later
from data.holds import Hold, SourceFound
from data.matching import SourceCounts, count_by_source
from data.tables import microseconds
from data.told import HOUR, labels_by_hour, read_told
from monitoring.labelshift import Shifts, judge_shifts
from monitoring.poisoning import Suspected, judge_source
from tasks.loop import Loop

_log = logging.getLogger(__name__)


def screen(loop: Loop, as_of: datetime) -> tuple[SourceFound, ...]:
    """Judge each source by its labels of the window `current`, and hold what the project's rule says.

    A source that is held is not judged again, nor are labels that a person has released. Nothing is held
    by a look back at a time before the last decision: it would change what was known then. Of one source
    alone, without the rule, only its rate is looked at.
    """
    project, rule = loop.project, loop.project.suspicion
    since = as_of - project.current
    hours = labels_by_hour(loop.store, project, since - project.reference_span, as_of)
    history = loop.holds.history()
    held = {hold.source: hold for hold in history if hold.in_force(as_of)}
    released = {
        hold.source: hold.released_at
        for hold in history
        if hold.released_at is not None and since < hold.released_at <= as_of
    }
    present = sorted({name for name, n in hours.items() if max(n) * HOUR >= microseconds(since)} | set(held))
    judged = [name for name in present if name not in held]
    counts: dict[str, SourceCounts] = {}
    shifts = Shifts((), None, {})
    if rule.hold or len(present) > 1:
        counts = count_by_source(loop.store, project, since, as_of, released)
        if len(judged) > 1:
            said = read_told(loop.store, project, since, as_of, released).without(list(held))
            shifts = judge_shifts(project.target, said, rule, project.min_rows)
    holds = rule.hold and not is_decided_later(loop.store, loop.name, as_of)
    found: list[SourceFound] = []
    for source in present:
        if source in held:
            told = sum(n for hour, n in hours.get(source, {}).items() if hour * HOUR >= microseconds(since))
            found.append(_standing(source, told, held[source]))
            continue
        enough = source in counts and counts[source].labels >= project.min_rows
        seen = (counts[source], shifts) if enough else None
        suspected = judge_source(source, hours[source], released.get(source, since), rule, seen)
        found.append(_held(loop, suspected, as_of) if holds and suspected.wrong else _said(suspected))
    for each in found:
        if each.sentence is not None:
            _log.warning("%s", each.sentence)
    return tuple(found)


def _held(loop: Loop, suspected: Suspected, as_of: datetime) -> SourceFound:
    hold = Hold(suspected.source, suspected.since or as_of, as_of, "; ".join(suspected.wrong))
    loop.holds.hold(hold)
    return _standing(suspected.source, suspected.labels, hold)


def _standing(source: str, labels: int, hold: Hold) -> SourceFound:
    return SourceFound(source, labels, held_since=hold.since, held_because=hold.reason)


def _said(suspected: Suspected) -> SourceFound:
    wrong = (*suspected.wrong, *suspected.doubtful)
    return SourceFound(suspected.source, suspected.labels, wrong, unsaid=suspected.unsaid)

"""What happened over the weeks, cause beside effect: what a watch found, asked for, and what came of it."""

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import chain

from msgspec import Struct

from data.decisions import KeptDecision
from data.promotions import Promotion
from monitoring.console.figures.charts import Event, Mark
from monitoring.console.figures.curves import refused
from monitoring.console.phrases import percent
from monitoring.console.reading.watches import Watch
from monitoring.console.views.points import alarms_of

_NUMBER = re.compile(r"\d[\d.,]*")
_Entry = tuple[str, int | None, datetime]


class Part(Struct, frozen=True):
    """One sentence of a chapter: what kind of thing it tells of, and the page of it."""

    event: Event | None
    words: str
    link: str


class Chapter(Struct, frozen=True):
    """What belongs together, causes first; `quiet` counts watches in a row that found nothing to tell."""

    at: datetime
    parts: tuple[Part, ...] = ()
    quiet: int = 0
    until: datetime | None = None
    """The last of the quiet watches."""


def story(
    watches: Sequence[Watch], history: Sequence[Promotion], decisions: Sequence[KeptDecision]
) -> list[Chapter]:
    """Tell it, newest first.

    A decision belongs to the watch that asked for it: that of the same as_of. What a person, the schedule or
    the ledger did is a chapter of its own.
    """
    entries = {(entry.kind, entry.version, entry.as_of): entry for entry in history}
    asked: dict[datetime, list[KeptDecision]] = {}
    alone: list[KeptDecision] = []
    for kept in decisions:
        of_watch = kept.decision.asked_by == "watch"
        (asked.setdefault(kept.decision.as_of, []) if of_watch else alone).append(kept)
    chapters: list[Chapter] = []
    before: Watch | None = None
    for watch in sorted(watches, key=lambda each: each.as_of):
        parts, came = _found(watch, before), asked.pop(watch.as_of, [])
        parts += [_decided(kept, entries) for kept in came]
        if watch.reason is not None and not came:
            parts.append(Part(None, "no decision about it is kept so far", parts[-1].link))
        chapters.append(Chapter(watch.as_of, tuple(parts)))
        before = watch
    for kept in chain(alone, *asked.values()):
        words = f"a retrain was asked for: {kept.decision.reason}"
        wanted = Part("asked", words, f"/decisions/{kept.key}")
        chapters.append(Chapter(kept.decision.as_of, (wanted, _decided(kept, entries))))
    chapters += [Chapter(entry.as_of, (_entered(entry),)) for entry in entries.values()]
    return _shortened(sorted(chapters, key=lambda each: each.at))[::-1]


def happened(
    watches: Sequence[Watch], history: Sequence[Promotion], decisions: Sequence[KeptDecision]
) -> list[Mark]:
    """Give everything that has a mark, one by one, in the order of time."""
    marks = [Mark(e.as_of, _event(e), _entered(e).words, f"/ledger/{e.number}") for e in history]
    marks += [
        Mark(kept.decision.as_of, "refusal", kept.decision.sentence, f"/decisions/{kept.key}")
        for kept in decisions
        if refused(kept)
    ]
    for watch in watches:
        link = f"/reports/{watch.name}"
        if watch.verdict.drift:
            marks.append(Mark(watch.as_of, "drift", _drift(watch), link))
        if found := alarms_of(watch):
            marks.append(Mark(watch.as_of, "alarm", "; ".join(found), link))
        if watch.person:
            marks.append(Mark(watch.as_of, "person", watch.asks, link))
        elif watch.reason is not None:
            marks.append(Mark(watch.as_of, "asked", watch.reason.evidence, link))
    return sorted(marks, key=lambda mark: mark.at)


def _found(watch: Watch, before: Watch | None) -> list[Part]:
    """Tell what a watch found that the one before it had not, and what it asked for."""
    link = f"/reports/{watch.name}"
    parts: list[Part] = []
    was = before is not None and before.verdict.drift is True
    if watch.verdict.drift and not was:
        parts.append(Part("drift", _drift(watch), link))
    elif watch.verdict.drift and (watch.reason is not None or watch.person):
        parts.append(Part("drift", f"still {_drift(watch)}", link))
    elif was and watch.verdict.drift is False:
        parts.append(Part(None, "no drift any more", link))
    known = set() if before is None else {_alike(words) for words in alarms_of(before)}
    parts += [Part("alarm", words, link) for words in alarms_of(watch) if _alike(words) not in known]
    if watch.person and not (before is not None and before.person):
        parts.append(Part("person", "a person was asked to look", link))
    if watch.reason is not None:
        parts.append(Part("asked", f"a retrain was asked for: {watch.reason.evidence}", link))
    elif watch.withheld and (before is None or _alike(before.withheld or "") != _alike(watch.withheld)):
        parts.append(Part(None, f"no retrain was asked for: {watch.withheld}", link))
    return parts


def _alike(words: str) -> str:
    """Leave the numbers out: what is said again of another day is no news."""
    return _NUMBER.sub("", words)


def _drift(watch: Watch) -> str:
    """Say what moved farthest of what drifted."""
    moved = [each for each in watch.verdict.findings if each.drift]
    if not moved:
        return f"drift: {watch.verdict.said}" if watch.verdict.said else "drift"
    columns = [each for each in moved if each.what != "together"]
    if not columns:
        return f"drift: {moved[0].words}"
    first = max(columns, key=lambda each: each.effect or 0.0)
    others = f", and {len(moved) - 1} more" if len(moved) > 1 else ""
    words = f" ({first.words})" if first.words else ""
    return f"drift: {first.column} moved in {percent(first.effect)} of rows{words}{others}"


def _decided(kept: KeptDecision, entries: dict[_Entry, Promotion]) -> Part:
    """Tell of a decision; the ledger's entry that it led to is told with it."""
    decision, event = kept.decision, "refusal" if refused(kept) else None
    if decision.promote:
        event = "promotion"
        entries.pop(("retrain", decision.version, decision.as_of), None)
    return Part(event, decision.sentence, f"/decisions/{kept.key}")


def _entered(entry: Promotion) -> Part:
    who = "no version" if entry.version is None else f"version {entry.version}"
    words = f"{who} by {entry.kind}: {entry.reason}"
    return Part(_event(entry), words, f"/ledger/{entry.number}")


def _event(entry: Promotion) -> Event:
    return "promotion" if entry.kind == "retrain" else entry.kind


def _shortened(chapters: Sequence[Chapter]) -> list[Chapter]:
    """Count watches in a row that found nothing to tell instead of naming each; oldest first."""
    kept: list[Chapter] = []
    for chapter in chapters:
        if chapter.parts:
            kept.append(chapter)
        elif kept and kept[-1].quiet:
            last = kept.pop()
            kept.append(Chapter(last.at, (), last.quiet + 1, chapter.at))
        else:
            kept.append(Chapter(chapter.at, (), 1, chapter.at))
    return kept

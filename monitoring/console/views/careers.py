"""What became of each version: when it was champion, what was promised of it, and how it did."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from data.decisions import KeptDecision
from data.promotions import Promotion
from keepfit.scores import metric_words
from monitoring.console.figures.charts import Chart, Series, trimmed
from monitoring.console.figures.curves import marks, refused
from monitoring.console.phrases import counted, direction, number, shown
from monitoring.console.reading.sources import Sources
from monitoring.console.reading.watches import Watch
from monitoring.console.views.reigns import Reign, reigns

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spell:
    """One time as champion, with the entries of the ledger that began and ended it."""

    reign: Reign
    began: Promotion
    ended: Promotion | None


@dataclass(frozen=True)
class Career:
    """One version, in all that the decisions, the ledger and the watches know of it."""

    version: int
    made: KeptDecision | None
    """The decision about it; None of one that was put in by hand, or that is no longer known."""
    spells: tuple[Spell, ...]
    entries: tuple[Promotion, ...]
    """The entries of the ledger that name it."""
    watches: tuple[Watch, ...]
    """Those while it was champion."""
    challengers: tuple[KeptDecision, ...] = ()
    """What was refused against it, newest first."""

    @cached_property
    def metric(self) -> str | None:
        """The primary metric, by whoever says it."""
        scored = (watch.performance.metric for watch in reversed(self.watches) if watch.performance)
        promised = iter(self.made.decision.challenger_scores if self.made else ())
        return next(promised, None) or next(scored, None)

    @cached_property
    def promised(self) -> float | None:
        """Its score on the holdout of its own decision; of which more is better."""
        scores = self.made.decision.challenger_scores if self.made is not None else {}
        if self.metric is not None and self.metric in scores:
            return scores[self.metric]
        return next((entry.score for entry in self.entries if entry.score is not None), None)

    @cached_property
    def kept(self) -> tuple[float | None, int]:
        """The mean of its scores at the watches while it was champion, and of how many."""
        found = [value for watch in self.watches if (value := realised(watch, self.metric)) is not None]
        return (sum(found) / len(found) if found else None), len(found)

    @property
    def digest(self) -> str | None:
        """The digest of its bundle."""
        told = (entry.digest for entry in reversed(self.entries) if entry.digest is not None)
        return next(told, None) or (self.made.decision.digest if self.made else None)

    @property
    def verdicts(self) -> tuple[int, int, int]:
        """At how many watches the data drifted, did not, and nothing could be said."""
        found = [watch.verdict.drift for watch in self.watches]
        return found.count(True), found.count(False), found.count(None)

    @property
    def in_force(self) -> bool:
        """Whether it is champion now."""
        return any(spell.reign.until is None for spell in self.spells)

    @property
    def headline(self) -> str:
        """Say what became of it in a sentence."""
        name = f"Version {self.version}"
        if self.in_force:
            return f"{name} is champion."
        if self.spells:
            days = sum(
                (s.reign.until - s.reign.since).total_seconds() / 86400 for s in self.spells if s.reign.until
            )
            times = "" if len(self.spells) == 1 else f" in {len(self.spells)} times"
            return f"{name} was champion for {counted(max(1, round(days)), 'day')}{times}."
        if self.entries:
            return f"{name} was to be champion, and was taken back."
        if self.made is not None and self.made.decision.rehearsal:
            return f"{name} was made in a rehearsal, and was never champion."
        return f"{name} was refused, and was never champion."


def careers(sources: Sources) -> list[Career]:
    """Return every version that the ledger or the decisions know, newest first."""
    history, decisions, watches = sources.ledger.history(), sources.decisions(), sources.watches()
    numbered = {entry.number: entry for entry in history}
    found: dict[int, list[Spell]] = {}
    for reign in reigns(history):
        ended = next((e for e in history if e.number > reign.entry and e.version != reign.version), None)
        found.setdefault(reign.version, []).append(Spell(reign, numbered[reign.entry], ended))
    made = _made(decisions)
    entries = _by_version(history, lambda entry: entry.version)
    watched = _by_version(watches, lambda watch: watch.version)
    challengers = _by_version(filter(refused, decisions), lambda kept: kept.decision.champion)
    versions = {entry.version for entry in history if entry.version is not None} | set(made)
    return [
        Career(
            version,
            made.get(version),
            tuple(found.get(version, ())),
            tuple(entries[version]),
            tuple(watched[version]),
            tuple(challengers[version]),
        )
        for version in sorted(versions, reverse=True)
    ]


def career(sources: Sources, version: int) -> Career | None:
    """Return one version, or None where nobody knows it."""
    return next((each for each in careers(sources) if each.version == version), None)


def _by_version(of: Iterable[T], version: Callable[[T], int | None]) -> defaultdict[int | None, list[T]]:
    found: defaultdict[int | None, list[T]] = defaultdict(list)
    for each in of:
        found[version(each)].append(each)
    return found


def _made(decisions: Iterable[KeptDecision]) -> dict[int, KeptDecision]:
    """Find the decision about each version, of several the one that promoted, or else the newest."""
    found: dict[int, KeptDecision] = {}
    for kept in decisions:
        version = kept.decision.version
        if version is None or version == kept.decision.champion:
            continue  # there was nothing to decide about
        if version not in found or (kept.decision.promote and not found[version].decision.promote):
            found[version] = kept
    return found


def realised(watch: Watch, metric: str | None) -> float | None:
    """Return the score of the champion on the labels of a watch's window, if it is on this metric."""
    found = watch.performance
    if found is None or found.value is None or found.metric != metric or not math.isfinite(found.value):
        return None
    return found.value


def career_chart(of: Career, watches: Sequence[Watch]) -> Chart | None:
    """Draw its score at each watch while it was champion, beside the estimate and what was promised."""
    metric = of.metric
    if metric is None or not of.watches:
        return None
    points = _points(of, watches)
    name, promised = metric_words(metric), shown(metric, of.promised)
    own = [watch if watch is not None and watch.version == of.version else None for _, _, watch in points]
    stands = [promised if watch is None or watch.version == of.version else None for _, _, watch in points]
    series = [
        Series("first", "on the labels so far", [w and shown(metric, realised(w, metric)) for w in own]),
        Series("second", "promised on its holdout", stands),
    ]
    estimates = [w and shown(metric, w.estimate.value if w.estimate else None) for w in own]
    if any(value is not None for value in estimates):
        series.append(Series("third", "estimated for all rows", estimates))
    mean, count = of.kept
    happened = [entry for spell in of.spells for entry in (spell.began, spell.ended) if entry is not None]
    return trimmed(
        Chart(
            key="career",
            title=f"{name[:1].upper()}{name[1:]} while it was champion",
            unit=f"{name} ({direction(metric)})",
            says=(
                f"{name[:1].upper()}{name[1:]} of version {of.version} at each watch while it was champion; "
                f"{direction(metric)}. Promised {number(promised)}, on average {number(shown(metric, mean))} "
                f"at {count} watch{'' if count == 1 else 'es'}."
            ),
            times=[at for at, _, _ in points],
            series=series,
            marks=marks(happened, of.challengers),
            links=[link for _, link, _ in points],
        )
    )


def _points(of: Career, watches: Sequence[Watch]) -> list[tuple[datetime, str, Watch | None]]:
    """Return the watches of its time, when each time began, and of the watches of others one for each gap."""
    first, last = of.watches[0].as_of, of.watches[-1].as_of
    found: dict[datetime, tuple[str, Watch | None]] = {
        spell.reign.since: (f"/ledger/{spell.began.number}", None) for spell in of.spells
    }
    before: int | None = None
    for watch in watches:
        if first <= watch.as_of <= last:
            # A watch of the time at which it became champion judged the one before it.
            if watch.version == of.version or before == of.version:
                found[watch.as_of] = (f"/reports/{watch.name}", watch)
            before = watch.version
    return [(at, link, watch) for at, (link, watch) in sorted(found.items())]

"""What is going on, at one glance: for the first page of the console and for `bin/keepfit status`."""

from dataclasses import dataclass
from datetime import datetime

from data.decisions import KeptDecision
from data.holds import Hold
from data.promotions import Promotion
from data.releases import WorkerStatus
from keepfit.errors import ServiceUnavailable
from keepfit.scores import metric_words
from monitoring.console.phrases import (
    ago,
    apart,
    counted,
    number,
    percent,
    sentence,
    shown,
    uncaptured,
    when,
)
from monitoring.console.reading.sources import Sources
from monitoring.console.reading.states import FlowRun
from monitoring.console.reading.watches import Watch
from monitoring.console.views.lately import done

_DECISIONS = 3
_LATELY = 50
_REASONS = 5
_NOTIFIED = "bin/keepfit notify list"


@dataclass(frozen=True)
class LastRuns:
    """The last run of each flow; `away` says why Prefect could not be asked."""

    runs: tuple[FlowRun, ...] = ()
    paused: tuple[str, ...] = ()
    """The flows whose schedules are held."""
    coming: tuple[FlowRun, ...] = ()
    """The next of each flow that is due."""
    untold: tuple[str, ...] = ()
    """Who is told of notices, and did not get the last one."""
    away: str | None = None


@dataclass(frozen=True)
class Glance:
    """What is going on with one project, seen at a time."""

    project: str
    at: datetime
    champion: Promotion | None
    withdrawn: Promotion | None
    """The last entry where it left no champion."""
    workers: tuple[WorkerStatus, ...]
    watch: Watch | None
    """What was judged last."""
    decisions: tuple[KeptDecision, ...]
    waiting: int
    """Rows in quarantine."""
    reasons: tuple[tuple[str, int], ...]
    """The commonest reasons why they are there."""
    last: LastRuns
    held: tuple[tuple[Hold, int], ...] = ()
    """Whose labels are held, and how many wait."""
    before: Watch | None = None
    """What was judged before the last watch."""
    done: str = ""
    """What was done since yesterday."""

    @property
    def headline(self) -> str:
        """Say in a sentence who answers."""
        if self.champion is None:
            return "No model is champion."
        serving = [worker for worker in self.workers if worker.version == self.champion.version]
        who = f"Version {self.champion.version} is champion"
        if not self.workers:
            return f"{who}; no worker serves it."
        if len(serving) < len(self.workers):
            return f"{who}; {len(serving)} of {counted(len(self.workers), 'worker')} serve it."
        return f"{who}, and {_every(len(serving))} it."

    @property
    def since(self) -> str:
        """Say since when there is this champion, and why."""
        entry = self.champion
        if entry is None:
            left = self.withdrawn
            why = "" if left is None else f"The last entry of the ledger left none, because: {left.reason}. "
            return f"{why}Import history, then retrain."
        since = entry.recorded_at or entry.as_of
        known = f", on what was known at {when(entry.as_of)}" if apart(since, entry.as_of) else ""
        return f"Since {when(since)} ({ago(since, self.at)}) by {entry.kind}{known}, because: {entry.reason}"

    @property
    def needs(self) -> list[str]:
        """Say what does not go on by itself."""
        found: list[str] = []
        if self.champion is None:
            found.append("There is no model to answer with: import history, then retrain.")
        elif not self.workers:
            found.append("No worker was seen in the last 5 seconds; callers get no answers.")
        found += [f"Worker {w.pid} keeps its model: {w.error}" for w in self.workers if w.error]
        found += [_failing(w) for w in self.workers if w.counters.get("keepfit_capture_failing")]
        if self.last.away is not None:
            found.append(f"{self.last.away}.")
        if self.watch is not None and self.watch.person:
            found.append(f"{self.watch.asks}.")
        found += [f"The last {run.flow} {run.words}{_message(run)}" for run in self.last.runs if run.failed]
        if self.last.untold:
            found.append(f"{', '.join(self.last.untold)}: the last notice did not arrive; see {_NOTIFIED}.")
        return found + [f"{_waiting(hold, count)}." for hold, count in self.held]

    @property
    def notes(self) -> list[str]:
        """Say what is worth a look, and can wait."""
        found = [] if self.watch is None else [f"{alarm}." for alarm in self.watch.alarms]
        if self.champion is not None and self.champion.workers is None:
            found.append("Nobody has confirmed the last promotion yet; the next feedback flow looks again.")
        if self.last.paused:
            held = ", ".join(self.last.paused)
            found.append(
                f"The schedules of {held} are held: somebody else drives the loop, such as a replay."
            )
        if self.waiting:
            found.append(f"{counted(self.waiting, 'row')} in quarantine.")
        return found

    @property
    def concerns(self) -> list[str]:
        """Say what somebody should look at, what cannot wait first."""
        return [*self.needs, *self.notes]

    @property
    def needed(self) -> str:
        """Say in a sentence whether somebody is needed."""
        needs, notes = len(self.needs), len(self.notes)
        wait = f"; {_things(notes)} {'is' if notes == 1 else 'are'} worth a look" if notes else ""
        if not needs:
            return f"Nothing needs you{wait}."
        return f"{sentence(_things(needs))} {'needs' if needs == 1 else 'need'} you{wait}."

    @property
    def score(self) -> str | None:
        """Say how good the answers were, as last judged."""
        found = None if self.watch is None else self.watch.performance
        if found is None or found.value is None:
            return None
        name = metric_words(found.metric)
        return f"{name} {number(shown(found.metric, found.value))} on {found.scored:,} labelled rows"

    @property
    def drift(self) -> str | None:
        """Say whether the data drifted, as last judged."""
        if self.watch is None:
            return None
        return {True: "drift", False: "no drift", None: "cannot say"}[self.watch.verdict.drift]

    def lines(self) -> list[str]:
        """Say it in a terminal."""
        lines = [self.headline, self.since]
        lines += [
            f"worker {w.pid}: version {w.version}, generation {w.generation}"
            + (f"; {lost}" if (lost := uncaptured(w.counters)) else "")
            + (f": {w.error}" if w.error else "")
            for w in self.workers
        ]
        if self.watch is not None:
            told = [self.drift, self.score or "no score", f"{percent(self.watch.matured)} labelled"]
            lines.append(f"watched {when(self.watch.as_of)}: {'; '.join(map(str, told))}")
        lines += [f"decided {when(k.decision.as_of)}: {k.decision.sentence}" for k in self.decisions]
        lines += [
            f"{run.flow} {when(run.began) if run.began else ''}: {run.words}{_message(run)}"
            for run in self.last.runs
        ]
        lines += [self.last.away] if self.last.away else []
        lines.append(f"quarantine: {self.waiting} waiting")
        lines += [f"  {count} x {reason}" for reason, count in self.reasons]
        others = self.waiting - sum(count for _, count in self.reasons)
        lines += [f"  {others} for other reasons"] if others else []
        return [*lines, *(f"held: {_waiting(hold, count)}" for hold, count in self.held)]


def look(sources: Sources, at: datetime) -> Glance:
    """See what is going on; Prefect may be away, the store may not."""
    latest = sources.ledger.latest()
    champion = latest if latest is not None and latest.version is not None else None
    watches = sources.watches()
    return Glance(
        project=sources.project,
        at=at,
        champion=champion,
        withdrawn=latest if champion is None else None,
        workers=tuple(sources.workers(at)),
        watch=watches[-1] if watches else None,
        decisions=tuple(sources.decisions(_DECISIONS)),
        waiting=sources.quarantine.count(),
        reasons=tuple(sources.quarantine.reasons(_REASONS)),
        last=last_runs(sources),
        held=tuple(sources.holds.waiting(at)),
        before=watches[-2] if len(watches) > 1 else None,
        done=done(sources.ledger.history(), sources.decisions(_LATELY), at),
    )


def last_runs(sources: Sources) -> LastRuns:
    """Ask Prefect for the last run of each flow, or say why it cannot be asked."""
    try:
        seen = sources.flow_runs.latest()
    except ServiceUnavailable as away:
        return LastRuns(away=str(away))
    return LastRuns(
        tuple(run for found in seen.last.values() for run in found),
        tuple(seen.paused),
        tuple(seen.coming),
        tuple(seen.untold),
    )


def _things(count: int) -> str:
    return "one thing" if count == 1 else f"{count} things"


def _failing(worker: WorkerStatus) -> str:
    lost = uncaptured(worker.counters) or "nothing is lost yet"
    return f"Worker {worker.pid} cannot write its journal: {lost}; free space there, and see its log."


def _waiting(hold: Hold, count: int) -> str:
    return f"{counted(count, 'label')} of {hold.source} held since {when(hold.since)}: {hold.reason}"


def _every(count: int) -> str:
    return {1: "its one worker serves", 2: "both workers serve"}.get(count, f"all {count} workers serve")


def _message(run: FlowRun) -> str:
    return f": {run.state.message}" if run.failed and run.state is not None and run.state.message else ""

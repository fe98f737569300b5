"""What became of a run that was started by hand: the decision, the entry of the ledger, the rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from data.decisions import KeptDecision
from data.promotions import Promotion
from data.quarantine import Quarantined
from keepfit.errors import ServiceUnavailable
from monitoring.console.phrases import counted
from monitoring.console.reading.sources import Sources
from monitoring.console.reading.states import FlowRun, Line


@dataclass(frozen=True)
class Outcome:
    """A run, what it left behind, and that in a sentence."""

    run: FlowRun
    sentence: str
    log: tuple[Line, ...] = ()
    decision: KeptDecision | None = None
    entry: Promotion | None = None
    rows: tuple[Quarantined, ...] = ()
    """What a person asked to readmit, as it is now."""


def outcome(sources: Sources, run: FlowRun, at: datetime) -> Outcome:
    """Find what a run left; raises ServiceUnavailable when Prefect goes away meanwhile."""
    log = tuple(sources.flow_runs.log(run.id))
    if not run.over:
        return Outcome(run, f"The {run.flow} {run.words}.", log)
    if run.kind != "COMPLETED":
        why = run.state.message if run.state and run.state.message else "its log says more"
        return Outcome(run, f"The {run.flow} {run.words}: {why}", log)
    if run.flow == "retrain":
        return _retrained(sources, run, log, at)
    if run.flow == "rollback":
        return _rolled_back(sources, run, log, at)
    if run.flow == "feedback" and run.parameters.get("readmit"):
        return _readmitted(sources, run, log)
    last = log[-1].message if log else ""
    return Outcome(run, f"The {run.flow} succeeded.", log) if not last else Outcome(run, last, log)


def _retrained(sources: Sources, run: FlowRun, log: tuple[Line, ...], at: datetime) -> Outcome:
    made = [kept for kept in sources.decisions() if _within(run, kept.recorded_at, at)]
    try:
        said = set(sources.flow_runs.said(run.id))
    except ServiceUnavailable:
        said = set()
    # Another retrain may have ended meanwhile: the run says its own decision in its artifact.
    kept = next((kept for kept in made if kept.decision.sentence in said), made[0] if made else None)
    if kept is None:
        return Outcome(run, "The retrain succeeded, and its decision is not in the store.", log)
    sentence = kept.decision.sentence
    return Outcome(
        run, f"{sentence[0].upper()}{sentence[1:]}", log, decision=kept, entry=promoted(sources, kept)
    )


def promoted(sources: Sources, kept: KeptDecision) -> Promotion | None:
    """Find the entry of the ledger that a decision made, if it promoted."""
    decision = kept.decision
    if not decision.promote:
        return None
    return next(
        (
            entry
            for entry in sources.ledger.history()
            if entry.kind == "retrain" and entry.version == decision.version
        ),
        None,
    )


def _rolled_back(sources: Sources, run: FlowRun, log: tuple[Line, ...], at: datetime) -> Outcome:
    entries = [e for e in sources.ledger.history() if e.recorded_at and _within(run, e.recorded_at, at)]
    entry = next((e for e in entries if e.kind == "rollback"), None)
    if entry is None:
        return Outcome(run, "Nothing was changed: that version is champion already.", log)
    after = next((e for e in entries if e.kind == "withdrawal" and e.number > entry.number), None)
    if after is not None:
        return Outcome(run, f"Version {entry.version} was taken back: {after.reason}", log, entry=after)
    served = (
        f"{counted(entry.workers, 'worker')} confirmed it" if entry.workers else "no worker confirmed it yet"
    )
    return Outcome(run, f"Version {entry.version} is champion again; {served}.", log, entry=entry)


def _readmitted(sources: Sources, run: FlowRun, log: tuple[Line, ...]) -> Outcome:
    numbers = [number for number in run.parameters["readmit"] if isinstance(number, int)]
    rows = tuple(sources.quarantine.entries(numbers))
    taken = sum(row.readmitted_at is not None for row in rows)
    left = len(rows) - taken
    sentence = f"{counted(taken, 'row')} of {len(rows):,} taken in"
    sentence += f"; {left:,} failed again and wait on." if left else "."
    return Outcome(run, sentence, log, rows=rows)


def _within(run: FlowRun, time: datetime, at: datetime) -> bool:
    """Tell whether something was written down while a run lasted."""
    since, until = run.start_time or at, run.end_time or at
    return since <= time <= until + timedelta(seconds=1)


def earlier_versions(sources: Sources) -> list[int]:
    """Return the versions that were champion and are not, newest first."""
    history = sources.ledger.history()
    present = history[-1].version if history else None
    were = {each.version for each in history if each.version is not None}
    return sorted(were - {present}, reverse=True)

"""The demo: the loop turns on real flights, from January's history through six weeks of traffic."""

import dataclasses
import json
import shutil
import sys
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from control.orchestrator import paused, use_stack
from control.replay import Callers, Traffic, callers, day, read_traffic, steps
from control.running import running
from control.stack import Stack, interrupted_by_signals
from data.decisions import Decision
from keepfit.errors import StackAlreadyUp
from keepfit.loading import DEFAULT, absolute, load_project
from keepfit.settings import Settings
from keepfit.spec import Project

SINCE, UNTIL = day(2013, 2, 1), day(2013, 3, 15)
EVERY = timedelta(days=14)


@dataclass
class Tally:
    """What `summary.json` holds."""

    steps: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    decisions: list[Decision] = field(default_factory=list[Decision])
    quarantined: int = 0
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def timed(self, part: str) -> Generator[None]:
        """Add the time of a part."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[part] = round(self.seconds.get(part, 0.0) + time.monotonic() - began, 2)


def run(*, stay: bool, as_json: bool) -> None:
    """Start everything, replay six weeks of flights, say what happened and why; stay up if asked to."""
    asked = Settings.from_env()
    place = absolute(DEFAULT)
    project = load_project(place)
    settings = dataclasses.replace(asked, home=asked.home / "demo", replay=True, project_name=project.name)
    _clear(settings)
    tally = Tally()
    with interrupted_by_signals(), ThreadPoolExecutor(1) as beside:
        prepared = beside.submit(_flights, project, settings.home)
        began = time.monotonic()
        with Stack(settings, place, project.name, say=say) as stack:
            tally.seconds["start"] = round(time.monotonic() - began, 2)
            threading.Thread(target=stack.supervise, daemon=True).start()
            use_stack(settings, place, project.name)
            history, traffic = prepared.result()
            with paused(project.name), callers(settings.serving_url) as senders:
                _turn(Demo(place, project, settings, tally, senders), history, traffic)
            _finish(settings, tally, senders, stack, as_json=as_json)
            if stay:
                say("\nThe loop stays up; Ctrl-C ends it.")
                with suppress(KeyboardInterrupt):  # how it is meant to end
                    stack.supervise()


@dataclass(frozen=True)
class Demo:
    """What every step of the demo needs."""

    place: str
    project: Project
    settings: Settings
    tally: Tally
    senders: Callers


def _turn(demo: Demo, history: Path, traffic: Traffic) -> None:
    from control.commands import import_history

    with demo.tally.timed("import"):
        say(import_history(demo.place, history).text())
    _retrain(demo, "the first model", SINCE)
    for end in steps(SINCE, UNTIL, EVERY):
        due = traffic.until(end)
        say(f"{end:%d %B}: {len(due.predictions)} flights fall due, {len(due.labels)} have landed")
        with demo.tally.timed("traffic"):
            demo.senders.send(due)
        _step(demo, end)


def _step(demo: Demo, as_of: datetime) -> None:
    from flows.feedback import feedback
    from flows.watch import watch

    with demo.tally.timed("feedback"):
        taken = feedback(demo.place, as_of)
    demo.tally.quarantined += taken.collected.quarantined
    collected, labels = taken.collected, taken.labels
    say(
        f"  feedback: took in {collected.predictions} predictions and {collected.labels} labels, set aside "
        f"{collected.quarantined}; {labels.matched} labels matched, {labels.unmatched} not, "
        f"median delay {(labels.delay_median_s or 0) / 3600:.1f} h"
    )
    with demo.tally.timed("watch"):
        watched = watch(demo.place, as_of)
    say(f"  watch: {watched.sentence}")
    judged = watched.judged
    asked = judged.reason.evidence if judged is not None and judged.reason is not None else "on schedule"
    decision = _retrain(demo, asked, as_of)
    performance = judged.performance if judged is not None else None
    demo.tally.steps.append(
        {
            "as_of": as_of.isoformat(),
            "rows": 0 if performance is None else performance.rows,
            "drift": None if judged is None else judged.verdict.drift,
            "reason": asked,
            "decision": decision.sentence,
            "promoted": decision.promote,
            "objections": list(decision.objections),
            "version": decision.version,
            "workers": decision.workers,
            "scores": {} if performance is None else dict(performance.scores),
            "report": None if watched.report is None else str(watched.report.page),
        }
    )


def _retrain(demo: Demo, reason: str, as_of: datetime) -> Decision:
    from flows.retrain import retrain

    with demo.tally.timed("retrain"):
        decision = retrain(demo.place, reason, as_of)
    demo.tally.decisions.append(decision)
    swapped = f"; {decision.workers} workers serve it" if decision.promote else ""
    say(f"  retrain: {decision.sentence}{swapped}")
    return decision


def _finish(settings: Settings, tally: Tally, senders: Callers, stack: Stack, *, as_json: bool) -> None:
    sent, decisions = senders.sent, tally.decisions
    promoted = [decision for decision in decisions if decision.promote]
    summary: dict[str, Any] = {
        "requests": sent.requests,
        "failed_requests": sent.failed,
        "uncaptured": sent.uncaptured,
        "labels": sent.labels,
        "quarantined": tally.quarantined,
        "retrainings": len(decisions),
        "promotions": len(promoted),
        "refusals": len(decisions) - len(promoted),
        "swaps": sum(decision.workers or 0 for decision in promoted),
        "steps": tally.steps,
        "seconds": tally.seconds,
        "urls": {address.name: address.url for address in stack.addresses()},
    }
    path = settings.home / "summary.json"
    path.write_text(json.dumps(summary, indent=1) + "\n")
    if as_json:
        sys.stdout.write(json.dumps(summary, indent=1) + "\n")
    spent = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in tally.seconds.items())
    say(
        f"\n{sent.requests} requests, {sent.failed} failed; {len(decisions)} retrainings, {len(promoted)} "
        f"promotions, {summary['refusals']} refusals, {summary['swaps']} swaps of a worker ({spent})"
    )
    say(f"The summary: {path}")
    for address in stack.addresses():
        say(f"  {address.name:<12} {address.url:<28} {address.what}")


def _flights(project: Project, home: Path) -> tuple[Path, Traffic]:
    from examples.flights.history import write_history

    history, later = home / "flights-january.parquet", home / "flights-later.parquet"
    home.mkdir(parents=True, exist_ok=True)
    write_history(history, until=SINCE.date())
    write_history(later, since=SINCE.date(), until=UNTIL.date())
    return history, read_traffic(project, later)


def _clear(settings: Settings) -> None:
    if (present := running(settings)) is not None:
        msg = f"a demo is up already (process {present.pid}); end it with Ctrl-C there"
        raise StackAlreadyUp(msg)
    # Every demo begins on an empty home of its own; nothing else of var/ is touched.
    shutil.rmtree(settings.home, ignore_errors=True)


def say(line: str) -> None:
    """Tell the story on standard error, so that --json has standard output to itself."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()

"""The demo: the loop turns on real flights, January as history, then the year over HTTP in event time."""

import dataclasses
import json
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from control.orchestrator import paused, use_stack
from control.replay.driver import Replay
from control.replay.telling import say, told_to_person
from control.running import running
from control.stack import Stack, interrupted_by_signals
from keepfit.errors import StackAlreadyUp
from keepfit.loading import DEFAULT, absolute, load_project
from keepfit.settings import Settings
from tasks.loop import open_loop

SINCE = datetime(2013, 2, 1, tzinfo=UTC)
UNTIL = datetime(2014, 1, 1, tzinfo=UTC)
EVERY = timedelta(days=14)
SHARE = 0.1
"""Of all flights, so that the year ends within five minutes on two cores."""
_ALONE: dict[str, Any] = {
    "host": "127.0.0.1",
    "name": None,
    "access": "local",
    "tls_cert": None,
    "tls_key": None,
}


def run(*, stay: bool, as_json: bool, full: bool) -> None:
    """Start everything, replay the year, say what happened and why; stay up if asked to."""
    asked = Settings.from_env()
    place = absolute(DEFAULT)
    project = load_project(place)
    settings = dataclasses.replace(asked, home=asked.home / "demo", replay=True, project_name=project.name)
    # Whoever replays sets the clock: it is for this machine alone, whatever else listens to others.
    settings = dataclasses.replace(settings, **_ALONE)
    _clear(settings)
    with interrupted_by_signals(), ThreadPoolExecutor(1) as beside:
        flights = beside.submit(_flights, settings.home, 1.0 if full else SHARE)
        began = time.monotonic()
        with Stack(settings, place, project.name, say=say) as stack:
            started = time.monotonic() - began
            threading.Thread(target=stack.supervise, daemon=True).start()
            use_stack(settings, place, project.name)
            history, later = flights.result()
            seconds = {"start": round(started, 2)}
            with paused(project.name):
                replay = _turn(settings, place, history, later, seconds)
            summary = replay.summary()
            summary["seconds"] = {**seconds, **summary["seconds"], "all": round(time.monotonic() - began, 2)}
            summary["urls"] = {address.name: address.url for address in stack.addresses()}
            _finish(settings, summary, stack, as_json=as_json)
            if stay:
                say("\nThe loop stays up; Ctrl-C ends it.")
                with suppress(KeyboardInterrupt):  # how it is meant to end
                    stack.supervise()


def _turn(settings: Settings, place: str, history: Path, later: Path, seconds: dict[str, float]) -> Replay:
    from control.commands import import_history
    from flows.retrain import retrain

    began = time.monotonic()
    say(import_history(place, history).text())
    seconds["import"] = round(time.monotonic() - began, 2)
    say(f"the first model: {retrain(place, 'the first model', SINCE).sentence}")
    seconds["first model"] = round(time.monotonic() - began - seconds["import"], 2)
    replay = Replay(open_loop(place, settings), place, later, say)
    replay.begin(SINCE, UNTIL, EVERY)
    replay.run()
    return replay


def _finish(settings: Settings, summary: dict[str, Any], stack: Stack, *, as_json: bool) -> None:
    path = settings.home / "summary.json"
    text = json.dumps(summary, indent=1) + "\n"
    path.write_text(text)
    if as_json:
        sys.stdout.write(text)
    say("")
    for line in told_to_person(summary):
        say(line)
    say(f"The summary: {path}")
    for address in stack.addresses():
        say(f"  {address.name:<12} {address.url:<28} {address.what}")


def _flights(home: Path, share: float) -> tuple[Path, Path]:
    from examples.flights.history import write_history

    history, later = home / "flights-january.parquet", home / "flights-later.parquet"
    home.mkdir(parents=True, exist_ok=True)
    write_history(history, until=SINCE.date(), share=share)
    write_history(later, since=SINCE.date(), until=UNTIL.date(), share=share)
    return history, later


def _clear(settings: Settings) -> None:
    if (present := running(settings)) is not None:
        msg = f"a demo is up already (process {present.pid}); end it with Ctrl-C there"
        raise StackAlreadyUp(msg)
    # Every demo begins on an empty home of its own; nothing else of var/ is touched.
    shutil.rmtree(settings.home, ignore_errors=True)

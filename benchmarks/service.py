"""A real `python -m serving` of a handmade model, seen from outside, and a paced load beside it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
import psutil

from benchmarks.figures import cores
from benchmarks.handmade import PROJECT
from benchmarks.paced import Paced, Seen
from benchmarks.servers import free_port
from data.journal import journal_files
from data.records import now
from data.releases import WorkerStatus, read_statuses
from keepfit.settings import ROOT, Settings, inherited_environment

_START_S = 60
_STOP_S = 40


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one worker holds of the machine: bytes resident, threads, open files and sockets."""

    pid: int
    memory: int
    threads: int
    files: int
    sockets: int


@dataclass(frozen=True)
class Service:
    """A parent and its workers."""

    settings: Settings
    process: "subprocess.Popen[bytes]"

    @property
    def journal(self) -> Path:
        """Where the workers write what they answered, and their status files."""
        return self.settings.journal(PROJECT)

    def statuses(self) -> list[WorkerStatus]:
        """Read what each worker says of itself."""
        return read_statuses(self.journal, now())

    def footprints(self) -> list[Footprint]:
        """Measure each worker."""
        return [_footprint(pid) for pid in sorted(status.pid for status in self.statuses())]

    def discard_closed_journals(self) -> None:
        """Delete what a drain would have taken by now: a long run would fill the disk."""
        of_worker: dict[str, Path] = {}
        for file in journal_files(self.journal):  # oldest first; its worker has closed all but the last
            pid = file.stem.rpartition("-")[2]
            if pid in of_worker:
                of_worker[pid].unlink()
            of_worker[pid] = file


def _footprint(pid: int) -> Footprint:
    worker = psutil.Process(pid)
    names = _open_names(pid)
    with worker.oneshot():
        memory, threads = worker.memory_info().rss, worker.num_threads()
    sockets = _sockets(names)
    return Footprint(pid, memory, threads, len(names) - sockets, sockets)


def sockets_of(pid: int) -> int:
    """Count the sockets of a process: little work, for it is asked beside a load."""
    return _sockets(_open_names(pid))


def _sockets(names: list[str]) -> int:
    return sum(name.startswith("socket:") for name in names)


def _open_names(pid: int) -> list[str]:
    names: list[str] = []
    for descriptor in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - Path costs ten times as much
        with suppress(FileNotFoundError):  # closed since it was listed
            names.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))  # noqa: PTH115 - the same
    return names


@contextmanager
def service(settings: Settings, on: list[int]) -> Generator[Service]:
    """Run the service on these cores, on a port of its own, until it is left."""
    settings = replace(settings, project_name=PROJECT, serving_port=free_port())
    settings.home.mkdir(parents=True, exist_ok=True)
    log = settings.home / "serving.log"
    with log.open("wb") as told, pinned(on):
        process = subprocess.Popen(
            [sys.executable, "-m", "serving"],
            cwd=ROOT,
            env=inherited_environment() | settings.environment(),
            stderr=told,
        )
    made = Service(settings, process)
    try:
        if not until(lambda: len(made.statuses()) == settings.workers, _START_S):
            sys.exit(f"the workers did not start:\n{log.read_text()[-3000:]}")
        yield made
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()  # its workers end with it
            process.wait()


@contextmanager
def pinned(on: list[int]) -> Generator[None]:
    """Let what is started inside run on these cores only."""
    # A child inherits the cores of the thread that starts it.
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(on))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def loading(job: Paced) -> "Generator[Callable[[], Seen]]":
    """Run a load from the last core beside what is inside; the yielded function says what came of it.

    It ends a load without an end of its own, and waits for one that has.
    """
    with pinned(cores()[-1:]):
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.paced"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(job) + b"\n")
    process.stdin.flush()

    def seen() -> Seen:
        assert process.stdin is not None
        assert process.stdout is not None
        if not job.seconds:
            process.stdin.close()
        told = process.stdout.read()
        if process.wait():
            sys.exit("the load generator failed; it said why above")
        return np.load(BytesIO(told), allow_pickle=False)

    try:
        yield seen
    finally:
        process.kill()
        process.wait()


def until(condition: Callable[[], object], within_s: float, every_s: float = 0.005) -> bool:
    """Wait for what another process does; say whether it did."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every_s)
    return True

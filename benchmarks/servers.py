"""Servers and the load generator as processes of their own, each pinned to a core."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import psutil

from benchmarks.figures import cores
from benchmarks.load import Job, Result
from keepfit.settings import ROOT, Settings, inherited_environment

_START_S = 120
_STOP_S = 40


class NotServed(Exception):
    """A server did not become ready, or did not answer as it should; the message says which and how."""


@dataclass(frozen=True)
class Served:
    """A server that answers, and the seconds until it was ready."""

    name: str
    port: int
    pid: int
    ready_s: float = 0.0

    def processes(self) -> list[psutil.Process]:
        """List its processes: what was started, and all that this started; none when it has ended."""
        try:
            parent = psutil.Process(self.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_s(self) -> float:
        """Say how much processor time it and its workers took so far."""
        times = [process.cpu_times() for process in self.processes()]
        return sum(t.user + t.system for t in times)

    def memory_mb(self) -> tuple[float, float]:
        """Say what its largest process holds, and what all of them do; what they share counts once."""
        told = [process.memory_full_info() for process in self.processes()]
        return max(m.rss for m in told) / 1e6, sum(m.pss for m in told) / 1e6

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
        """Ask it something beside the load: the status, and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {"content-type": "application/json"} if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, str]:
        """Get a page of it."""
        return self.ask("GET", path)

    def rest(self) -> None:
        """Stop its processes where they are: one that waits takes nothing from one that is measured."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def wake(self) -> None:
        """Let them go on."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    @contextmanager
    def awake(self) -> Generator[None]:
        """Let them go on for as long as this lasts."""
        self.wake()
        try:
            yield
        finally:
            self.rest()


@dataclass(frozen=True)
class Command:
    """How a server is started, and where it says that it is ready."""

    name: str
    port: int
    words: Sequence[str | Path]
    ready: str
    log: Path
    environment: Mapping[str, str]
    folder: Path = ROOT


@contextmanager
def serving(module: str, settings: Settings) -> Generator[Served]:
    """Run `python -m module` on the first core until it is left; it is given its own port."""
    settings = replace(settings, serving_port=free_port(), workers=1)
    settings.home.mkdir(parents=True, exist_ok=True)
    words = (sys.executable, "-m", module)
    log = settings.home / f"{module}.log"
    environment = inherited_environment() | settings.environment()
    command = Command(module, settings.serving_port, words, "/health/ready", log, environment)
    with running(command) as served:
        yield served


@contextmanager
def running(command: Command) -> Generator[Served]:
    """Run a server on the first core until it is left; raise NotServed when it does not become ready."""
    began = time.monotonic()
    with command.log.open("wb") as told, _pinned(cores()[0]):
        process = subprocess.Popen(
            command.words,
            cwd=command.folder,
            env=command.environment,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
        )
    served = Served(command.name, command.port, process.pid)
    try:
        _wait_until_ready(served, process, command)
        yield replace(served, ready_s=time.monotonic() - began)
    finally:
        _end(served, process)


def load(served: Served, job: Job) -> Result:
    """Run a load on a server from the last core; raise NotServed where an answer fails or stays out."""
    before = served.cpu_s()
    job = msgspec.structs.replace(job, port=served.port)
    with _pinned(cores()[-1]):
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    try:
        out, said = process.communicate(msgspec.json.encode(job), timeout=job.seconds + 60)
    finally:
        process.kill()
    if process.returncode:
        msg = f"{served.name} did not answer a load: {said.decode()[-500:].strip()}"
        raise NotServed(msg)
    result = msgspec.json.decode(out, type=Result)
    return msgspec.structs.replace(result, cpu_us=(served.cpu_s() - before) / result.all_answers * 1e6)


@contextmanager
def _pinned(core: int) -> Generator[None]:
    # A child inherits the cores of the thread that starts it.
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _wait_until_ready(served: Served, process: "subprocess.Popen[bytes]", command: Command) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError, http.client.HTTPException):
            if served.get(command.ready)[0] == 200:
                return
        time.sleep(0.02)
    msg = f"{served.name} did not become ready:\n{command.log.read_text(errors='replace')[-3000:]}"
    raise NotServed(msg)


def _end(served: Served, process: "subprocess.Popen[bytes]") -> None:
    tree = served.processes() if process.poll() is None else []
    for one in tree:
        one.resume()  # at rest it would not hear that it is to end
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    with suppress(psutil.NoSuchProcess):
        process.kill()
    for left in psutil.wait_procs(tree[1:], timeout=5)[1]:  # not every server ends what it started
        with suppress(psutil.NoSuchProcess):
            left.kill()
    process.wait()


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

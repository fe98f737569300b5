"""Servers and the load generator as processes of their own, each pinned to a core."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import psutil

from benchmarks.figures import cores
from benchmarks.load import Job, Result
from keepfit.settings import ROOT, Settings, inherited_environment

_START_S = 60
_STOP_S = 40


@dataclass(frozen=True)
class Served:
    """A server that answers."""

    name: str
    port: int
    pid: int

    def cpu_s(self) -> float:
        """Say how much processor time it and its worker took so far."""
        parent = psutil.Process(self.pid)
        times = [process.cpu_times() for process in (parent, *parent.children())]
        return sum(t.user + t.system for t in times)

    def get(self, path: str) -> tuple[int, str]:
        """Ask it something beside the load: the status, and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@contextmanager
def serving(module: str, settings: Settings) -> Generator[Served]:
    """Run `python -m module` on the first core until it is left; it is given its own port."""
    settings = replace(settings, serving_port=free_port(), workers=1)
    settings.home.mkdir(parents=True, exist_ok=True)
    log = settings.home / f"{module}.log"
    with log.open("wb") as told, _pinned(cores()[0]):
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=inherited_environment() | settings.environment(),
            stdout=told,
            stderr=told,
        )
    served = Served(module, settings.serving_port, process.pid)
    try:
        _wait_until_ready(served, process, log)
        yield served
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()  # its worker ends with it
            process.wait()


def load(served: Served, job: Job) -> Result:
    """Run a load on a server from the last core and give what came back."""
    before = served.cpu_s()
    job = msgspec.structs.replace(job, port=served.port)
    with _pinned(cores()[-1]):
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
    try:
        out, _ = process.communicate(msgspec.json.encode(job), timeout=job.seconds + 60)
    finally:
        process.kill()
    if process.returncode:
        sys.exit("the load generator failed; it said why above")
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


def _wait_until_ready(served: Served, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if served.get("/health/ready")[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.1)
    sys.exit(f"{served.name} did not become ready:\n{log.read_text()[-3000:]}")


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

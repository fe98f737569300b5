"""The one thing that ends the processes of a stack, in whatever way the stack itself ended.

`python -m control.guard MARKER GRACE_S PARENT` waits until its standard input ends: the stack holds the
other end of that pipe and nobody else does, so it ends when the stack wants it or when the stack is gone,
SIGKILL included. Then it ends every process that carries the marker. It carries none itself.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

MARKER = "KEEPFIT_STACK"
"""Its value is `<stack>:<tier>:<service>`; each process of a stack inherits it, flow runs included."""

_GONE = (psutil.NoSuchProcess, psutil.ZombieProcess)
_POLL_S = 0.05


@dataclass(frozen=True)
class Carrier:
    """One living process of a stack."""

    process: psutil.Process
    tier: int
    service: str
    root: bool
    """True for the process that the stack started, false for what that one started in turn."""


def marked(stack: str, tier: int, service: str) -> dict[str, str]:
    """The environment that makes a process, and all that it starts, one of the stack's."""
    return {MARKER: f"{stack}:{tier}:{service}"}


def carriers(stack: str, service: str | None = None) -> list[Carrier]:
    """Find the living processes of a stack, or of one service of it; what only waits to be reaped is gone."""
    parents: dict[int, int] = {}
    marks: dict[int, tuple[str, str, str]] = {}
    alive: dict[int, psutil.Process] = {}
    for process, parent, mark in _everyone():
        alive[process.pid], parents[process.pid] = process, parent
        if mark is not None:
            marks[process.pid] = mark
    found = []
    for pid, process in alive.items():
        mark = _inherited(pid, parents, marks)
        if mark is not None and mark[0] == stack and service in (None, mark[2]):
            above = _inherited(parents[pid], parents, marks)
            found.append(Carrier(process, int(mark[1]), mark[2], root=above != mark))
    return found


def end(stack: str, grace_s: float, service: str | None = None) -> int:
    """End a stack's processes, or one service's, and return how many had to be killed.

    Tiers end from the top: a flow run can still tell Prefect's server that it was ended. In each, first
    what the stack started is asked, and ends its own children; past half of the grace all are asked; past
    the grace they are killed, again and again until a look finds nobody.
    """
    killed: set[int] = set()
    quiet = 0
    while quiet < 2:  # twice: between fork and exec a process does not carry the marker yet
        there = carriers(stack, service)
        quiet = 0 if there else quiet + 1
        if there:
            killed |= _end_tier(stack, service, max(carrier.tier for carrier in there), grace_s)
        time.sleep(_POLL_S)
    return len(killed)


def _end_tier(stack: str, service: str | None, tier: int, grace_s: float) -> set[int]:
    asked: set[int] = set()
    killed: set[int] = set()
    began = time.monotonic()
    while there := [carrier for carrier in carriers(stack, service) if carrier.tier == tier]:
        waited = time.monotonic() - began
        for carrier in there:
            process = carrier.process
            if waited > grace_s:
                killed.add(process.pid)
                _signal(process, signal.SIGKILL)
            # Once: a second SIGTERM makes Prefect and uvicorn drop what they are ending in order.
            elif process.pid not in asked and (waited > grace_s / 2 or carrier.root):
                asked.add(process.pid)
                _signal(process, signal.SIGTERM)
        time.sleep(_POLL_S)
    return killed


def _everyone() -> Iterator[tuple[psutil.Process, int, tuple[str, str, str] | None]]:
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            parent = process.ppid()
        except (*_GONE, psutil.AccessDenied):
            continue
        try:
            value = process.environ().get(MARKER, "")
        except (*_GONE, psutil.AccessDenied, OSError):
            value = ""  # another user's, or it ended meanwhile: then its parent tells whose it is
        stack, _, rest = value.partition(":")
        tier, _, service = rest.partition(":")
        yield process, parent, (stack, tier, service) if tier.isdigit() else None


def _inherited(
    pid: int, parents: dict[int, int], marks: dict[int, tuple[str, str, str]]
) -> tuple[str, str, str] | None:
    """The mark of a process, or of the nearest above it: a program may overwrite its own environment."""
    seen: set[int] = set()
    while pid not in marks:
        if pid in seen or pid not in parents:
            return None
        seen.add(pid)
        pid = parents[pid]
    return marks[pid]


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)  # psutil refuses when the pid now belongs to another process
    except (*_GONE, psutil.AccessDenied):
        return


def main() -> None:
    """Wait for the end of the stack, then end its processes."""
    stack, grace_s, parent = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the end of the stack ends its guard
    # The parent is looked at too: a fork of the stack may have kept the pipe open.
    while os.getppid() == parent and not select.select([sys.stdin], [], [], 1.0)[0]:
        pass
    end(stack, grace_s)


if __name__ == "__main__":
    main()

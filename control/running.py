"""What is up on a home: the file and the lock by which other processes see it, and ending it from there."""

import dataclasses
import fcntl
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec
import psutil

from control import guard
from keepfit.errors import StackAlreadyUp
from keepfit.settings import Settings


@dataclass(frozen=True)
class Address:
    """Where something is, for people."""

    name: str
    url: str
    what: str


@dataclass(frozen=True)
class Reach:
    """Who reaches a stack, by what name, and what it asks: `up --public` chooses them by itself."""

    host: str
    name: str | None
    access: str


@dataclass(frozen=True)
class Running:
    """A stack that is up, as its file tells it."""

    pid: int
    born: float
    """When that process was made: a pid alone may by now be another's."""
    stack: str
    project: str
    name: str
    addresses: tuple[Address, ...]
    ready: bool
    reach: Reach | None = None


def running(settings: Settings) -> Running | None:
    """The stack that is up on this home; a file that a killed one left counts for nothing."""
    found = told(settings)
    return found if found is not None and _process(found) is not None else None


def as_up(settings: Settings) -> Settings:
    """Reach the stack that is up on this home in the way that it chose."""
    found = running(settings)
    if found is None or found.reach is None:
        return settings
    return dataclasses.replace(settings, **dataclasses.asdict(found.reach))


def bring_down(settings: Settings, timeout_s: float = 60.0) -> bool:
    """End the stack of this home from outside, or what a killed one left, and say whether there was any."""
    found = told(settings)
    if found is None:
        return False
    process = _process(found)
    if process is not None:
        process.terminate()
        deadline = time.monotonic() + timeout_s
        # It has ended as well when nobody asked yet how: who started it may not wait for it.
        while _process(found) is not None:
            with suppress(psutil.TimeoutExpired):
                process.wait(0.1)
            if time.monotonic() > deadline:
                process.kill()
                break
    left = guard.end(found.stack, grace_s=timeout_s / 4)
    return process is not None or left > 0


def told(settings: Settings) -> Running | None:
    """What the file of this home says, of a stack that is up or of one that was killed."""
    try:
        return msgspec.json.decode(_file(settings).read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError):
        return None  # none, or not one of ours


def write(settings: Settings, told: Running) -> None:
    """Say what is up, to `running` in another process."""
    fresh = _file(settings).with_suffix(".part")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(told)))
    fresh.replace(_file(settings))


def forget(settings: Settings) -> None:
    """Say that nothing is up."""
    _file(settings).unlink(missing_ok=True)


def _file(settings: Settings) -> Path:
    return settings.home / "stack.json"


def _process(told: Running) -> psutil.Process | None:
    try:
        process = psutil.Process(told.pid)
        # The clock that it is computed from may be set meanwhile.
        ours = abs(process.create_time() - told.born) < 5 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return process if ours else None


def claim(home: Path) -> IO[bytes]:
    """Take this home for as long as the file is open; raise StackAlreadyUp when another stack has it."""
    home.mkdir(parents=True, exist_ok=True)
    lock = (home / "stack.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go of it when we die
    except BlockingIOError:
        lock.close()
        msg = (
            f"another stack is up on {home}; `bin/keepfit down` ends it, KEEPFIT_HOME and KEEPFIT_*_PORT "
            "let a second one run beside it"
        )
        raise StackAlreadyUp(msg) from None
    return lock

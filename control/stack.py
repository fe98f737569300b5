"""Start every process of a project, restart what dies, and leave none behind."""

import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

import psutil

from control import guard
from control.ports import refuse_taken
from control.running import Address, Reach, Running, claim, forget, told, write
from control.services import Service, environment, services
from keepfit.errors import StackError
from keepfit.settings import ROOT, Settings

_POLL_S = 0.1
_STEADY_S = 60.0
"""A process that lived this long starts again at once; one that dies sooner is started ever later."""
_LONGEST_WAIT_S = 30.0
_LAST_LINES = 15


@dataclass
class _Child:
    service: Service
    log: Path
    process: subprocess.Popen[bytes] | None = None
    launched: float = 0.0
    ready: bool = False
    deaths: int = 0
    """In a row, each soon after a start."""
    restarts: int = 0
    due: float | None = None
    """When to start again, on the monotonic clock; None while it lives."""
    told: datetime = field(default_factory=lambda: datetime.now(UTC))


class Stack:
    """The processes of one project on one machine.

    As a context manager it starts them and ends them. `supervise` restarts what dies and may run in a
    thread. Whatever happens to this process, its guard ends the others (see `control.guard`).
    """

    def __init__(
        self,
        settings: Settings,
        project: str,
        name: str,
        *,
        say: Callable[[str], None],
        parts: Sequence[Service] | None = None,
    ) -> None:
        self.start_s = 180.0
        self.grace_s = 8.0
        self._settings, self._project, self._name, self._say = settings, project, name, say
        self._id = uuid.uuid4().hex
        logs = settings.home / "logs"
        self._children = [
            _Child(part, logs / f"{part.name}.log")
            for part in (services(settings) if parts is None else parts)
        ]
        self._guard: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._stopping = threading.Event()
        self._changing = threading.Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def restarts(self) -> dict[str, int]:
        """How often each process was started again."""
        return {child.service.name: child.restarts for child in self._children if not child.service.once}

    def addresses(self) -> list[Address]:
        """Where people find each part."""
        return [child.service.address for child in self._children if child.service.address is not None]

    def start(self) -> None:
        """Start all, and return when each is alive; leave nothing when one is not.

        Raises StackAlreadyUp, PortTaken, or StackError with the last lines of the log of what failed.
        """
        self._lock = claim(self._settings.home)
        try:
            # What an earlier stack left goes first: it would hold our ports.
            if (before := told(self._settings)) is not None:
                guard.end(before.stack, self.grace_s)
            for child in self._children:
                if child.service.port is not None:
                    refuse_taken(child.service.port, child.service.name)
            self._start_guard()
            self._tell(ready=False)
            self._bring_up()
            self._tell(ready=True)
        except BaseException:
            self.stop()
            raise

    def supervise(self, until: threading.Event | None = None) -> None:
        """Restart what dies, until `until` is set or the stack is stopped."""
        until = until or self._stopping
        while not (until.wait(_POLL_S) or self._stopping.is_set()):
            with self._changing:
                if not self._stopping.is_set():
                    self._tend()

    def stop(self) -> None:
        """End every process; a second call does nothing."""
        self._stopping.set()
        with self._changing:
            if self._guard is not None:
                _release(self._guard)
                self._await_guard(self._guard)
                self._guard = None
            for child in self._children:
                if child.process is not None:
                    child.process.wait()
            if self._lock is not None:
                forget(self._settings)
                self._lock.close()
                self._lock = None

    def _bring_up(self) -> None:
        began = time.monotonic()
        while waiting := [child for child in self._children if not child.ready]:
            alive = {child.service.name for child in self._children if child.ready}
            for child in waiting:
                if child.process is None:
                    if alive.issuperset(child.service.after):
                        self._launch(child)
                elif self._up(child):
                    child.ready = True
                    self._say(f"{child.service.name} is up after {time.monotonic() - child.launched:.1f} s")
            for child in self._children:
                if (
                    child.ready
                    and not child.service.once
                    and child.process
                    and child.process.poll() is not None
                ):
                    raise StackError(_failed(child, f"ended with {child.process.returncode}"))
            if time.monotonic() - began > self.start_s:
                late = next(child for child in self._children if not child.ready)
                raise StackError(_failed(late, f"did not come up within {self.start_s:.0f} s"))
            time.sleep(_POLL_S)

    def _up(self, child: _Child) -> bool:
        code = child.process.poll() if child.process else None
        if child.service.once and code == 0:
            return True
        if code is not None:
            raise StackError(_failed(child, f"ended with {code} before it was up"))
        return not child.service.once and child.service.alive(child.told)

    def _launch(self, child: _Child) -> None:
        service = child.service
        depth = 1 if service.after else 0
        child.log.parent.mkdir(parents=True, exist_ok=True)
        if child.process is None and child.log.exists():
            child.log.replace(child.log.with_suffix(".log.1"))
        child.told, child.launched, child.due = datetime.now(UTC), time.monotonic(), None
        with child.log.open("ab") as log:
            child.process = subprocess.Popen(
                service.command,
                cwd=ROOT,
                env={
                    **environment(self._settings, self._project, self._name),
                    **service.environment,
                    **guard.marked(self._id, depth, service.name),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for us alone
            )

    def _tend(self) -> None:
        if self._guard is not None and self._guard.poll() is not None:
            self._say("the guard ended; starting another")
            _release(self._guard)
            self._start_guard()
        now = time.monotonic()
        for child in self._children:
            if child.service.once or child.process is None or child.process.poll() is None:
                continue
            if child.due is None:
                child.deaths = 1 if now - child.launched > _STEADY_S else child.deaths + 1
                pause = 0.0 if child.deaths == 1 else min(2.0 ** (child.deaths - 2), _LONGEST_WAIT_S)
                child.due = now + pause
                self._say(
                    f"{child.service.name} ended with {child.process.returncode}; starting it again"
                    f"{f' in {pause:.0f} s' if pause else ''}; its log is {child.log}"
                )
            elif now >= child.due:
                if not child.service.outlived:
                    guard.end(self._id, self.grace_s / 4, child.service.name)
                child.restarts += 1
                self._launch(child)

    def _start_guard(self) -> None:
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "control.guard", self._id, str(self.grace_s), str(psutil.Process().pid)],
            cwd=ROOT,
            stdin=subprocess.PIPE,  # it reads the end of this pipe as the end of us
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _await_guard(self, at_work: subprocess.Popen[bytes]) -> None:
        with suppress(subprocess.TimeoutExpired):
            if at_work.wait(timeout=3 * self.grace_s + 10) == 0:
                return
        # It was killed, or it hangs: what it was to do is done here.
        at_work.kill()
        at_work.wait()
        guard.end(self._id, self.grace_s)

    def _tell(self, *, ready: bool) -> None:
        us = psutil.Process()
        where = tuple(self.addresses())
        reach = Reach(self._settings.host, self._settings.name, self._settings.access)
        told = Running(us.pid, us.create_time(), self._id, self._project, self._name, where, ready, reach)
        write(self._settings, told)


@contextmanager
def interrupted_by_signals() -> Generator[None]:
    """Let SIGTERM and SIGHUP end the main thread as Ctrl-C does: by KeyboardInterrupt, in order.

    One that was ignored (`nohup`, `&` in a script) goes on being so, but by a handler: what is plainly
    ignored would be in the children too, and Prefect's runner ends by a SIGINT.
    """

    def interrupt(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    def let_pass(_: int, __: FrameType | None) -> None:
        return

    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        signal.signal(number, let_pass if handler == signal.SIG_IGN else interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _release(at_work: subprocess.Popen[bytes]) -> None:
    if at_work.stdin is not None:
        with suppress(OSError):
            at_work.stdin.close()


def _failed(child: _Child, how: str) -> str:
    lines = child.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    return "\n  | ".join([f"{child.service.name} {how}; read {child.log}, which ends with:", *lines])

"""A process under chaos: it says which fault points it reaches, and does there what was planned."""

import errno
import os
import signal
import time
from pathlib import Path

from keepfit import faults

KILL, FAIL, TEAR, DELAY = "kill", "fail", "tear", "delay"
_OF_THE_DISK = ("journal.", "snapshot.", "publish.", "pointer.", "load.read")
_OF_THE_STORE = ("drain.moved", "drain.commit", "ledger.append", "ledger.confirm")


def actions(point: str) -> list[str]:
    """Say what can be done at a point: not every one has something that can fail."""
    failing = point.startswith((*_OF_THE_DISK, *_OF_THE_STORE, "register.")) and point not in (
        "journal.written",
        "journal.synced",
        "ledger.appended",
    )
    return [KILL, DELAY, *([FAIL] if failing else []), *([TEAR] if point == "journal.write" else [])]


def plan(folder: Path, point: str, action: str) -> None:
    """Have the next process that reaches a point do something there, once."""
    (folder / "plan").mkdir(parents=True, exist_ok=True)
    coming = folder / f".{point}"
    coming.write_text(action)
    coming.replace(folder / "plan" / point)


def arm(folder: Path) -> None:
    """Make this process one of the run in a folder."""
    for name in ("plan", "done", "reached", "synced"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    faults.arm(_Armed(folder))


class _Armed:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[str] = set()
        self._syncing: dict[int, int] = {}
        self._dropped: set[str] = set()

    def __call__(self, point: str, *told: object) -> None:
        if point not in self._known:
            self._known.add(point)
            (self._folder / "reached" / point).touch()
        action = self._taken(point)
        if point == "journal.sync" and isinstance(told[0], int):
            self._syncing[told[0]] = os.fstat(told[0]).st_size
        if action:
            self._do(action, point, *told)
        if point == "journal.synced" and isinstance(told[0], int):
            self._note_synced(told[0])

    def _taken(self, point: str) -> str:
        mine = self._folder / "done" / f"{point}.{os.getpid()}.{time.monotonic_ns()}"
        try:
            os.rename(self._folder / "plan" / point, mine)  # noqa: PTH104 - it is asked at every point
        except OSError:
            return ""
        return mine.read_text()

    def _do(self, action: str, point: str, *told: object) -> None:
        if action == DELAY:
            time.sleep(2.0 if point == "ledger.appended" else 0.7)  # long enough to be overtaken
        elif action == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        elif action == TEAR:
            _write_half(told)
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            if point == "journal.sync":
                # As Linux does: what could not be written is dropped, and a later sync says nothing of it.
                self._dropped.add(_name(told[0]))
            if point == "journal.write" and time.monotonic_ns() % 2:
                _write_half(told)
            raise _fault(point)

    def _note_synced(self, descriptor: int) -> None:
        """Note how much of a file is on disk: what was there when the sync began."""
        name = _name(descriptor)
        if name in self._dropped:
            return
        coming = self._folder / "synced" / f".{name}.{os.getpid()}"
        coming.write_text(str(self._syncing[descriptor]))
        coming.replace(self._folder / "synced" / name)


def _name(descriptor: object) -> str:
    return Path(f"/proc/self/fd/{descriptor}").readlink().name


def _write_half(told: tuple[object, ...]) -> None:
    descriptor, lines = told
    assert isinstance(descriptor, int)
    assert isinstance(lines, bytes)
    os.write(descriptor, lines[: len(lines) // 2])


def _fault(point: str) -> Exception:
    if point.startswith(_OF_THE_DISK):
        code = errno.EIO if point == "journal.sync" else errno.ENOSPC
        return OSError(code, os.strerror(code))
    if point in _OF_THE_STORE:
        from sqlalchemy.exc import OperationalError

        return OperationalError("a statement", {}, Exception("disk I/O error"))
    from keepfit.errors import RegistryUnavailable

    return RegistryUnavailable("the registry does not answer: chaos")

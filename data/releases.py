"""The release directory: publish a bundle, move the pointer, read what each worker serves."""

import os
import shutil
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from data.bundles import Bundle, open_bundle
from data.durable import locked, replace_file, sync_file, sync_folder
from data.records import new_id, since_boot
from data.signatures import Trust
from keepfit.errors import BundleError, StateError
from keepfit.faults import reach

POINTER = "champion.json"
_SERVED = "served.json"
_STATUS = ".status.json"
_LARGEST_NOTE = 4096


class Pointer(Struct, frozen=True):
    """Which bundle is live, and the entry of the ledger that says so; no digest: no champion is left."""

    digest: str | None
    version: int | None
    promotion: int


class WorkerStatus(Struct, frozen=True, kw_only=True):
    """What one serving worker says of itself, once a second; `error` is why it did not follow the pointer."""

    host: str
    pid: int
    at: datetime
    boot: str = ""
    up_s: float = 0.0
    """`at` by the clock that nobody sets (`since_boot`): what tells the living from the dead."""
    version: int | None = None
    digest: str | None = None
    generation: int = 0
    error: str | None = None
    refused: str | None = None
    """The digest of the bundle that `error` is about."""
    counters: dict[str, float] = {}


def publish(bundle: Bundle, releases: Path, trust: Trust) -> Path:
    """Put a bundle into the release directory, and verify it there; doing it twice changes nothing.

    A published copy that does not verify by now is set aside, and replaced.
    """
    home = releases / bundle.digest
    releases.mkdir(parents=True, exist_ok=True)
    if home.exists() or home.is_symlink():
        try:
            open_bundle(home, bundle.digest, trust)
        except BundleError:
            home.rename(releases / f".damaged-{new_id()}")
        else:
            return home
    coming = releases / f".{new_id()}"
    try:
        coming.mkdir()
        for name, content in bundle.files().items():
            reach("publish.copy")
            (coming / name).write_bytes(content)
            sync_file(coming / name)
        open_bundle(coming, bundle.digest, trust)
        sync_folder(coming)
        reach("publish.rename")
        coming.rename(home)
        reach("publish.renamed")
        sync_folder(releases)
    except OSError:
        # Another publisher of the same digest came first: its bundle is as good as ours.
        if not home.exists():
            raise
    finally:
        shutil.rmtree(coming, ignore_errors=True)
    return home


def released(releases: Path, digest: str, trust: Trust) -> Bundle:
    """Open a published bundle and verify it."""
    return open_bundle(releases / digest, digest, trust)


def read_pointer(releases: Path) -> Pointer | None:
    """Read which bundle is live; None before the first promotion."""
    try:
        return msgspec.json.decode(_read_note(releases / POINTER), type=Pointer)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, ValueError, RecursionError) as fault:
        msg = f"{releases / POINTER}: is no pointer: {fault}; the next feedback flow writes it anew"
        raise StateError(msg) from fault


def move_pointer(releases: Path, pointer: Pointer) -> bool:
    """Make a bundle live for every worker, or none; say whether the pointer moved.

    A pointer of a later promotion is never overwritten by one of an earlier: whoever was overtaken
    while it was paused finds the door closed.
    """
    releases.mkdir(parents=True, exist_ok=True)
    with locked(releases / ".lock"):
        try:
            present = read_pointer(releases)
        except StateError:
            present = None
        if present is not None and (present.promotion > pointer.promotion or present == pointer):
            return False
        reach("pointer.move")
        replace_file(releases / POINTER, msgspec.json.encode(pointer))
        reach("pointer.moved")
        return True


def remember_served(releases: Path, digest: str | None) -> None:
    """Note the bundle that answers, for a worker that starts when the pointer cannot be followed.

    None: no champion is left. Doing it twice changes nothing.
    """
    if last_served(releases) != digest:
        replace_file(releases / _SERVED, msgspec.json.encode(digest))


def last_served(releases: Path) -> str | None:
    """Say which bundle answered last; None when none did, or what was noted cannot be read."""
    try:
        return msgspec.json.decode(_read_note(releases / _SERVED), type=str | None)
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError):
        return None


def _read_note(path: Path) -> bytes:
    """Read a line, whatever lies there: a pipe is not waited for, and a disk not read to its end."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            msg = "it is no regular file"
            raise ValueError(msg)
        return file.read(_LARGEST_NOTE)


def write_status(journal: Path, status: WorkerStatus) -> None:
    """Rewrite a worker's status file; it is a sign of life, so it is not synced.

    Where there is no room for another file the present one is written over: a full disk is what it tells of.
    """
    journal.mkdir(parents=True, exist_ok=True)
    home = journal / f"{status.host}-{status.pid}{_STATUS}"
    coming = home.with_name(f".{home.name}")
    told = msgspec.json.encode(status)
    try:
        coming.write_bytes(told)
        coming.replace(home)
    except OSError:
        coming.unlink(missing_ok=True)
        if not home.exists():
            raise
        with home.open("r+b") as file:
            # Whole in one write, and as long as it was: a reader may come at any time.
            file.write(told.ljust(home.stat().st_size))


def remove_status(journal: Path, status: WorkerStatus) -> None:
    """Take a worker's status file away: it ends."""
    (journal / f"{status.host}-{status.pid}{_STATUS}").unlink(missing_ok=True)


def forget_lost_workers(journal: Path, at: datetime, after_s: float = 60.0) -> None:
    """Take away the status files of workers that were killed: a worker rewrites its own every second."""
    for path in _status_files(journal):
        status = _read_status(path)
        if status is None or _age_s(status, at) > after_s:
            path.unlink(missing_ok=True)  # another worker may take it away too


def read_statuses(journal: Path, at: datetime, within_s: float = 5.0) -> list[WorkerStatus]:
    """Read what the workers seen in the last `within_s` seconds say of themselves, by pid."""
    seen: list[WorkerStatus] = []
    for path in _status_files(journal):
        status = _read_status(path)
        if status is not None and _age_s(status, at) <= within_s:
            seen.append(status)
    return sorted(seen, key=lambda status: (status.host, status.pid))


def _read_status(path: Path) -> WorkerStatus | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=WorkerStatus)
    except (FileNotFoundError, msgspec.MsgspecError, ValueError, RecursionError):
        return None  # the worker ended between the listing and the reading


def _age_s(status: WorkerStatus, at: datetime) -> float:
    """Say how old a status is. Of two times of day the later one may be older: a clock was set back."""
    boot, up_s = since_boot()
    if boot and status.boot == boot:
        return up_s - status.up_s
    return abs((at - status.at).total_seconds())


def _status_files(journal: Path) -> Iterator[Path]:
    return journal.glob(f"[!.]*{_STATUS}")  # one that begins with a dot is still being written

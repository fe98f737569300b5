"""Files that outlive a power cut, and locks between processes of one machine."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from data.records import new_id


def replace_file(path: Path, content: bytes, beside: Path | None = None, mode: int = 0o666) -> None:
    """Put a file in place atomically and durably: readers see the old one or the new one.

    It is written in its own folder, or `beside` it where that folder may hold nothing else; `mode` says
    who may read it from its first byte on, as far as the umask lets them.
    """
    coming = (beside or path.parent) / f".{path.name}.{new_id()}"
    try:
        coming.touch(mode, exist_ok=False)
        coming.write_bytes(content)
        sync_file(coming)
        coming.replace(path)
    finally:
        coming.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on disk: a file that is synced under a lost name is lost."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Put what was written to a file on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Wait for a lock file and hold it: of several processes on this machine one goes on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

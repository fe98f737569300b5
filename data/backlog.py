"""How much of the journal no drain has taken in yet, as whoever has only the folder can tell."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct

from data.journal import journal_files
from data.records import new_id

_DRAINED = "drained.json"

_log = logging.getLogger(__name__)


class Drained(Struct, frozen=True):
    """How far each file was taken in when a drain ended; the store has the truth, this is for looking at."""

    at: datetime
    positions: dict[str, int]


class Backlog(Struct, frozen=True):
    """Bytes that wait to be taken in, and since when the first of them may have waited."""

    bytes: int = 0
    lag_s: float = 0.0


def note_drained(folder: Path, positions: Mapping[str, int], at: datetime) -> None:
    """Note how far a drain came; where that cannot be written, the drain was no worse for it."""
    if not folder.is_dir():
        return
    coming = folder / f".{_DRAINED}.{new_id()}"
    try:
        coming.write_bytes(msgspec.json.encode(Drained(at, dict(positions))))
        coming.replace(folder / _DRAINED)
    except OSError as fault:
        coming.unlink(missing_ok=True)
        _log.warning("%s: how far the drain came could not be noted: %s", folder, fault.strerror)


def drained_at(folder: Path) -> datetime | None:
    """Say when a drain last ended, as it noted; None where none did, or its note cannot be read."""
    try:
        return msgspec.json.decode((folder / _DRAINED).read_bytes(), type=Drained).at
    except (OSError, msgspec.MsgspecError):
        return None


def read_backlog(folder: Path, at: datetime) -> Backlog:
    """Measure what waits; what a drain takes away meanwhile does not count."""
    try:
        drained = msgspec.json.decode((folder / _DRAINED).read_bytes(), type=Drained)
    except (OSError, msgspec.MsgspecError):
        drained = Drained(datetime.min.replace(tzinfo=UTC), {})
    waiting, since = 0, at
    for path in journal_files(folder):
        try:
            size = path.stat().st_size - drained.positions.get(path.name, 0)
        except FileNotFoundError:
            continue
        if size > 0:
            waiting += size
            since = min(since, max(drained.at, _born(path)))
    return Backlog(waiting, (at - since).total_seconds())


def _born(path: Path) -> datetime:
    """Read when a file was begun from its name, which begins with a UUIDv7."""
    return datetime.fromtimestamp((UUID(path.name[:36]).int >> 80) / 1000, UTC)

"""Journals that are kept for the backups: what was drained, until the last two backups have it whole.

A kept file keeps its offset in the store too, so the store, and each backup of it, says how far it has the
file; a file without an offset was begun after the backup.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from data.durable import replace_file, sync_folder
from data.journal import SUFFIX
from keepfit.errors import StateError

_FOLDER = "kept"
_NOTE = "backups.json"

Positions = Mapping[str, Mapping[str, int]]
"""By project and journal file: how many bytes were taken in."""


class Remembered(Struct, frozen=True):
    """A finished backup; every record that came after it is in the journals that are there."""

    backup_id: str
    taken_at: datetime
    name: str
    positions: dict[str, dict[str, int]]

    def whole(self, project: str, file: Path) -> bool:
        """Say whether the backup has a closed journal file to its end."""
        return self.positions.get(project, {}).get(file.name, 0) == file.stat().st_size


def keeping(home: Path) -> bool:
    """Say whether what was drained is kept: from the beginning of the first backup on."""
    return (home / _NOTE).exists()


def remembered(home: Path) -> list[Remembered]:
    """Read which backups the journals are kept for, oldest first."""
    try:
        return msgspec.json.decode((home / _NOTE).read_bytes(), type=list[Remembered])
    except FileNotFoundError:
        return []
    except msgspec.MsgspecError as fault:
        msg = f"{home / _NOTE}: cannot be read: {fault}; take it away, and take two backups at once"
        raise StateError(msg) from fault


def remember(home: Path, backups: Sequence[Remembered]) -> None:
    """Keep what is drained from now on, for these backups."""
    home.mkdir(parents=True, exist_ok=True)
    replace_file(home / _NOTE, msgspec.json.encode(backups))


def keep_none(home: Path) -> None:
    """Delete again what is drained: there is no backup."""
    (home / _NOTE).unlink(missing_ok=True)


def keep(path: Path) -> None:
    """Put a closed and drained journal file aside; doing it twice changes nothing."""
    folder = path.parent / _FOLDER
    folder.mkdir(exist_ok=True)
    try:
        path.rename(folder / path.name)
    except FileNotFoundError:
        return  # another drain did


def bring_back(path: Path) -> None:
    """Give a kept file to the drains again."""
    path.rename(path.parent.parent / path.name)
    sync_folder(path.parent.parent)
    sync_folder(path.parent)


def kept_files(journal: Path) -> list[Path]:
    """List the kept files of a project, oldest first."""
    return sorted((journal / _FOLDER).glob(f"*{SUFFIX}"))


def all_kept(home: Path) -> Iterator[tuple[str, Path]]:
    """List the kept files of all projects, each with its project."""
    for journal in sorted((home / "journal").glob("*/")):
        for path in kept_files(journal):
            yield journal.name, path

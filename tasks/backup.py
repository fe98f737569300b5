"""Backup: the whole store in one file while everything runs, and the journals kept for what comes after."""

from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from data import kept
from data.archives import SUFFIX, Manifest
from data.backups import Progress, patient_store, write_backup
from data.durable import locked
from data.kept import Remembered
from data.records import now
from data.store import Store
from keepfit.errors import StateError
from keepfit.settings import Settings


@dataclass(frozen=True)
class TakenBackup:
    """A finished backup, and what is kept beside it of the journals."""

    path: Path
    manifest: Manifest
    kept_files: int
    kept_bytes: int
    removed_files: int
    """Journal files that this backup and the one before it have whole."""


def back_up(settings: Settings, where: Path | None, progress: Progress) -> TakenBackup:
    """Take a backup into a file, a folder, or the home's own folder, while everything runs.

    From its beginning on every drained journal file is kept, until two backups have it whole: so each of the
    last two can be restored with all that came after it. Raises StateError when it cannot be written; what
    was broken off leaves no file under the name.
    """
    home = settings.home
    with locked(home / "backup.lock"):
        path = _place(home, where)
        first = not kept.keeping(home)
        if first:
            # Before the store is read: what a drain deletes from now on would be in no backup.
            kept.remember(home, [])
        try:
            manifest, removed = _take(settings, path, progress)
        except BaseException:
            if first and not kept.remembered(home):
                kept.keep_none(home)
            raise
    sizes = [file.stat().st_size for _, file in kept.all_kept(home)]
    return TakenBackup(path, manifest, len(sizes), sum(sizes), removed)


def own_place(home: Path, name: str) -> Path:
    """Name a new backup in the home's own folder, as no file there is called yet."""
    folder, stem = home / "backups", f"{name}-{now():%Y-%m-%dT%H-%M-%SZ}"
    names = chain([stem], (f"{stem}-{number}" for number in count(2)))
    return next(path for path in (folder / f"{each}{SUFFIX}" for each in names) if not path.exists())


def remembering(path: Path, manifest: Manifest) -> Remembered:
    """Say of a backup what the journals are kept by."""
    return Remembered(manifest.backup_id, manifest.taken_at, path.name, manifest.positions)


def _take(settings: Settings, path: Path, progress: Progress) -> tuple[Manifest, int]:
    try:
        store = patient_store(settings.store_url)
        try:
            manifest = write_backup(store, path, progress)
            return manifest, _remember(store, settings.home, path, manifest)
        finally:
            store.close()
    except DatabaseError as fault:
        cure = "put the last backup in its place: bin/keepfit restore FILE --replace"
        msg = f"the store cannot be read: {fault.orig}; {cure}"
        raise StateError(msg) from fault


def _place(home: Path, where: Path | None) -> Path:
    path = own_place(home, "keepfit") if where is None else where.resolve()
    if path.is_dir():
        path /= own_place(home, "keepfit").name
    if path.exists():
        msg = f"{path}: is there already, and a backup replaces none; name another file"
        raise StateError(msg)
    if where is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        for broken_off in path.parent.glob(".*.part"):
            broken_off.unlink(missing_ok=True)
    elif not path.parent.is_dir():
        msg = f"{path}: there is no folder {path.parent}; make it, or name another place"
        raise StateError(msg)
    return path


def _remember(store: Store, home: Path, path: Path, manifest: Manifest) -> int:
    """Count a backup among the last two, and take away the kept files that both have whole."""
    last = [*kept.remembered(home)[-1:], remembering(path, manifest)]
    kept.remember(home, last)
    removed = 0
    for project, file in kept.all_kept(home):
        if all(backup.whole(project, file) for backup in last):
            # First the file, then its offset: an offset without a file is forgotten by the next drain.
            file.unlink()
            store.forget_journal(project, file.name)
            removed += 1
    return removed

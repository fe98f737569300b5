"""Restore: put a backup in the place of the store, and give the drains what came after it once more."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, make_url, select
from sqlalchemy.exc import DatabaseError

from data import audit, kept, tables
from data.archives import Manifest, check_archive
from data.backups import Progress, count_rows, load_backup, patient_store, write_backup
from data.durable import locked, sync_folder
from data.files import content_hash
from data.store import Store
from keepfit.errors import StateError
from keepfit.settings import Settings
from tasks.backup import own_place, remembering
from tasks.carry import carry_promotions

_ID = 37
"""The length of the id and the hyphen that keep equal names apart in `taken/` and `refused/`."""


@dataclass(frozen=True)
class Restored:
    """A backup that is the store now, and what the next drains take in once more."""

    manifest: Manifest
    replaced: Path | None
    """Where the store that was there before is kept."""
    journals: tuple[Path, ...]
    landed: tuple[Path, ...]
    said: tuple[str, ...]
    """What a person should know: promotions carried over, files to be imported again."""


def restore(settings: Settings, path: Path, progress: Progress, *, replace: bool = False) -> Restored:
    """Make a backup the store, in one transaction; nobody else may use the store meanwhile.

    Everything of the file is checked before anything is changed. A store that is not empty is refused, or
    with `replace` written to a backup of its own first. Whatever this dies of leaves the old store or the
    new one. Done twice it ends the same.
    """
    home = settings.home
    manifest = check_archive(path)
    with locked(home / "backup.lock"):
        store, replaced = _emptied(settings, path, replace)
        try:
            said = _missing_before(home, path, manifest)
            with store.transaction() as connection:
                imported, replaced_head = _landed(connection), audit.head(connection)
                load_backup(connection, path, manifest, progress)
                audit.append(connection, _change(path, manifest, replaced_head))
                said += carry_promotions(connection, settings, manifest)
                # Given back before the end: with the old store, which knows them, this changes nothing.
                journals = _bring_back_journals(home, manifest)
                landed = list(_bring_back_landed(connection, settings))
                said += _to_import(connection, imported, landed)
                if not kept.remembered(home):
                    kept.remember(home, [remembering(path, manifest)])
        except DatabaseError as fault:
            msg = f"{path.name}: the database refuses what is in it: {fault.orig}; nothing was changed"
            raise StateError(msg) from fault
        finally:
            store.close()
    return Restored(manifest, replaced, tuple(journals), tuple(landed), tuple(said))


def _change(path: Path, manifest: Manifest, replaced: audit.Head) -> audit.Change:
    """Name the head of the log that is replaced: so the shorter chain says what it is shorter than."""
    return audit.Change(
        what="store restored",
        why="by hand",
        before={"entries": replaced.entries, "head": replaced.hash},
        after={"backup": manifest.backup_id, "file": path.name, "taken_at": manifest.taken_at.isoformat()},
    )


def _emptied(settings: Settings, path: Path, replace: bool) -> tuple[Store, Path | None]:
    """Open the store, when nothing in it can be lost; say where what was in it is kept."""
    home = settings.home
    store: Store | None = None
    try:
        store = patient_store(settings.store_url)
        with store.reading() as connection:
            rows = count_rows(connection)
        if rows == 0:
            return store, None
        if not replace:
            msg = (
                f"{path.name}: the store is not empty, it has {rows:,} rows; restore with --replace, which "
                "writes them to a backup of their own first"
            )
            raise StateError(msg)
        aside = own_place(home, "replaced")
        aside.parent.mkdir(parents=True, exist_ok=True)
        manifest = write_backup(store, aside, lambda _: None)
        kept.remember(home, [*kept.remembered(home), remembering(aside, manifest)])
    except DatabaseError as fault:
        if store is not None:
            store.close()
        aside = _put_aside(settings, fault, replace)
        return patient_store(settings.store_url), aside
    except BaseException:
        if store is not None:
            store.close()
        raise
    return store, aside


def _put_aside(settings: Settings, fault: DatabaseError, replace: bool) -> Path:
    """Rename a file of SQLite that cannot be read any more."""
    url = make_url(settings.store_url)
    if url.get_backend_name() != "sqlite" or url.database is None:
        msg = f"the store cannot be read: {fault.orig}; give KEEPFIT_DATABASE_URL an empty database"
        raise StateError(msg) from fault
    file = Path(url.database)
    if not replace:
        msg = f"{file}: cannot be read: {fault.orig}; restore with --replace, which puts it aside"
        raise StateError(msg) from fault
    aside = file.with_name(f"{own_place(settings.home, 'damaged').stem}-{file.name}")
    for ending in ("", "-wal", "-shm"):
        if (part := file.with_name(file.name + ending)).exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside


def _missing_before(home: Path, path: Path, manifest: Manifest) -> list[str]:
    """Say so where journals are no longer kept from this backup on."""
    backups = kept.remembered(home)
    if not backups or manifest.backup_id in {backup.backup_id for backup in backups}:
        return []
    oldest = backups[0]
    return [
        f"{path.name} is not one of the last two backups: journals are kept from {oldest.name} on, so what "
        f"was acknowledged between {manifest.taken_at:%F %T} and {oldest.taken_at:%F %T} UTC may be missing; "
        f"restore {oldest.name} with --replace if you have it"
    ]


def _bring_back_journals(home: Path, manifest: Manifest) -> list[Path]:
    """Give the drains every kept file that the backup does not have to its end."""
    found: list[Path] = []
    for project, file in list(kept.all_kept(home)):
        if manifest.positions.get(project, {}).get(file.name, 0) < file.stat().st_size:
            kept.bring_back(file)
            found.append(file)
    return found


def _bring_back_landed(connection: Connection, settings: Settings) -> Iterator[Path]:
    """Let files land again that the restored store does not know, whether they were taken or refused."""
    known = {(project, sha256) for project, sha256, _ in _landed(connection)}
    refusals = select(tables.quarantine.c.project, tables.quarantine.c.content).where(
        tables.quarantine.c.kind == "file"
    )
    refused = {(project, content) for project, content in connection.execute(refusals)}
    for landing in sorted((settings.home / "landing").glob("*/")):
        for file in _files(landing / "taken"):
            if (landing.name, content_hash(file)) not in known:
                yield _land(file, landing)
        for file in _files(landing / "refused"):
            told = file.name.endswith(".reason.txt")
            if not told and (landing.name, f"refused/{file.name}") not in refused:
                file.with_suffix(".reason.txt").unlink(missing_ok=True)
                yield _land(file, landing)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_file() and not path.is_symlink())


def _land(file: Path, landing: Path) -> Path:
    plain = landing / file.name[_ID:]
    back = file.rename(landing / file.name if plain.exists() else plain)
    sync_folder(landing)
    return back


def _landed(connection: Connection) -> set[tuple[str, str, str]]:
    of = tables.landed_files.c
    rows = connection.execute(select(of.project, of.sha256, of.name))
    return {(project, sha256, name) for project, sha256, name in rows}


def _to_import(connection: Connection, before: set[tuple[str, str, str]], landed: list[Path]) -> list[str]:
    """Name the files that the replaced store had and neither the backup nor the landing folder has."""
    have = {(file.parent.name, content_hash(file)) for file in landed}
    have |= {(project, sha256) for project, sha256, _ in _landed(connection)}
    return [
        f"{name} was imported into {project!r} after the backup: import it again"
        for project, sha256, name in sorted(before, key=lambda each: (each[0], each[2]))
        if (project, sha256) not in have
    ]

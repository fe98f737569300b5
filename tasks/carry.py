"""Carry: bring the ledgers of a restored store up to what is live."""

from pathlib import Path

import msgspec
from sqlalchemy import Connection, select

from data import tables
from data.archives import Manifest as BackupManifest
from data.audit import oneself
from data.bundles import MANIFEST, Manifest, sha256
from data.promotions import Promotion, add, last_entries
from data.records import now
from data.releases import Pointer, read_pointer
from keepfit.errors import StateError
from keepfit.settings import Settings

_REASON = "made after the backup that was restored: what it was is not known any more"


def carry_promotions(connection: Connection, settings: Settings, backup: BackupManifest) -> list[str]:
    """Bring the ledgers up to the release pointers, which the workers go on with, and say what was done.

    What was promoted after the backup is live, and a model that was rolled back then must not come back. So
    the pointer's own number becomes the last entry: nothing that serves, and no alias, has to move.
    """
    if settings.release_folder is not None:
        return []  # a platform's own model, which no ledger knows
    said: list[str] = []
    for releases in sorted((settings.home / "releases").glob("*/")):
        try:
            pointer = read_pointer(releases)
        except StateError as fault:
            said.append(str(fault))
            continue
        if pointer is not None:
            said += _carry(connection, releases, pointer)
        said += _published_since(connection, releases, backup)
    return said


def _carry(connection: Connection, releases: Path, pointer: Pointer) -> list[str]:
    project = releases.name
    last = next(iter(last_entries(connection, project, limit=1)), None)
    number, version, digest = (
        (last.number, last.version, last.digest) if last is not None else (0, None, None)
    )
    if pointer.promotion <= number:
        return []
    between = [Pointer(digest, version, n) for n in range(number + 1, pointer.promotion)]
    entries = [_entry(releases, each) for each in (*between, pointer)]
    for entry in entries:
        add(connection, project, entry, last, oneself())
        last = entry
    then, live = (f"version {v}" if v is not None else "no version" for v in (version, pointer.version))
    return [
        f"{project}: {live} became champion after the backup (promotion {pointer.promotion}) and stays it; "
        f"in the backup {then} was (promotion {number}). The ledger says no more of these {len(entries)} "
        "promotions; `bin/keepfit rollback --to VERSION` goes back"
    ]


def _published_since(connection: Connection, releases: Path, backup: BackupManifest) -> list[str]:
    """Name the versions in the release folder that the ledger does not name: they were champion meanwhile."""
    of = tables.promotions.c
    known = set(connection.execute(select(of.digest).where(of.project == releases.name)).scalars())
    bundles = [
        _manifest(folder, folder.name) for folder in releases.glob("[!.]*/") if folder.name not in known
    ]
    if not (versions := sorted(bundle.version for bundle in bundles if bundle is not None)):
        return []
    named = ", ".join(map(str, versions))
    return [
        f"{releases.name}: published after the backup of {backup.taken_at:%F %T} UTC too, and not in the "
        f"ledger: version {named}; the registry has what became of it"
    ]


def _entry(releases: Path, live: Pointer) -> Promotion:
    at = now()
    bundle = None if live.digest is None else _manifest(releases / live.digest, live.digest)
    lineage = None if bundle is None else bundle.lineage
    return Promotion(
        number=live.promotion,
        kind="withdrawal" if live.version is None else "by hand",
        version=live.version,
        digest=live.digest,
        reason=_REASON,
        # Not the score: which of the metrics was the first, no bundle says.
        snapshot_id=None if lineage is None else lineage.snapshot_id,
        training_until=None if lineage is None else lineage.training_until,
        snapshot_until=None if lineage is None else lineage.as_of,
        as_of=at,
        recorded_at=at,
    )


def _manifest(folder: Path, digest: str) -> Manifest | None:
    """Read what a published bundle says of itself; nothing is loaded of it."""
    try:
        body = (folder / MANIFEST).read_bytes()
        return msgspec.json.decode(body, type=Manifest) if sha256(body) == digest else None
    except (OSError, msgspec.MsgspecError):
        return None  # the next feedback fetches it from the registry

"""What `bin/keepfit backup` and `bin/keepfit restore` say and refuse."""

from pathlib import Path

from control.answers import Answer
from control.auditing import head_told
from control.progress import counting
from control.running import claim
from data.archives import Manifest
from keepfit.errors import StackAlreadyUp
from keepfit.settings import Settings
from tasks.backup import back_up
from tasks.restore import restore as put_back


def backup(where: Path | None) -> Answer:
    """Write the whole store into one file; everything may run meanwhile."""
    settings = Settings.from_env()
    with counting("writing the backup", None) as progress:
        taken = back_up(settings, where, progress)
    size = taken.path.stat().st_size
    lines = [
        f"{taken.path}: {_what(taken.manifest)}, {_bytes(size)}",
        f"journals kept for the last two backups: {taken.kept_files} files, {_bytes(taken.kept_bytes)}; "
        f"{taken.removed_files} that both have whole were removed",
    ]
    if taken.manifest.audit is not None:
        lines.append(f"the head of its audit log is {taken.manifest.audit.hash}")
    told = {"file": str(taken.path), "bytes": size, **_told(taken.manifest)}
    kept = {"files": taken.kept_files, "bytes": taken.kept_bytes, "removed": taken.removed_files}
    return Answer(lines, {**told, "kept": kept})


def restore(path: Path, *, replace: bool) -> Answer:
    """Make a backup the store of this home, which must be down."""
    settings = Settings.from_env()
    try:
        lock = claim(settings.home)
    except StackAlreadyUp as fault:
        msg = f"the stack of {settings.home} is up: end it with `bin/keepfit down`, then restore"
        raise StackAlreadyUp(msg) from fault
    with lock, counting(f"restoring {path.name}", None) as progress:
        done = put_back(settings, path, progress, replace=replace)
    lines = [
        f"{path.name} is the store now, as of {done.manifest.taken_at:%F %T} UTC: {_what(done.manifest)}"
    ]
    if done.replaced is not None:
        lines.append(f"what was there before is kept in {done.replaced}")
    lines.append(
        f"what came after it is taken in by the next feedback: {len(done.journals)} journal files and "
        f"{len(done.landed)} landed files were given back"
    )
    lines += [*done.said, "go on with bin/keepfit up"]
    told = {
        "replaced": str(done.replaced) if done.replaced is not None else None,
        "journals": [file.name for file in done.journals],
        "landed": [file.name for file in done.landed],
        "said": list(done.said),
    }
    return Answer(lines, {"file": str(path), **_told(done.manifest), **told})


def _what(manifest: Manifest) -> str:
    counts = {
        "predictions": manifest.rows("predictions_"),
        "labels": manifest.rows("labels"),
        "rows in quarantine": manifest.rows("quarantine"),
        "promotions": manifest.rows("promotions"),
    }
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())


def _told(manifest: Manifest) -> dict[str, object]:
    rows = {member.table: member.rows for member in manifest.members}
    audit = None if manifest.audit is None else head_told(manifest.audit)
    return {"backup_id": manifest.backup_id, "taken_at": manifest.taken_at, "rows": rows, "audit": audit}


def _bytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"

"""What a killed process left half-written: files whose names begin with a dot, which no reader opens."""

import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

_DEAD_AFTER_S = 3600.0
"""A file is written and gets its name within seconds; whoever takes an hour was killed."""

_KEPT = (".lock", ".registering", ".damaged-")
"""Lock files, and published bundles that were set aside for people to look at."""


def clear_away(folders: Iterable[Path], at: datetime) -> int:
    """Remove what nobody will finish from these folders and those below; return how much it was."""
    return sum(_clear(folder, at.timestamp() - _DEAD_AFTER_S) for folder in folders)


def _clear(folder: Path, before: float) -> int:
    removed = 0
    for path in sorted(folder.rglob(".*")):
        try:
            if path.name.startswith(_KEPT) or path.stat().st_mtime > before:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError:
            continue  # another flow took it away first, or it is not ours to remove
        removed += 1
    return removed

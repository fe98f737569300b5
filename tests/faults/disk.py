"""A disk that fails one process: build the library once, preload it, and arm it from inside."""

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

_SOURCE = Path(__file__).with_name("disk.c")
_KINDS = {"write": 1, "sync": 2, "name": 4}
KILL, TEAR = -1, -2

Kind = Literal["write", "sync", "name"]


def compiler() -> str | None:
    """Find a C compiler; without one nothing here can be tried."""
    return shutil.which(os.environ.get("CC", "cc"))


@functools.cache
def library() -> Path:
    """Build what a process preloads; it takes a quarter of a second."""
    built = Path(tempfile.mkdtemp(prefix="keepfit-disk-")) / "disk.so"
    command = [str(compiler()), "-shared", "-fPIC", "-O1", "-o", str(built), str(_SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return built


def preloaded() -> dict[str, str]:
    """Say what the environment of such a process has."""
    return {"LD_PRELOAD": str(library())}


def arm(folder: str, kind: Kind, nth: int, what: int, *, on: bool = False, told: int = -1) -> None:
    """From here on the n-th change of a kind below a folder ends as `what` says: an errno, KILL or TEAR.

    With `on` each later one does too. `told` is a descriptor that every call that went through is written to.
    """
    _loaded().disk_arm(folder.encode(), _KINDS[kind], ctypes.c_long(nth), what, int(on), told)


def disarm() -> int:
    """Let everything through again; return how many calls of the armed kind there were."""
    seen = int(_loaded().disk_seen())
    arm("", "write", 0, 0)
    return seen


def _loaded() -> ctypes.CDLL:
    return ctypes.CDLL(os.environ["LD_PRELOAD"])  # the one that is there already

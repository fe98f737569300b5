"""A secret that is made once and kept in a file that only this user may read."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def secret_key(path: Path, make: Callable[[], bytes] = lambda: secrets.token_bytes(32)) -> bytes:
    """Read a secret that only this user may read, making it if there is none: 32 bytes by default."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return path.read_bytes()
    coming = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        # Linked into place whole: of two processes that make it at once, both read the same.
        coming.touch(mode=0o600)
        with coming.open("wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        os.link(coming, path)
    except FileExistsError:
        pass
    finally:
        coming.unlink(missing_ok=True)
    return path.read_bytes()

"""Versions, champions and workers for the tests of steps that change them."""

from pathlib import Path
from typing import Any

from data.bundles import Bundle, open_bundle
from data.promotions import Promotion
from data.records import now
from data.releases import Pointer, WorkerStatus, move_pointer, write_status
from tasks.register import release
from tests.builders import bundle
from tests.keys import seal
from tests.making import NOON, LoopOnFakes


def kept(loop: LoopOnFakes, tmp_path: Path, released: bool = True, **manifest: Any) -> Bundle:
    """Register the next version with a real bundle, and release it."""
    version = loop.registry.version(f"key-{len(loop.fake.keys)}")
    folder, digest = bundle(tmp_path, **({"version": version, "project": loop.name} | manifest))
    seal(folder, loop.settings.key_file)
    loop.registry.keep(version, folder, {}, {})
    opened = open_bundle(folder, digest, loop.trust)
    if released:
        release(loop, opened)
    return opened


def promotion(of: Bundle, **changed: Any) -> Promotion:
    fields: dict[str, Any] = {
        "kind": "retrain",
        "version": of.manifest.version,
        "digest": of.digest,
        "reason": "drift",
        "as_of": NOON,
    }
    return Promotion(**(fields | changed))


def crown(loop: LoopOnFakes, of: Bundle, workers: int | None = 1) -> Promotion:
    """Make a bundle champion everywhere, confirmed by so many workers, without a swap."""
    entry = loop.ledger.append(promotion(of), loop.ledger.latest())
    if workers is not None:
        loop.ledger.confirm(entry.number, workers)
    move_pointer(loop.releases, Pointer(entry.digest, entry.version, entry.number))
    loop.registry.name_champion(entry.version, entry.number)
    return loop.ledger.history()[-1]


def worker(loop: LoopOnFakes, pid: int, serves: Bundle | None, **changed: Any) -> WorkerStatus:
    """Say what a worker serves, as it does itself."""
    fields: dict[str, Any] = {
        "host": "here",
        "pid": pid,
        "at": now(),
        "version": None if serves is None else serves.manifest.version,
        "digest": None if serves is None else serves.digest,
    }
    status = WorkerStatus(**(fields | changed))
    write_status(loop.journal, status)
    return status

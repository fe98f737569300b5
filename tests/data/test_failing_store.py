"""A drain whose disk fails, or that dies, at each of its calls that change a file; SQLite's own included."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import disk
from tests.faults.draining import LABELS, PREDICTIONS
from tests.faults.warm import End, Warm

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        disk.compiler() is None, reason="no C compiler: install gcc, and each failing write is tried here"
    ),
]

WHOLE = {
    "predictions": sorted(f"p{n}" for n in range(PREDICTIONS)),
    "labels": sorted(f"p{n}" for n in range(LABELS)),
    "quarantined": ["the line has no end: its worker died writing it"],
    "offsets": [],
    "integrity": ["ok"],
    "journals": [],
}


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with Warm("tests.faults.draining", disk.preloaded()) as process:
        yield process


@pytest.mark.parametrize(
    ("kind", "what", "on", "made"),
    [
        pytest.param("write", errno.ENOSPC, True, True, id="full"),  # from the n-th write on
        pytest.param("write", errno.EIO, False, True, id="one-write-fails"),
        pytest.param("write", disk.TEAR, False, True, id="killed-in-a-write"),
        pytest.param("sync", errno.EIO, False, False, id="one-sync-fails"),
        pytest.param("sync", errno.EIO, True, True, id="no-sync-works"),
        pytest.param(
            "sync", disk.KILL, False, False, id="killed-at-a-sync"
        ),  # of the making of the tables too
        pytest.param("name", disk.KILL, False, False, id="killed-at-a-renaming"),
    ],
)
def test_a_drain_that_fails_at_any_call_is_repeated_without_a_loss_or_a_double(
    warm: Warm, tmp_path: Path, kind: disk.Kind, what: int, on: bool, made: bool
) -> None:
    prepared = tmp_path / "prepared"
    warm.call("prepare", str(prepared), made)
    ends: dict[int, End] = {}
    wrong: list[object] = []
    while (
        0 not in ends or len(ends) <= ends[0].returned
    ):  # the first, without a fault, says how many there are
        nth, home = len(ends), tmp_path / "home"
        shutil.copytree(prepared, home)
        # What it raises but is no sentence of ours fails here.
        ends[nth] = warm.call("drain", str(home), kind, nth, what, on)
        found = warm.call("drain_again", str(home)).returned
        if found != WHOLE:
            wrong.append((nth, ends[nth], found))
        shutil.rmtree(home)
    assert wrong == []
    assert len(ends) > 3
    broken = [end for end in ends.values() if end.signal is not None or end.refused is not None]
    assert broken


def test_a_file_is_on_disk_before_it_has_its_name_and_its_name_before_anything_is_said(
    warm: Warm, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    warm.call("publish_and_journal", str(home), str(tmp_path / "listed"))
    written: set[Path] = set()
    named: set[Path] = set()
    synced: list[Path] = []
    for line in (tmp_path / "listed").read_text().splitlines():
        call, path, to = line.split("\t")
        if call in ("fsync", "fdatasync"):
            synced.append(Path(path))
            written.discard(Path(path))
            named = {name for name in named if name.parent != Path(path)}
        elif call == "rename":
            named.add(Path(to))
            assert not [each for each in written if each.is_relative_to(path)], "named before it was synced"
            assert not Path(to).is_dir() or Path(path) in synced, "its names were not synced"
        elif call != "unlink":
            written.add(Path(path))
    assert {path.name for path in synced} >= {"releases", "journal"}
    assert (written, named) == (set(), set())

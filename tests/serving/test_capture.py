import asyncio
import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from data.journal import Journal, encode_line, journal_files, read_journal
from data.records import AcknowledgedLabels, CapturedPredictions, Entry, Label, Prediction
from keepfit import faults
from keepfit.errors import CaptureFailed
from serving.capture import Capture

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)


def predictions(name: str = "p") -> CapturedPredictions:
    return CapturedPredictions((Prediction(name, {"wind": 1.5}, NOON, NOON, (0.5,), 1),))


def labels(name: str = "l") -> AcknowledgedLabels:
    return AcknowledgedLabels((Label(name, 1, NOON, NOON, "http", reference_id="a"),))


def kept(folder: Path) -> list[Entry]:
    return [e for f in journal_files(folder) for chunk in read_journal(f, 0) for e in chunk.entries]


@contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond `most_bytes`: what a full disk does, without one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def no_sync(journal: Journal) -> Iterator[None]:
    """Put a pipe in the place of the journal's open file: it can be written, and syncing it fails."""
    reading, writing = os.pipe()
    for entry in Path("/proc/self/fd").iterdir():
        if entry.is_symlink() and entry.readlink().name == journal.name:
            os.dup2(writing, int(entry.name))
    os.close(writing)
    yield
    os.close(reading)


def test_what_was_answered_is_in_the_journal(tmp_path: Path) -> None:
    assert Capture(Journal(tmp_path, 1000)).lines(encode_line(predictions()))
    assert kept(tmp_path) == [predictions()]


def test_an_answer_that_cannot_be_captured_says_so_and_the_next_one_is_captured_again(tmp_path: Path) -> None:
    capture = Capture(Journal(tmp_path, 10_000))
    with full_disk(500):
        captured = [capture.lines(encode_line(predictions(str(n)))) for n in range(5)]
    captured.append(capture.lines(encode_line(predictions("after"))))
    assert captured == [1, 1, 0, 0, 0, 1]
    assert len(kept(tmp_path)) == 3


def test_labels_are_on_disk_when_they_are_acknowledged(tmp_path: Path) -> None:
    asyncio.run(acknowledge(Capture(Journal(tmp_path, 1000)), ["l"]))
    assert kept(tmp_path) == [labels("l")]


def test_many_labels_at_once_are_all_acknowledged(tmp_path: Path) -> None:
    capture = Capture(Journal(tmp_path, 500))  # so that files change in between
    names = [f"{n:03}" for n in range(100)]
    assert asyncio.run(acknowledge(capture, names)) == [None] * 100
    assert sorted(map(repr, kept(tmp_path))) == sorted(repr(labels(name)) for name in names)


def test_labels_that_cannot_be_written_are_not_acknowledged(tmp_path: Path) -> None:
    with full_disk(10):
        (answer,) = asyncio.run(acknowledge(Capture(Journal(tmp_path, 1000)), ["l"]))
    assert "could not be written" in str(answer)


def test_labels_whose_sync_fails_are_not_acknowledged_and_the_next_go_to_a_new_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1000)
    capture = Capture(journal)
    capture.lines(encode_line(predictions()))
    with no_sync(journal):
        answers = asyncio.run(acknowledge(capture, ["a", "b"]))
    assert [type(answer) for answer in answers] == [CaptureFailed, CaptureFailed]
    assert asyncio.run(acknowledge(capture, ["c"])) == [None]
    assert len(journal_files(tmp_path)) == 2
    assert labels("c") in kept(tmp_path)


def test_labels_are_not_acknowledged_where_their_file_was_closed_and_that_sync_failed(tmp_path: Path) -> None:
    capture = Capture(Journal(tmp_path, 10))  # a file for each line

    def fails(point: str, *_: object) -> None:
        if point == "journal.sync":
            faults.arm(None)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    faults.arm(fails)
    try:
        answers = asyncio.run(acknowledge(capture, ["a", "b"]))  # the second closes the file of the first
    finally:
        faults.arm(None)
    assert [type(answer) for answer in answers] == [CaptureFailed, CaptureFailed]


async def acknowledge(capture: Capture, names: list[str]) -> list[BaseException | None]:
    """Send labels all at once; None for each that was acknowledged, or why it was not."""
    return await asyncio.gather(*(capture.labels(labels(name)) for name in names), return_exceptions=True)

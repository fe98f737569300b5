import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.journal import Journal, journal_files, read_journal
from data.records import AcknowledgedLabels, CapturedPredictions, Entry, Label, Prediction
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


def break_syncing(journal: Journal) -> None:
    """Put a pipe in the place of the journal's open file: it can be written, and syncing it fails."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if Path(f"/proc/self/fd/{name}").readlink().name == journal.name:
                reading, writing = os.pipe()
                os.dup2(writing, int(name))
                os.close(reading)
                os.close(writing)
        except FileNotFoundError:
            continue


def test_what_was_answered_is_in_the_journal(tmp_path: Path):
    assert Capture(Journal(tmp_path, 1000)).predictions(predictions())
    assert kept(tmp_path) == [predictions()]


def test_an_answer_that_cannot_be_captured_says_so_and_the_next_one_is_captured_again(tmp_path: Path):
    capture = Capture(Journal(tmp_path, 10_000))
    with full_disk(300):
        captured = [capture.predictions(predictions(str(n))) for n in range(5)]
    captured.append(capture.predictions(predictions("after")))
    assert captured == [True, True, False, False, False, True]
    assert len(kept(tmp_path)) == 3


async def test_labels_are_on_disk_when_they_are_acknowledged(tmp_path: Path):
    await Capture(Journal(tmp_path, 1000)).labels(labels())
    assert kept(tmp_path) == [labels()]


async def test_many_labels_at_once_are_all_acknowledged(tmp_path: Path):
    capture = Capture(Journal(tmp_path, 500))  # so that files change in between
    await asyncio.gather(*(capture.labels(labels(str(n))) for n in range(100)))
    assert sorted(int(e.labels[0].label_id) for e in kept(tmp_path) if isinstance(e, AcknowledgedLabels)) == list(
        range(100)
    )


async def test_labels_that_cannot_be_written_are_not_acknowledged(tmp_path: Path):
    capture = Capture(Journal(tmp_path, 1000))
    with full_disk(10), pytest.raises(CaptureFailed, match="could not be written"):
        await capture.labels(labels())


async def test_labels_whose_sync_fails_are_not_acknowledged_and_the_next_go_to_a_new_file(tmp_path: Path):
    journal = Journal(tmp_path, 1000)
    capture = Capture(journal)
    capture.predictions(predictions())
    break_syncing(journal)
    answers = await asyncio.gather(
        *(capture.labels(labels(name)) for name in ("a", "b")), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [CaptureFailed, CaptureFailed]
    await capture.labels(labels("c"))
    assert kept(tmp_path)[-1] == labels("c")
    assert len(journal_files(tmp_path)) == 2

from datetime import timedelta
from pathlib import Path

import pytest

from data.backlog import note_drained, read_backlog
from data.journal import Journal, journal_files
from data.records import CapturedPredictions, Prediction, now

ENTRY = CapturedPredictions((Prediction("p", {"wind": 1.5}, now(), now(), (0.5,), 1),))


def test_without_a_journal_nothing_waits(tmp_path: Path) -> None:
    waiting = read_backlog(tmp_path / "none", now())
    assert (waiting.bytes, waiting.lag_s) == (0, 0)


def test_what_was_never_drained_waits_since_its_file_was_begun(tmp_path: Path) -> None:
    Journal(tmp_path, 10_000).append(ENTRY)
    waiting = read_backlog(tmp_path, now() + timedelta(hours=1))
    assert waiting.bytes == journal_files(tmp_path)[0].stat().st_size
    assert 3600 <= waiting.lag_s < 3700


def test_what_was_drained_does_not_wait_and_what_came_after_waits_since_the_drain(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 10_000)
    journal.append(ENTRY)
    (file,) = journal_files(tmp_path)
    size = file.stat().st_size
    drained_at = now() + timedelta(hours=1)
    note_drained(tmp_path, {file.name: size}, drained_at)
    assert read_backlog(tmp_path, drained_at).bytes == 0
    journal.append(ENTRY)
    waiting = read_backlog(tmp_path, drained_at + timedelta(minutes=1))
    assert (waiting.bytes, waiting.lag_s) == (size, 60)


def test_a_note_that_cannot_be_read_is_as_none(tmp_path: Path) -> None:
    Journal(tmp_path, 10_000).append(ENTRY)
    (tmp_path / "drained.json").write_text("{")
    assert read_backlog(tmp_path, now()).bytes > 0


def test_a_drain_that_cannot_be_noted_is_no_worse_and_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "drained.json").mkdir()
    note_drained(tmp_path, {}, now())
    assert "could not be noted" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["drained.json"]

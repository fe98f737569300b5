import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.leftovers import clear_away

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def made(path: Path, age: timedelta = timedelta(hours=2)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    stamp = (NOW - age).timestamp()
    os.utime(path, (stamp, stamp))
    return path


def test_what_a_killed_process_left_half_written_goes_after_an_hour(tmp_path: Path) -> None:
    copy = made(tmp_path / ".0198" / "model.onnx").parent
    os.utime(copy, (0, 0))
    made(tmp_path / "2026-03-01" / ".report.html.12")
    assert clear_away([tmp_path], NOW) == 2
    assert [path.name for path in tmp_path.rglob("*")] == ["2026-03-01"]


def test_what_may_be_written_still_is_left_alone(tmp_path: Path) -> None:
    writing = made(tmp_path / ".champion.json.0198", timedelta(minutes=1))
    assert clear_away([tmp_path, tmp_path / "not there"], NOW) == 0
    assert writing.exists()


def test_what_has_its_name_a_lock_and_what_was_set_aside_stay(tmp_path: Path) -> None:
    stay = [made(tmp_path / name) for name in (".lock", ".registering", ".damaged-0198", "champion.json")]
    assert clear_away([tmp_path], NOW) == 0
    assert all(path.exists() for path in stay)

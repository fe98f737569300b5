from pathlib import Path

import pytest

from control.running import claim
from control.safekeeping import backup, restore
from keepfit.errors import StackAlreadyUp, StateError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEEPFIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_backup_goes_to_a_new_file_in_the_home_and_comes_back(home: Path) -> None:
    taken = backup(None).told
    path = Path(taken["file"])
    assert path.parent == home / "backups"
    assert path.stat().st_size == taken["bytes"]
    assert "is the store now" in restore(path, replace=False).text()


def test_a_backup_may_be_given_a_folder(tmp_path: Path) -> None:
    assert Path(backup(tmp_path).told["file"]).parent == tmp_path


def test_a_backup_replaces_no_file(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    with pytest.raises(StateError, match="there: is there already, and a backup replaces none; name another"):
        backup(tmp_path / "there")


def test_a_backup_into_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"there is no folder .*nowhere; make it, or name another place"):
        backup(tmp_path / "nowhere" / "a.backup")


def test_a_backup_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="the backup could not be written: File name too long; name another"):
        backup(tmp_path / ("a" * 254))


def test_a_restore_is_refused_while_the_stack_is_up(home: Path) -> None:
    path = Path(backup(None).told["file"])
    with claim(home), pytest.raises(StackAlreadyUp, match="home is up: end it with `bin/keepfit down`"):
        restore(path, replace=True)

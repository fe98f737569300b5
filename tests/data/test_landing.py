import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from data import files
from data.files import read_file
from data.landing import LandingFolder, open_landing
from keepfit.errors import FileUnreadable, StateError

SECRET = "wind\nsecret\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[LandingFolder]:
    with open_landing(tmp_path / "landing", 1 << 20) as opened:
        yield opened


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside.csv"
    path.write_text(SECRET)
    return path


def there(folder: LandingFolder) -> list[str]:
    """Name all that lies there, without the ids that keep equal names apart."""
    found = [path.relative_to(folder.path) for path in folder.path.rglob("*")]
    return sorted(str(path.with_name(path.name[37:])) if len(path.name) > 37 else str(path) for path in found)


def rows(folder: LandingFolder, name: str) -> list[object]:
    with folder.open(name) as file:
        return list(file.read()[1])


def test_a_link_is_not_followed(folder: LandingFolder, outside: Path) -> None:
    (folder.path / "a.csv").symlink_to(outside)
    with pytest.raises(FileUnreadable, match=r"a\.csv: is a link, which is not followed"):
        rows(folder, "a.csv")


def test_a_link_that_comes_between_the_look_and_the_reading_is_not_followed(
    folder: LandingFolder, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder.path / "a.csv"
    path.write_text("wind\n1\n")
    looked = files.require_regular

    def swapped(name: str, found: os.stat_result) -> None:
        looked(name, found)
        path.unlink(missing_ok=True)
        path.symlink_to(outside)

    monkeypatch.setattr(files, "require_regular", swapped)
    with pytest.raises(FileUnreadable, match=r"a\.csv: cannot be read: Too many levels of symbolic links"):
        rows(folder, "a.csv")


def test_what_was_opened_is_read_whatever_its_name_leads_to_by_then(
    folder: LandingFolder, outside: Path
) -> None:
    path = folder.path / "a.csv"
    path.write_text("wind\n1\n")
    with folder.open("a.csv") as file:
        path.unlink()
        path.symlink_to(outside)
        assert list(file.read()[1]) == [{"wind": "1"}]


def test_what_has_come_in_the_place_of_what_was_read_stays_for_the_next_run(folder: LandingFolder) -> None:
    path = folder.path / "a.csv"
    path.write_text("wind\n1\n")
    with folder.open("a.csv") as file:
        (folder.path / ".coming").write_text("wind\n2\n")
        (folder.path / ".coming").rename(path)
        folder.take("a.csv", file)
    assert there(folder) == ["a.csv", "taken"]
    assert rows(folder, folder.names()[0]) == [{"wind": "2"}]


@pytest.mark.parametrize("name", ["taken", "refused"])
def test_a_link_in_the_place_of_a_folder_of_ours_leads_nothing_out(
    folder: LandingFolder, tmp_path: Path, name: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder.path / name).symlink_to(elsewhere)
    (folder.path / "a.csv").write_text("wind\n1\n")
    with folder.open("a.csv") as file:
        if name == "taken":
            folder.take("a.csv", file)
        else:
            folder.refuse("a.csv", "for a test")
    assert list(elsewhere.iterdir()) == []
    assert f"{name}/a.csv" in there(folder)


NAMES = [
    "-rf.csv",
    "a\nb.csv",
    "a\u202evsc.exe.csv",
    "a;$(touch x)`touch x`'\".csv",
    "x" * 251 + ".csv",
    "\N{CAT FACE}" * 62 + ".csv",
    "x" * 10 + "." + "y" * 244,
    "a.reason.txt",
    "a\\..\\..\\b.csv",
    b"\xff\xfe.csv",
    " .csv ",
    "~",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_whatever_it_is_called_a_file_is_set_aside_under_a_name_that_can_be_shown(
    folder: LandingFolder, name: str | bytes
) -> None:
    given = os.fsdecode(name)
    (folder.path / given).write_text('"')
    with pytest.raises(FileUnreadable) as caught, folder.open(given) as file:
        file.read()
    where = folder.refuse(given, str(caught.value))
    assert (where + str(caught.value)).isprintable()
    kept = folder.path / where
    assert kept.parent == folder.path / "refused"
    assert kept.read_text() == '"'
    assert kept.with_suffix(".reason.txt").read_text() == f"{caught.value}\n"
    assert [path.name for path in folder.path.iterdir()] == ["refused"]


def test_a_folder_that_may_not_be_written_to_is_told_of_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "landing").write_text("a file")
    with pytest.raises(StateError, match="landing: File exists; let this user read, write and move files"):
        open_landing(tmp_path / "landing", 1).__enter__()


def test_a_person_may_name_a_link(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "b.csv").symlink_to(outside)
    assert list(read_file(tmp_path / "b.csv")[1]) == [{"wind": "secret"}]

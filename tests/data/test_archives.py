import zipfile
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from data.archives import FORMAT, BackupRefused, Manifest, add_manifest, add_table, check_archive, read_table
from tests.making import NOON

SCHEMA = pa.schema([("name", pa.string()), ("number", pa.float64())])


def written(path: Path, **changed: object) -> Manifest:
    batches = [pa.record_batch([[f"{n}-{i}" for i in range(9)], [0.5] * 9], schema=SCHEMA) for n in range(3)]
    with zipfile.ZipFile(path, "w") as archive:
        members = [
            add_table(archive, "labels", SCHEMA, batches),
            add_table(archive, "quarantine", SCHEMA, []),
        ]
        fields = {"format": FORMAT, "backup_id": "b", "taken_at": NOON, "keepfit": "0", "positions": {}}
        manifest = Manifest(**(fields | {"members": members} | changed))  # pyright: ignore[reportArgumentType]
        add_manifest(archive, manifest)
    return manifest


def test_what_was_written_is_read_again_in_the_same_batches(tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    manifest = written(path)
    assert check_archive(path) == manifest
    with read_table(path, manifest.members[0]) as batches:
        rows = [batch.to_pylist() for batch in batches]
    assert [len(batch) for batch in rows] == [9, 9, 9]
    assert rows[2][8] == {"name": "2-8", "number": 0.5}
    with read_table(path, manifest.members[1]) as batches:
        assert (batches.schema, batches.read_all().num_rows) == (SCHEMA, 0)


def test_a_backup_that_ends_before_its_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    written(path)
    content = path.read_bytes()
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        with pytest.raises(BackupRefused, match=r"a\.backup: is no whole backup: .*; nothing was changed"):
            check_archive(path)


def test_a_backup_with_a_byte_changed_is_refused_or_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    manifest = written(path)
    content = path.read_bytes()
    places, refused = range(0, len(content), 7), 0
    for at in places:
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        try:
            assert check_archive(path) == manifest  # a time or a flag of the zip's own
        except BackupRefused:
            refused += 1
    assert refused > len(places) * 0.8


@pytest.mark.parametrize("value", [8, 9, 12, 14])
@pytest.mark.parametrize("at", [8, 10])
def test_a_backup_that_calls_itself_compressed_or_encrypted_is_refused_or_says_the_same(
    tmp_path: Path, at: int, value: int
) -> None:
    path = tmp_path / "a.backup"
    manifest = written(path)
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02") + at  # a flag, or the compression, of the first file
    content[place] ^= value
    path.write_bytes(content)
    with suppress(BackupRefused):
        assert check_archive(path) == manifest


def test_a_table_that_was_changed_with_its_own_crc_is_refused(tmp_path: Path) -> None:
    path, other = tmp_path / "a.backup", tmp_path / "b.backup"
    written(path)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(other, "w") as changed:
        for name in archive.namelist():
            changed.writestr(name, archive.read(name).replace(b"\x00", b"\x01", 1))
    with pytest.raises(
        BackupRefused, match=r"b\.backup: is no whole backup: the checksum of labels\.arrows is wrong"
    ):
        check_archive(other)


def test_a_file_that_is_not_of_the_backup_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    written(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("predictions_9.arrows", b"")
    with pytest.raises(BackupRefused, match=r"predictions_9\.arrows is missing, or does not belong there"):
        check_archive(path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "a.backup", format=FORMAT + 1)
    with pytest.raises(BackupRefused, match="its format is 2, and this Keepfit reads 1"):
        check_archive(tmp_path / "a.backup")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04"])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.backup").write_bytes(content)
    with pytest.raises(BackupRefused, match=r"a\.backup: is no whole backup: "):
        check_archive(tmp_path / "a.backup")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match=r"a\.backup: is no whole backup: No such file"):
        check_archive(tmp_path / "a.backup")

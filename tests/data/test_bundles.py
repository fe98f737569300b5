import math
import os
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from data.bundles import FILES, MANIFEST, MODEL, SIGNATURE, STATEMENT, digest_of, open_bundle, write_unsigned
from data.signatures import Trust
from data.statements import Digest, Judgement, Statement, Subject
from keepfit.errors import BundleDamaged, BundleError, BundleUntrusted
from tests.builders import COLUMNS, bundle, manifest, model, write_signed
from tests.keys import TRUST, TRUSTED, seal


def test_a_bundle_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = model("regression", 3)
    described = manifest(made, version=3, kind="regression")
    digest = write_signed(tmp_path, made, described)
    read = open_bundle(tmp_path, digest, TRUST)
    assert (read.digest, read.model, read.manifest) == (digest, made, described)


def test_a_bundle_keeps_the_order_of_the_columns(tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path)
    assert list(open_bundle(folder, digest, TRUST).manifest.columns) == list(COLUMNS)


def test_the_same_bundle_has_the_same_digest_and_another_version_another(tmp_path: Path) -> None:
    digests = [bundle(tmp_path / str(n), version=version)[1] for n, version in enumerate((1, 1, 2))]
    assert digests[0] == digests[1] != digests[2]


def test_the_digest_of_a_folder_is_the_one_that_writing_gave(tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path)
    assert digest_of(folder) == digest


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_bundle_with_one_changed_bit_is_not_opened(tmp_path: Path, name: str, place: int) -> None:
    folder, digest = bundle(tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[place] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match="publish the version again"):
        open_bundle(folder, digest, TRUST)


@pytest.mark.parametrize("name", [MODEL, MANIFEST, STATEMENT])
def test_half_a_bundle_is_not_opened(tmp_path: Path, name: str) -> None:
    folder, digest = bundle(tmp_path)
    (folder / name).unlink()
    with pytest.raises(BundleDamaged, match="no readable bundle"):
        open_bundle(folder, digest, TRUST)


def test_another_bundles_digest_does_not_open_it(tmp_path: Path) -> None:
    folder, _ = bundle(tmp_path, version=1)
    _, other = bundle(tmp_path, version=2)
    with pytest.raises(BundleDamaged):
        open_bundle(folder, other, TRUST)


def test_a_folder_without_a_bundle_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(BundleDamaged):
        digest_of(tmp_path)


def linked(path: Path) -> None:
    kept = path.rename(path.parent.with_suffix(".kept"))
    path.symlink_to(kept)


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def bound(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as bound_there:
        bound_there.bind(os.path.relpath(path))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", [linked, piped, made_a_folder, bound])
def test_what_is_no_regular_file_is_not_opened_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, how: Callable[[Path], None]
) -> None:
    folder, digest = bundle(tmp_path)
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    how(folder / name)
    with pytest.raises(BundleDamaged, match="is no regular file"):
        open_bundle(folder, digest, TRUST)


def test_a_link_to_a_bundle_is_none(tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path)
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(BundleDamaged, match="no readable bundle"):
        open_bundle(tmp_path / "link", digest, TRUST)


@pytest.mark.parametrize("name", ["hook.py", ".hidden", "model.onnx.data", "MODEL.ONNX"])
def test_a_folder_that_holds_anything_else_is_no_bundle(tmp_path: Path, name: str) -> None:
    folder, digest = bundle(tmp_path)
    (folder / name).write_bytes(b"")
    with pytest.raises(BundleDamaged, match=f"holds '{name}', which is no part of a bundle"):
        open_bundle(folder, digest, TRUST)


def test_an_unsigned_bundle_is_not_opened(tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path)
    (folder / SIGNATURE).unlink()
    with pytest.raises(BundleUntrusted, match=r"has no model\.sig: nobody answers for it"):
        open_bundle(folder, digest, TRUST)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_an_absurd_size_is_not_read(tmp_path: Path, name: str) -> None:
    folder, digest = bundle(tmp_path)
    os.truncate(folder / name, 1 << 40)
    with pytest.raises(BundleDamaged, match="has 1099511627776 bytes, and"):
        open_bundle(folder, digest, TRUST)


def test_a_model_may_be_as_large_as_the_settings_say(tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path)
    size = (folder / MODEL).stat().st_size
    assert open_bundle(folder, digest, Trust(TRUSTED, size)).digest == digest
    with pytest.raises(BundleDamaged, match="the most that KEEPFIT_MODEL_BYTES lets a model have"):
        open_bundle(folder, digest, Trust(TRUSTED, size - 1))


@pytest.mark.parametrize("name", [MANIFEST, STATEMENT])
@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"\xff", b"[" * 500_000], ids=range(5))
def test_what_a_trusted_key_signed_must_still_be_a_bundle(tmp_path: Path, name: str, content: bytes) -> None:
    folder, _ = bundle(tmp_path)
    (folder / name).write_bytes(content)
    seal(folder)
    with pytest.raises(BundleDamaged, match="no readable bundle"):
        open_bundle(folder, digest_of(folder), TRUST)


@pytest.mark.parametrize(
    ("name", "objection"), [(MODEL, "is not what its manifest"), (STATEMENT, "is of another")]
)
def test_signed_files_of_two_bundles_are_none(tmp_path: Path, name: str, objection: str) -> None:
    folder, digest = bundle(tmp_path, version=1)
    other, _ = bundle(tmp_path, version=2)
    (folder / name).write_bytes((other / name).read_bytes())
    seal(folder)
    with pytest.raises(BundleDamaged, match=objection):
        open_bundle(folder, digest, TRUST)


def test_the_statement_says_how_the_version_came_to_be(tmp_path: Path) -> None:
    described = manifest(model("binary", 3), version=3)
    judged = Judgement(promote=True, asked_by="drift", champion=2, challenger_scores={"roc_auc": math.nan})
    digest = write_unsigned(tmp_path, model("binary", 3), described, judged)
    told = msgspec.json.decode((tmp_path / STATEMENT).read_bytes(), type=Statement)
    assert told.subject == (Subject(MANIFEST, Digest(digest)),)
    assert (told.predicate.project, told.predicate.version) == ("flights", 3)
    assert told.predicate.snapshot_id == described.lineage.snapshot_id
    assert told.predicate.judgement == msgspec.structs.replace(judged, challenger_scores={"roc_auc": None})

from pathlib import Path

import pytest

from data.bundles import MANIFEST, MODEL, digest_of, open_bundle, write_bundle
from keepfit.errors import BundleDamaged
from tests.builders import COLUMNS, bundle, manifest, model


def test_a_bundle_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = model("regression", 3)
    described = manifest(made, version=3, kind="regression")
    digest = write_bundle(tmp_path, made, described)
    opened = open_bundle(tmp_path, digest)
    assert (opened.digest, opened.model, opened.manifest) == (digest, made, described)


def test_a_bundle_keeps_the_order_of_the_columns(tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path)
    assert list(open_bundle(folder, digest).manifest.columns) == list(COLUMNS)


def test_the_same_bundle_has_the_same_digest_and_another_version_another(tmp_path: Path) -> None:
    digests = [bundle(tmp_path / str(n), version=version)[1] for n, version in enumerate((1, 1, 2))]
    assert digests[0] == digests[1] != digests[2]


def test_the_digest_of_a_folder_is_the_one_that_writing_gave(tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path)
    assert digest_of(folder) == digest


@pytest.mark.parametrize("name", [MODEL, MANIFEST])
@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_bundle_with_one_changed_bit_is_not_opened(tmp_path: Path, name: str, place: int) -> None:
    folder, digest = bundle(tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[place] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BundleDamaged, match="publish the version again"):
        open_bundle(folder, digest)


@pytest.mark.parametrize("name", [MODEL, MANIFEST])
def test_half_a_bundle_is_not_opened(tmp_path: Path, name: str) -> None:
    folder, digest = bundle(tmp_path)
    (folder / name).unlink()
    with pytest.raises(BundleDamaged, match="no readable bundle"):
        open_bundle(folder, digest)


def test_another_bundles_digest_does_not_open_it(tmp_path: Path) -> None:
    folder, _ = bundle(tmp_path, version=1)
    _, other = bundle(tmp_path, version=2)
    with pytest.raises(BundleDamaged):
        open_bundle(folder, other)


def test_a_folder_without_a_bundle_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(BundleDamaged):
        digest_of(tmp_path)

from pathlib import Path

import pytest

from data.bundles import FILES, MANIFEST, SIGNATURE, STATEMENT, Bundle
from data.provenance import provenance
from data.releases import publish
from tests.builders import opened
from tests.keys import TRUST


@pytest.fixture
def made(tmp_path: Path) -> Bundle:
    bundle = opened(tmp_path, version=4)
    publish(bundle, tmp_path / "releases", TRUST)
    return bundle


def test_a_published_bundle_says_where_it_comes_from_and_that_its_signature_is_good(
    made: Bundle, tmp_path: Path
) -> None:
    told = provenance(tmp_path / "releases", made.digest, TRUST)
    assert told.signed is True
    assert told.manifest == made.manifest
    assert told.statement is not None
    assert told.statement.predicate.version == 4


def test_a_model_too_large_for_a_page_is_said_to_be_unchecked_and_still_described(
    made: Bundle, tmp_path: Path
) -> None:
    told = provenance(tmp_path / "releases", made.digest, TRUST, most=10)
    assert told.signed is None
    assert told.words.startswith("not checked for this page")
    assert told.manifest == made.manifest


@pytest.mark.parametrize("name", FILES)
def test_what_was_changed_is_said_to_be_damaged_and_says_nothing_of_itself(
    made: Bundle, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "releases" / made.digest / name
    file.write_bytes(file.read_bytes().replace(b"0", b"1", 1) + b" ")
    told = provenance(tmp_path / "releases", made.digest, TRUST)
    assert (told.signed, told.manifest, told.statement) == (False, None, None)
    assert "does not verify" in told.words


@pytest.mark.parametrize("name", [MANIFEST, STATEMENT])
def test_of_a_large_model_too_only_what_the_digest_names_is_told(
    made: Bundle, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "releases" / made.digest / name
    file.write_bytes(file.read_bytes().replace(made.digest[:8].encode(), b"0" * 8) + b" {")
    assert provenance(tmp_path / "releases", made.digest, TRUST, most=10).signed is False


def test_a_large_model_without_a_signature_is_not_said_to_have_one(made: Bundle, tmp_path: Path) -> None:
    (tmp_path / "releases" / made.digest / SIGNATURE).unlink()
    assert provenance(tmp_path / "releases", made.digest, TRUST, most=10).signed is not True


@pytest.mark.parametrize("digest", [None, "0" * 64, "../../etc", ""])
def test_a_bundle_that_is_not_there_is_said_to_be_away(tmp_path: Path, digest: str | None) -> None:
    told = provenance(tmp_path / "releases", digest, TRUST)
    assert (told.signed, told.manifest) == (None, None)
    assert told.words


def test_a_name_that_is_no_digest_opens_no_folder(made: Bundle, tmp_path: Path) -> None:
    (tmp_path / "releases" / made.digest).rename(tmp_path / "elsewhere")
    told = provenance(tmp_path / "releases", "../elsewhere", TRUST)
    assert (told.signed, told.manifest) == (False, None)

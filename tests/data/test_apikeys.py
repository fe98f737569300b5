from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from data.apikeys import ROLES, ApiKeys, make_api_key, read_keys, revoke_api_key
from data.records import now
from keepfit.errors import KeysUnreadable, KeyUnknown


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "api.json"


def test_a_key_that_was_made_is_found_by_its_text(file: Path) -> None:
    made, text = make_api_key(file, "shop", ["predict"], rate=2.5)
    assert ApiKeys(file).of(text.encode()) == made
    assert (made.roles, made.rate, made.number) == (("predict",), 2.5, 1)


def test_the_file_has_no_key_and_is_for_its_owner_only(file: Path) -> None:
    _, text = make_api_key(file, "shop", ["predict"])
    assert text.removeprefix("keepfit_") not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_no_two_keys_are_the_same(file: Path) -> None:
    texts = {make_api_key(file, f"k{n}", ["read"])[1] for n in range(20)}
    assert len(texts) == 20
    assert [key.number for key in read_keys(file)] == list(range(1, 21))


@pytest.mark.parametrize("other", ["", "keepfit_", "x"])
def test_a_text_that_is_no_key_finds_none(file: Path, other: str) -> None:
    _, text = make_api_key(file, "shop", ["read"])
    keys = ApiKeys(file)
    assert keys.of(other.encode()) is None
    assert keys.of(text[:-1].encode()) is None
    assert keys.of(text.encode() + b"\x00") is None


def test_a_revoked_key_is_found_no_more_and_its_name_is_free(file: Path) -> None:
    _, text = make_api_key(file, "shop", ["read"])
    keys = ApiKeys(file)
    revoke_api_key(file, "shop")
    keys.look()
    assert keys.of(text.encode()) is None
    again, _ = make_api_key(file, "shop", ["read"])
    assert again.number == 2


def test_a_key_ends_when_it_was_to(file: Path) -> None:
    _, text = make_api_key(file, "shop", ["read"], expires_at=now() + timedelta(days=1))
    assert ApiKeys(file).of(text.encode()) is not None
    _, past = make_api_key(file, "old", ["read"], expires_at=now() - timedelta(seconds=1))
    assert ApiKeys(file).of(past.encode()) is None


def test_a_name_in_use_is_refused_and_nothing_changes(file: Path) -> None:
    make_api_key(file, "shop", ["read"])
    before = file.read_bytes()
    with pytest.raises(KeyUnknown, match="a key shop is there already"):
        make_api_key(file, "shop", ROLES)
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["", "a b", "a\n", "../x", "ä", "x" * 64])
def test_a_name_is_plain_text(file: Path, name: str) -> None:
    with pytest.raises(KeyUnknown, match="a key's name has"):
        make_api_key(file, name, ["read"])


def test_a_key_nobody_made_cannot_be_revoked(file: Path) -> None:
    make_api_key(file, "shop", ["read"])
    with pytest.raises(KeyUnknown, match="no key other is in use; in use are: shop"):
        revoke_api_key(file, "other")


def test_a_file_that_others_may_write_is_refused(file: Path) -> None:
    make_api_key(file, "shop", ["read"])
    file.chmod(0o620)
    with pytest.raises(KeysUnreadable, match="others than its owner may write it"):
        ApiKeys(file)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"keys":[{}]}', b'{"keys":[{"number":1,"name":"a","digest":"zz"}]}']
)
def test_a_damaged_file_is_refused_at_the_beginning_and_changes_nothing_later(
    file: Path, content: bytes
) -> None:
    _, text = make_api_key(file, "shop", ["read"])
    keys = ApiKeys(file)
    file.write_bytes(content)
    keys.look()
    assert keys.of(text.encode()) is not None
    with pytest.raises(KeysUnreadable, match=r"is no file of API keys"):
        ApiKeys(file)


def test_a_digest_that_is_none_is_refused(file: Path) -> None:
    make_api_key(file, "shop", ["read"])
    kept = msgspec.json.decode(file.read_bytes())
    kept["keys"][0]["digest"] = "00"
    file.write_bytes(msgspec.json.encode(kept))
    with pytest.raises(KeysUnreadable, match="a digest is none"):
        ApiKeys(file)


def test_a_file_that_goes_away_takes_its_keys_with_it(file: Path) -> None:
    _, text = make_api_key(file, "shop", ["read"])
    keys = ApiKeys(file)
    file.unlink()
    keys.look()
    assert keys.of(text.encode()) is None

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from data.bundles import MANIFEST, MODEL, SIGNATURE, STATEMENT, open_bundle
from data.signatures import Trust
from data.signing import make_key, public_key, sign
from keepfit.errors import BundleError, StateError
from tests.builders import bundle
from tests.keys import KEY_FILE, TRUSTED


def by_model_signing(folder: Path, trusted: Path = TRUSTED) -> None:
    """Verify as OpenSSF's own verifier does."""
    from model_signing import verifying

    (key,) = trusted.glob("*.pem")
    verifying.Config().use_elliptic_key_verifier(public_key=key).verify(folder, folder / SIGNATURE)


def by_us(folder: Path, trusted: Path = TRUSTED) -> None:
    from data.bundles import digest_of

    open_bundle(folder, digest_of(folder), Trust(trusted))


Verify = Callable[..., None]
VERIFIERS = pytest.mark.parametrize("verify", [by_model_signing, by_us])


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A bundle that model-signing signed."""
    folder, _ = bundle(tmp_path)
    sign(folder, KEY_FILE)
    return folder


@VERIFIERS
def test_what_model_signing_signed_is_accepted(signed: Path, verify: Verify) -> None:
    verify(signed)


@VERIFIERS
def test_what_these_tests_sign_is_accepted(tmp_path: Path, verify: Verify) -> None:
    verify(bundle(tmp_path)[0])


def changed(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)


HARM: dict[str, Callable[[Path], object]] = {
    "a changed model": lambda folder: changed(folder, MODEL),
    "a changed manifest": lambda folder: changed(folder, MANIFEST),
    "a changed statement": lambda folder: changed(folder, STATEMENT),
    "a changed signature": lambda folder: changed(folder, SIGNATURE),
    "a file less": lambda folder: (folder / STATEMENT).unlink(),
    "a file more": lambda folder: (folder / "hook.py").write_bytes(b""),
    "a link": lambda folder: (
        (folder / MODEL).rename(folder / "hidden") and (folder / MODEL).symlink_to("hidden")
    ),
    "no signature": lambda folder: (folder / SIGNATURE).unlink(),
}


@VERIFIERS
@pytest.mark.parametrize("harm", HARM.values(), ids=list(HARM))
def test_both_verifiers_refuse(signed: Path, verify: Verify, harm: Callable[[Path], object]) -> None:
    harm(signed)
    with pytest.raises((BundleError, ValueError, OSError, InvalidSignature)):
        verify(signed)


@VERIFIERS
def test_both_verifiers_refuse_another_key(signed: Path, tmp_path: Path, verify: Verify) -> None:
    make_key(tmp_path / "key.pem", tmp_path / "trusted")
    with pytest.raises((BundleError, ValueError)):
        verify(signed, tmp_path / "trusted")


def test_signing_again_replaces_the_signature(signed: Path, tmp_path: Path) -> None:
    make_key(tmp_path / "key.pem", tmp_path / "trusted")
    sign(signed, tmp_path / "key.pem")
    by_us(signed, tmp_path / "trusted")
    by_model_signing(signed, tmp_path / "trusted")


def test_those_who_make_the_key_at_once_end_with_the_same_and_trust_no_other(tmp_path: Path) -> None:
    file, trusted = tmp_path / "keys" / "signing.pem", tmp_path / "keys" / "trusted"
    with ThreadPoolExecutor(8) as makers:
        list(makers.map(lambda _: make_key(file, trusted), range(8)))
    assert list(Trust(trusted).keys().known.values()) == [public_key(file)]
    assert [path.name for path in sorted(file.parent.iterdir())] == ["signing.pem", "trusted"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_no_longer_trusted_is_not_trusted_again_by_being_there(tmp_path: Path) -> None:
    make_key(tmp_path / "key.pem", tmp_path / "trusted")
    for file in (tmp_path / "trusted").iterdir():
        file.unlink()
    make_key(tmp_path / "key.pem", tmp_path / "trusted")
    assert Trust(tmp_path / "trusted").keys().known == {}


def a_key(curve: ec.EllipticCurve, password: bytes | None = None) -> bytes:
    how = NoEncryption() if password is None else BestAvailableEncryption(password)
    return ec.generate_private_key(curve).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


KEYS = {
    "text": b"a secret",
    "of another curve": a_key(ec.SECP384R1()),
    "with a password": a_key(ec.SECP256R1(), b"secret"),
}


@pytest.mark.parametrize("content", KEYS.values(), ids=list(KEYS))
def test_a_key_that_cannot_sign_is_named_with_the_next_step(tmp_path: Path, content: bytes) -> None:
    folder, _ = bundle(tmp_path)
    (tmp_path / "key.pem").write_bytes(content)
    with pytest.raises(StateError, match=r"key\.pem: is no private key of P-256 in PEM without a password"):
        sign(folder, tmp_path / "key.pem")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "trusted").write_bytes(b"a file is in the way")
    with pytest.raises(StateError, match="cannot be written"):
        make_key(tmp_path / "key.pem", tmp_path / "trusted")
    assert not (tmp_path / "key.pem").exists()


@pytest.mark.parametrize("step", ["secret_key", "trust_key"])
def test_whoever_dies_while_making_the_key_leaves_one_that_is_trusted_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    file, trusted = tmp_path / "keys" / "signing.pem", tmp_path / "keys" / "trusted"

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(f"data.signing.{step}", die)
        with pytest.raises(KeyboardInterrupt):
            make_key(file, trusted)
    make_key(file, trusted)
    assert public_key(file) in Trust(trusted).keys().known.values()

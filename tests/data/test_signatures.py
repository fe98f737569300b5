import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from data.bundles import FILES, SIGNATURE, open_bundle, sha256
from data.signatures import Trust, public_pem
from data.signing import make_key, public_key
from keepfit.errors import BundleDamaged, BundleUntrusted
from tests.builders import bundle
from tests.keys import TRUST, TRUSTED, payload, seal, signature, sigstore

Signed = dict[str, Any]
Change = Callable[[Signed], object]


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A key of somebody else, who has a trusted folder of their own."""
    make_key(tmp_path / "stranger" / "key.pem", tmp_path / "stranger" / "trusted")
    return tmp_path / "stranger" / "key.pem"


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES if name != SIGNATURE}


def test_a_bundle_that_is_signed_by_another_key_is_refused_with_the_next_step(
    tmp_path: Path, stranger: Path
) -> None:
    folder, digest = bundle(tmp_path)
    seal(folder, stranger)
    with pytest.raises(BundleUntrusted) as refusal:
        open_bundle(folder, digest, TRUST)
    assert str(refusal.value).startswith(
        f"{folder / SIGNATURE}: is signed by a key that is not trusted (hint "
    )
    assert f"put its public key into {TRUSTED} if you trust it" in str(refusal.value)


def test_a_key_counts_from_the_load_after_it_was_trusted_to_the_one_after_it_was_not(
    tmp_path: Path, stranger: Path
) -> None:
    folder, digest = bundle(tmp_path)
    seal(folder, stranger)
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    trust = Trust(trusted)
    with pytest.raises(BundleUntrusted, match=r"no key is trusted, for .* has none"):
        open_bundle(folder, digest, trust)
    (trusted / "any name.pem").write_bytes(public_pem(public_key(stranger)))
    assert open_bundle(folder, digest, trust).digest == digest
    (trusted / "any name.pem").unlink()
    with pytest.raises(BundleUntrusted):
        open_bundle(folder, digest, trust)


def test_where_no_key_is_trusted_the_refusal_says_what_to_do(tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path)
    with pytest.raises(BundleUntrusted, match="or name their folder in KEEPFIT_TRUSTED_KEYS"):
        open_bundle(folder, digest, Trust(tmp_path / "nowhere"))


def other_keys() -> dict[str, bytes]:
    larger = ec.generate_private_key(ec.SECP384R1()).public_key()
    of_rsa = rsa.generate_private_key(65537, 1024).public_key()
    return {
        "p384.pem": larger.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "rsa.pem": of_rsa.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "text.pem": b"trust me",
    }


def test_what_is_no_such_key_is_named_and_does_not_hide_those_that_are(
    tmp_path: Path, stranger: Path
) -> None:
    folder, digest = bundle(tmp_path)
    trusted = stranger.parent / "trusted"
    for name, content in other_keys().items():
        (trusted / name).write_bytes(content)
    (trusted / "folder.pem").mkdir()
    with pytest.raises(BundleUntrusted, match=r"\(folder.pem, p384.pem, rsa.pem, text.pem there: no public"):
        open_bundle(folder, digest, Trust(trusted))
    seal(folder, stranger)
    assert open_bundle(folder, digest, Trust(trusted)).digest == digest


def test_the_signature_of_another_bundle_does_not_do(tmp_path: Path) -> None:
    (folder, digest), (other, _) = (bundle(tmp_path, version=version) for version in (1, 2))
    (folder / SIGNATURE).write_bytes((other / SIGNATURE).read_bytes())
    with pytest.raises(BundleDamaged, match="is not what its signature names"):
        open_bundle(folder, digest, TRUST)


def test_a_signature_that_names_a_trusted_key_and_is_by_another_is_refused(
    tmp_path: Path, stranger: Path
) -> None:
    folder, digest = bundle(tmp_path)
    mine = json.loads((folder / SIGNATURE).read_bytes())
    theirs = json.loads(signature(contents(folder), stranger))
    theirs["verificationMaterial"] = mine["verificationMaterial"]
    (folder / SIGNATURE).write_text(json.dumps(theirs))
    with pytest.raises(BundleUntrusted, match="is no signature by the key that it names"):
        open_bundle(folder, digest, TRUST)


def put(*path: str | int, value: object) -> Change:
    def change(told: Any) -> None:
        for step in path[:-1]:
            told = told[step]
        told[path[-1]] = value

    return change


RESOURCES = ("predicate", "resources")
SIGNED: dict[str, Change] = {
    "of another kind": put("_type", value="https://in-toto.io/Statement/v0.1"),
    "of an old format": put("predicateType", value="https://model_signing/Digests/v0.1"),
    "of no subject": put("subject", value=[]),
    "of two subjects": lambda told: told["subject"].append(told["subject"][0]),
    "of another sum": put("subject", 0, "digest", "sha256", value="0" * 64),
    "with more than we know": put("predicate", "exempt", value=["model.onnx"]),
    "hashed otherwise": put(*RESOURCES, 0, "algorithm", value="blake2b"),
    "by shards": put("predicate", "serialization", "method", value="shards"),
    "with a file less": lambda told: told["predicate"]["resources"].pop(),
    "with a file twice": lambda told: told["predicate"]["resources"].append(
        told["predicate"]["resources"][0]
    ),
    "with a path": put(*RESOURCES, 0, "name", value="../manifest.json"),
    "in another order": lambda told: told["predicate"]["resources"].reverse(),
    "in capitals": lambda told: put(*RESOURCES, 0, "digest", value=digest_in(told).upper())(told),
    "with a digest that is none": put(*RESOURCES, 0, "digest", value="manifest"),
    "with a digest and a line": lambda told: put(*RESOURCES, 0, "digest", value=digest_in(told) + "\n")(told),
}


def digest_in(told: Signed) -> str:
    return told["predicate"]["resources"][0]["digest"]


@pytest.mark.parametrize("change", SIGNED.values(), ids=list(SIGNED))
def test_what_a_trusted_key_signed_counts_only_if_it_names_these_files_and_no_more(
    tmp_path: Path, change: Change
) -> None:
    folder, digest = bundle(tmp_path)
    signed = payload(contents(folder))
    change(signed)
    (folder / SIGNATURE).write_text(sigstore(json.dumps(signed).encode()))
    with pytest.raises(BundleUntrusted):
        open_bundle(folder, digest, TRUST)


SIGNATURES: dict[str, Change] = {
    "of another format": put("mediaType", value="application/vnd.dev.sigstore.bundle.v0.2+json"),
    "without its key": lambda told: told["verificationMaterial"].pop("publicKey"),
    "without a hint": lambda told: told["verificationMaterial"]["publicKey"].pop("hint"),
    "with a certificate": put("verificationMaterial", "certificate", value={"rawBytes": "AA=="}),
    "with a log entry": put("verificationMaterial", "tlogEntries", value=[{}]),
    "unsigned": put("dsseEnvelope", "signatures", value=[]),
    "signed twice": lambda told: told["dsseEnvelope"]["signatures"].append(
        told["dsseEnvelope"]["signatures"][0]
    ),
    "of another payload": put("dsseEnvelope", "payloadType", value="text/plain"),
    "of no base64": put("dsseEnvelope", "signatures", 0, "sig", value="%"),
    "empty": put("dsseEnvelope", "signatures", 0, "sig", value=""),
    "of a payload that is none": put("dsseEnvelope", "payload", value=""),
    "with more than we know": put("comment", value="please"),
}


@pytest.mark.parametrize("change", SIGNATURES.values(), ids=list(SIGNATURES))
def test_a_signature_of_any_other_form_is_refused(tmp_path: Path, change: Change) -> None:
    folder, digest = bundle(tmp_path)
    told = json.loads((folder / SIGNATURE).read_bytes())
    change(told)
    (folder / SIGNATURE).write_text(json.dumps(told))
    with pytest.raises(BundleUntrusted):
        open_bundle(folder, digest, TRUST)


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path)
    told = (folder / SIGNATURE).read_text()
    (folder / SIGNATURE).write_text(told.replace('{"mediaType":', '{"mediaType": "another", "mediaType":', 1))
    with pytest.raises(BundleUntrusted, match="a member is there twice"):
        open_bundle(folder, digest, TRUST)


@pytest.mark.parametrize("content", [b"", b"null", b"\xff", b"[" * 500_000, b"1" * 10_000], ids=range(5))
def test_a_file_that_is_no_signature_is_refused_with_a_sentence(tmp_path: Path, content: bytes) -> None:
    folder, digest = bundle(tmp_path)
    (folder / SIGNATURE).write_bytes(content)
    with pytest.raises(BundleUntrusted, match="is no signature as model-signing writes it"):
        open_bundle(folder, digest, TRUST)


def test_each_changed_byte_of_what_is_signed_is_seen(tmp_path: Path) -> None:
    folder, _ = bundle(tmp_path)
    keys, where = TRUST.keys(), folder / SIGNATURE
    digests = {name: sha256(content) for name, content in contents(folder).items()}
    told = json.loads(where.read_bytes())
    keys.check(where, json.dumps(told).encode(), digests)
    signed = base64.b64decode(told["dsseEnvelope"]["payload"])
    for place in range(len(signed)):
        changed = signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :]
        told["dsseEnvelope"]["payload"] = base64.b64encode(changed).decode()
        with pytest.raises(BundleUntrusted, match="is no signature by the key that it names"):
            keys.check(where, json.dumps(told).encode(), digests)

"""Whether a bundle's files are signed by a key that is trusted: read as OpenSSF's model-signing writes it.

`model.sig` is a Sigstore bundle with one signature by a key (ECDSA, P-256, SHA-256) over the hash of each
file. What is checked are bytes in memory, which are then loaded. It is read here, for model-signing itself
takes seconds to import.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from msgspec import Meta, Struct

from keepfit.errors import BundleDamaged, BundleUntrusted
from keepfit.settings import Settings

_IN_TOTO = "application/vnd.in-toto+json"
_LARGEST_KEY = 64 * 1024
_Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_CURE = "publish the version again"
T = TypeVar("T")


class _Strict(Struct, forbid_unknown_fields=True, rename="camel"):
    pass


class _Hint(_Strict):
    hint: _Sha256


class _Material(_Strict):
    public_key: _Hint
    tlog_entries: Annotated[list[object], Meta(max_length=0)] = []


class _Signature(_Strict):
    sig: bytes
    keyid: Literal[""] = ""


class _Envelope(_Strict):
    payload: bytes
    payload_type: Literal["application/vnd.in-toto+json"]
    signatures: Annotated[list[_Signature], Meta(min_length=1, max_length=1)]


class _Sigstore(_Strict):
    media_type: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]
    verification_material: _Material
    dsse_envelope: _Envelope


class _Digest(_Strict):
    sha256: _Sha256


class _Subject(_Strict):
    digest: _Digest
    name: str = ""


class _Resource(_Strict):
    name: str
    algorithm: Literal["sha256"]
    digest: _Sha256


class _Method(_Strict, rename=None):
    method: Literal["files"]
    hash_type: Literal["sha256"]
    allow_symlinks: bool
    ignore_paths: list[str]


class _Predicate(_Strict):
    serialization: _Method
    resources: list[_Resource]


class _Payload(_Strict):
    type: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type")
    subject: Annotated[list[_Subject], Meta(min_length=1, max_length=1)]
    predicate_type: Literal["https://model_signing/signature/v1.0"]
    predicate: _Predicate


@dataclass(frozen=True)
class Keys:
    """The public keys that were trusted at one moment, by their hints."""

    folder: Path
    known: Mapping[str, ec.EllipticCurvePublicKey]
    strange: tuple[str, ...]
    """Files of the folder that hold no such key."""

    def check(self, where: Path, signature: bytes, digests: Mapping[str, str]) -> None:
        """Raise unless one of these keys signed exactly these files: SHA-256 by name, in hexadecimal.

        BundleUntrusted tells of the signature, which is from `where`; BundleDamaged of a file.
        """
        sigstore = _strictly(where, signature, _Sigstore)
        key = self._key(where, sigstore.verification_material.public_key.hint)
        payload = sigstore.dsse_envelope.payload
        signed = b"DSSEv1 %d %s %d %s" % (len(_IN_TOTO), _IN_TOTO.encode(), len(payload), payload)
        try:
            key.verify(sigstore.dsse_envelope.signatures[0].sig, signed, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as fault:
            msg = f"{where}: is no signature by the key that it names; {_CURE}"
            raise BundleUntrusted(msg) from fault
        told = _strictly(where, payload, _Payload)
        resources = told.predicate.resources
        root = hashlib.sha256(b"".join(bytes.fromhex(each.digest) for each in resources)).hexdigest()
        if [each.name for each in resources] != sorted(digests) or told.subject[0].digest.sha256 != root:
            msg = f"{where}: signs other files than {', '.join(sorted(digests))}; {_CURE}"
            raise BundleUntrusted(msg)
        for each in resources:
            if each.digest != digests[each.name]:
                msg = f"{where.with_name(each.name)}: is not what its signature names; {_CURE}"
                raise BundleDamaged(msg)

    def _key(self, where: Path, hint: str) -> ec.EllipticCurvePublicKey:
        if hint in self.known:
            return self.known[hint]
        strange = f" ({', '.join(self.strange)} there: no public key of P-256 in PEM)" if self.strange else ""
        if not self.known:
            cure = "put the public keys of whom you trust there, or name their folder in KEEPFIT_TRUSTED_KEYS"
            msg = f"{where}: no key is trusted, for {self.folder} has none{strange}; {cure}"
            raise BundleUntrusted(msg)
        msg = (
            f"{where}: is signed by a key that is not trusted (hint {hint[:12]}); put its public key into "
            f"{self.folder} if you trust it{strange}, or {_CURE}"
        )
        raise BundleUntrusted(msg)


@dataclass(frozen=True)
class Trust:
    """Whose bundles are served, and how large their models may be."""

    folder: Path
    """Public keys, one in each `*.pem`."""
    model_bytes: int = Settings.model_bytes

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Trust as the settings say."""
        return cls(settings.trusted_folder, settings.model_bytes)

    def keys(self) -> Keys:
        """Read the keys as they are now, so that one that was added or taken away counts at the next load."""
        known: dict[str, ec.EllipticCurvePublicKey] = {}
        strange: list[str] = []
        for file in sorted(self.folder.glob("[!.]*.pem")):  # none where there is no such folder
            key = read_public(file)
            if key is None:
                strange.append(file.name)
            else:
                known[hint(key)] = key
        return Keys(self.folder, known, tuple(strange))


def public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    """Write a public key as everyone reads it."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def hint(key: ec.EllipticCurvePublicKey) -> str:
    """Name a public key as signatures do: the SHA-256 of its PEM."""
    return hashlib.sha256(public_pem(key)).hexdigest()


def read_public(file: Path) -> ec.EllipticCurvePublicKey | None:
    """Read a public key of P-256 in PEM; None where the file is none."""
    try:
        with file.open("rb") as opened:
            key = load_pem_public_key(opened.read(_LARGEST_KEY))
    except (OSError, ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1" else None


def _strictly(where: Path, body: bytes, kind: type[T]) -> T:
    """Decode JSON that has each member once, and none that we do not know."""
    try:
        return msgspec.convert(json.loads(body.decode(), object_pairs_hook=_members), kind)
    except (ValueError, msgspec.MsgspecError, RecursionError) as fault:
        msg = f"{where}: is no signature as model-signing writes it: {str(fault)[:200]}; {_CURE}"
        raise BundleUntrusted(msg) from fault


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        msg = "a member is there twice"
        raise ValueError(msg)
    return members

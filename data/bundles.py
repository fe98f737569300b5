"""What a server loads: four files in a folder, named by one digest and signed as a whole.

`manifest.json` describes `model.onnx` and has its SHA-256; the digest is the SHA-256 of the manifest's bytes.
`statement.json` says how the version came to be. `model.sig` signs these three.
"""

import hashlib
import os
import re
import stat
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from data.signatures import Trust
from data.statements import Digest, Judgement, Origin, Statement, Subject
from keepfit.errors import BundleDamaged, BundleUntrusted
from keepfit.spec import Column, Target, Value

MODEL = "model.onnx"
MANIFEST = "manifest.json"
STATEMENT = "statement.json"
SIGNATURE = "model.sig"
FILES = (MANIFEST, MODEL, SIGNATURE, STATEMENT)
_DIGEST = re.compile(r"[0-9a-f]{64}")
"""It is the name of a folder: nothing else may be asked for as one."""
_LARGEST = {MANIFEST: 16 * 1024 * 1024, SIGNATURE: 1024 * 1024, STATEMENT: 1024 * 1024}


class Lineage(Struct, frozen=True, kw_only=True):
    """Where a model comes from: what would have to be the same to make it again."""

    recipe: str
    """Hash of what went in: snapshot, code, libraries and project file."""
    snapshot_id: str
    training_until: datetime
    """The model learned from nothing that was predicted at or after this time."""
    as_of: datetime
    reason: str
    commit: str
    lock_hash: str
    journal_positions: dict[str, int]
    metrics: dict[str, float]
    """Scores on the holdout at its own promotion."""


class Manifest(Struct, frozen=True, kw_only=True):
    """What is true of one model: its inputs, its outputs, and how to see that it works."""

    project: str
    version: Annotated[int, Meta(ge=0, lt=2**31)]
    """The registry's number; as the store has it."""
    model_sha256: str
    columns: dict[str, Column]
    target: Target
    output: str
    """The name of the ONNX output that is the answer."""
    golden_rows: list[dict[str, Value]]
    golden_outputs: list[list[float]]
    lineage: Lineage


class Bundle(Struct, frozen=True):
    """A bundle whose bytes were verified; what is loaded is these bytes, not a file read again."""

    digest: str
    manifest: Manifest
    model: bytes
    manifest_bytes: bytes = b""
    """What the digest names; written again from these bytes, a bundle keeps its digest."""
    statement_bytes: bytes = b""
    signature: bytes = b""

    def files(self) -> dict[str, bytes]:
        """Give the files that the bundle is, byte by byte as they were read."""
        return {
            MANIFEST: self.manifest_bytes,
            MODEL: self.model,
            SIGNATURE: self.signature,
            STATEMENT: self.statement_bytes,
        }


def write_unsigned(folder: Path, model: bytes, manifest: Manifest, judgement: Judgement | None = None) -> str:
    """Write what is to be signed into a folder, and return the digest; like input gives like bytes."""
    told = msgspec.to_builtins(manifest, order="sorted")
    # As the project has them: callers may send a row as a list, and mean this order.
    told["columns"] = {name: told["columns"][name] for name in manifest.columns}
    body = msgspec.json.format(msgspec.json.encode(told), indent=1)
    said = msgspec.json.encode(_statement(manifest, sha256(body), judgement), order="sorted")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(model)
    (folder / MANIFEST).write_bytes(body)
    (folder / STATEMENT).write_bytes(msgspec.json.format(said, indent=1))
    return sha256(body)


def copy_bundle(folder: Path, bundle: Bundle) -> None:
    """Write an opened bundle's files, byte by byte as they were."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in bundle.files().items():
        (folder / name).write_bytes(content)


def open_bundle(folder: Path, digest: str, trust: Trust) -> Bundle:
    """Read a bundle, and verify each byte against its digest and a signature by a trusted key.

    Raises BundleUntrusted where the signature is not good, and BundleDamaged where anything else is not.
    """
    if _DIGEST.fullmatch(digest) is None:
        msg = f"{digest[:80]!r}: is no digest of a bundle; publish the version again"
        raise BundleDamaged(msg)
    # Before the files: a bundle that is signed anew while we read has a signature by a key that we know.
    keys = trust.keys()
    try:
        files = _read(folder, {**_LARGEST, MODEL: trust.model_bytes})
    except OSError as fault:
        msg = f"{folder}: no readable bundle: {fault}; publish the version again"
        raise BundleDamaged(msg) from fault
    signature = files.pop(SIGNATURE)
    digests = {name: sha256(content) for name, content in files.items()}
    if digests[MANIFEST] != digest:
        msg = f"{folder / MANIFEST}: is not what the digest {digest[:12]!r} names; publish the version again"
        raise BundleDamaged(msg)
    keys.check(folder / SIGNATURE, signature, digests)
    try:
        manifest = msgspec.json.decode(files[MANIFEST], type=Manifest)
        statement = msgspec.json.decode(files[STATEMENT], type=Statement)
    except (msgspec.MsgspecError, ValueError, RecursionError) as fault:
        msg = f"{folder}: no readable bundle: {fault}; publish the version again"
        raise BundleDamaged(msg) from fault
    if digests[MODEL] != manifest.model_sha256:
        msg = f"{folder / MODEL}: is not what its manifest names; publish the version again"
        raise BundleDamaged(msg)
    if statement.subject[0].digest.sha256 != digest:
        msg = f"{folder / STATEMENT}: is of another bundle; publish the version again"
        raise BundleDamaged(msg)
    return Bundle(digest, manifest, files[MODEL], files[MANIFEST], files[STATEMENT], signature)


def read_claims(folder: Path, digest: str) -> tuple[Manifest, Statement]:
    """Read what a bundle says of itself, its model unread and its signature unchecked.

    The manifest is the one that the digest names. Raises BundleDamaged.
    """
    if _DIGEST.fullmatch(digest) is None:
        msg = f"{digest[:80]!r}: is no digest of a bundle"
        raise BundleDamaged(msg)
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            told, said = (_read_file(opened, folder / name, _LARGEST[name]) for name in (MANIFEST, STATEMENT))
        finally:
            os.close(opened)
        manifest = msgspec.json.decode(told, type=Manifest)
        statement = msgspec.json.decode(said, type=Statement)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as fault:
        msg = f"{folder}: no readable bundle: {fault}; publish the version again"
        raise BundleDamaged(msg) from fault
    if sha256(told) != digest or statement.subject[0].digest.sha256 != digest:
        msg = f"{folder}: is not what the digest {digest[:12]!r} names; publish the version again"
        raise BundleDamaged(msg)
    return manifest, statement


def digest_of(folder: Path) -> str:
    """Compute the digest that a folder's bundle has, without trusting it."""
    try:
        return sha256((folder / MANIFEST).read_bytes())
    except OSError as fault:
        msg = f"{folder}: no readable bundle: {fault}; publish the version again"
        raise BundleDamaged(msg) from fault


def sha256(content: bytes) -> str:
    """Hash bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _statement(manifest: Manifest, digest: str, judgement: Judgement | None) -> Statement:
    lineage = manifest.lineage
    origin = Origin(
        project=manifest.project,
        version=manifest.version,
        snapshot_id=lineage.snapshot_id,
        training_until=lineage.training_until,
        as_of=lineage.as_of,
        commit=lineage.commit,
        lock_hash=lineage.lock_hash,
        metrics=lineage.metrics,
        judgement=judgement,
    )
    return Statement(subject=(Subject(MANIFEST, Digest(digest)),), predicate=origin)


def _read(folder: Path, largest: dict[str, int]) -> dict[str, bytes]:
    """Read the files of a bundle, each once; refuse a folder that holds anything else."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with os.scandir(opened) as entries:
            found = {entry.name for entry in islice(entries, len(FILES) + 1)}
        if strange := sorted(found - set(FILES)):
            msg = f"{folder}: holds {strange[0]!r}, which is no part of a bundle; publish the version again"
            raise BundleDamaged(msg)
        if found == set(FILES) - {SIGNATURE}:
            msg = f"{folder}: has no {SIGNATURE}: nobody answers for it; publish the version again"
            raise BundleUntrusted(msg)
        return {name: _read_file(opened, folder / name, largest[name]) for name in FILES}
    finally:
        os.close(opened)


def _read_file(folder: int, path: Path, largest: int) -> bytes:
    found = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        msg = f"{path}: is no regular file, as each of a bundle must be; publish the version again"
        raise BundleDamaged(msg)
    if found.st_size > largest:
        limit = "KEEPFIT_MODEL_BYTES lets a model have" if path.name == MODEL else "Keepfit writes"
        msg = f"{path}: has {found.st_size} bytes, and {largest} are the most that {limit}"
        raise BundleDamaged(msg)
    # Should it be another by now, no link is followed, and a pipe is not waited for.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path.name, flags, dir_fd=folder), "rb") as file:
        return file.read(found.st_size)

"""What a server loads: `model.onnx` and `manifest.json`, named by one digest.

The digest is the SHA-256 of the manifest's bytes, and the manifest has the SHA-256 of the model's.
"""

import hashlib
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from keepfit.errors import BundleDamaged
from keepfit.spec import Column, Target, Value

MODEL = "model.onnx"
MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 16 * 1024 * 1024


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
    version: int
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


def write_bundle(folder: Path, model: bytes, manifest: Manifest) -> str:
    """Write a bundle's two files into a folder and return its digest; the same input gives the same bytes."""
    told = msgspec.to_builtins(manifest, order="sorted")
    # As the project has them: callers may send a row as a list, and mean this order.
    told["columns"] = {name: told["columns"][name] for name in manifest.columns}
    body = msgspec.json.format(msgspec.json.encode(told), indent=1)
    copy_bundle(folder, Bundle(sha256(body), manifest, model, body))
    return sha256(body)


def copy_bundle(folder: Path, bundle: Bundle) -> None:
    """Write an opened bundle's two files, byte by byte as they were."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(bundle.model)
    (folder / MANIFEST).write_bytes(bundle.manifest_bytes)


def open_bundle(folder: Path, digest: str) -> Bundle:
    """Read a bundle and verify every byte against its digest; raise BundleDamaged otherwise."""
    try:
        manifest_file = folder / MANIFEST
        if manifest_file.stat().st_size > _LARGEST_MANIFEST:
            msg = f"{manifest_file}: larger than any manifest that Keepfit writes; publish the version again"
            raise BundleDamaged(msg)
        body = manifest_file.read_bytes()
        if sha256(body) != digest:
            msg = f"{manifest_file}: is not what the digest {digest[:12]} names; publish the version again"
            raise BundleDamaged(msg)
        manifest = msgspec.json.decode(body, type=Manifest)
        model = (folder / MODEL).read_bytes()
    except (OSError, msgspec.MsgspecError) as fault:
        msg = f"{folder}: no readable bundle: {fault}; publish the version again"
        raise BundleDamaged(msg) from fault
    if sha256(model) != manifest.model_sha256:
        msg = f"{folder / MODEL}: is not what its manifest names; publish the version again"
        raise BundleDamaged(msg)
    return Bundle(digest, manifest, model, body)


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

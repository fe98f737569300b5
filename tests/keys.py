"""A key for tests that sign bundles themselves, and who trusts it; one for each process."""

import atexit
import base64
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from data.bundles import SIGNATURE
from data.signatures import Trust, hint
from data.signing import make_key

_HOME = Path(tempfile.mkdtemp(prefix="keepfit-keys-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
KEY_FILE = _HOME / "signing.pem"
TRUSTED = _HOME / "trusted"
TRUST = Trust(TRUSTED)
make_key(KEY_FILE, TRUSTED)

SETTINGS = {"signing_key": str(KEY_FILE), "trusted_keys": str(TRUSTED)}
"""For the settings of what signs with this key, and trusts it."""
_IN_TOTO = "application/vnd.in-toto+json"


def seal(folder: Path, key: Path = KEY_FILE) -> None:
    """Sign a folder as `data.signing.sign` does (see test_signing.py), without its 2 s of import."""
    files = sorted(file for file in folder.iterdir() if file.name != SIGNATURE)
    (folder / SIGNATURE).write_text(signature({f.name: f.read_bytes() for f in files}, key))


def signature(files: dict[str, bytes], key: Path = KEY_FILE) -> str:
    """Write a signature over files, by name."""
    return sigstore(json.dumps(payload(files)).encode(), key)


def payload(files: dict[str, bytes]) -> dict[str, Any]:
    """Write what is signed of files."""
    digests = {name: hashlib.sha256(content) for name, content in sorted(files.items())}
    root = hashlib.sha256(b"".join(digest.digest() for digest in digests.values()))
    method = {
        "method": "files",
        "hash_type": "sha256",
        "allow_symlinks": False,
        "ignore_paths": [SIGNATURE],
    }
    resources = [{"name": n, "algorithm": "sha256", "digest": d.hexdigest()} for n, d in digests.items()]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "made", "digest": {"sha256": root.hexdigest()}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"serialization": method, "resources": resources},
    }


def sigstore(payload: bytes, key: Path = KEY_FILE) -> str:
    """Sign a payload, whatever it says."""
    private = load_pem_private_key(key.read_bytes(), password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    signed = b"DSSEv1 %d %s %d %s" % (len(_IN_TOTO), _IN_TOTO.encode(), len(payload), payload)
    made = private.sign(signed, ec.ECDSA(hashes.SHA256()))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": _IN_TOTO,
        "signatures": [{"sig": base64.b64encode(made).decode(), "keyid": ""}],
    }
    material = {"publicKey": {"hint": hint(private.public_key())}, "tlogEntries": []}
    return json.dumps(
        {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": material,
            "dsseEnvelope": envelope,
        }
    )

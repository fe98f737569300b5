"""Sign bundles with a key of our own: the doorway to OpenSSF's model-signing."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from data.bundles import SIGNATURE
from data.durable import replace_file
from data.signatures import hint, public_pem
from keepfit.errors import StateError
from keepfit.secret import secret_key


def make_key(file: Path, trusted: Path) -> None:
    """Make a key to sign with, if there is none, and trust it; two that begin at once end with the same."""
    if file.exists():
        return
    made = ec.generate_private_key(ec.SECP256R1())
    private = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # Its public half first: whoever dies between leaves one that nobody can sign for.
    public = trust_key(made.public_key(), trusted)
    if secret_key(file, lambda: private) != private:
        public.unlink()


def trust_key(key: ec.EllipticCurvePublicKey, trusted: Path) -> Path:
    """Put a public key among those that are trusted; give its file."""
    file = public_file(key, trusted)
    try:
        trusted.mkdir(parents=True, exist_ok=True)
        replace_file(file, public_pem(key))
    except OSError as fault:
        msg = f"{file}: cannot be written: {fault.strerror}; let this user write there, or free the disk"
        raise StateError(msg) from fault
    return file


def public_file(key: ec.EllipticCurvePublicKey, trusted: Path) -> Path:
    """Say where a public key of ours is, among those that are trusted."""
    return trusted / f"{hint(key)[:12]}.pem"


def public_key(file: Path) -> ec.EllipticCurvePublicKey:
    """Read the public half of a key to sign with; raise StateError when it is none of P-256."""
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("it is of another kind")
    except (OSError, ValueError, TypeError) as fault:  # TypeError: it has a password
        msg = (
            f"{file}: is no private key of P-256 in PEM without a password: {fault}; put the right one "
            "there, or take it away and a new one is made"
        )
        raise StateError(msg) from fault
    return key.public_key()


def sign(folder: Path, key: Path) -> None:
    """Sign every file of a folder: `model.sig` is put beside them, in place of one that was there."""
    public_key(key)
    # It takes 2 seconds to import, and only a retrain signs.
    from model_signing import hashing, signing

    signature = folder / SIGNATURE
    hashed = hashing.Config().set_ignored_paths(paths=[signature], ignore_git_paths=False)
    signing.Config().set_hashing_config(hashed).use_elliptic_key_signer(private_key=key).sign(
        folder, signature
    )

"""Bundles that must not be served, by what is wrong with each: what an attacker or a fault leaves on disk.

Each kind writes a folder, given a good bundle there to spoil, and a pointer to it. The good one beside it is
signed with the key of the tests, so that exactly one thing is wrong.
"""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from data.bundles import MANIFEST, MODEL, STATEMENT, Manifest, write_unsigned
from data.signing import make_key
from keepfit.spec import Value
from tests.builders import ROW, manifest, model
from tests.keys import seal


@dataclass(frozen=True)
class Scene:
    """Where a hostile bundle lies, and what it can reach for."""

    folder: Path
    """A good bundle, to be spoilt; it becomes the release that the pointer names."""
    version: int
    outside: Path
    """A folder that is no release: it has a good bundle in `bundle`, and the key of a stranger."""
    canary: Path
    """What is made by code that runs."""

    @property
    def stranger(self) -> Path:
        """The private key of someone who is not trusted."""
        return self.outside / "stranger.pem"

    def good(self, folder: Path, onnx_model: bytes | None = None, **changed: object) -> None:
        """Write a good bundle, or one that is wrong in what is given; the model is not run for it."""
        write_unsigned(folder, *described(self.version, onnx_model, **changed))
        seal(folder)

    def rewrite(self, name: str, content: bytes) -> None:
        """Replace a file and sign the whole: an insider's work. A changed manifest gets its statement."""
        (self.folder / name).write_bytes(content)
        if name == MANIFEST:
            told = msgspec.json.decode((self.folder / STATEMENT).read_bytes())
            told["subject"][0]["digest"]["sha256"] = self.digest
            (self.folder / STATEMENT).write_bytes(msgspec.json.encode(told))
        seal(self.folder)

    @property
    def digest(self) -> str:
        """What a pointer to the folder names."""
        file = self.folder / MANIFEST
        plain = file.is_file() and not file.is_symlink() and file.stat().st_size < 2**30
        return hashlib.sha256(file.read_bytes() if plain else self.folder.name.encode()).hexdigest()


Spoil = Callable[[Scene], object]
"""Makes a good bundle hostile."""


def described(version: int, onnx_model: bytes | None = None, **changed: object) -> tuple[bytes, Manifest]:
    """Make a model of two golden rows and its manifest, without running it."""
    made = onnx_model if onnx_model is not None else model("regression", version)
    fields = {"golden_rows": rows(), "golden_outputs": outputs(version)} | changed
    return made, manifest(made, version=version, kind="regression", **fields)


def rows() -> list[dict[str, Value]]:
    return [ROW, {**ROW, "distance": 5000, "carrier": "new", "season": None, "wind": None}]


def outputs(version: int) -> list[list[float]]:
    return [[10_000.0 * version + 733], [10_000.0 * version + 5000]]


def stage(home: Path) -> Path:
    """Make what hostile bundles reach for outside of the releases, once."""
    outside = home / "outside"
    make_key(outside / "stranger.pem", outside / "strangers")
    scene = Scene(outside / "bundle", 900, outside, home / "canary")
    scene.good(scene.folder)
    return outside


def lay(spoil: Spoil, version: int, releases: Path, outside: Path, canary: Path) -> str:
    """Write a hostile bundle into the releases, as no publisher of ours would; give its digest."""
    scene = Scene(releases / f".coming-{version}", version, outside, canary)
    scene.good(scene.folder)
    spoil(scene)
    digest = scene.digest
    if digest is not None and not (releases / digest).exists():
        scene.folder.rename(releases / digest)
    return digest


def clear(releases: Path, digest: str) -> None:
    """Take a hostile bundle away again."""
    home = releases / digest
    if home.is_dir() and not home.is_symlink():
        shutil.rmtree(home)
    else:
        home.unlink(missing_ok=True)


FILES = (MANIFEST, MODEL, STATEMENT, "model.sig")

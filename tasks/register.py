"""Register a version: its number, its bundle and its lineage, in the registry."""

import functools
import inspect
import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pandas as pd

from data.bundles import Bundle, Lineage, open_bundle, sha256, write_unsigned
from data.durable import locked
from data.releases import publish, released
from data.signing import make_key, sign
from data.statements import Judgement
from keepfit.errors import BundleError, VersionNotFound
from keepfit.faults import reach
from keepfit.gates import Scores
from keepfit.settings import ROOT, code_commit
from keepfit.spec import Project
from tasks.convert import Converted, make_manifest
from tasks.loop import Loop


@dataclass(frozen=True)
class Candidate:
    """A converted model with its lineage, before it has a version."""

    converted: Converted
    sample: pd.DataFrame
    lineage: Lineage

    def scored(self, scores: Scores) -> "Candidate":
        """Note in the lineage what the holdout said; what is not a number is in the decision alone."""
        metrics = {name: score for name, score in scores.items() if math.isfinite(score)}
        lineage = msgspec.structs.replace(self.lineage, metrics=metrics)
        return replace(self, lineage=lineage)

    def bundle(self, loop: Loop, version: int) -> Bundle:
        """Make the bundle that this is, under a version."""
        manifest = make_manifest(loop.project, self.converted, self.sample, self.lineage, version)
        return Bundle("unpublished", manifest, self.converted.model)


def register(loop: Loop, candidate: Candidate, key: str, judgement: Judgement) -> Bundle:
    """Give a candidate its version, sign its bundle, and keep that with its scores in the registry.

    `key` names what it was made from: registering it again gives the same version.
    """
    # One at a time: the registry has no compare-and-set, and fails where two write one version.
    with locked(loop.releases / ".registering"), tempfile.TemporaryDirectory(prefix="keepfit-") as made_in:
        reach("register.version")
        version = loop.registry.version(key)
        made = candidate.bundle(loop, version)
        folder = Path(made_in) / f"{loop.name}-{version}"  # the name that the signature tells
        digest = write_unsigned(folder, made.model, made.manifest, judgement)
        make_key(loop.settings.key_file, loop.settings.trusted_folder)
        sign(folder, loop.settings.key_file)
        # Before the registry has it: what nobody would serve is no version.
        bundle = open_bundle(folder, digest, loop.trust)
        lineage = made.manifest.lineage
        told = {f"keepfit.{k}": str(v) for k, v in msgspec.to_builtins(lineage).items() if k != "metrics"}
        told["verdict"] = "passed" if judgement.promote else "refused"
        told["reasons"] = "; ".join(judgement.objections or judgement.reasons)
        reach("register.keep")
        loop.registry.keep(version, folder, told, lineage.metrics)
        reach("register.kept")
        return bundle


def release(loop: Loop, bundle: Bundle) -> None:
    """Put a bundle into the release directory; doing it twice changes nothing."""
    publish(bundle, loop.releases, loop.trust)


def fetch(loop: Loop, version: int, digest: str | None = None) -> Bundle:
    """Return the verified bundle of a version, from the release directory or else from the registry.

    Raises VersionNotFound when neither has one that verifies.
    """
    if digest is not None:
        try:
            return released(loop.releases, digest, loop.trust)
        except BundleError:
            pass  # the registry has it too
    with loop.registry.bundle(version) as (folder, kept):
        try:
            bundle = open_bundle(folder, digest or kept, loop.trust)
        except BundleError as damage:
            msg = f"{loop.name} version {version}: the registry's bundle does not verify: {damage}"
            raise VersionNotFound(msg) from damage
    if bundle.manifest.version != version or bundle.manifest.project != loop.name:
        made = f"{bundle.manifest.project} version {bundle.manifest.version}"
        msg = f"{loop.name} version {version}: the registry's bundle is of {made}; choose another version"
        raise VersionNotFound(msg)
    return bundle


def recipe(project: Project, snapshot_id: str) -> str:
    """Hash what a model is made of: the snapshot, this code, the libraries and the project's file."""
    file = _source_file(project.build)
    code = b"" if file is None else file.read_bytes()
    return sha256("\n".join((snapshot_id, code_commit(), lock_hash(), sha256(code))).encode())


def _source_file(build: object) -> Path | None:
    function = build.func if isinstance(build, functools.partial) else build
    code = function if inspect.isroutine(function) or inspect.isclass(function) else type(function)
    try:
        source = inspect.getsourcefile(code)
    except TypeError:  # it is written in C
        return None
    return Path(source) if source is not None and Path(source).is_file() else None


def lock_hash() -> str:
    """Hash the lock file that says which libraries trained a model."""
    return sha256((ROOT / "uv.lock").read_bytes())

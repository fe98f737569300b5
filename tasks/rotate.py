"""Rotate the key that bundles are signed with: make the next one, then sign anew what was ever promoted.

Two steps, for between them every server must come to trust the next key: nothing is signed with it before.
Each may be run again after a death, and ends the same.
"""

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.audit import Change, append
from data.bundles import SIGNATURE, Bundle, copy_bundle
from data.durable import replace_file, sync_folder
from data.promotions import Ledger, promoted_projects
from data.releases import released
from data.signatures import Trust, hint, read_public
from data.signing import make_key, public_key, sign, trust_key
from data.store import Store
from keepfit.errors import BundleError, StateError, VersionNotFound
from keepfit.settings import Settings

if TYPE_CHECKING:
    from data.registry import Registry


@dataclass(frozen=True)
class Rotated:
    """What a rotation did: the keys by their hints, how many bundles have the new one, and which have not."""

    old: str
    new: str
    signed: int
    left: tuple[str, ...]


@dataclass(frozen=True)
class Rotation:
    """The key of one home, and all that was signed with it; the key is one for all its projects."""

    settings: Settings
    store: Store

    def prepare(self) -> Path:
        """Make the next key, and trust it here; give the file with its public half."""
        if self._retiring.exists():
            msg = f"{self._retiring}: the last rotation was not finished; run bin/keepfit rotate-key --finish"
            raise StateError(msg)
        trusted = self.settings.trusted_folder
        make_key(self.settings.key_file, trusted)
        is_new = not self._next.exists()
        make_key(self._next, trusted)
        next_key = public_key(self._next)
        if is_new:
            self._note(
                Change(what="signing key made", why="a rotation begins", after={"key": hint(next_key)})
            )
        return trust_key(next_key, trusted)

    def finish(self) -> Rotated:
        """Sign with the next key from now on, and anew what was promoted; trust the old one no longer.

        Only what the ledger names is signed: who stole the old key gets nothing signed with the new one.
        """
        trusted = self.settings.trusted_folder
        if self._next.exists():
            with suppress(FileExistsError):  # we died here before
                os.link(self.settings.key_file, self._retiring)
            self._next.replace(self.settings.key_file)
            sync_folder(self._next.parent)
        if not self._retiring.exists():
            msg = f"{self._next}: is not there, so no key is waiting; begin with bin/keepfit rotate-key"
            raise StateError(msg)
        old, new = public_key(self._retiring), public_key(self.settings.key_file)
        while True:
            promoted = self._promoted()
            trust_key(old, trusted)
            left = [why for each in sorted(promoted) if (why := self._sign_again(*each)) is not None]
            for file in trusted.glob("*.pem"):
                if (key := read_public(file)) is not None and hint(key) == hint(old):
                    file.unlink()
            # Once more where a retrain that had signed with the old key was promoted meanwhile.
            if self._promoted() == promoted:
                break
        after = {"key": hint(new), "signed": len(promoted) - len(left), "left": len(left)}
        before = {"key": hint(old)}
        self._note(Change(what="signing key rotated", why="a rotation ends", before=before, after=after))
        self._retiring.unlink()
        return Rotated(hint(old), hint(new), len(promoted) - len(left), tuple(left))

    def _note(self, change: Change) -> None:
        with self.store.transaction() as connection:
            append(connection, change)

    def registry(self, project: str) -> "Registry":
        """Open the registry of a project; MLflow takes seconds to import."""
        from data.registry import Registry

        return Registry(self.settings.mlflow_url, project)

    @property
    def _next(self) -> Path:
        return self.settings.key_file.with_suffix(".next")

    @property
    def _retiring(self) -> Path:
        return self.settings.key_file.with_suffix(".retiring")

    def _promoted(self) -> set[tuple[str, str]]:
        return {
            (project, entry.digest)
            for project in promoted_projects(self.store)
            for entry in Ledger(self.store, project).history()
            if entry.digest is not None
        }

    def _sign_again(self, project: str, digest: str) -> str | None:
        releases = self.settings.releases(project)
        try:
            bundle = released(releases, digest, Trust.of(self.settings))
            signature = self._signed(project, bundle)
        except (BundleError, VersionNotFound) as fault:
            return f"{project} {digest[:12]}: {fault}"
        # Written outside: a bundle's folder holds its four files, and nothing else for a moment.
        replace_file(releases / digest / SIGNATURE, signature, beside=releases)
        return None

    def _signed(self, project: str, bundle: Bundle) -> bytes:
        version = bundle.manifest.version
        with tempfile.TemporaryDirectory(prefix="keepfit-") as made_in:
            folder = Path(made_in) / f"{project}-{version}"
            copy_bundle(folder, bundle)
            sign(folder, self.settings.key_file)
            self.registry(project).keep(version, folder, {}, {})
            return (folder / SIGNATURE).read_bytes()

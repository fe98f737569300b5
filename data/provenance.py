"""Where a published version comes from: what its bundle says, and whether its signature is good."""

from dataclasses import dataclass
from pathlib import Path

from data.bundles import MODEL, SIGNATURE, Manifest, read_claims
from data.releases import released
from data.signatures import Trust
from data.statements import Statement
from keepfit.errors import BundleError

CHECKED_BYTES = 32 * 1024 * 1024
"""A larger model is not hashed for a page: that would take longer than a page may."""


@dataclass(frozen=True)
class Provenance:
    """What a bundle says of itself; `signed` None: its signature was not checked. `words` say why."""

    words: str
    signed: bool | None = None
    manifest: Manifest | None = None
    statement: Statement | None = None


def provenance(releases: Path, digest: str | None, trust: Trust, most: int = CHECKED_BYTES) -> Provenance:
    """Read what a published bundle says, and check its signature where its model has at most `most` bytes.

    Nothing is raised: one that is away or does not verify says nothing, and `words` tell which it is.
    """
    if digest is None:
        return Provenance("no digest of its bundle was written down")
    folder = releases / digest
    try:
        size = (folder / MODEL).stat().st_size
    except OSError:
        return Provenance("its bundle is not in the release directory; the registry may have it")
    try:
        manifest, statement = read_claims(folder, digest)
        if size <= most:
            released(releases, digest, trust)
    except BundleError as fault:
        return Provenance(f"its bundle does not verify: {fault}", signed=False)
    if size > most:
        words = (
            f"not checked for this page, for its model has {size / 1e6:,.0f} MB; each worker checks it when "
            f"it loads it, and model_signing verify checks {folder / SIGNATURE} by hand"
        )
        return Provenance(words, None, manifest, statement)
    return Provenance("signed by a trusted key: checked for this page", True, manifest, statement)

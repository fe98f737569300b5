"""A model on its way into a home as a retrain brings it there, without a registry."""

from pathlib import Path

from data.bundles import Manifest, open_bundle, write_unsigned
from data.releases import publish
from data.signatures import Trust
from data.signing import make_key, sign
from keepfit.settings import Settings


def publish_signed(settings: Settings, folder: Path, model: bytes, manifest: Manifest) -> str:
    """Write a bundle into a folder, sign it with the home's key, and publish it; give its digest."""
    digest = write_unsigned(folder, model, manifest)
    make_key(settings.key_file, settings.trusted_folder)
    sign(folder, settings.key_file)
    trust = Trust.of(settings)
    publish(open_bundle(folder, digest, trust), settings.releases(manifest.project), trust)
    return digest

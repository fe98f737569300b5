"""The versions that a run without a registry promotes: made once, before it begins."""

import shutil
from pathlib import Path

import msgspec

from data.bundles import Bundle, open_bundle
from data.signatures import Trust
from data.signing import make_key
from keepfit.settings import Settings
from tests.builders import bundle
from tests.chaos.world import NAME
from tests.keys import seal

VERSIONS = 6


def prepare(settings: Settings) -> None:
    """Make them, in a folder of the home."""
    made = [_made(settings, number) for number in range(1, VERSIONS + 1)]
    listed = {folder.name: digest for folder, digest in made}
    (_home(settings) / "digests.json").write_bytes(msgspec.json.encode(listed))


def prepared(settings: Settings) -> list[Bundle]:
    """Open them."""
    listed = msgspec.json.decode((_home(settings) / "digests.json").read_bytes(), type=dict[str, str])
    trust = Trust.of(settings)
    return [open_bundle(_home(settings) / name, digest, trust) for name, digest in listed.items()]


def _made(settings: Settings, version: int) -> tuple[Path, str]:
    return bundle(_home(settings), version=version, project=NAME, kind="regression")


def forge(settings: Settings) -> str:
    """Put a bundle into the release folder that is whole, and signed by a key that nobody trusts."""
    foreign = _home(settings) / "foreign"
    make_key(foreign / "signing.pem", foreign / "trusted")
    folder, digest = bundle(foreign, version=VERSIONS + 1, project=NAME, kind="regression")
    seal(folder, foreign / "signing.pem")
    shutil.copytree(folder, settings.releases(NAME) / digest, dirs_exist_ok=True)
    return digest


def _home(settings: Settings) -> Path:
    return settings.home / "prepared"

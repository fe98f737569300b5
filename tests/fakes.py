"""Fakes of what is slow to start; each is held to the contract suite of the real thing."""

import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from data.bundles import digest_of
from keepfit.errors import RegistryUnavailable, VersionNotFound


@dataclass
class FakeRegistry:
    """The registry of versions in memory; `away` makes it not answer (see test_registry_contract.py)."""

    away: bool = False
    keys: list[str] = field(default_factory=list[str])
    kept: dict[int, tuple[dict[str, bytes], str]] = field(
        default_factory=dict[int, tuple[dict[str, bytes], str]]
    )
    named: int | None = None
    promotion: int = 0

    def version(self, key: str) -> int:
        self._answer()
        if key not in self.keys:
            self.keys.append(key)
        return self.keys.index(key) + 1

    def keep(self, version: int, bundle: Path, tags: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        self._answer(version)
        assert all(isinstance(text, str) for text in tags.values())
        assert all(isinstance(score, float) for score in metrics.values())
        self.kept[version] = ({f.name: f.read_bytes() for f in bundle.iterdir()}, digest_of(bundle))

    @contextmanager
    def bundle(self, version: int) -> Generator[tuple[Path, str]]:
        self._answer(version)
        if version not in self.kept:
            raise VersionNotFound(f"version {version}: no bundle was stored for it; choose another")
        files, digest = self.kept[version]
        folder = Path(tempfile.mkdtemp(prefix="keepfit-"))
        try:
            for name, content in files.items():
                (folder / name).write_bytes(content)
            yield folder, digest
        finally:
            shutil.rmtree(folder)

    def champion(self) -> int | None:
        self._answer()
        return self.named

    def projected(self) -> int:
        self._answer()
        return self.promotion

    def name_champion(self, version: int | None, promotion: int) -> None:
        if version is not None and not 0 < version <= len(self.keys):
            raise RegistryUnavailable(f"the registry does not answer: there is no version {version}")
        self._answer()
        self.named, self.promotion = version, promotion

    def _answer(self, version: int | None = None) -> None:
        if self.away:
            raise RegistryUnavailable("the registry does not answer: it is away")
        if version is not None and not 0 < version <= len(self.keys):
            raise VersionNotFound(f"version {version}: the registry has none; see its page")

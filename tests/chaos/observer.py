"""Who looks at the release pointer all the time, and opens what it names."""

import threading
import time
from pathlib import Path

from data.bundles import Bundle
from data.releases import read_pointer, released
from data.signatures import Trust
from keepfit.errors import BundleError, StateError
from tests.chaos.checker import Pointed

_POLL_S = 0.01


class Observer:
    """Keeps what the pointer named, and when; `foreign` digests were put there by the run itself."""

    def __init__(self, releases: Path, trust: Trust, foreign: set[str]) -> None:
        self.pointed: list[Pointed] = []
        self.bundles: dict[str, Bundle] = {}
        self._foreign, self._trust = foreign, trust
        self._releases = releases
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Observer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        last: tuple[int, str | None] | None = None
        while not self._ended.wait(_POLL_S):
            try:
                pointer = read_pointer(self._releases)
            except (StateError, OSError):
                continue
            if pointer is None or pointer.digest in self._foreign:
                continue
            if last == (pointer.promotion, pointer.digest):
                continue
            last = (pointer.promotion, pointer.digest)
            fault = self._fault(pointer.digest)
            self.pointed.append(
                Pointed(time.time(), pointer.promotion, pointer.version, pointer.digest, fault)
            )

    def _fault(self, digest: str | None) -> str | None:
        if digest is None or digest in self.bundles:
            return None
        try:
            self.bundles[digest] = released(self._releases, digest, self._trust)
        except BundleError as fault:
            return str(fault)
        return None

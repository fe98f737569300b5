"""Watch the release pointer: verify, load, warm up, swap, and say why not."""

import logging
import time
from pathlib import Path

from data.releases import POINTER, last_served, read_pointer, released, remember_served
from data.signatures import Trust
from keepfit.errors import BundleError, BundleUnusable, StateError
from keepfit.faults import reach
from keepfit.spec import Value
from serving.bounds import Bounds
from serving.pace import Pace
from serving.predictor import Predictor, load, told
from serving.slot import ModelSlot

_RETRY_S = 30.0
"""How long a release that could not be followed waits for another look while its pointer stays."""

_log = logging.getLogger(__name__)


class Follower:
    """Keeps one slot on the bundle that the pointer names; whatever fails, the present model stays.

    `error` is why the pointer could not be followed, `refused` the digest of the bundle that it is about;
    both are None while the slot serves what the pointer names. A pointer that went away changes nothing.
    """

    def __init__(
        self, slot: ModelSlot, releases: Path, project: str, trust: Trust, bounds: Bounds | None = None
    ) -> None:
        self._slot = slot
        self._releases = releases
        self._project = project
        self._trust = trust
        self._bounds = bounds or Bounds()
        self._seen: tuple[int, int, int] | None = (-1, -1, -1)
        self._retry_at = float("inf")
        self.error: str | None = None
        self.refused: str | None = None
        self.failures = 0
        self.swaps = 0

    def look(self) -> bool:
        """Follow the pointer if it moved; say whether anything has changed.

        It blocks while it loads: keep it off the event loop.
        """
        stamp, unreadable = self._stamp()
        if stamp == self._seen and time.monotonic() < self._retry_at:
            return False
        self._seen = stamp
        before = (self._slot.generation, self.error, self.refused)
        if unreadable:
            self._fail(unreadable, None)
        elif stamp is not None:
            self._follow()
        if self._slot.live is None and (stamp is None or self.error):
            self._fall_back()
        return before != (self._slot.generation, self.error, self.refused)

    def _follow(self) -> None:
        digest = None
        try:
            pointer = read_pointer(self._releases)
            if pointer is None:
                return
            digest = pointer.digest
            live = self._slot.live
            if digest is None:
                self._slot.clear()
                self._remember(None)
                _log.warning("the pointer names no champion: serving none")
            elif live is None or live.digest != digest:
                predictor, pace = self._load(digest)
                # Before the swap: nobody may read the new digest beside the old error.
                self.error = self.refused = None
                self._swap(predictor, pace)
                self.swaps += 1
                self._remember(digest)
        except (BundleError, StateError, OSError) as fault:
            self._fail(told(fault), digest)
        else:
            self.error = self.refused = None
            self._retry_at = float("inf")

    def _fall_back(self) -> None:
        """Begin with the bundle that answered last, where the pointer is gone or cannot be followed."""
        digest = last_served(self._releases)
        if digest is None or digest == self.refused:
            return
        try:
            self._swap(*self._load(digest))
        except (BundleError, OSError) as fault:
            _log.error("the bundle that answered last cannot be served either: %s", fault)
        else:
            self.error = self.error or f"{self._releases / POINTER}: is gone; this bundle answered last"
            _log.warning("serving what answered last: %s", self.error)

    def _swap(self, predictor: Predictor, pace: Pace) -> None:
        reach("swap.assign")
        made = self._slot.swap(predictor, pace)
        reach("swap.assigned")
        _log.info("serving version %d (%s), generation %d", made.version, made.digest[:12], made.generation)

    def _remember(self, digest: str | None) -> None:
        try:
            remember_served(self._releases, digest)
        except OSError as fault:
            # Serving goes on; only a cold start beside a broken pointer would miss it.
            _log.warning("%s: what is served could not be noted: %s", self._releases, fault.strerror)

    def _load(self, digest: str) -> tuple[Predictor, Pace]:
        reach("load.read")
        bundle = released(self._releases, digest, self._trust)
        if bundle.manifest.project != self._project:
            msg = (
                f"{digest[:12]}: is a bundle of project {bundle.manifest.project!r}, not of {self._project!r}"
            )
            raise BundleUnusable(msg)
        predictor = load(bundle, self._bounds)
        return predictor, _pace(predictor)

    def _fail(self, error: str, refused: str | None) -> None:
        self._retry_at = time.monotonic() + _RETRY_S
        if (error, refused) == (self.error, self.refused):
            return
        self.error, self.refused = error, refused
        self.failures += 1
        _log.error("the pointer was not followed: %s", error)

    def _stamp(self) -> tuple[tuple[int, int, int] | None, str | None]:
        try:
            found = (self._releases / POINTER).stat()
        except FileNotFoundError:
            return None, None
        except OSError as fault:
            return (0, 0, 0), f"{self._releases / POINTER}: {fault.strerror}"
        return (found.st_mtime_ns, found.st_ino, found.st_size), None


def _pace(predictor: Predictor) -> Pace:
    """Time the golden rows, which have just warmed the model up: one, and all together."""
    pace = Pace()
    rows = predictor.manifest.golden_rows
    for some in (rows[:1], rows):
        # The shorter of two: others use this core too.
        pace.learn(len(some), min(_timed(predictor, some), _timed(predictor, some)))
    return pace


def _timed(predictor: Predictor, rows: list[dict[str, Value]]) -> float:
    began = time.perf_counter()
    predictor.predict(rows)
    return time.perf_counter() - began

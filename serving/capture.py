"""Journal what was answered, and acknowledge labels once they are on disk."""

import asyncio
import logging

from data.journal import Journal
from data.records import AcknowledgedLabels
from keepfit.errors import CaptureFailed

_log = logging.getLogger(__name__)


class Capture:
    """The journal as one event loop uses it: it appends here, and syncs in a thread."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._syncing: asyncio.Task[None] | None = None
        self._failing = False

    def lines(self, lines: bytes) -> bool:
        """Put what was answered into the journal; False when that failed, and the answers must say so."""
        try:
            self._journal.append_lines(lines)
        except CaptureFailed as fault:
            if not self._failing:  # once, not per request
                _log.error("predictions are not captured: %s", fault)
            self._failing = True
            return False
        if self._failing:
            _log.warning("predictions are captured again")
        self._failing = False
        return True

    async def labels(self, entry: AcknowledgedLabels) -> None:
        """Return when the labels are on disk; raise CaptureFailed when that is not known.

        One sync covers every request that was appended before it began.
        """
        file = self._journal.append(entry)
        on_disk = asyncio.get_running_loop().create_future()
        self._waiting.append((file, on_disk))
        if self._syncing is None:
            self._syncing = asyncio.create_task(self._sync())
        await on_disk

    async def _sync(self) -> None:
        try:
            while self._waiting:
                covered, self._waiting = self._waiting, []
                await self._sync_once(covered)
        finally:
            self._syncing = None

    async def _sync_once(self, covered: list[tuple[str, "asyncio.Future[None]"]]) -> None:
        reason = "its journal file could not be synced"
        try:
            await asyncio.to_thread(self._journal.sync)
        except CaptureFailed as fault:
            reason = str(fault)
            _log.error("labels are not acknowledged: %s", fault)
        for file, on_disk in covered:
            if on_disk.done():
                continue
            if file in self._journal.lost:
                on_disk.set_exception(CaptureFailed(reason))
            else:
                on_disk.set_result(None)

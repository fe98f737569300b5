"""Journal what was answered, and acknowledge what must be on disk once it is."""

import asyncio
import logging
from contextlib import suppress

from data.journal import Journal, empty_line, encode_line
from data.records import AcknowledgedLabels
from keepfit.errors import CaptureFailed

_MOST_TRIED = 64 * 1024
"""The most bytes that are written to see whether there is room again."""

_log = logging.getLogger(__name__)


class Capture:
    """The journal as one event loop uses it: it appends here, and syncs in a thread.

    `durable` says that predictions, too, are captured only when they are on disk.
    """

    def __init__(self, journal: Journal, *, durable: bool = False) -> None:
        self._journal = journal
        self.durable = durable
        self._waiting: list[tuple[str, asyncio.Future[str | None]]] = []
        self._syncing: asyncio.Task[None] | None = None
        self._no_room_for = 0
        self._unsynced = False

    @property
    def failing(self) -> bool:
        """Whether a write or a sync failed, and none has gone well since; of writes, one as large."""
        return self._no_room_for > 0 or self._unsynced

    def lines(self, lines: bytes) -> int:
        """Put what was answered into the journal; say how many of the lines, the first, are in it.

        Those whose line is not in it are not captured, and their answers must say so.
        """
        try:
            self._append(lines)
        except CaptureFailed as fault:
            return fault.kept
        return lines.count(b"\n")

    async def labels(self, entry: AcknowledgedLabels) -> None:
        """Return when the labels are on disk; raise CaptureFailed when that is not known."""
        await self._put_on_disk(encode_line(entry))

    def on_disk(self) -> "asyncio.Future[str | None]":
        """Say when what was just appended is on disk, or why that is not known.

        One sync covers all that was appended before it began.
        """
        loop = asyncio.get_running_loop()
        told: asyncio.Future[str | None] = loop.create_future()
        self._waiting.append((self._journal.name, told))
        if self._syncing is None:
            self._syncing = loop.create_task(self._sync())
        return told

    async def try_again(self) -> None:
        """Write an entry of nothing where the journal is failing: nobody else may come to find it well."""
        if self.failing:
            with suppress(CaptureFailed):
                await self._put_on_disk(empty_line(self._no_room_for))

    async def _put_on_disk(self, line: bytes) -> None:
        self._append(line)
        if reason := await self.on_disk():
            raise CaptureFailed(reason)

    def _append(self, lines: bytes) -> None:
        try:
            self._journal.append_lines(lines)
        except CaptureFailed as fault:
            self._say_failing(fault)
            self._no_room_for = max(self._no_room_for, min(len(lines), _MOST_TRIED))
            raise
        # A line that fits into what is left of a disk does not say that it is well.
        if self._no_room_for and len(lines) >= self._no_room_for:
            self._no_room_for = 0
            self._say_well()

    async def _sync(self) -> None:
        try:
            while self._waiting:
                covered, self._waiting = self._waiting, []
                await self._sync_once(covered)
        finally:
            self._syncing = None

    async def _sync_once(self, covered: "list[tuple[str, asyncio.Future[str | None]]]") -> None:
        reason, lost = "its journal file could not be synced", {file for file, _ in covered}
        try:
            await asyncio.to_thread(self._journal.sync)
            lost &= self._journal.lost
        except CaptureFailed as fault:
            reason = str(fault)
            lost &= self._journal.lost
            self._say_failing(fault)
            self._unsynced = True
        else:
            if self._unsynced and not lost:
                self._unsynced = False
                self._say_well()
        finally:
            # Whatever came, even no thread for it: nobody is left waiting.
            for file, told in covered:
                if not told.done():
                    told.set_result(reason if file in lost else None)

    def _say_failing(self, fault: CaptureFailed) -> None:
        if not self.failing:  # once, not per request
            _log.error("predictions and labels are not captured: %s", fault)

    def _say_well(self) -> None:
        if not self.failing:
            _log.warning("predictions and labels are captured again")

"""One worker process: its slot, its journal, and what it says of itself."""

import asyncio
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data.backlog import read_backlog
from data.journal import Journal
from data.records import now, since_boot
from data.releases import WorkerStatus, forget_lost_workers, read_statuses, remove_status, write_status
from data.signatures import Trust
from keepfit.settings import Settings
from serving.bounds import Bounds
from serving.capture import Capture
from serving.connections import OPEN, REFUSED, look_over
from serving.follower import Follower
from serving.gate import Gate
from serving.line import Line
from serving.metrics import Metrics, rendered
from serving.slot import ModelSlot

_log = logging.getLogger(__name__)


class Worker:
    """What one process serves with, from `start` to `stop`; the routes are in `app`."""

    def __init__(self, settings: Settings, gate: Gate | None = None) -> None:
        self._settings = settings
        self._gate = gate
        self.project = settings.project_name
        self.slot = ModelSlot()
        self.metrics = Metrics()
        self._folder = settings.journal(self.project)
        self._journal = Journal(self._folder, settings.journal_bytes)
        self.capture = Capture(self._journal, durable=settings.durability == "fsync")
        self.line = Line(settings, self.capture)
        self._follower = Follower(
            self.slot,
            settings.releases(self.project),
            self.project,
            Trust.of(settings),
            Bounds.of(settings),
        )
        self._host = socket.gethostname()
        self._tasks: list[asyncio.Task[None]] = []
        self._status_fails = False
        # One thread: a status that is being written when the worker ends is written before it is removed.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="status")

    async def start(self) -> None:
        """Load the champion, if there is one, before the first request is taken."""
        await asyncio.to_thread(forget_lost_workers, self._folder, now())
        await asyncio.to_thread(self._follower.look)
        await self._tell()
        self._tasks = [
            asyncio.create_task(self._follow()),
            asyncio.create_task(self._keep_telling()),
            asyncio.create_task(look_over()),
        ]
        for task in self._tasks:
            task.add_done_callback(_end_process)
        # What was loaded stays: the garbage collector need not look through it while requests wait.
        gc.collect()
        gc.freeze()

    async def stop(self) -> None:
        """Sync and close the journal; this worker is seen no more."""
        self.line.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await asyncio.to_thread(self._journal.close)
            await self._in_writer(remove_status, self._folder, self.status())
        except OSError as fault:
            _log.error("%s: %s", self._folder, fault.strerror)
        self._writer.shutdown()

    def status(self) -> WorkerStatus:
        """Say what this worker serves and counted, now."""
        live = self.slot.live
        counters = self.metrics.samples()
        counters["keepfit_generation"] = self.slot.generation
        counters['keepfit_swaps_total{result="served"}'] = self._follower.swaps
        counters['keepfit_swaps_total{result="refused"}'] = self._follower.failures
        counters["keepfit_capture_failing"] = float(self.capture.failing)
        counters["keepfit_line_rows"] = self.line.rows
        counters["keepfit_runs_total"] = self.line.runs
        counters["keepfit_abandoned_total"] = self.line.abandoned
        counters["keepfit_connections"] = len(OPEN)
        for reason, count in REFUSED.items():
            name = f'keepfit_refusals_total{{reason="{reason}"}}'
            counters[name] = counters.get(name, 0.0) + count
        if live is not None:
            counters["keepfit_version"] = live.version
        boot, up_s = since_boot()
        return WorkerStatus(
            host=self._host,
            pid=os.getpid(),
            at=now(),
            boot=boot,
            up_s=up_s,
            version=live.version if live else None,
            digest=live.digest if live else None,
            generation=self.slot.generation,
            error=self._follower.error,
            refused=self._follower.refused,
            counters=counters,
        )

    async def statuses(self) -> list[WorkerStatus]:
        """Read what every worker seen in the last 5 seconds says of itself; this one says it now."""
        own = self.status()
        others = await asyncio.to_thread(read_statuses, self._folder, own.at)
        found = [s for s in others if (s.host, s.pid) != (own.host, own.pid)]
        return sorted([*found, own], key=lambda status: (status.host, status.pid))

    async def metrics_text(self) -> str:
        """Write the counts of every worker seen in the last 5 seconds."""
        statuses = await self.statuses()
        waiting = await asyncio.to_thread(read_backlog, self._folder, now())
        shared = {
            "keepfit_capture_backlog_bytes": waiting.bytes,
            "keepfit_capture_lag_seconds": waiting.lag_s,
        }
        return rendered(((str(status.pid), status.counters) for status in statuses), shared)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._settings.poll_s)
            if self._gate is not None:
                await asyncio.to_thread(self._gate.look)
            if await asyncio.to_thread(self._follower.look):
                await self._tell()  # at once: a promotion waits for it

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(self._settings.status_s)
            await self.capture.try_again()
            await self._tell()

    async def _tell(self) -> None:
        # Made on the loop, which alone touches the counters; written in a thread, which may wait for a disk.
        status = self.status()
        try:
            await self._in_writer(write_status, self._folder, status)
        except OSError as fault:
            if not self._status_fails:
                _log.error("%s: the status could not be written: %s", self._folder, fault.strerror)
            self._status_fails = True
        else:
            self._status_fails = False

    def _in_writer(
        self, act: Callable[[Path, WorkerStatus], None], folder: Path, status: WorkerStatus
    ) -> "asyncio.Future[None]":
        return asyncio.get_running_loop().run_in_executor(self._writer, act, folder, status)


def _end_process(task: "asyncio.Task[None]") -> None:
    """End a worker that can no longer follow or be seen: its parent starts another."""
    if not task.cancelled() and (fault := task.exception()) is not None:
        _log.critical("this worker ends: it can no longer follow the release pointer", exc_info=fault)
        os.kill(os.getpid(), signal.SIGTERM)

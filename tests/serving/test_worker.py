"""A worker that ends, in this process."""

import asyncio
import threading
from pathlib import Path

import pytest

import serving.worker
from data.records import now
from data.releases import WorkerStatus, read_statuses, write_status
from keepfit.settings import Settings
from serving.worker import Worker


def test_a_status_that_is_being_written_when_the_worker_ends_is_taken_away_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path, status_s=0.01)
    asyncio.run(_end_while_writing(settings, monkeypatch))
    assert read_statuses(settings.journal(settings.project_name), now()) == []


async def _end_while_writing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(settings)
    await worker.start()
    writing, go_on = threading.Event(), threading.Event()

    def write_slowly(folder: Path, status: WorkerStatus) -> None:
        writing.set()
        go_on.wait(10)
        write_status(folder, status)

    monkeypatch.setattr(serving.worker, "write_status", write_slowly)
    assert await asyncio.to_thread(writing.wait, 10)
    ending = asyncio.create_task(worker.stop())
    await asyncio.wait({ending}, timeout=0.1)
    go_on.set()
    await ending

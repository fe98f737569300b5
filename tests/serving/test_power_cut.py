"""Power goes while callers are at it: what no sync had put on disk is gone, what was acknowledged is not."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from data.journal import journal_files
from keepfit.errors import KeepfitError
from keepfit.settings import ROOT
from serving.client import Client
from serving.contract import LabelRow, Row
from tests.builders import ROW
from tests.serving.running import Server, eventually

CALLERS = 4
SITE = ROOT / "tests" / "chaos" / "site"


@dataclass
class Told:
    """The ids of predictions that were answered with `captured: true`, and of those whose label was taken."""

    captured: set[str] = field(default_factory=set[str])
    labelled: set[str] = field(default_factory=set[str])


@contextmanager
def calling(server: Server) -> Iterator[Told]:
    """Have callers ask and tell until the server is gone."""
    told = Told()

    def call() -> None:
        with Client(server.url, timeout_s=10, retries=0) as client:
            while True:
                try:
                    answer = client.predict([Row(ROW)])
                    (predicted,) = answer.predictions
                    if answer.captured:
                        told.captured.add(predicted.prediction_id)
                    if len(told.captured) % 3 == 0:
                        client.feedback([LabelRow(1.5, prediction_id=predicted.prediction_id)])
                        told.labelled.add(predicted.prediction_id)
                except KeepfitError:
                    return

    with ThreadPoolExecutor(CALLERS) as pool:
        for _ in range(CALLERS):
            pool.submit(call)
        yield told


def cut_power(server: Server, synced: Path) -> None:
    """End every process at once, and drop what was written after the last sync of a file began."""
    parent = psutil.Process(server.process.pid)
    parent.suspend()  # it would start others, and its end would let its workers end in order
    for worker in parent.children(recursive=True):
        worker.kill()
    parent.kill()
    server.process.wait()
    for file in journal_files(server.journal):
        noted = synced / file.name
        os.truncate(file, int(noted.read_text()) if noted.exists() else 0)


@pytest.mark.parametrize("durability", ["process", "fsync"])
def test_what_was_acknowledged_is_there_after_a_power_cut(tmp_path: Path, durability: str) -> None:
    server = Server(tmp_path / "home", durability=durability)
    server.promote(1)
    server.start(KEEPFIT_CHAOS=str(tmp_path / "chaos"), PYTHONPATH=f"{SITE}:{ROOT}")
    with calling(server) as told:
        eventually(lambda: len(told.labelled) > 100)
        cut_power(server, tmp_path / "chaos" / "synced")
    assert told.labelled <= {label.prediction_id for label in server.labels()}
    if durability == "fsync":
        assert told.captured <= {prediction.prediction_id for prediction in server.predictions()}

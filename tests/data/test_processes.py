"""Processes that drain, append and number at once, on every database that the store can be."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from data import tables
from data.journal import Journal, journal_files
from data.promotions import Ledger
from data.records import AcknowledgedLabels, CapturedPredictions
from data.store import Store
from keepfit.settings import ROOT, Settings
from tests.making import ROW, label, prediction, project

pytestmark = pytest.mark.long

PROCESSES, FILES, LINES, APPENDS = 2, 3, 120, 15
REFUSED = 1
"""The line of each file whose rows break the project's range."""

_WORK = """
import sys
from pathlib import Path

from data.promotions import Ledger, Promotion
from data.store import Store
from keepfit.errors import ChampionChanged
from keepfit.settings import Settings
from tasks.collect import drain_journals
from tasks.loop import Loop
from tests.making import NOON, project

home, url = Path(sys.argv[1]), sys.argv[2]
loop = Loop(project(), Settings(home=home, database_url=url), Store(url))
print("ready", flush=True)
sys.stdin.readline()
taken = drain_journals(loop)
won = 0
for number in range(int(sys.argv[3])):
    before = loop.ledger.latest()
    entry = Promotion(kind="retrain", version=number + 1, digest="d", reason="drift", as_of=NOON)
    try:
        loop.ledger.append(entry, before)
    except ChampionChanged:
        continue
    won += 1
loop.store.close()
print(taken.predictions, taken.labels, taken.quarantined, won, flush=True)
"""


def journaled(folder: Path) -> None:
    """Write files as workers do; a third of the requests came to every worker, and one of each is refused."""
    for number in range(FILES):
        journal = Journal(folder, max_bytes=1 << 30)
        for line in range(LINES):
            name = f"{'twice' if line % 3 == 0 else number}-{line:03}"
            distance = 9_999 if line == REFUSED else 733.0
            rows = [prediction(f"{name}-{i}", features={**ROW, "distance": distance}) for i in range(3)]
            journal.append(CapturedPredictions(tuple(rows)))
            journal.append(AcknowledgedLabels((label(f"{name}-0", label_id=f"{name}-label"),)))
        journal.close()


def test_processes_that_drain_and_promote_at_once_do_it_once(store_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=store_url)
    journaled(settings.journal(project().name))
    command = [sys.executable, "-c", _WORK, str(tmp_path), store_url, str(APPENDS)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [process.communicate(timeout=120)[0].split() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    predictions, labels, quarantined, won = (sum(int(line[i]) for line in told) for i in range(4))

    twice = LINES // 3
    requests = FILES * (LINES - twice) + twice
    assert quarantined == 3 * FILES
    assert predictions == 3 * (requests - FILES)
    assert labels == requests
    assert journal_files(settings.journal(project().name)) == []

    store = Store(store_url)
    with store.reading() as connection:
        counted = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (store.predictions(project()), tables.labels, tables.quarantine)
        ]
    assert counted == [predictions, labels, quarantined]
    assert store.journal_positions(project().name) == {}
    history = Ledger(store, project().name).history()
    assert [entry.number for entry in history] == list(range(1, won + 1))

    assert won >= APPENDS
    store.close()

"""What a process does whose disk fails while it drains; each function runs in a fork of its own."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import tasks.collect
from data.journal import Journal, journal_files
from data.records import AcknowledgedLabels, CapturedPredictions
from tasks.collect import drain_journals
from tests.builders import published
from tests.faults import disk
from tests.making import NOON, label, loop, prediction

PREDICTIONS, LABELS, TORN = 30, 20, 1


def prepare(home: str, made: bool) -> None:
    """Leave what a worker leaves that was killed while it wrote; its store is `made`, or not there yet."""
    here = loop(Path(home))
    folder = here.journal
    if made:
        here.store.predictions(here.project)
    here.store.close()
    journal = Journal(folder, 10**9)
    for start in range(0, PREDICTIONS, 10):
        journal.append(CapturedPredictions(tuple(prediction(f"p{n}") for n in range(start, start + 10))))
    journal.append(AcknowledgedLabels(tuple(label(f"p{n}", n % 2 == 0, NOON) for n in range(LABELS))))
    journal.close()
    with (folder / journal.name).open("ab") as file:
        file.write(b"0badc0de {")
    if not made:
        (Path(home) / "keepfit.db").unlink()


def drain(home: str, kind: disk.Kind, nth: int, what: int, on: bool) -> int:
    """Drain on a disk that fails; return how many calls of the kind it saw."""
    _let_all_pass()
    disk.arm(home, kind, nth, what, on=on)
    try:
        here = loop(Path(home))
        drain_journals(here)
        here.store.close()
    finally:
        calls = disk.disarm()
    return calls


def drain_again(home: str) -> dict[str, Any]:
    """Drain as if nothing had been, and say what is there then."""
    _let_all_pass()
    here = loop(Path(home))
    drain_journals(here)
    here.store.close()
    with closing(sqlite3.connect(Path(home) / "keepfit.db")) as found:

        def column(query: str) -> list[Any]:
            return [row[0] for row in found.execute(query)]

        (table,) = column("SELECT name FROM sqlite_master WHERE name LIKE 'predictions_%' AND type = 'table'")
        return {
            "predictions": sorted(column(f"SELECT prediction_id FROM {table}")),
            "labels": sorted(column("SELECT prediction_id FROM labels")),
            "quarantined": column("SELECT reason FROM quarantine"),
            "offsets": column("SELECT file FROM journal_offsets"),
            "integrity": column("PRAGMA integrity_check"),
            "journals": [path.name for path in journal_files(here.journal)],
        }


def publish_and_journal(home: str, listed: str) -> None:
    """Make a bundle live and begin a journal, and list the calls that changed what is below `home`."""
    with Path(listed).open("ab") as file:
        disk.arm(home, "write", 0, 0, told=file.fileno())
        published(Path(listed).parent / "made", Path(home) / "releases")
        journal = Journal(Path(home) / "journal", 10**6)
        journal.append(CapturedPredictions((prediction("p"),)))
        journal.close()
        disk.disarm()


def _let_all_pass() -> None:
    # In this fork: Great Expectations writes nothing of ours and takes a third of a second.
    tasks.collect.objections = lambda _project, predictions: [None] * len(predictions)

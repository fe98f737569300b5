"""Claim: how fast a drain takes in what the workers journal, and how fast examples come back.

Journals are drained into a fresh SQLite store and joined with their labels, each beside the bare library
work that it contains.
"""

import gc
import sqlite3
import tempfile
from datetime import timedelta
from pathlib import Path

import pandas as pd

from benchmarks import made
from benchmarks.figures import Options, Stopwatch, Table
from data.examples import query_examples
from data.expectations import objections
from data.journal import Journal, journal_files, read_journal
from data.records import AcknowledgedLabels, CapturedPredictions, Label, Prediction
from data.rows import label_row, prediction_row
from data.store import Store
from keepfit.settings import Settings
from tasks.collect import drain_journals
from tasks.loop import Loop

_ROWS = 100_000
_DRAIN, _BARE = "drain_journals", "bare sqlite3"
_QUERY, _READ_SQL = "query_examples", "pandas.read_sql"
_UNTIL = made.BEGIN + timedelta(days=made.DAYS + 1)


def measure(options: Options) -> Table:
    """Journal, drain and query in a fresh home each round."""
    rows = options.count(_ROWS)
    frame = made.features(rows)
    predictions = made.predictions(list(made.cells(frame)))
    labels = made.outcomes(predictions, made.labels(frame))
    objections(made.project, predictions[:100])  # Great Expectations takes seconds to import
    watch = Stopwatch()
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="keepfit-bench-") as folder:
            _round(watch, Path(folder), predictions, labels)
    table = Table(
        f"{rows:,} journaled predictions of {len(made.project.features)} columns and {rows:,} labels",
        ("", "seconds", "records/s", "ratio", "CPU s", "ratio"),
        (
            f"{options.rounds} rounds in fresh stores; medians; one record a journal line",
            "Great Expectations validates every prediction of a drain; its import is not in the figure",
            "bare sqlite3: the same lines decoded, and inserted by executemany in one transaction",
            "pandas.read_sql: both tables read and merged on one key, half of the labels' keys left out",
            "ratio: of the line below; records are predictions and labels, of a query predictions",
        ),
    )
    for name, beside, count in ((_DRAIN, _BARE, 2 * rows), (_QUERY, _READ_SQL, rows)):
        for each in (name, beside):
            seconds, cpu = watch.median(each), watch.cpu(each)
            ratios = (seconds / watch.median(beside), cpu / watch.cpu(beside))
            told = (f"{seconds:.2f}", f"{count / seconds:,.0f}", f"{ratios[0]:.2f}")
            table.add(each, *told, f"{cpu:.2f}", f"{ratios[1]:.2f}")
    return table


def _round(watch: Stopwatch, home: Path, predictions: list[Prediction], labels: list[Label]) -> None:
    settings = Settings(home=home, project_name=made.project.name)
    loop = Loop(made.project, settings, Store(settings.store_url))
    journal = Journal(loop.journal, settings.journal_bytes)
    for prediction in predictions:
        journal.append(CapturedPredictions((prediction,)))
    for label in labels:
        journal.append(AcknowledgedLabels((label,)))
    journal.close()
    gc.collect()
    with watch.lap(_BARE):
        _insert_bare(loop.journal, home / "bare.db")
    with watch.lap(_DRAIN):
        collected = drain_journals(loop)
    if (collected.predictions, collected.labels) != (len(predictions), len(labels)):
        raise SystemExit(f"not everything was accepted: {collected}")
    with watch.lap(_QUERY):
        examples = query_examples(loop.store, loop.project, _UNTIL)
    if not examples.labelled.all():
        raise SystemExit("a label did not find its prediction")
    with watch.lap(_READ_SQL):
        _read_sql(loop)
    loop.store.close()


def _insert_bare(folder: Path, path: Path) -> None:
    numbers = {name: i for i, name in enumerate(made.project.features)}
    rows: dict[str, list[dict[str, object]]] = {"predictions": [], "labels": []}
    for chunk in (chunk for file in journal_files(folder) for chunk in read_journal(file, 0)):
        for entry in chunk.entries:
            if isinstance(entry, CapturedPredictions):
                rows["predictions"] += [prediction_row(p, numbers, 1) for p in entry.rows]
            else:
                rows["labels"] += [label_row(made.project, label) for label in entry.labels]
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    for table, told in rows.items():
        names = list(told[0])
        keyed = ", ".join(f"{name} PRIMARY KEY" if i == 0 else name for i, name in enumerate(names))
        connection.execute(f"CREATE TABLE {table} ({keyed})")
        places = ", ".join(f":{name}" for name in names)
        connection.executemany(f"INSERT INTO {table} VALUES ({places})", told)
    connection.commit()
    connection.close()


def _read_sql(loop: Loop) -> pd.DataFrame:
    with loop.store.reading() as connection:
        predictions = pd.read_sql(loop.store.predictions(loop.project).select(), connection)
        labels = pd.read_sql("SELECT * FROM labels", connection.connection.dbapi_connection)
    return predictions.merge(labels, how="left", on="prediction_id")

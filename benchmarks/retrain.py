"""Claim: of a retrain's time most is the model's own; what proves it costs little beside.

Every step of a retrain against a champion, on made rows, without MLflow and Prefect.
"""

import tempfile
from datetime import timedelta
from pathlib import Path

from benchmarks import made
from benchmarks.figures import Options, Stopwatch, Table, cores
from data.bundles import Bundle, Lineage
from data.splits import Split, split
from data.store import Batch, Store
from keepfit.settings import Settings
from tasks.assemble import assemble_snapshot
from tasks.convert import convert
from tasks.decide import decide
from tasks.evaluate import evaluate
from tasks.loop import Loop
from tasks.register import Candidate
from tasks.train import train

_ROWS = 100_000
_STEPS = ("assemble", "split", "train", "convert", "evaluate", "decide")
_AT_ONCE = 10_000
_CHAMPION_DAYS = 40


def measure(options: Options) -> Table:
    """Turn the loop's inner half against a champion of the first 40 days."""
    rows = options.count(_ROWS)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="keepfit-bench-") as folder:
        settings = Settings(home=Path(folder), project_name=made.project.name)
        loop = Loop(made.project, settings, Store(settings.store_url))
        _remember(loop, rows)
        champion, _ = _challenge(loop, Stopwatch(), _CHAMPION_DAYS, None)
        for _ in range(options.rounds):
            _, parts = _challenge(loop, watch, made.DAYS + 1, champion)
            for snapshot in settings.snapshots(loop.name).iterdir():
                snapshot.unlink()  # or the next round would find it frozen
        loop.store.close()
    seconds = {name: watch.median(name) for name in _STEPS}
    cpu = {name: watch.cpu(name) for name in _STEPS}
    seconds["all"], cpu["all"] = sum(seconds.values()), sum(cpu.values())
    table = Table(
        f"A retrain on {rows:,} labelled examples of {len(made.project.features)} columns, by step",
        ("", "seconds", "CPU s", "share", "of train"),
        (
            f"{options.rounds} rounds, {len(parts.train):,} to train, {len(parts.holdout):,} held out",
            f"200 boosted trees on {len(cores())} cores; neither MLflow nor Prefect; no imports",
            "assemble: query and freeze as Parquet; convert: ONNX and golden rows; evaluate: champion too",
        ),
    )
    for name, took in seconds.items():
        shares = (f"{took / seconds['all']:.0%}", f"{took / seconds['train']:.2f}")
        table.add(name, f"{took:.2f}", f"{cpu[name]:.2f}", *shares)
    return table


def _challenge(loop: Loop, watch: Stopwatch, days: int, champion: Bundle | None) -> tuple[Bundle, Split]:
    """Retrain as flows.retrain does, on what was known after so many days."""
    project, as_of = loop.project, made.BEGIN + timedelta(days=days)
    trained_until = champion.manifest.lineage.training_until if champion else None
    with watch.lap("assemble"):
        snapshot = assemble_snapshot(loop, as_of)
    with watch.lap("split"):
        parts = split(snapshot.examples, project, as_of, trained_until)
    with watch.lap("train"):
        estimator = train(project, parts.train)
    lineage = Lineage(
        recipe="made",
        snapshot_id=snapshot.snapshot_id,
        training_until=parts.holdout_since,
        as_of=as_of,
        reason="a benchmark",
        commit="unknown",
        lock_hash="unknown",
        journal_positions={},
        metrics={},
    )
    with watch.lap("convert"):
        converted = convert(project, estimator, parts.train.features)
        bundle = Candidate(converted, parts.train.features, lineage).bundle(loop, version=0)
    with watch.lap("evaluate"):
        evaluation = evaluate(project, parts.holdout, estimator, bundle, champion)
    with watch.lap("decide"):
        decide(project, evaluation)
    return bundle, parts


def _remember(loop: Loop, rows: int) -> None:
    frame = made.features(rows)
    predictions = made.predictions(list(made.cells(frame)))
    labels = made.outcomes(predictions, made.labels(frame))
    for start in range(0, rows, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        loop.store.take_in(loop.project, Batch(predictions[part], labels[part]))

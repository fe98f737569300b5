"""Claim: of a retrain's time most is the model's own; what proves it costs little beside.

Every step of a retrain against a champion, on made rows, without MLflow and Prefect.
"""

import tempfile
from datetime import timedelta
from pathlib import Path

from benchmarks import made
from benchmarks.figures import Options, Stopwatch, Table, cores
from data.bundles import Bundle, Lineage
from data.splits import split
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
_UNTIL = made.BEGIN + timedelta(days=made.DAYS + 1)


def measure(options: Options) -> Table:
    """Turn the loop's inner half against a champion of the first 40 days."""
    rows = options.count(_ROWS)
    watch, beside = Stopwatch(), Stopwatch()
    with tempfile.TemporaryDirectory(prefix="keepfit-bench-") as folder:
        settings = Settings(home=Path(folder), project_name=made.project.name)
        loop = Loop(made.project, settings, Store(settings.store_url))
        _remember(loop, rows)
        champion = _challenge(loop, beside, None)
        for _ in range(options.rounds):
            parts = _challenge(loop, watch, champion)[1]
            for snapshot in settings.snapshots(loop.name).iterdir():
                snapshot.unlink()  # or the next round would find it frozen
        loop.store.close()
    seconds = {name: watch.median(name) for name in _STEPS}
    table = Table(
        f"A retrain on {rows:,} labelled examples of {len(made.project.features)} columns, by step",
        ("", "seconds", "share", "of train"),
        (
            f"{options.rounds} rounds; medians; {len(parts.train):,} examples to train on, {len(parts.holdout):,} held out",
            f"boosted trees, 200 rounds, on {len(cores())} cores; neither MLflow nor Prefect, imports left out",
            "assemble: query and freeze as Parquet; convert: ONNX and golden rows; evaluate: champion too",
        ),
    )
    for name in (*_STEPS, "all"):
        took = sum(seconds.values()) if name == "all" else seconds[name]
        shares = (took / sum(seconds.values()), took / seconds["train"])
        table.add(name, f"{took:.2f}", f"{shares[0]:.0%}", f"{shares[1]:.2f}")
    return table

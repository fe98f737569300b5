"""Claim: a drift verdict on a million mixed rows takes a fiftieth of Evidently's time, in 1.5 GB.

The same two Parquet files are judged by `monitoring.drift.judge`, by Evidently's DataDriftPreset and by
NannyML's UnivariateDriftCalculator, each in a process of its own; reading the files and imports are not in
the seconds, and are in the peak of the memory.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import made
from benchmarks.drift.rivals import NannyML, as_the_preset
from benchmarks.figures import Options, Table
from keepfit.settings import inherited_environment
from monitoring.drift import judge

_ROWS = 1_000_000
_OURS, _THEIRS = "monitoring.drift.judge", "Evidently DataDriftPreset"
_MOVED = ("distance", "temp_2", "carrier")


def measure(options: Options) -> Table:
    """Judge the same two frames by all, in turns."""
    rows = options.count(_ROWS)
    found: dict[str, list[dict[str, Any]]] = {_OURS: [], _THEIRS: [], "NannyML univariate": []}
    with tempfile.TemporaryDirectory(prefix="keepfit-bench-") as folder:
        files = [Path(folder) / name for name in ("reference.parquet", "current.parquet")]
        reference, current = frame(rows, seed=1), moved(frame(rows, seed=2))
        for file, written in zip(files, (reference, current), strict=True):
            written.to_parquet(file, index=False)
        for _ in range(options.rounds):
            found[_OURS].append(_child("ours", files))
            found[_THEIRS].append(_child("evidently", files))
            with NannyML() as nannyml:
                found["NannyML univariate"].append(_of(nannyml, reference, current))
    return _table(found, rows, options.rounds)


def _table(found: dict[str, list[dict[str, Any]]], rows: int, rounds: int) -> Table:
    table = Table(
        f"Drift of 20 mixed columns, {rows:,} reference and {rows:,} current rows",
        ("", "seconds", "Evidently takes", "CPU s", "Evidently takes", "peak MB", "drifted columns"),
        (
            f"{rounds} rounds, in turns, a process each; medians; imports and reading are not in the seconds",
            f"{len(_MOVED)} of the columns were moved, by a fifth of their rows",
            "goal: at least 50 times faster than Evidently, within 1,500 MB",
            "Evidently: its defaults, no page written; NannyML: ten chunks, as it makes them",
        ),
    )
    of = {part: median(told[part] for told in found[_THEIRS]) for part in ("wall", "cpu")}
    for name, all_told in found.items():
        faults = [told["fault"] for told in all_told if "fault" in told]
        if faults:
            table.add(name, *["-"] * 5, faults[0])
            continue
        wall, cpu, peak = (median(told[part] for told in all_told) for part in ("wall", "cpu", "peak_kib"))
        drifted = {n for n, (alert, *_) in all_told[0]["columns"].items() if alert}
        more = (f"{of['wall'] / wall:.1f} x", f"{cpu:.2f}", f"{of['cpu'] / cpu:.1f} x", f"{peak / 1000:,.0f}")
        table.add(name, f"{wall:.2f}", *more, str(len(drifted)))
    return table


def _of(nannyml: NannyML, reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, Any]:
    # Ten chunks are its default; of one chunk of the reference it knows no spread.
    return nannyml.ask("univariate", reference, current, chunk=len(reference) // 10)


def _child(which: str, files: list[Path]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.drift.speed", which, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=inherited_environment())
    if done.returncode:
        return {"fault": f"ended with {done.returncode}: {done.stderr.strip()[-200:]}"}
    return json.loads(done.stdout.splitlines()[-1])


def frame(rows: int, seed: int) -> pd.DataFrame:
    """Make 20 columns: 12 numbers, 6 categories, 2 flags."""
    first, second = made.features(rows, seed), made.features(rows, seed + 1_000)
    numbers, texts = list(made.NUMBERS), list(made.CATEGORIES)[:2]
    more = second[numbers + texts].add_suffix("_2")
    both = pd.concat([first, more], axis=1)
    names = [n for n in both.columns if both[n].dtype.kind == "f" and n not in made.FLAGS]
    return both.astype(dict.fromkeys(names, np.float64) | dict.fromkeys(made.FLAGS, np.bool_))


def moved(current: pd.DataFrame) -> pd.DataFrame:
    """Move a fifth of the rows of three columns."""
    fifth = np.arange(len(current)) % 5 == 0
    for name in _MOVED:
        text = current[name].dtype.kind == "O" or isinstance(current[name].dtype, pd.StringDtype)
        current.loc[fifth, name] = "unheard of" if text else 5_000.0
    return current


def _ours(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, bool]:
    return {finding.column: bool(finding.drift) for finding in judge(reference, current).findings}


def _theirs(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, bool]:
    return dict(as_the_preset(reference, current).flagged)


def main() -> None:
    """Judge two files in this process; print what it took. `python -m benchmarks.drift.speed WHO A B`."""
    who: Callable[[pd.DataFrame, pd.DataFrame], dict[str, bool]]
    who = {"ours": _ours, "evidently": _theirs}[sys.argv[1]]
    reference, current = (pd.read_parquet(file) for file in sys.argv[2:])
    who(reference.head(2_000), current.head(500))  # imports and compiles what it needs
    began, worked = time.perf_counter(), time.process_time()
    flagged = who(reference, current)
    told = {"wall": time.perf_counter() - began, "cpu": time.process_time() - worked}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    columns = {name: [moved] for name, moved in flagged.items()}
    print(json.dumps(told | {"peak_kib": peak, "columns": columns}))


if __name__ == "__main__":
    main()

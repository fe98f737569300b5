"""Claim: a drift verdict with p-values takes less time than Evidently's without them.

`monitoring.drift.judge` beside Evidently's DataDriftPreset, on the same two frames, in turns.
"""

import warnings

import numpy as np
import pandas as pd

from benchmarks import made
from benchmarks.figures import Options, Stopwatch, Table
from keepfit import Column
from monitoring.drift import judge

_ROWS = 100_000
_OURS, _THEIRS = "monitoring.drift.judge", "Evidently DataDriftPreset"
_MOVED = ("distance", "temp_2", "carrier")


def measure(options: Options) -> Table:
    """Judge the same two frames by both, in turns."""
    rows = options.count(_ROWS)
    reference, current = frame(rows, seed=1), moved(frame(rows, seed=2))
    small = (reference.head(2_000), current.head(2_000))
    ours(*small)
    theirs(*small)  # both have imported and compiled what they need before they are measured
    watch = Stopwatch()
    found: dict[str, int] = {}
    for _ in range(options.rounds):
        with watch.lap(_OURS):
            found[_OURS] = ours(reference, current)
        with watch.lap(_THEIRS):
            found[_THEIRS] = theirs(reference, current)
    table = Table(
        f"Drift of {len(reference.columns)} mixed columns, {rows:,} reference and {rows:,} current rows",
        ("", "seconds", "of Evidently", "CPU s", "of Evidently", "drifted columns"),
        (
            f"{options.rounds} rounds, both in turns; medians; imports are not in the figures",
            f"{len(_MOVED)} of the columns were moved, by a fifth of their rows",
            "judge: 999 permutations, adjusted over all columns; Evidently: its defaults, no page drawn",
        ),
    )
    for name in (_OURS, _THEIRS):
        wall, cpu = watch.median(name), watch.cpu(name)
        told = (
            f"{wall:.2f}",
            f"{wall / watch.median(_THEIRS):.2f}",
            f"{cpu:.2f}",
            f"{cpu / watch.cpu(_THEIRS):.2f}",
        )
        table.add(name, *told, str(found[name]))
    return table


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


def ours(reference: pd.DataFrame, current: pd.DataFrame) -> int:
    """Judge; give the number of drifted columns."""
    columns = {name: _column(reference[name]) for name in reference.columns}
    return sum(bool(f.drift) for f in judge(reference, current, columns=columns).findings)


def theirs(reference: pd.DataFrame, current: pd.DataFrame) -> int:
    """Let Evidently judge; give the number of drifted columns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Evidently 0.7 warns about its own use of numpy and pandas
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        numbers = [n for n in reference.columns if _column(reference[n]).kind == "number"]
        texts = [n for n in reference.columns if n not in numbers]
        definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
        now, before = (Dataset.from_pandas(f, data_definition=definition) for f in (current, reference))
        told = Report([DataDriftPreset()]).run(now, before).dict()
    return int(told["metrics"][0]["value"]["count"])


def _column(values: "pd.Series") -> Column:
    if values.dtype.kind == "b":
        return Column.flag(optional=True)
    return Column.number(optional=True) if values.dtype.kind == "f" else Column.category(optional=True)

"""Evidently's and NannyML's opinions on two frames, by their own defaults."""

import json
import subprocess
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import pandas as pd

from benchmarks.rivals.environments import NotInstalled, environment, variables
from keepfit.settings import Settings

_HERE = Path(__file__).parent
_PINS = _HERE.parent / "rivals" / "requirements" / "nannyml.txt"


@dataclass(frozen=True, slots=True)
class Opinion:
    """Which columns a tool calls drifted, and how far each is beyond its threshold (1 is at it)."""

    flagged: Mapping[str, bool]
    strength: Mapping[str, float]

    @property
    def any(self) -> bool:
        """Whether a column is flagged."""
        return any(self.flagged.values())

    @property
    def half(self) -> bool:
        """Whether half of the columns are, which Evidently calls drift of the data set."""
        return 2 * sum(self.flagged.values()) >= len(self.flagged)

    @property
    def share(self) -> float:
        """The share of columns that are flagged."""
        return sum(self.flagged.values()) / len(self.flagged)

    @property
    def loudest(self) -> float:
        """How far the farthest column is, as a multiple of its threshold."""
        return max(self.strength.values())


def numeric(values: "pd.Series[Any]") -> bool:
    """Say whether a column holds numbers; flags are categories, for all tools."""
    return values.dtype.kind in "fiu"


def evidently(reference: pd.DataFrame, current: pd.DataFrame) -> Opinion:
    """Ask the tests that Evidently's DataDriftPreset picks, without the pictures that it draws.

    A report of 20 columns takes four seconds whatever their rows, nearly all of it for drawings;
    `as_the_preset` shows that the answers are the same.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Evidently 0.7 warns about its own use of numpy and pandas
        from evidently.legacy.calculations.stattests import get_stattest
        from evidently.legacy.core import ColumnType

        flagged: dict[str, bool] = {}
        strength: dict[str, float] = {}
        for name in reference.columns:
            before, after = reference[name].dropna(), current[name].dropna()
            kind = ColumnType.Numerical if numeric(before) else ColumnType.Categorical
            test = get_stattest(before, after, kind, None)
            told = test(before, after, kind, None)
            flagged[name] = bool(told.drifted)
            limit = told.actual_threshold
            small = test.name in _BY_P  # a p-value is beyond its threshold when it is smaller
            strength[name] = limit / max(told.drift_score, 1e-300) if small else told.drift_score / limit
    return Opinion(flagged, strength)


_BY_P = ("ks", "chisquare", "z")


def as_the_preset(reference: pd.DataFrame, current: pd.DataFrame) -> Opinion:
    """Run Evidently's DataDriftPreset as people run it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        numbers = [name for name in reference.columns if numeric(reference[name])]
        texts = [name for name in reference.columns if name not in numbers]
        definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
        now, before = (Dataset.from_pandas(f, data_definition=definition) for f in (current, reference))
        told = Report([DataDriftPreset()]).run(now, before).dict()
    drifted: dict[str, bool] = {}
    for metric in told["metrics"][1:]:
        config = metric["config"]
        by_p = config["method"].endswith("p_value")
        drifted[config["column"]] = (float(metric["value"]) < config["threshold"]) == by_p
    assert sum(drifted.values()) == int(told["metrics"][0]["value"]["count"])
    return Opinion(drifted, {})


class NannyML:
    """NannyML in a process of its own; `missing` says why there is none."""

    def __init__(self) -> None:
        self.missing: str | None = None
        self._child: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="keepfit-nannyml-")
        try:
            place = environment("NannyML", _PINS, Settings.from_env().home / "bench")
        except NotInstalled as fault:
            self.missing = str(fault)
            return
        command = [str(place / "bin" / "python"), str(_HERE / "nannyml_side.py")]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=variables(place), text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the process and remove its files."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        self._folder.cleanup()

    def opinion(self, reference: pd.DataFrame, current: pd.DataFrame) -> Opinion | None:
        """Ask about each column; None where it has no answer."""
        told = self.ask("univariate", reference, current)
        if "columns" not in told:
            return None
        strength = {n: value / (high or 1.0) for n, (_, value, high) in told["columns"].items()}
        return Opinion({n: alert for n, (alert, *_) in told["columns"].items()}, strength)

    def ask(self, how: str, reference: pd.DataFrame, current: pd.DataFrame, **more: object) -> dict[str, Any]:
        """Ask `how` ("univariate", "domain", "cbpe"); an answer with `fault` is none."""
        if self._child is None:
            return {"fault": self.missing}
        names = [n for n in reference.columns if numeric(reference[n])]
        asked = {"how": how, "numbers": names, "texts": [n for n in reference.columns if n not in names]}
        for name, frame in (("reference", reference), ("current", current)):
            file = Path(self._folder.name) / f"{name}.parquet"
            frame.to_parquet(file, index=False)
            asked[name] = str(file)
        said, heard = _pipe(self._child.stdin), _pipe(self._child.stdout)
        try:
            print(json.dumps(asked | more), file=said, flush=True)
            line = heard.readline()
        except OSError:
            line = ""
        return json.loads(line) if line else {"fault": "NannyML's process ended"}


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe

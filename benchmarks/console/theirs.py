"""The same year where others keep it: MLflow's runs and versions, and a workspace of Evidently."""

import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.console.browsed import Sight, asked
from benchmarks.console.history import NAME, Year
from benchmarks.servers import Command, NotServed, Served, free_port, running
from data.records import uuid7
from keepfit.settings import ROOT, inherited_environment

if TYPE_CHECKING:
    from collections.abc import Generator

_MADE = 6
"""So many of Evidently's reports are computed."""
_ROWS = 2_000
_LAID_S = 600
"""Within this time its history has to be laid down, once; it is kept for the next run."""
_FIRST_S = 150
"""Within this time a server that is ready has to answer for the first time."""


@dataclass(frozen=True)
class Theirs:
    """One of theirs: how its history is laid down, what serves it, and the pages for the same questions."""

    name: str
    lay: Callable[[Path, Year], dict[str, str]]
    words: Callable[[Path, int], list[str]]
    ready: str
    first: str
    """What is asked of it before it is measured: Evidently reads its history only then."""
    pages: Mapping[str, tuple[str, Sight]]
    """Of a question: the address that answers it, and what then stands there."""

    @contextmanager
    def opened(self, year: Year) -> "Generator[tuple[Served, dict[str, tuple[str, Sight]]]]":
        """Serve it; give the server, and its pages. Raise NotServed when it does not come up in time."""
        folder = self._folder(year)
        if not (folder / "told").exists():
            self._lay_apart(year)
        names = dict(line.split(" ", 1) for line in (folder / "told").read_text().splitlines())
        pages = {
            question: (where.format(**names), Sight(sight.text.format(**names), sight.drawn))
            for question, (where, sight) in self.pages.items()
        }
        port = free_port()
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
        environment = inherited_environment() | quiet
        log = folder.with_suffix(".log")  # beside the folder: Evidently watches what changes in its own
        command = Command(self.name, port, self.words(folder, port), self.ready, log, environment, folder)
        began = time.monotonic()
        with running(command) as served:
            asked(f"http://127.0.0.1:{port}{self.first.format(**names)}", 1, _FIRST_S)
            yield replace(served, ready_s=time.monotonic() - began), pages

    def lay_down(self, year: Year) -> None:
        """Lay its history down from the beginning, and write down by which names it is found."""
        folder = self._folder(year)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        names = self.lay(folder, year)
        (folder / "told").write_text("\n".join(f"{name} {value}" for name, value in names.items()))

    def _folder(self, year: Year) -> Path:
        return year.home / self.name.lower()

    def _lay_apart(self, year: Year) -> None:
        # In a process of its own, which can be ended, and whose libraries do not stay in this one.
        words = (sys.executable, "-m", __name__, self.name, str(year.columns), str(year.rows))
        print(f"lays down the history of {self.name}, once", flush=True)
        try:
            done = subprocess.run(
                words, cwd=ROOT, capture_output=True, text=True, timeout=_LAID_S, check=False
            )
        except subprocess.TimeoutExpired as late:
            msg = f"the history of {self.name} was not laid down within {_LAID_S} s"
            raise NotServed(msg) from late
        if done.returncode:
            msg = f"the history of {self.name} was not laid down:\n{done.stderr[-3000:]}"
            raise NotServed(msg)


def _mlflow(folder: Path, year: Year) -> dict[str, str]:
    """A run a day with a metric for each column and score, and a version a week."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from mlflow.entities import Metric, RunTag
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}", f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.create_experiment("watches", artifact_location=str(folder / "artifacts"))
    run: Any = None
    for at in year.days:
        rng = np.random.default_rng(at.toordinal())
        when = int(at.timestamp() * 1000)
        found = {f"effect_{name}": float(rng.beta(1, 12)) for name in year.project.features}
        found |= {"log_loss": 0.48, "roc_auc": 0.74, "p_value": float(rng.random())}
        name = f"watch-{at:%F}"
        run = client.create_run(experiment, start_time=when, run_name=name)
        metrics = [Metric(key, value, when, 0) for key, value in found.items()]
        client.log_batch(run.info.run_id, metrics, tags=[RunTag("verdict", "no drift")])
        client.set_terminated(run.info.run_id, end_time=when + 60_000)
    client.create_registered_model(NAME)
    for week in range(52):
        made = client.create_model_version(NAME, run.info.artifact_uri, run_id=run.info.run_id)
        client.set_model_version_tag(NAME, made.version, "snapshot", f"{week:064x}")
    client.set_registered_model_alias(NAME, "champion", "51")
    return {"experiment": str(experiment), "run": run.info.run_id}


def _evidently(folder: Path, year: Year) -> dict[str, str]:
    """A report a day of every column's drift, in a project: a few are made, the others are copies of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset
        from evidently.ui.workspace import Workspace

        space = Workspace.create(str(folder))
        project = space.create_project(NAME)
        names = list(year.project.features)
        definition = DataDefinition(numerical_columns=names)
        made: list[str] = []
        for seed in range(_MADE):
            current, reference = (
                Dataset.from_pandas(_frame(names, seed + i), data_definition=definition) for i in (0, 1)
            )
            drawn = Report([DataDriftPreset()]).run(current, reference, timestamp=datetime(1999, 1, 1))  # noqa: DTZ001
            made.append(str(space.add_run(project.id, drawn).id))
    kept = folder / str(project.id) / "snapshots"
    texts = [(kept / f"{name}.json").read_text() for name in made]
    for name in made:
        (kept / f"{name}.json").unlink()
    last = ""
    for day, at in enumerate(year.days):
        last = uuid7(int(at.timestamp() * 1000), day.to_bytes(10, "big"))
        text = texts[day % _MADE].replace("1999-01-01T00:00:00", f"{at:%FT%T}", 1)
        (kept / f"{last}.json").write_text(text)
    return {"project": str(project.id), "snapshot": last}


def _frame(names: list[str], seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: rng.normal(100, 20, _ROWS) for name in names})


_PROGRAMS = Path(sys.executable).parent
OVER_THE_YEAR, EVERY_WATCH = "how it went, over the year", "every watch"
LAST_WATCH, EVERY_VERSION = "what the last watch found", "every version"
MLFLOW = Theirs(
    "MLflow",
    _mlflow,
    lambda folder, port: [
        *(str(_PROGRAMS / "mlflow"), "server", "--workers", "1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
    ],
    "/health",
    "/health",
    {
        OVER_THE_YEAR: (
            "/#/experiments/{experiment}/runs?compareRunsMode=CHART",
            Sight("watch-2026-01-01", ".js-plotly-plot g.trace"),
        ),
        EVERY_WATCH: ("/#/experiments/{experiment}/runs", Sight("watch-2026-01-01")),
        LAST_WATCH: ("/#/experiments/{experiment}/runs/{run}", Sight("effect_")),
        EVERY_VERSION: (f"/#/models/{NAME}", Sight("Version 52")),
    },
)
EVIDENTLY = Theirs(
    "Evidently",
    _evidently,
    lambda folder, port: [
        *(str(_PROGRAMS / "evidently"), "ui", "--port", str(port), "--workspace", str(folder))
    ],
    "/api/version",
    "/api/projects/{project}/reports",
    {
        EVERY_WATCH: ("/projects/{project}/reports", Sight("{snapshot}")),
        LAST_WATCH: ("/projects/{project}/reports/{snapshot}", Sight("Dataset Drift is")),
    },
)

if __name__ == "__main__":
    _name, _columns, _rows = sys.argv[1:]
    {each.name: each for each in (MLFLOW, EVIDENTLY)}[_name].lay_down(Year(int(_columns), int(_rows)))

"""The same year where others keep it: MLflow's runs and versions, and a workspace of Evidently."""

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.console.history import NAME, Year
from benchmarks.servers import Command, Served, free_port, running
from data.records import uuid7
from keepfit.settings import inherited_environment

if TYPE_CHECKING:
    from collections.abc import Generator

_MADE = 6
"""So many of Evidently's reports are computed."""
_ROWS = 2_000


@dataclass(frozen=True)
class Theirs:
    """One of theirs: how its history is laid down, what serves it, and the pages for the same questions."""

    name: str
    lay: Callable[[Path, Year], dict[str, str]]
    words: Callable[[Path, int], list[str]]
    ready: str
    pages: Mapping[str, tuple[str, str]]
    """Of a question: the address that answers it, and what then stands there."""

    @contextmanager
    def opened(self, year: Year) -> "Generator[tuple[Served, dict[str, str]]]":
        """Serve it; give the server, and the names by which its history is found."""
        folder = year.home / self.name.split()[0].lower()
        told = folder / "told"
        if not told.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            names = self.lay(folder, year)
            told.write_text("\n".join(f"{name} {value}" for name, value in names.items()))
        names = dict(line.split(" ", 1) for line in told.read_text().splitlines())
        port = free_port()
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
        command = Command(
            self.name,
            port,
            self.words(folder, port),
            self.ready,
            folder / "log",
            inherited_environment() | quiet,
            folder,
        )
        with running(command) as served:
            yield served, names


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
    {
        OVER_THE_YEAR: ("/#/experiments/{experiment}/runs?compareRunsMode=CHART", "log_loss"),
        EVERY_WATCH: ("/#/experiments/{experiment}/runs", "watch-2026-01-01"),
        LAST_WATCH: ("/#/experiments/{experiment}/runs/{run}", "effect_number_000"),
        EVERY_VERSION: (f"/#/models/{NAME}", "Version 52"),
    },
)
EVIDENTLY = Theirs(
    "Evidently",
    _evidently,
    lambda folder, port: [
        *(str(_PROGRAMS / "evidently"), "ui", "--port", str(port), "--workspace", str(folder))
    ],
    "/api/version",
    {
        EVERY_WATCH: ("/projects/{project}/reports", "{snapshot}"),
        LAST_WATCH: ("/projects/{project}/reports/{snapshot}", "Dataset Drift is"),
    },
)

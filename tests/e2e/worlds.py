"""Made worlds: a project, rows whose law can change, and a real prediction service, on the shared stack."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import psutil

from control import guard
from control.running import told
from keepfit.settings import ROOT, Settings
from serving.client import Client
from serving.contract import LabelRow, Row
from tasks.collect import Collected, import_file
from tasks.loop import Loop, open_loop

Kind = Literal["multiclass", "regression"]

START = datetime(2024, 1, 1, tzinfo=UTC)
MOVED = START + timedelta(days=30)
"""From here on the law is another."""
LATER = MOVED + timedelta(days=14)
PER_DAY = 40

_PROJECT = '''
import time
from datetime import timedelta
from pathlib import Path
from threading import get_ident

from keepfit import Column, Gate, Project, Target

NAME = "{name}"{plugged}HOLD = Path(__file__).with_suffix(".hold")


def build():
    """Wait at the beginning of the learning for as long as a test holds us there."""
    if HOLD.exists():
        HOLD.with_suffix(f".{get_ident()}.held").touch()
    while HOLD.exists():
        time.sleep(0.02)
    # Imported here, so that a command that learns nothing does not wait for it.
    from sklearn import linear_model
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    encoded = make_column_transformer(
        (StandardScaler(), ["weight", "speed"]), (OneHotEncoder(handle_unknown="ignore"), ["place"])
    )
    return make_pipeline(encoded, getattr(linear_model, LEARNER)())


project = Project(
    name=NAME,
    features={
        "weight": Column.number(between=(-20, 40)),
        "speed": Column.number(),
        "place": Column.category(),
    },
    target=TARGET,
    build=build,
    metrics=METRICS,
    gates=[Gate(METRICS[1], at_least=0.5)],
    holdout=timedelta(days=7),
    training=timedelta(days=7),
    min_rows=100,
)
'''
_PLUGGED: dict[Kind, str] = {
    "multiclass": """
LEARNER = "LogisticRegression"
TARGET = Target.multiclass("size", ["small", "middle", "large"])
METRICS = ["neg_log_loss", "accuracy"]
""",
    "regression": """
LEARNER = "LinearRegression"
TARGET = Target.regression("cost")
METRICS = ["neg_mean_absolute_error", "r2"]
""",
}


@dataclass(frozen=True)
class World:
    """A project of its own, and what a test does with it."""

    kind: Kind
    name: str
    place: str
    settings: Settings
    folder: Path
    _server: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    @cached_property
    def loop(self) -> Loop:
        return open_loop(self.place, self.settings)

    @cached_property
    def client(self) -> Client:
        return Client(self.settings.serving_url, timeout_s=30)

    @property
    def target(self) -> str:
        return self.loop.project.target.name

    def remember(self, since: datetime = START, until: datetime = MOVED) -> Collected:
        """Import history."""
        path = self.folder / f"{self.name}-{since:%m%d}-{until:%m%d}.parquet"
        made(self.kind, since, until).to_parquet(path)
        return import_file(self.loop, path, lambda _: None)

    def serve(self) -> None:
        """Start two workers that let callers set the clock; the stack's guard ends them if need be."""
        stack = told(self.settings)
        assert stack is not None
        mark = guard.marked(stack.stack, 0, self.name)
        environment = {**os.environ, **self.settings.environment(), **mark}
        with (self.folder / "serving.log").open("ab") as log:
            command = [sys.executable, "-m", "serving"]
            self._server.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log))
        eventually(lambda: self.client.is_live() and len(self.client.model().workers) == 2)

    @contextmanager
    def workers_stopped(self) -> Iterator[None]:
        """Keep the workers from running, as a machine that is too busy does."""
        parent = psutil.Process(self._server[0].pid)
        # The parent first: it would replace a worker that does not answer it.
        everyone = [parent, *parent.children(recursive=True)]
        for process in everyone:
            process.suspend()
        try:
            yield
        finally:
            for process in reversed(everyone):
                process.resume()
            eventually(lambda: len(self.client.model().workers) == 2)

    def versions(self) -> list[int | None]:
        """The version that each worker serves."""
        return [worker.version for worker in self.client.model().workers]

    def live(self, since: datetime, until: datetime) -> int:
        """Ask for predictions day by day over HTTP, and tell each day's outcomes; return how many."""
        rows = made(self.kind, since, until)
        for _, day in rows.groupby(rows["predicted_at"].dt.floor("D")):
            asked = [
                Row(
                    {"weight": row.weight, "speed": row.speed, "place": row.place},
                    row.reference_id,
                    row.predicted_at.to_pydatetime(),
                )
                for row in day.itertuples()
            ]
            answer = self.client.predict(asked, day["predicted_at"].max().to_pydatetime())
            assert answer.captured
            labels = [
                # Half of the callers keep our id, half know the parcel by their own.
                LabelRow(
                    row[1][self.target],
                    prediction_id=predicted.prediction_id if place % 2 else None,
                    reference_id=None if place % 2 else predicted.reference_id,
                    observed_at=row[1]["observed_at"].to_pydatetime(),
                )
                for place, (row, predicted) in enumerate(zip(day.iterrows(), answer.predictions, strict=True))
            ]
            self.client.feedback(labels, day["observed_at"].max().to_pydatetime())
        return len(rows)

    @contextmanager
    def held(self, learners: int = 1) -> Iterator[Callable[[], None]]:
        """Hold whoever begins to learn; the yielded call waits until so many do. At the end they go on."""
        hold = Path(self.place).with_suffix(".hold")
        hold.touch()
        try:
            yield lambda: eventually(lambda: len(list(hold.parent.glob(f"{hold.stem}.*.held"))) == learners)
        finally:
            hold.unlink()

    def close(self) -> None:
        self.client.close()
        self.loop.store.close()
        for server in self._server:
            server.send_signal(signal.SIGTERM)
        for server in self._server:
            server.wait(30)


@contextmanager
def world_on(settings: Settings, folder: Path, kind: Kind, *, served: bool = True) -> Iterator[World]:
    """Make a project that nobody else has, beside the others on the stack."""
    name = f"{kind}-{uuid.uuid4().hex[:8]}"
    here = replace(settings, project_name=name, serving_port=free_port())
    made_here = World(kind, name, write_project(folder, name, kind), here, folder)
    try:
        if served:
            made_here.serve()
        yield made_here
    finally:
        made_here.close()


def write_project(folder: Path, name: str, kind: Kind) -> str:
    """Write a project's file, and say where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace('-', '_')}.py"
    path.write_text(_PROJECT.replace("{name}", name).replace("{plugged}", _PLUGGED[kind]))
    return str(path)


def made(kind: Kind, since: datetime, until: datetime) -> pd.DataFrame:
    """Make labelled rows, the same at every call: another law and other weights from MOVED on."""
    days = [since + timedelta(days=n) for n in range((until - since).days)]
    return pd.concat([_day(kind, day) for day in days], ignore_index=True)


def eventually(holds: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait for what another process does; fail when it does not."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def free_port() -> int:
    """Find a port that nobody listens on."""
    from tests.control.little import free_port as found

    return found()


def _day(kind: Kind, day: datetime) -> pd.DataFrame:
    rng = np.random.default_rng([day.toordinal(), len(kind)])
    moved = day >= MOVED
    weight = rng.uniform(0, 10, PER_DAY) + (4 if moved else 0)
    speed = rng.normal(0, 1, PER_DAY)
    place = rng.choice(["north", "south"], PER_DAY)
    signal_ = (14 - weight if moved else weight) + speed + (place == "north") + rng.normal(0, 0.5, PER_DAY)
    times = [day + timedelta(minutes=30 * n) for n in range(PER_DAY)]
    labels: dict[Kind, tuple[str, Sequence[object]]] = {
        "multiclass": ("size", np.array(["small", "middle", "large"])[np.digitize(signal_, [4, 7])].tolist()),
        "regression": ("cost", (3 * signal_).tolist()),
    }
    name, values = labels[kind]
    return pd.DataFrame(
        {
            "reference_id": [f"{day:%m%d}-{n}" for n in range(PER_DAY)],
            "predicted_at": times,
            "observed_at": [time + timedelta(hours=1) for time in times],
            "weight": weight,
            "speed": speed,
            "place": place,
            name: values,
        }
    )

"""The two models that servers are measured with: each a pipeline, a bundle, and rows to ask about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from benchmarks import made
from benchmarks.releasing import publish_signed
from data.bundles import Lineage
from data.releases import Pointer, move_pointer
from examples.flights.history import read_history
from examples.flights.project import project as flights_project
from keepfit import Project
from keepfit.settings import Settings
from keepfit.spec import Value
from tasks.convert import convert, make_manifest
from tasks.train import build, encode_labels

_TRAINED_ON = 20_000
_ASKED = 10_000

Rows = Sequence[dict[str, Value]]


@dataclass(frozen=True)
class Model:
    """A fitted pipeline, what it learned from, and rows that it has not seen, as callers send them."""

    project: Project
    pipeline: Any
    learned_from: pd.DataFrame
    rows: Rows

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        return f"{self.project.name} ({len(self.project.features)} mixed columns, boosted trees)"

    def answers(self, rows: Rows) -> list[float]:
        """Answer rows by the pipeline itself: what every server must say of them."""
        columns = self.project.features.items()
        types = {name: object if c.kind == "category" else np.float32 for name, c in columns}
        frame = pd.DataFrame(list(rows)).astype(types)
        return self.pipeline.predict_proba(frame)[:, 1].tolist()

    def save(self, folder: Path) -> Path:
        """Write the pipeline as the other servers load it."""
        folder.mkdir(parents=True)
        joblib.dump(self.pipeline, folder / "pipeline.joblib")
        return folder

    def release(self, settings: Settings) -> None:
        """Convert and publish it as a retrain does, without a registry."""
        lineage = Lineage(
            recipe="benchmark",
            snapshot_id="benchmark",
            training_until=made.BEGIN,
            as_of=made.BEGIN,
            reason="a benchmark",
            commit="unknown",
            lock_hash="unknown",
            journal_positions={},
            metrics={},
        )
        converted = convert(self.project, self.pipeline, self.learned_from)
        manifest = make_manifest(self.project, converted, self.learned_from, lineage, version=1)
        folder = settings.home / f"bundle-{self.project.name}"
        digest = publish_signed(settings, folder, converted.model, manifest)
        move_pointer(settings.releases(self.project.name), Pointer(digest, 1, 1))


def flights() -> Model:
    """Learn from the flights of January and February 2013; those of March are asked about."""
    frame = read_history(date(2013, 1, 1), date(2013, 4, 1)).to_pandas()
    frame = frame[frame["late"].notna()]
    names = list(flights_project.features)
    texts = [name for name, c in flights_project.features.items() if c.kind == "category"]
    types = {name: object if name in texts else np.float32 for name in names}
    march = frame["predicted_at"] >= datetime(2013, 3, 1, tzinfo=UTC)
    learned_from = frame.loc[~march, names].astype(types)
    pipeline = _fitted(flights_project, learned_from, frame.loc[~march, "late"].to_numpy().astype(np.int64))
    asked = frame.loc[march, names].sample(_ASKED, random_state=0)
    return Model(flights_project, pipeline, learned_from, _cells(asked))


def made_up() -> Model:
    """Learn from the rows of `made`, with 12 mixed columns."""
    frame = made.features(_TRAINED_ON)
    rows = made.cells(made.features(_ASKED, seed=1))
    return Model(made.project, _fitted(made.project, frame, made.labels(frame)), frame, rows)


def _fitted(project: Project, frame: pd.DataFrame, labels: "np.ndarray[Any, Any]") -> object:
    return build(project).fit(frame, encode_labels(project, labels))


def _cells(frame: pd.DataFrame) -> Rows:
    """Write rows as a caller sends them: whole numbers as such, null where one is missing."""
    columns = {n: [None if v != v else v for v in frame[n].tolist()] for n in frame.columns}  # NaN
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

"""Projects, records and loops for tests; a test states only what it is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from data.records import Label, Prediction
from data.store import Batch, Store
from keepfit import Column, Gate, Project, Target
from keepfit.settings import Settings
from keepfit.spec import Value
from tasks.loop import Loop
from tests.fakes import FakeRegistry
from tests.keys import SETTINGS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

FEATURES = {
    "distance": Column.number(between=(0, 5000)),
    "wind": Column.number(optional=True),
    "carrier": Column.category(),
    "holiday": Column.flag(),
}
ROW: dict[str, Value] = {"distance": 733.0, "wind": 3.5, "carrier": "AA", "holiday": False}
# In no alphabetical order, so that whoever sorts them is seen.
TARGETS = {
    "binary": Target.binary("late"),
    "multiclass": Target.multiclass("way", ["road", "air", "rail"]),
    "regression": Target.regression("delay"),
}
METRICS = {"binary": "neg_log_loss", "multiclass": "neg_log_loss", "regression": "neg_mean_absolute_error"}


def estimator(kind: str = "binary", **changed: Any) -> Any:
    """Build boosted trees on numbers and encoded categories, which ONNX computes exactly."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    boosted = HistGradientBoostingRegressor if kind == "regression" else HistGradientBoostingClassifier
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(
        make_column_transformer((encoder, ["carrier"]), remainder="passthrough"),
        boosted(**({"max_iter": 10, "max_leaf_nodes": 8} | changed)),
    )


def project(kind: str = "binary", **changed: Any) -> Project:
    """Make a project that works."""
    fields: dict[str, Any] = {
        "name": "made",
        "features": FEATURES,
        "target": TARGETS[kind],
        "build": lambda: estimator(kind),
        "metrics": [METRICS[kind]],
        "gates": [Gate(METRICS[kind], at_least=-1e9)],
    }
    return Project(**(fields | changed))


def prediction(name: str, predicted_at: datetime = NOON, **changed: Any) -> Prediction:
    """Make a prediction that is known when it was made."""
    fields: dict[str, Any] = {"features": ROW, "known_at": predicted_at, "output": (0.5,), "version": 1}
    return Prediction(prediction_id=name, predicted_at=predicted_at, **(fields | changed))


def label(of: str | None, value: Value = True, known_at: datetime = NOON + DAY, **changed: Any) -> Label:
    """Make a label of the prediction `of`, known when it was observed."""
    fields: dict[str, Any] = {
        "label_id": f"{of}-{value}-{known_at.isoformat()}",
        "observed_at": known_at,
        "source": "http",
    }
    return Label(prediction_id=of, label=value, known_at=known_at, **(fields | changed))


def take(store: Store, of: Project, *records: Prediction | Label) -> None:
    """Take records into the store."""
    predictions = [record for record in records if isinstance(record, Prediction)]
    labels = [record for record in records if isinstance(record, Label)]
    store.take_in(of, Batch(predictions, labels))


def history(
    rows: int, kind: str = "binary", since: datetime = NOON, days: int = 40
) -> list[Mapping[str, Any]]:
    """Make labelled rows as a file has them, spread over days; the label depends on the distance."""
    rng = np.random.default_rng(0)
    target = TARGETS[kind]
    made: list[Mapping[str, Any]] = []
    for number in range(rows):
        distance = float(rng.uniform(0, 5000))
        signal = distance / 5000 + rng.normal(0, 0.2)
        value: Value = round(signal, 3)
        if kind == "binary":
            value = bool(signal > 0.5)
        elif kind == "multiclass":
            value = target.classes[min(2, max(0, int(signal * 3)))]
        made.append(
            {
                **ROW,
                "distance": distance,
                "carrier": ["AA", "UA", "WN"][number % 3],
                "predicted_at": (since + days * DAY * number / rows).isoformat(),
                "observed_at": (since + days * DAY * number / rows + HOUR).isoformat(),
                "reference_id": f"row-{number}",
                target.name: value,
            }
        )
    return made


@dataclass(frozen=True)
class LoopOnFakes(Loop):
    """A loop whose registry is a fake; all else of it is real."""

    fake: FakeRegistry = field(default_factory=FakeRegistry)

    @property
    def registry(self) -> FakeRegistry:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.fake


def loop(home: Path, of: Project | None = None, **settings: Any) -> LoopOnFakes:
    """Open a loop below `home`, which waits for workers but a moment."""
    where = Settings(home=home, **({"confirm_s": 0.3} | SETTINGS | settings))
    return LoopOnFakes(of or project(), where, Store(where.store_url))

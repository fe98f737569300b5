"""Windows of examples for tests, made without a store."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from data.examples import Examples
from keepfit import Column, Gate, Project, Target

START = datetime(2026, 3, 1, tzinfo=UTC)
TARGETS = {
    "binary": Target.binary("late"),
    "multiclass": Target.multiclass("way", ["road", "air", "rail"]),
    "regression": Target.regression("delay"),
}
COLUMNS = {
    "distance": Column.number(),
    "wind": Column.number(optional=True),
    "carrier": Column.category(),
    "holiday": Column.flag(),
}


def project(kind: str = "binary", metric: Any = "neg_log_loss", **changed: Any) -> Project:
    name = metric if isinstance(metric, str) else metric.__name__
    fields: dict[str, Any] = {
        "name": "made",
        "features": COLUMNS,
        "target": TARGETS[kind],
        "build": object,
        "metrics": [metric],
        "gates": [Gate(name, at_least=-1e9)],
    }
    return Project(**(fields | changed))


def features(rows: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "distance": rng.normal(800, 200, rows).astype(np.float32),
            "wind": np.where(rng.random(rows) < 0.05, np.nan, rng.exponential(5, rows)).astype(np.float32),
            "carrier": rng.choice(
                np.array(["AA", "UA", "WN", ""], dtype=object), rows, p=[0.5, 0.4, 0.05, 0.05]
            ),
            "holiday": (rng.random(rows) < 0.3).astype(np.float32),
        }
    ).astype({"carrier": object})


def days(rows: int, count: int) -> Any:
    """Spread rows over days in order."""
    return np.arange(rows) * count // rows


def answered(kind: str, rows: int, seed: int = 0) -> tuple[Any, Any]:
    """Make labels, and answers that know something about them."""
    rng = np.random.default_rng(seed)
    if kind == "regression":
        labels = rng.normal(10, 3, rows)
        return labels, labels + rng.normal(size=rows)
    if kind == "binary":
        chance = rng.uniform(0.02, 0.98, rows)
        return (rng.random(rows) < chance).astype(np.float64), chance
    chances = rng.dirichlet(np.ones(3), rows)
    code = (chances.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1)
    return np.array(TARGETS["multiclass"].classes, dtype=object)[code], chances


def window(
    rows: int = 700,
    kind: str = "binary",
    seed: int = 0,
    since: datetime = START,
    span_days: int = 14,
    **changed: Any,
) -> Examples:
    """Make a window of labelled predictions by version 1, spread evenly over its days."""
    labels, answer = answered(kind, rows, seed)
    times = pd.date_range(since, since + timedelta(days=span_days), rows + 1, unit="us")[:-1]
    facts = pd.DataFrame(
        {
            "prediction_id": [str(i) for i in range(rows)],
            "reference_id": None,
            "predicted_at": times,
            "known_at": times,
            "version": pd.array([1] * rows, dtype="Int64"),
            "observed_at": times,
            "label_known_at": times,
            "early": False,
        }
    )
    fields: dict[str, Any] = {
        "features": features(rows, seed),
        "facts": facts,
        "outputs": answer.reshape(rows, -1),
        "labels": labels,
        "labelled": np.ones(rows, dtype=bool),
    }
    return Examples(**(fields | changed))

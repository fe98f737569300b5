"""Made rows and the project that learns from them: 12 mixed columns, boosted trees as in examples/flights."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from data.records import Label, Prediction, uuid7
from keepfit import Column, Gate, Project, Target
from keepfit.spec import Value

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

CATEGORIES = {"carrier": 16, "origin": 3, "dest": 100, "aircraft": 40}
NUMBERS = ("minute_of_day", "distance", "planned_minutes", "temp", "wind_speed", "pressure")
FLAGS = ("holiday", "weekend")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 60


def build() -> "Pipeline":
    """Return the pipeline of examples/flights for these columns."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(
        make_column_transformer(
            (encoder, list(CATEGORIES)), remainder="passthrough", verbose_feature_names_out=False
        ),
        HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_iter=200,
            max_leaf_nodes=8,
            min_samples_leaf=200,
            l2_regularization=10,
            early_stopping=False,
            random_state=0,
        ),
    )


project = Project(
    name="made",
    features={
        **dict.fromkeys(CATEGORIES, Column.category()),
        **dict.fromkeys(NUMBERS, Column.number(between=(-10_000, 10_000), optional=True)),
        **dict.fromkeys(FLAGS, Column.flag()),
    },
    target=Target.binary("late"),
    build=build,
    metrics=["neg_log_loss", "roc_auc"],
    gates=[Gate("roc_auc", at_least=0.55)],
)


def features(rows: int, seed: int = 0) -> pd.DataFrame:
    """Make rows as a model sees them: text, and float32 with NaN where a twentieth is missing."""
    rng = np.random.default_rng(seed)
    frame: dict[str, Any] = {}
    for name, count in CATEGORIES.items():
        share = 1 / np.arange(1, count + 1)  # a few are frequent, most are rare
        names = np.array([f"{name[:1].upper()}{i}" for i in range(count)], dtype=object)
        frame[name] = names[rng.choice(count, rows, p=share / share.sum())]
    for name in NUMBERS:
        values = np.round(rng.gamma(2.0, 300.0, rows), 1).clip(0, 9_999)
        frame[name] = np.where(rng.random(rows) < 0.05, np.nan, values).astype(np.float32)
    for name in FLAGS:
        frame[name] = (rng.random(rows) < 0.2).astype(np.float32)
    return pd.DataFrame(frame)


def labels(frame: pd.DataFrame, seed: int = 0) -> np.ndarray[Any, Any]:
    """Make outcomes that depend on the columns, so that a model has something to learn."""
    score = frame["minute_of_day"].fillna(600) / 600 + frame["holiday"] + (frame["carrier"] == "C1") - 2.5
    return (np.random.default_rng(seed).random(len(frame)) < 1 / (1 + np.exp(-score))).astype(np.int64)


def cells(frame: pd.DataFrame) -> list[dict[str, Value]]:
    """Write rows as a caller sends them: text, numbers, true and false, null where missing."""
    columns: dict[str, Iterable[Value]] = {}
    for name in frame.columns:
        values = frame[name].tolist()
        if name in FLAGS:
            columns[name] = [bool(value) for value in values]
        else:
            columns[name] = [None if value != value else value for value in values]  # NaN
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def predictions(rows: list[Mapping[str, Value]]) -> list[Prediction]:
    """Make what a server would have captured: rows spread evenly over 60 days, answered by version 1."""
    step = timedelta(days=DAYS) / len(rows)
    made: list[Prediction] = []
    for i, row in enumerate(rows):
        at = BEGIN + i * step
        made.append(Prediction(_id(at, i), row, at, at, (0.25,), 1, f"reference-{i:08d}"))
    return made


def outcomes(made: list[Prediction], late: np.ndarray[Any, Any]) -> list[Label]:
    """Make the label of each prediction: half by its id, half by its reference, an hour later."""
    told: list[Label] = []
    for i, (prediction, label) in enumerate(zip(made, late.tolist(), strict=True)):
        at = prediction.predicted_at + timedelta(hours=1)
        key = (prediction.prediction_id, None) if i % 2 else (None, prediction.reference_id)
        told.append(Label(_id(at, i), label, at, at, "http", *key))
    return told


def _id(at: datetime, number: int) -> str:
    return uuid7(int(at.timestamp() * 1000), number.to_bytes(10, "big"))

"""Bookings of two hotels, whose cancellations become known earlier than stays: the data and its project.

Source: Antonio, Almeida and Nunes, Hotel booking demand datasets, Data in Brief 22 (2019), CC BY 4.0.
Only bookings of 2015-07 to 2016-08: outside, the data are cut at both ends by the date of arrival.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from data.examples import Examples
from keepfit import Column, Gate, Project, Target

_REPOSITORY = Path(__file__).resolve().parents[2]
_FILE = "hotel_bookings.parquet"
FIRST, LAST = datetime(2015, 7, 1, tzinfo=UTC), datetime(2016, 9, 1, tzinfo=UTC)
"""The span of `booking_date` that is whole: FIRST is included, LAST is not."""

NUMBERS = (
    *("lead_time", "arrival_date_week_number", "stays_in_weekend_nights", "stays_in_week_nights"),
    *("adults", "children", "babies", "previous_cancellations", "previous_bookings_not_canceled", "adr"),
    "total_of_special_requests",
)
FLAGS = ("is_repeated_guest",)
TEXTS = (
    *("hotel", "meal", "country", "market_segment", "distribution_channel", "reserved_room_type"),
    *("deposit_type", "agent", "company", "customer_type"),
)


def build() -> Pipeline:
    """Make a fresh estimator: boosted trees on ordinal categories."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, min_frequency=20)
    columns = make_column_transformer((encode, list(TEXTS)), remainder="passthrough")
    return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=100, random_state=0))


PROJECT = Project(
    name="hotel",
    features={
        **{name: Column.number(optional=True) for name in NUMBERS},
        **{name: Column.flag() for name in FLAGS},
        **{name: Column.category(optional=True) for name in TEXTS},
    },
    target=Target.binary("is_canceled"),
    build=build,
    metrics=["neg_log_loss", "accuracy", "roc_auc"],
    gates=[Gate("roc_auc", at_least=0.5)],
)


def bookings() -> pd.DataFrame:
    """Load the bookings, oldest first; a label is known when its day is over.

    Raises SystemExit with a sentence where the file is not.
    """
    folder = Path(os.environ.get("KEEPFIT_BENCH_DATA", _REPOSITORY.parent / "shared" / "data"))
    file = folder / _FILE
    if not file.exists():
        msg = f"{file}: not there; put {_FILE} there, or name its folder in KEEPFIT_BENCH_DATA"
        raise SystemExit(msg)
    frame = pd.read_parquet(file)
    frame["predicted_at"] = frame["booking_date"].dt.tz_localize("UTC")
    frame["label_known_at"] = frame["label_date"].dt.tz_localize("UTC") + timedelta(days=1)
    within = (frame["predicted_at"] >= FIRST) & (frame["predicted_at"] < LAST)
    within &= frame["label_known_at"] > frame["predicted_at"]
    return frame[within].sort_values("predicted_at", kind="stable").reset_index(drop=True)


def examples_of(frame: pd.DataFrame, as_of: datetime | None = None) -> Examples:
    """Make examples of bookings without answers, with the labels known at `as_of`; without it with all."""
    known = np.ones(len(frame), dtype=bool)
    if as_of is not None:
        known = (frame["label_known_at"] <= as_of).to_numpy()
    facts = pd.DataFrame(
        {
            "prediction_id": frame.index.astype(str),
            "reference_id": None,
            "predicted_at": frame["predicted_at"],
            "known_at": frame["predicted_at"],
            "version": pd.array([None] * len(frame), dtype="Int64"),
            "weight": 1.0,
            "observed_at": frame["label_known_at"].where(known),
            "label_known_at": frame["label_known_at"].where(known),
            "label_id": frame.index.astype(str),
            "early": False,
        }
    ).reset_index(drop=True)
    labels = np.where(known, frame["is_canceled"].to_numpy(dtype=np.float64), np.nan)
    return Examples(_features(frame), facts, np.full((len(frame), 1), np.nan), labels, known)


def _features(frame: pd.DataFrame) -> pd.DataFrame:
    columns: dict[str, object] = {}
    for name, column in PROJECT.features.items():
        values = frame[name]
        if column.kind == "category":
            text = values.astype(object).where(values.notna(), "").astype(str)
            columns[name] = text.to_numpy(dtype=object)
        else:
            columns[name] = values.to_numpy(dtype=np.float32, na_value=np.nan)
    return pd.DataFrame(columns).astype(dict.fromkeys(TEXTS, object))

"""The project of a chaos run: a delay that is what the distance and the season of the law make it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from keepfit import Gate, Project
from tests.builders import COLUMNS, TARGETS

NAME = "chaos"
IMPORTED = "row-"
"""What the reference ids of the history begin with."""
START = datetime(2025, 1, 1, tzinfo=UTC)
SEASON = timedelta(days=10)
"""How long the law stays the same: a model of one season is wrong in the next."""


def build() -> Any:
    """Make a straight line, which ONNX computes exactly."""
    # Imported here: what only serves or drains does not wait for it.
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(make_column_transformer(("passthrough", ["distance"])), LinearRegression())


project = Project(
    name=NAME,
    features=COLUMNS,
    target=TARGETS["regression"],
    build=build,
    metrics=["neg_mean_absolute_error"],
    gates=[Gate("neg_mean_absolute_error", at_least=-1e6)],
    training=timedelta(days=5),
    holdout=timedelta(days=5),
    min_rows=20,
)


def history(seasons: int, per_day: int = 24) -> list[dict[str, Any]]:
    """Make labelled rows of so many seasons, from START on."""
    rows: list[dict[str, Any]] = []
    for number in range(seasons * SEASON.days * per_day):
        at = START + timedelta(days=number / per_day)
        season = number // (SEASON.days * per_day)
        distance = float(number * 37 % 4096)
        noise = (number * 7919 % 101 - 50) / 10
        rows.append(
            {
                "reference_id": f"{IMPORTED}{number}",
                "predicted_at": at.isoformat(),
                "observed_at": (at + timedelta(hours=1)).isoformat(),
                "distance": distance,
                "carrier": "AA",
                "season": None,
                "wind": None,
                "holiday": False,
                "delay": 10_000 * (season + 1) + distance + noise,
            }
        )
    return rows

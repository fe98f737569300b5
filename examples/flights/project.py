"""Will this flight arrive more than 15 minutes late, from what is known at its scheduled departure."""

from typing import TYPE_CHECKING

from keepfit import Column, Gate, Project, Target

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

CATEGORIES = ["carrier", "origin", "dest"]


def build() -> "Pipeline":
    """Return boosted trees on numbers and on categories as numbers, which ONNX computes exactly."""
    # Only training needs scikit-learn, which takes seconds to import.
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    # Never `categorical_features` of the trees: skl2onnx converts it without an error, and wrongly.
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(
        make_column_transformer(
            (encoder, CATEGORIES), remainder="passthrough", verbose_feature_names_out=False
        ),
        # Early stopping would hold out rows at random, neighbours in time of those it learns from.
        HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_iter=200,
            max_leaf_nodes=8,
            min_samples_leaf=200,
            l2_regularization=10,
            early_stopping=False,  # pyright: ignore[reportArgumentType] - its stub knows only "auto"
            random_state=0,
        ),
    )


project = Project(
    name="flights",
    features={
        "carrier": Column.category(),
        "origin": Column.category(among=["EWR", "JFK", "LGA"]),
        "dest": Column.category(),
        "minute_of_day": Column.number(between=(0, 1439)),
        "weekday": Column.number(between=(1, 7)),
        "distance": Column.number(between=(0, 10_000)),
        "planned_minutes": Column.number(between=(1, 1439)),
        "temp": Column.number(between=(-60, 140), optional=True),
        "humid": Column.number(between=(0, 100), optional=True),
        "wind_speed": Column.number(between=(0, 200), optional=True),
        "wind_gust": Column.number(between=(0, 200), optional=True),
        "precip": Column.number(between=(0, 1000), optional=True),
        "pressure": Column.number(between=(850, 1100), optional=True),
        "visib": Column.number(between=(0, 100), optional=True),
    },
    target=Target.binary("late"),
    build=build,
    metrics=["neg_log_loss", "roc_auc"],
    gates=[Gate("roc_auc", at_least=0.6), Gate("roc_auc", no_worse_by=0.02)],
    time="predicted_at",
    label_time="landed_at",
    reference="flight_id",
)

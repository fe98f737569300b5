from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from data.bundles import Bundle
from data.examples import Examples
from keepfit import Column
from tasks.check import made_examples
from tasks.convert import convert, make_manifest
from tasks.evaluate import evaluate, judge, parity, unanswered
from tasks.train import train
from tests.builders import manifest as some_manifest
from tests.builders import opened as made_bundle
from tests.making import FEATURES, project
from tests.monitoring.windows_of import window

# The built bundles answer version * 10,000 + distance.
PROJECT = project("regression")


class Fitted:
    """An estimator that answers as the bundle of its version does."""

    def __init__(self, version: int) -> None:
        self.version = version

    def fit(self, X: Any, y: Any) -> Any:  # noqa: ARG002, N803
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return self.version * 10_000 + X["distance"].to_numpy(dtype=np.float64)


def opened(tmp_path: Path, version: int) -> Bundle:
    return made_bundle(tmp_path, version=version, kind="regression")


def holdout() -> Examples:
    made = window(kind="regression")
    labels = 10_000 + made.features["distance"].to_numpy(dtype=np.float64) + 7
    return Examples(made.features, made.facts, made.outputs, labels, made.labelled)


def test_both_models_are_judged_on_the_same_rows(tmp_path: Path) -> None:
    found = evaluate(PROJECT, holdout(), Fitted(1), opened(tmp_path, 1), opened(tmp_path, 2))
    assert found.challenger["neg_mean_absolute_error"] == pytest.approx(-7, abs=0.01)
    assert found.champion is not None
    assert found.champion["neg_mean_absolute_error"] == pytest.approx(-9993, abs=1)
    assert found.gain is not None
    assert found.gain.proven
    assert (found.parity.share, found.rows) == (1.0, 700)


def test_the_first_model_is_judged_alone(tmp_path: Path) -> None:
    found = evaluate(PROJECT, holdout(), Fitted(1), opened(tmp_path, 1), None)
    assert (found.champion, found.gain) == (None, None)


def test_a_bundle_that_is_not_its_estimator_is_seen(tmp_path: Path) -> None:
    found = evaluate(PROJECT, holdout(), Fitted(3), opened(tmp_path, 1), None)
    assert found.parity.share == 0
    assert found.parity.largest > 1


def test_a_champion_is_judged_though_its_features_left_the_project_or_changed_their_kind(
    tmp_path: Path,
) -> None:
    made = holdout()
    # The bundle knows the wind as a number, the carrier as text, and a season.
    made.features["wind"] = np.array(["strong"] * len(made), dtype=object)
    made.features["carrier"] = np.float32(7)
    changed = project(
        "regression",
        features={**FEATURES, "wind": Column.category(), "carrier": Column.number()},
    )
    found = evaluate(changed, made, Fitted(1), opened(tmp_path, 1), opened(tmp_path, 2))
    assert found.champion is not None
    assert np.isfinite(found.champion["neg_mean_absolute_error"])


def test_parity_counts_the_rows_that_agree() -> None:
    served, trained = np.zeros((1000, 1)), np.zeros((1000, 1))
    served[:3, 0] = [1e-5, 2e-4, 0.5]
    found = parity(project(), served, trained, np.zeros(1000))
    assert (found.share, found.largest) == (0.998, 0.5)


def test_a_row_of_several_classes_agrees_only_where_all_do() -> None:
    served, trained = np.zeros((4, 3)), np.zeros((4, 3))
    served[0, 2] = 0.1
    assert parity(project("multiclass"), served, trained, np.zeros(4)).share == 0.75


def test_values_are_compared_in_units_of_the_targets_deviation() -> None:
    labels = np.array([-1e6, 1e6])
    served, trained = np.array([[10.0], [1000.0]]), np.zeros((2, 1))
    assert parity(PROJECT, served, trained, labels).share == 0.5


@pytest.mark.parametrize("side", ["served", "trained"])
def test_an_answer_that_is_no_number_agrees_with_nothing(side: str) -> None:
    given = {"served": np.zeros((2, 1)), "trained": np.zeros((2, 1))}
    given[side][0, 0] = np.nan
    assert parity(project(), given["served"], given["trained"], np.zeros(2)).share == 0.5


@pytest.mark.parametrize(
    ("unknown", "told"), [("error", "a category that it has not seen in 'carrier'"), ("ignore", None)]
)
def test_a_model_that_cannot_answer_a_new_category_is_told(unknown: str, told: str | None) -> None:
    def build() -> Any:
        encoder = OneHotEncoder(handle_unknown=unknown, sparse_output=False)
        return make_pipeline(
            make_column_transformer((encoder, ["carrier"]), remainder="passthrough"),
            HistGradientBoostingClassifier(max_iter=5),
        )

    asked = project(features={name: FEATURES[name] for name in ("distance", "carrier")}, build=build)
    examples = made_examples(asked, 300, 0)
    converted = convert(asked, train(asked, examples), examples.features)
    lineage = some_manifest(b"no model", version=1).lineage
    told_of = make_manifest(asked, converted, examples.features, lineage, 1)
    found = unanswered(asked, Bundle("unpublished", told_of, converted.model), examples)
    assert found is None if told is None else told in (found or "")


def test_a_row_counts_in_the_scores_as_often_as_it_weighs() -> None:
    made = holdout()
    heavy = replace(made, facts=made.facts.assign(weight=np.where(np.arange(700) < 350, 3.0, 1.0)))
    off = np.where(np.arange(700) < 350, 4.0, 0.0)[:, None]
    ours = made.labels[:, None] + off
    scores, others, gain = judge(PROJECT, heavy, ours, ours + 1)
    assert scores["neg_mean_absolute_error"] == pytest.approx(-3)
    assert others is not None
    assert others["neg_mean_absolute_error"] == pytest.approx(-4)
    assert gain is not None
    assert gain.value == pytest.approx(1)

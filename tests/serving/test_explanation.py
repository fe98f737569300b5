"""Explanations beside those of `shap`, by the definition where a model is simple, and as a worker gives them."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from data.bundles import Bundle, open_bundle
from examples.flights import history
from examples.flights.project import project as flights_project
from keepfit.errors import BundleUnusable, RequestRefused
from keepfit.settings import Settings
from serving.answer import told
from serving.contract import Explanation, PredictedRow, Row
from serving.desk import Desk
from serving.exchange import Request
from serving.explanation import Background, Explainer, explanation
from serving.predictor import Numbers, Predictor
from serving.protocols import own
from serving.refusal import Refused
from serving.worker import Worker
from tasks.check import made_examples
from tasks.convert import convert, make_manifest
from tasks.train import train
from tests.builders import ROW, TARGETS, Kind, bundle
from tests.builders import manifest as some_manifest
from tests.making import project
from tests.serving.running import Serve, Server

GOLDEN_DISTANCE = (733 + 5000) / 2
"""The mean distance of the golden rows of `tests.builders`."""


def in_time() -> bool:
    return False


def explained(predictor: Predictor, row: Mapping[str, Any]) -> tuple[Explanation, Numbers]:
    """Explain one row in this process; give the model's outputs too."""
    output = predictor.predict([row])[0]
    answered = told("an id", output.tolist(), None, predictor.manifest.target)
    return explanation(Background.of(predictor), row, answered, in_time), output


def bundled(of: Any, estimator: Any, sample: pd.DataFrame) -> Bundle:
    converted = convert(of, estimator, sample)
    lineage = some_manifest(b"no model", version=1).lineage
    return Bundle("", make_manifest(of, converted, sample, lineage, version=1), converted.model)


# The flights model, beside shap


class LogOdds(Predictor):
    """Answers with log-odds: shap's TreeExplainer is exact for those of boosted trees."""

    def predict_columns(self, columns: Mapping[str, npt.NDArray[np.generic]]) -> Numbers:
        answers = super().predict_columns(columns)
        return np.log(answers / (1 - answers))


class Flights:
    """The flights pipeline, trained on some days of January, as scikit-learn and as a bundle."""

    def __init__(self) -> None:
        days = history.read_history(date(2013, 1, 1), date(2013, 1, 8)).to_pandas()
        days = days[days["late"].notna()]
        self.rows = pd.DataFrame(
            {
                name: days[name].fillna("") if column.kind == "category" else days[name].astype(np.float32)
                for name, column in flights_project.features.items()
            }
        )
        estimator: Any = flights_project.build()
        estimator.set_params(histgradientboostingclassifier__max_iter=60)
        estimator.fit(self.rows, days["late"].astype(int))
        self.encoder, self.trees = estimator[0], estimator[1]
        self.bundle = bundled(flights_project, estimator, self.rows)
        self.background = self.encoded(self.bundle.manifest.golden_rows)
        order = [name for name in self.encoder.get_feature_names_out()]
        self.place = {name: order.index(name) for name in self.rows.columns}

    def encoded(self, rows: Any) -> np.ndarray:
        """Rows as the trees see them."""
        frame = pd.DataFrame(rows, columns=self.rows.columns)
        for name, column in flights_project.features.items():
            if column.kind != "category":
                frame[name] = frame[name].astype(np.float32)
        return self.encoder.transform(frame).astype(np.float64)

    def some(self, count: int) -> list[dict[str, Any]]:
        return self.rows.sample(count, random_state=7).to_dict("records")


@pytest.fixture(scope="module")
def flights() -> Flights:
    return Flights()


def errors_of(found: Explanation, expected: Mapping[str, float]) -> np.ndarray:
    assert found.standard_errors is not None
    off = [
        (found.contributions[name] - expected[name]) / max(error, 1e-6)
        for name, error in found.standard_errors.items()
    ]
    return np.array(off)


def test_contributions_to_the_log_odds_are_those_of_shaps_tree_explainer(flights: Flights) -> None:
    from shap import TreeExplainer

    trees = TreeExplainer(flights.trees, flights.background, feature_perturbation="interventional")
    log_odds = LogOdds(flights.bundle)
    off: list[np.ndarray] = []
    for row in flights.some(10):
        expected = trees(flights.encoded([row]), check_additivity=False).values[0]
        value = float(
            log_odds.predict_columns({n: np.array([v], dtype=object) for n, v in row.items()})[0, 0]
        )
        found = explanation(Background.of(log_odds), row, PredictedRow("an id", value), in_time)
        by_name = {name: float(expected[place]) for name, place in flights.place.items()}
        off.append(errors_of(found, by_name))
        moved = np.abs(expected).sum()
        assert max(abs(found.contributions[name] - by_name[name]) for name in by_name) < 0.02 * moved
    # As far apart as the standard errors say, which are 1 % of all that moves at most: no bias beside them.
    assert np.sqrt((np.array(off) ** 2).mean()) < 1.5
    assert np.abs(off).max() < 5


def test_contributions_to_the_probability_are_those_of_shaps_exact_explainer(flights: Flights) -> None:
    from shap import maskers
    from shap.explainers import Exact

    def probability(rows: np.ndarray) -> np.ndarray:
        return flights.trees.predict_proba(rows)[:, 1]

    exact = Exact(probability, maskers.Independent(flights.background, max_samples=100))
    for row in flights.some(1):
        expected = exact(flights.encoded([row]), max_evals=2**14).values[0]
        found, _ = explained(Predictor(flights.bundle), row)
        by_name = {name: float(expected[place]) for name, place in flights.place.items()}
        assert np.abs(errors_of(found, by_name)).max() < 5
        assert max(abs(found.contributions[name] - by_name[name]) for name in by_name) < 0.005
        assert found.baseline == pytest.approx(probability(flights.background).mean(), abs=1e-6)

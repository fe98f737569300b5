from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.bundles import Bundle, Manifest, open_bundle
from data.examples import Examples
from keepfit import Column
from keepfit.errors import ConversionError
from keepfit.spec import Project
from serving.predictor import Predictor, check_golden
from tasks.check import made_examples
from tasks.convert import Converted, convert, golden_rows, make_manifest, with_float32_thresholds
from tasks.train import answer, train
from tests.builders import manifest as some_manifest
from tests.builders import write_signed
from tests.keys import TRUST
from tests.making import TARGETS, estimator, project

LINEAGE = some_manifest(b"no model", version=1).lineage


def described(
    of: Project, examples: Examples, converted: Converted | None = None
) -> tuple[Any, Manifest, bytes]:
    fitted = train(of, examples)
    converted = converted or convert(of, fitted, examples.features)
    return fitted, make_manifest(of, converted, examples.features, LINEAGE, version=3), converted.model


@pytest.mark.parametrize("kind", TARGETS)
def test_what_is_served_is_what_was_trained(kind: str) -> None:
    mine = project(kind)
    fitted, manifest, model = described(mine, made_examples(mine, 400, seed=0))
    unseen = made_examples(mine, 400, seed=1)
    served = Predictor(Bundle("", manifest, model)).predict_columns(unseen.columns())
    np.testing.assert_allclose(served, answer(mine, fitted, unseen.features), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", TARGETS)
def test_a_bundle_that_is_written_passes_its_own_golden_rows(tmp_path: Path, kind: str) -> None:
    _, manifest, model = described(project(kind), made_examples(project(kind), 400, seed=0))
    digest = write_signed(tmp_path, model, manifest)
    check_golden(Predictor(open_bundle(tmp_path, digest, TRUST)))


ODD = [
    "petal length (cm)",
    "od280/od315",
    "price-€",
    "a.b",
    "a b",
    "probabilities",
    "label",
    "variable",
    "x1",
]


@pytest.mark.parametrize("kind", TARGETS)
def test_a_feature_may_have_any_name(kind: str) -> None:
    columns = {name: Column.number() for name in ODD} | {"carrier": Column.category()}
    mine = project(kind, features=columns)
    fitted, manifest, model = described(mine, made_examples(mine, 400, seed=0))
    unseen = made_examples(mine, 50, seed=1)
    served = Predictor(Bundle("", manifest, model)).predict_columns(unseen.columns())
    np.testing.assert_allclose(served, answer(mine, fitted, unseen.features), rtol=1e-4, atol=1e-5)


def tenths() -> Examples:
    """Make rows of decimals whose neighbours lie next to each other: half-way between is no float32."""
    rng = np.random.default_rng(0)
    made = made_examples(PLAIN, 4000, seed=0)
    # Few values, each next to a threshold; the label turns at every one of them.
    steps = np.float32(0.1) + np.arange(60, dtype=np.float32) * np.float32(2**-27)
    place = rng.integers(0, 60, 4000)
    made.features["a"] = steps[place].astype(np.float32)
    return Examples(made.features, made.facts, made.outputs, (place % 2).astype(np.float64), made.labelled)


PLAIN = project(
    features={"a": Column.number(), "carrier": Column.category()},
    build=lambda: estimator(max_iter=30, min_samples_leaf=1, max_leaf_nodes=60),
)


def test_decimals_beside_a_threshold_fall_on_the_side_that_they_were_trained_on() -> None:
    examples = tenths()
    fitted, manifest, model = described(PLAIN, examples)
    served = Predictor(Bundle("", manifest, model)).predict_columns(examples.columns())
    np.testing.assert_allclose(served, answer(PLAIN, fitted, examples.features), atol=1e-5)


def test_thresholds_are_rounded_down_and_the_estimator_stays_as_it_was() -> None:
    examples = tenths()
    fitted: Any = train(PLAIN, examples)
    before = answer(PLAIN, fitted, examples.features)
    exact = with_float32_thresholds(fitted)
    assert (answer(PLAIN, fitted, examples.features) == before).all()
    assert (answer(PLAIN, exact, examples.features) == before).all()
    pairs = [
        (mine.nodes["num_threshold"], theirs.nodes["num_threshold"])
        for trees, exact_trees in zip(fitted[-1]._predictors, exact[-1]._predictors, strict=True)
        for mine, theirs in zip(trees, exact_trees, strict=True)
    ]
    for trained, rounded in pairs:
        assert (rounded.astype(np.float32) == rounded).all()
        assert (rounded <= trained).all()
    assert any((trained.astype(np.float32) > trained).any() for trained, _ in pairs), "nothing to round"


def test_golden_rows_hold_no_row_that_was_ever_seen_together() -> None:
    examples = made_examples(project(), 400, seed=0)
    seen = {tuple(map(str, row)) for row in examples.features.itertuples(index=False)}
    rows = golden_rows(examples.features, seed=0)
    assert len(rows) == 100
    assert not seen & {tuple(map(str, row.values())) for row in rows}


def test_golden_rows_may_be_served() -> None:
    for row in golden_rows(made_examples(project(), 400, seed=0).features, seed=0):
        assert {
            name: project().features[name].objection(cell) for name, cell in row.items()
        } == dict.fromkeys(row)


def test_the_same_model_is_the_same_bytes() -> None:
    examples = made_examples(project(), 200, seed=0)
    one, other = (described(project(), examples) for _ in range(2))
    assert one[2] == other[2]
    assert one[1] == other[1]


def test_an_export_of_ones_own_is_served_as_it_is() -> None:
    examples = made_examples(project(), 200, seed=0)
    mine = project(export=lambda fitted, sample: convert(project(), fitted, sample).model)
    _, manifest, model = described(mine, examples)
    assert manifest.output == "probabilities"
    assert len(Predictor(Bundle("", manifest, model)).predict_columns(examples.columns())) == 200


def test_an_export_that_gives_no_model_is_refused() -> None:
    mine = project(export=lambda fitted, sample: b"no model")  # noqa: ARG005 - its contract
    with pytest.raises(ConversionError, match="export= gave bytes that are no ONNX model"):
        convert(mine, object(), made_examples(mine, 5, seed=0).features)


def test_an_estimator_that_does_not_convert_is_named_in_a_line() -> None:
    class Guess:
        def fit(self, X: Any, y: Any) -> "Guess":  # noqa: ARG002, N803
            return self

        def predict(self, X: Any) -> Any:  # noqa: N803
            return np.zeros(len(X))

    examples = made_examples(project("regression"), 10, seed=0)
    with pytest.raises(ConversionError) as refusal:
        convert(project("regression"), Guess(), examples.features)
    assert "the estimator Guess does not convert to ONNX" in str(refusal.value)
    assert "\n" not in str(refusal.value)

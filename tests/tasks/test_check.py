import math
from functools import partial
from typing import Any

import numpy as np
import pytest

from keepfit import Column, Gate, Target
from keepfit.errors import ProjectRefused
from keepfit.spec import Project
from tasks.check import Trial, check_project, made_examples, require_working
from tests.making import FEATURES, TARGETS, estimator, project

TRIALS = [
    "its metrics score",
    "two builds are two estimators",
    "it learns from rows of its columns",
    "it answers",
    "one row is answered as among many",
    "an unknown category is answered",
    "a missing optional value is answered",
    "the same seed gives the same model",
    "its ONNX agrees with it",
]


def pipeline(*steps: Any, encoder: Any = None) -> Any:
    """Put steps behind an encoder of the one category."""
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encoder = encoder or OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(make_column_transformer((encoder, ["carrier"]), remainder="passthrough"), *steps)


def objection(checked: Project) -> Trial:
    """Give the trial that failed, which is the last."""
    *passed, failed = check_project(checked)
    assert [trial.objection for trial in passed] == [None] * len(passed)
    assert failed.objection is not None, f"{failed.name} passed"
    assert "\n" not in failed.objection
    return failed


@pytest.mark.parametrize("kind", TARGETS)
def test_a_good_project_passes_every_trial(kind: str) -> None:
    assert check_project(project(kind)) == [Trial(name) for name in TRIALS]


def test_a_good_linear_project_passes_every_trial() -> None:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def build() -> Any:
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        return pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(), encoder=encoder)

    assert check_project(project(build=build)) == [Trial(name) for name in TRIALS]


def test_a_project_with_open_ended_ranges_passes() -> None:
    ranges = [(0, math.inf), (-math.inf, 0), (-math.inf, math.inf), (-1e308, 1e308), (1e6, math.inf)]
    columns = {f"n{i}": Column.number(between=between) for i, between in enumerate(ranges)}
    checked = project(features={"carrier": Column.category(among=["AA", "UA"], optional=True), **columns})
    assert check_project(checked)[-1] == Trial(TRIALS[-1])


def test_a_build_that_gives_the_same_object_twice_is_refused() -> None:
    always = estimator()
    failed = objection(project(build=lambda: always))
    assert failed.name == "two builds are two estimators"
    assert "build a new estimator at every call" in (failed.objection or "")


def test_two_builds_that_share_a_step_are_refused() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    always = HistGradientBoostingClassifier(max_iter=2)
    failed = objection(project(build=lambda: pipeline(always)))
    assert (
        failed.objection
        == "two builds share one HistGradientBoostingClassifier; build every step anew at every call"
    )


def test_what_is_no_estimator_is_refused() -> None:
    failed = objection(project(build=lambda: "a model"))
    assert "build() gave str, without fit and predict" in (failed.objection or "")


# Skl2onnx converts native categories of trees without an error, and the model is wrong on most rows.
@pytest.mark.parametrize("kind", ["binary", "regression"])
@pytest.mark.parametrize(
    "leaf", [5, 300], ids=["that it splits on", "that made rows give no reason to split on"]
)
def test_native_categories_of_trees_by_index_are_refused_with_the_cure(kind: str, leaf: int) -> None:
    columns = {**FEATURES, **{f"n{i}": Column.number() for i in range(9)}}
    build = partial(estimator, kind, categorical_features=[0], min_samples_leaf=leaf)
    failed = objection(project(kind, features=columns, build=build))
    assert failed.name == "its ONNX agrees with it"
    assert "encode categories as one-hot or ordinal columns instead of `categorical_features`" in (
        failed.objection or ""
    )


def test_native_categories_of_trees_by_name_are_refused() -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    def build() -> Any:
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        encoded = make_column_transformer(
            (encoder, ["carrier"]), remainder="passthrough", verbose_feature_names_out=False
        ).set_output(transform="pandas")
        return make_pipeline(encoded, HistGradientBoostingClassifier(categorical_features=["carrier"]))

    assert "splits on categories" in (objection(project(build=build)).objection or "")


def test_native_categories_of_trees_by_type_are_refused() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    def build() -> Any:
        typed = FunctionTransformer(lambda frame: frame.astype({"carrier": "category"}))
        return make_pipeline(
            typed, HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype")
        )

    assert "splits on categories" in (objection(project(build=build)).objection or "")


def test_an_encoder_that_dies_on_a_new_category_is_refused_with_the_cure() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.preprocessing import OneHotEncoder

    def build() -> Any:
        return pipeline(
            HistGradientBoostingClassifier(max_iter=2), encoder=OneHotEncoder(sparse_output=False)
        )

    failed = objection(project(build=build))
    assert failed.name == "an unknown category is answered"
    assert "let the encoder take unknown categories (handle_unknown=)" in (failed.objection or "")


def test_an_encoder_that_dies_on_a_new_category_does_for_a_closed_set() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.preprocessing import OneHotEncoder

    def build() -> Any:
        return pipeline(
            HistGradientBoostingClassifier(max_iter=2), encoder=OneHotEncoder(sparse_output=False)
        )

    closed = {**FEATURES, "carrier": Column.category(among=["AA", "UA"])}
    assert check_project(project(features=closed, build=build))[-1] == Trial(TRIALS[-1])


def test_a_model_that_dies_on_a_missing_optional_value_is_refused() -> None:
    from sklearn.linear_model import LogisticRegression

    # The made rows have gaps, so that it does not even learn.
    failed = objection(project(build=lambda: pipeline(LogisticRegression())))
    assert "contains NaN" in (failed.objection or "")


def test_a_classifier_without_probabilities_is_refused_with_the_cure() -> None:
    from sklearn.svm import LinearSVC

    failed = objection(
        project(
            features={n: c for n, c in FEATURES.items() if n != "wind"}, build=lambda: pipeline(LinearSVC())
        )
    )
    assert failed.name == "it answers"
    assert "has no predict_proba; wrap it in CalibratedClassifierCV" in (failed.objection or "")


def test_a_step_that_does_not_convert_is_named() -> None:
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.ensemble import HistGradientBoostingClassifier

    class Doubled(TransformerMixin, BaseEstimator):
        def fit(self, X: Any, y: Any = None) -> "Doubled":  # noqa: ARG002, N803
            self.fitted_ = True
            return self

        def transform(self, X: Any) -> Any:  # noqa: N803
            return X * 2

    failed = objection(project(build=lambda: pipeline(Doubled(), HistGradientBoostingClassifier(max_iter=2))))
    assert failed.name == "its ONNX agrees with it"
    assert "the step Doubled does not convert to ONNX" in (failed.objection or "")
    assert "replace that step, or bring export=" in (failed.objection or "")


def test_randomness_without_a_seed_is_refused() -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer

    generator = np.random.RandomState()

    def build() -> Any:
        return pipeline(SimpleImputer(), RandomForestClassifier(3, random_state=generator))

    failed = objection(project(build=build))
    assert failed.name == "the same seed gives the same model"
    assert "give every step a random_state" in (failed.objection or "")


def test_randomness_that_was_given_no_seed_is_given_the_projects() -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer

    checked = project(build=lambda: pipeline(SimpleImputer(), RandomForestClassifier(3, max_depth=3)))
    assert check_project(checked)[-1] == Trial(TRIALS[-1])


def test_a_step_that_computes_over_the_batch_is_refused() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.preprocessing import FunctionTransformer

    def build() -> Any:
        centred = FunctionTransformer(lambda x: x - np.nanmean(x, axis=0))
        return pipeline(centred, HistGradientBoostingClassifier(max_iter=5))

    assert objection(project(build=build)).name == "one row is answered as among many"


@pytest.mark.parametrize(
    ("kind", "metric", "told"),
    [
        ("binary", "neg_logloss", "has no scorer 'neg_logloss'; did you mean 'neg_log_loss'"),
        ("binary", "r2_of_nothing", "has no scorer 'r2_of_nothing'"),
        ("multiclass", "roc_auc", "cannot score made answers to a multiclass target"),
    ],
)
def test_a_metric_that_cannot_score_is_refused_by_its_name(kind: str, metric: str, told: str) -> None:
    failed = objection(project(kind, metrics=[metric], gates=[Gate(metric, at_least=0)]))
    assert failed.name == "its metrics score"
    assert told in (failed.objection or "")


def test_a_build_that_raises_is_refused_in_a_line() -> None:
    def build() -> Any:
        raise KeyError("no such\nthing")

    assert objection(project(build=build)).objection == "KeyError: 'no such\\nthing'"


@pytest.mark.parametrize("given", [b"no model", b""])
def test_an_export_that_gives_no_model_is_refused(given: bytes) -> None:
    failed = objection(project(export=lambda fitted, sample: given))  # noqa: ARG005 - its contract
    assert failed.name == "its ONNX agrees with it"


def test_an_export_of_ones_own_is_taken_where_it_agrees() -> None:
    from tasks.convert import convert

    def export(fitted: object, sample: Any) -> bytes:
        return convert(project(), fitted, sample).model

    assert check_project(project(export=export))[-1] == Trial(TRIALS[-1])


def test_a_project_that_does_not_work_is_refused_before_anything_starts() -> None:
    with pytest.raises(
        ProjectRefused, match=r"^project 'made': its metrics score: .* did you mean 'roc_auc'"
    ):
        require_working(project(metrics=["roc_auk"], gates=[Gate("roc_auk", at_least=0)]))


def test_a_project_that_works_is_not_refused() -> None:
    require_working(project())


@pytest.mark.parametrize("target", [*TARGETS.values(), Target.multiclass("stars", [5, 1, 3])])
def test_made_rows_fit_the_columns_and_have_every_class(target: Target) -> None:
    checked = project(target=target)
    made = made_examples(checked, 600, seed=1)
    for name, column in checked.features.items():
        cells = [None if x != x or x == "" else x for x in made.features[name].tolist()]
        assert {column.objection(cell) for cell in cells} == {None}
    assert {target.objection(value) for value in made.labels.tolist()} == {None}
    assert set(target.classes) <= set(made.labels.tolist())


def test_the_label_of_made_rows_depends_on_their_numbers() -> None:
    made = made_examples(project("regression"), 600, seed=1)
    assert np.corrcoef(made.features["distance"], made.labels)[0, 1] > 0.3

"""The converter's known silent error: trees that split on categories convert, and answer wrongly."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from data.bundles import Bundle
from keepfit.errors import ConversionError
from keepfit.spec import Project
from serving.predictor import Predictor
from tasks.check import Trial, check_project, made_examples
from tasks.convert import convert, make_manifest
from tasks.decide import decide
from tasks.evaluate import evaluate, parity
from tasks.export import unpublished
from tasks.train import answer, train
from tests.builders import manifest as some_manifest
from tests.making import project

Wrap = Callable[[Any], Any]

WRAPPERS: dict[str, Wrap] = {
    "alone": lambda trees: trees,
    "a pipeline": make_pipeline,
    "votes": lambda trees: VotingClassifier([("trees", trees)], voting="soft", flatten_transform=False),
    "a stack": lambda trees: StackingClassifier([("trees", trees)], LogisticRegression(), cv=2),
    "a calibration": lambda trees: CalibratedClassifierCV(trees, cv=2),
    "a calibration of one": lambda trees: CalibratedClassifierCV(trees, cv=2, ensemble=False),
    "a search": lambda trees: GridSearchCV(trees, {"max_leaf_nodes": [4, 8]}, cv=2),
    "bags": lambda trees: BaggingClassifier(trees, 2),
    "one class against the others": OneVsRestClassifier,
    "a threshold": lambda trees: TunedThresholdClassifierCV(trees, cv=2, thresholds=5),
    "a search of a stack in a pipeline": lambda trees: GridSearchCV(
        make_pipeline(StackingClassifier([("trees", make_pipeline(trees))], LogisticRegression(), cv=2)),
        {"stackingclassifier__cv": [2]},
        cv=2,
    ),
}


def encoded(*steps: Any) -> Any:
    """Put steps behind an encoder, whose column comes first."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(make_column_transformer((encoder, ["carrier"]), remainder="passthrough"), *steps)


def wrapped(wrap: Wrap, **changed: Any) -> Project:
    fields: dict[str, Any] = {"categorical_features": [0], "max_iter": 10, "min_samples_leaf": 5} | changed
    return project(build=lambda: encoded(wrap(HistGradientBoostingClassifier(**fields))))


def unguarded(checked: Project) -> Project:
    """Let skl2onnx convert whatever it is given, as a project may that brings `export=`."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    inputs = [
        (name, StringTensorType([None, 1]) if column.kind == "category" else FloatTensorType([None, 1]))
        for name, column in checked.features.items()
    ]

    def export(fitted: Any, sample: Any) -> bytes:  # noqa: ARG001 - its contract
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            made: Any = to_onnx(fitted, initial_types=inputs, options={"zipmap": False})
            return made.SerializeToString()

    return project(build=checked.build, export=export)


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_trees_that_split_on_categories_are_refused_whatever_they_are_in(wrap: Wrap) -> None:
    checked = wrapped(wrap)
    examples = made_examples(checked, 300, seed=0)
    fitted = train(checked, examples)
    with pytest.raises(ConversionError, match="HistGradientBoostingClassifier splits on categories"):
        convert(checked, fitted, examples.features)


# Nothing here knows of categories: the numbers alone must tell.
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_parity_alone_refuses_the_wrong_conversion(wrap: Wrap) -> None:
    checked = unguarded(wrapped(wrap))
    learned, held_out = (made_examples(checked, 400, seed) for seed in (0, 1))
    fitted = train(checked, learned)
    converted = convert(checked, fitted, learned.features)  # without an error: that is the fault
    manifest = make_manifest(
        checked, converted, learned.features, some_manifest(b"no model", version=1).lineage, 1
    )
    found = evaluate(checked, held_out, fitted, Bundle("", manifest, converted.model), None)
    verdict = decide(checked, found)
    assert not verdict.promote
    (objection,) = verdict.objections
    assert "99.9% are asked for" in objection
    assert "let export= compute what the estimator computes" in objection


@pytest.mark.parametrize("wrap", [WRAPPERS["alone"], WRAPPERS["a stack"]], ids=["alone", "a stack"])
def test_check_refuses_the_wrong_conversion_by_its_answers_alone(wrap: Wrap) -> None:
    *passed, failed = check_project(unguarded(wrapped(wrap)))
    assert [trial.objection for trial in passed] == [None] * len(passed)
    assert failed.name == "its ONNX agrees with it"
    assert "the ONNX model differs on" in (failed.objection or "")


@pytest.mark.parametrize("name", ["a stack", "a calibration", "a search", "bags"])
def test_check_refuses_wrapped_categories_with_the_cure(name: str) -> None:
    failed = check_project(wrapped(WRAPPERS[name], random_state=0))[-1]
    assert failed.name == "its ONNX agrees with it"
    assert "encode categories as one-hot or ordinal columns" in (failed.objection or "")


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_the_same_trees_on_ordinal_columns_agree(wrap: Wrap) -> None:
    checked = wrapped(wrap, categorical_features=None)
    learned, unseen = (made_examples(checked, 400, seed) for seed in (0, 1))
    fitted = train(checked, learned)
    converted = convert(checked, fitted, learned.features)
    served = Predictor(unpublished(checked, converted)).predict_columns(unseen.columns())
    assert parity(checked, served, answer(checked, fitted, unseen.features), unseen.labels).share == 1


def test_categories_by_type_are_refused_inside_a_wrapper() -> None:
    from sklearn.preprocessing import FunctionTransformer

    def build() -> Any:
        typed = FunctionTransformer(lambda frame: frame.astype({"carrier": "category"}))
        trees = HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype")
        return make_pipeline(typed, CalibratedClassifierCV(trees, cv=2))

    failed = check_project(project(build=build))[-1]
    assert "splits on categories" in (failed.objection or "")


def test_an_estimator_that_holds_itself_is_looked_through_once() -> None:
    class Held:
        __slots__ = ("inside",)

    held: Any = Held()
    held.inside = {"models": [held, (HistGradientBoostingClassifier(),)]}
    held.inside["models"][1][0].is_categorical_ = [True]
    with pytest.raises(ConversionError, match="HistGradientBoostingClassifier splits on categories"):
        convert(project(), held, made_examples(project(), 5, seed=0).features)


def test_a_search_over_encoded_categories_passes_every_trial() -> None:
    def build() -> Any:
        search = GridSearchCV(HistGradientBoostingClassifier(max_iter=5), {"max_leaf_nodes": [4, 8]}, cv=2)
        return encoded(search)

    assert check_project(project(build=build))[-1] == Trial("its ONNX agrees with it")

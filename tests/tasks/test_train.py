from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from data.examples import Examples
from keepfit.errors import ProjectRefused, SnapshotTooSmall
from tasks.check import made_examples
from tasks.train import answer, build, encode_labels, takes_weights, train
from tests.making import TARGETS, estimator, project


@pytest.mark.parametrize("kind", TARGETS)
def test_an_answer_has_the_shape_of_the_target(kind: str) -> None:
    examples = made_examples(project(kind), 100, seed=0)
    given = answer(project(kind), train(project(kind), examples), examples.features)
    assert given.shape == (100, project(kind).target.outputs)


def test_probabilities_come_in_the_order_of_the_projects_classes() -> None:
    mine = project("multiclass")  # road, air, rail: by alphabet, each would be another's
    examples = made_examples(mine, 600, seed=0)
    given = answer(mine, train(mine, examples), examples.features)
    likeliest = [mine.target.classes[i] for i in given.argmax(axis=1)]
    assert np.mean([a == b for a, b in zip(likeliest, examples.labels, strict=True)]) > 0.6


def test_a_binary_answer_is_the_probability_of_yes() -> None:
    examples = made_examples(project(), 600, seed=0)
    given = answer(project(), train(project(), examples), examples.features)[:, 0]
    assert given[examples.labels == 1].mean() > given[examples.labels == 0].mean()


def test_a_class_without_an_example_is_named() -> None:
    examples = made_examples(project("multiclass"), 100, seed=0)
    known = examples.where(np.array([label != "rail" for label in examples.labels]))
    with pytest.raises(
        SnapshotTooSmall, match="examples to learn from is labelled 'rail'; wait for such labels"
    ):
        train(project("multiclass"), known)


def test_a_label_is_told_as_the_place_of_its_class() -> None:
    labels = np.array(["rail", "road", "air"], dtype=object)
    assert encode_labels(project("multiclass"), labels).tolist() == [2, 0, 1]
    assert encode_labels(project(), np.array([1.0, 0.0])).tolist() == [1, 0]
    assert encode_labels(project("regression"), np.array([1.5, -2.0])).tolist() == [1.5, -2.0]


def test_the_projects_seed_goes_wherever_one_is_taken_and_none_was_given() -> None:
    given: Any = build(project(seed=7, build=lambda: estimator(random_state=3)))
    assert given[-1].random_state == 3
    unset: Any = build(project(seed=7))
    assert unset[-1].random_state == 7


def test_the_same_examples_give_the_same_model() -> None:
    examples = made_examples(project(), 300, seed=0)
    one, other = (answer(project(), train(project(), examples), examples.features) for _ in range(2))
    assert one.tolist() == other.tolist()


def test_a_classifier_without_probabilities_is_refused() -> None:
    from sklearn.svm import LinearSVC

    mine = project(build=LinearSVC)
    examples = made_examples(mine, 100, seed=0)
    fitted = build(mine).fit(examples.features[["distance"]], encode_labels(mine, examples.labels))
    with pytest.raises(ProjectRefused, match="LinearSVC has no predict_proba"):
        answer(mine, fitted, examples.features[["distance"]])


def weighed(rows: int = 400) -> Examples:
    """Make examples of which those that say yes weigh four times as much."""
    made = made_examples(project(), rows, seed=0)
    return replace(made, facts=made.facts.assign(weight=np.where(made.labels == 1, 4.0, 1.0)))


class Mean:
    """An estimator that takes no weights, and answers with the share of yes that it has learned."""

    share = 0.0

    def fit(self, X: Any, y: Any) -> "Mean":  # noqa: ARG002, N803
        self.share = float(np.mean(y))
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return np.full(len(X), self.share)


def test_weights_reach_the_last_step_of_a_pipeline() -> None:
    made = weighed()
    rows = np.repeat(np.arange(len(made)), made.facts["weight"].astype(int))
    mine = project(build=lambda: make_pipeline("passthrough", LogisticRegression()))
    numbers = replace(made, features=made.features[["distance"]] / 5000)
    weighs: Any = train(mine, numbers)
    repeated: Any = train(
        mine, replace(numbers.take(rows), facts=numbers.facts.take(rows).assign(weight=1.0))
    )
    assert weighs[-1].coef_ == pytest.approx(repeated[-1].coef_, rel=1e-3)
    assert takes_weights(weighs) == "logisticregression__sample_weight"


def test_weights_reach_an_estimator_that_is_no_pipeline() -> None:
    assert takes_weights(LogisticRegression()) == "sample_weight"
    assert takes_weights(make_pipeline(make_pipeline("passthrough", LogisticRegression()))) == (
        "pipeline__logisticregression__sample_weight"
    )


def test_an_estimator_without_weights_learns_from_rows_drawn_by_them() -> None:
    made = weighed()
    share = np.average(made.labels, weights=made.facts["weight"])
    learned: Any = train(project(build=Mean), made)
    assert takes_weights(learned) is None
    assert learned.share == pytest.approx(share, abs=0.01)
    assert learned.share > made.labels.mean() + 0.1


def test_examples_that_all_weigh_the_same_are_learned_as_they_are() -> None:
    made = made_examples(project(), 300, seed=0)
    tenfold = replace(made, facts=made.facts.assign(weight=10.0))
    one, other = (answer(project(), train(project(), each), made.features) for each in (made, tenfold))
    assert one.tolist() == other.tolist()

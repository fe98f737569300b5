from typing import Any

import numpy as np
import pytest

from keepfit.errors import ProjectRefused, SnapshotTooSmall
from tasks.check import made_examples
from tasks.train import answer, build, encode_labels, train
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

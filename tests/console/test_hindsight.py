"""Answers in words, and what each feature added as bars."""

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given as holds
from hypothesis import settings
from hypothesis import strategies as st

from data.lookup import Feature, Said
from data.reasons import Reasons
from keepfit import Target
from monitoring.console.views.contributions import SHOWN, bars
from monitoring.console.views.hindsight import given, judged, same, shown_value, standings
from tests.making import NOON, TARGETS


def said(value: float | str, minutes: int = 0, held: bool = False) -> Said:
    at = NOON + timedelta(minutes=minutes)
    return Said(f"{value}-{minutes}", value, at, at, "http", "prediction", held)


def how(output: tuple[float, ...], kind: str, label: float | str) -> Any:
    told = given(output, TARGETS[kind])
    assert told is not None
    return judged(told, said(label))


@pytest.mark.parametrize(
    ("output", "kind", "words"),
    [
        ((0.3,), "binary", "0 at 70.0 %"),
        ((0.75,), "binary", "1 at 75.0 %"),
        ((0.5,), "binary", "0 at 50.0 %"),  # as serving says it
        ((0.2, 0.7, 0.1), "multiclass", "air at 70.0 %"),
        ((12.5,), "regression", "12.5"),
    ],
)
def test_an_answer_is_said_by_its_class_and_how_probable_it_was(
    output: tuple[float, ...], kind: str, words: str
) -> None:
    told = given(output, TARGETS[kind])
    assert told is not None
    assert told.words == words


def test_what_no_model_answered_or_nobody_knows_how_to_read_is_no_answer() -> None:
    assert given((), TARGETS["binary"]) is None
    assert given((0.5,), None) is None
    assert given((0.5,), TARGETS["multiclass"]) is None


def test_an_answer_is_right_or_wrong_beside_its_label() -> None:
    assert how((0.3,), "binary", 0.0).right is True
    assert how((0.3,), "binary", 1.0).right is False
    assert how((0.2, 0.7, 0.1), "multiclass", "air").right is True
    assert how((0.2, 0.7, 0.1), "multiclass", "rail").right is False


def test_its_log_loss_is_that_of_the_true_class() -> None:
    assert how((0.25,), "binary", 1.0).words.endswith(f" {-math.log(0.25):.4f}")
    assert how((0.0,), "binary", 1.0).words.endswith(" 36.04")  # a probability of 0 gives a number


def test_a_value_is_above_or_below_its_label_and_neither_right_nor_wrong() -> None:
    assert how((12.5,), "regression", 10.0) == how((12.5,), "regression", 10)
    assert how((12.5,), "regression", 10.0).words == "the answer is 2.5000 above the label"
    assert how((12.5,), "regression", 13.0).words == "the answer is 0.5000 below the label"
    assert how((12.5,), "regression", 13.0).right is None


def test_a_label_of_a_class_that_the_model_does_not_know_judges_nothing() -> None:
    assert how((0.2, 0.7, 0.1), "multiclass", "sea").right is None


def test_classes_that_are_numbers_are_held_to_labels_that_are_text() -> None:
    told = given((0.1, 0.9), Target.multiclass("stars", [4, 5]))
    assert told is not None
    assert judged(told, said("5")).right is True


def test_each_label_is_said_beside_the_one_that_counts() -> None:
    labels = [said(1.0, 9), said(1.0, 5), said(0.0, 4), said(0.0, 99, held=True)]
    words = [word for _, word in standings(labels)]
    assert words == ["counts", "the same again", "says something else", "held"]


def test_where_all_are_held_none_counts() -> None:
    assert [word for _, word in standings([said(1.0, held=True)])] == ["held"]


def test_values_are_shown_as_they_were_sent() -> None:
    told = [("number", 733.0), ("number", 0.1), ("flag", 1.0), ("flag", 0.0), ("category", "AA")]
    assert [shown_value(Feature("a", *each)) for each in told] == ["733", "0.1", "true", "false", "AA"]
    assert [shown_value(Feature("a", "category", missing)) for missing in (None, "")] == [None, None]


def test_outputs_are_one_within_what_machines_differ_by() -> None:
    assert same((0.3,), (0.300001,))
    assert not same((0.3,), (0.3001,))
    assert not same((0.3,), ())


ADDS = st.dictionaries(st.text(max_size=5), st.floats(-1e6, 1e6), max_size=40)


@settings(max_examples=40)
@holds(ADDS, st.floats(-1e6, 1e6))
def test_the_baseline_and_all_bars_are_the_answer(contributions: dict[str, float], baseline: float) -> None:
    made = bars(Reasons((), baseline, contributions), [])
    every = [bar.adds for bar in made.shown] + ([made.rest.adds] if made.rest else [])
    assert baseline + sum(every) == pytest.approx(made.answer, abs=1e-6)
    assert {bar.name for bar in (*made.shown, *made.others)} == set(contributions)


@settings(max_examples=40)
@holds(ADDS)
def test_every_bar_stays_in_its_half_and_the_longest_fills_it(contributions: dict[str, float]) -> None:
    made = bars(Reasons((), 0.0, contributions), [])
    drawn = [*made.shown, *([made.rest] if made.rest else [])]
    for bar in drawn:
        assert (bar.x >= 100 and bar.x + bar.width <= 200) if bar.up else (bar.x >= 0 and bar.x < 100)
    if any(bar.adds for bar in drawn):
        assert max(bar.width for bar in drawn) == 100


def test_many_features_are_summed_behind_the_largest() -> None:
    made = bars(Reasons((), 0.0, {f"f{n}": float(n) for n in range(200)}), [])
    assert [bar.name for bar in made.shown[:2]] == ["f199", "f198"]
    assert (len(made.shown), len(made.others)) == (SHOWN, 200 - SHOWN)
    assert made.rest is not None
    assert made.rest.adds == sum(range(200 - SHOWN))


def test_what_moved_the_answer_is_said_in_words() -> None:
    features = [Feature("distance", "number", 733.0), Feature("wind", "number", None)]
    made = bars(Reasons((), 0.5, {"distance": -0.2, "wind": 0.1, "carrier": 0.0}), features)
    said = "What pushed the value up: wind missing (+0.1000); what pushed it down: distance 733 (−0.2000)."  # noqa: RUF001
    assert made.words("the value") == said


def test_where_nothing_moved_the_answer_that_is_said() -> None:
    assert (
        bars(Reasons((), 0.5, {"wind": 0.0}), []).words("the value").startswith("No feature moved the value")
    )

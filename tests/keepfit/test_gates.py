import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepfit import Gate

NAN = math.nan


def test_a_score_below_the_floor_is_told_with_both_numbers() -> None:
    objection = Gate("roc_auc", at_least=0.6).objection({"roc_auc": 0.55}, None)
    assert objection == "ROC AUC is 0.5500, worse than the promised 0.6000"


def test_a_score_on_the_floor_passes() -> None:
    assert Gate("roc_auc", at_least=0.6).objection({"roc_auc": 0.6}, None) is None


def test_a_score_far_below_the_champions_is_told_with_the_champions() -> None:
    objection = Gate("roc_auc", no_worse_by=0.02).objection({"roc_auc": 0.6}, {"roc_auc": 0.7})
    assert objection == "ROC AUC is 0.6000, more than 0.0200 worse than the champion's 0.7000"


def test_without_a_champion_nothing_is_asked_beside_it() -> None:
    assert Gate("roc_auc", no_worse_by=0.02).objection({"roc_auc": 0.1}, None) is None


@pytest.mark.parametrize("promise", [{"at_least": 0.6}, {"no_worse_by": 0.02}])
def test_a_score_that_is_no_number_passes_no_gate(promise: Any) -> None:
    assert Gate("roc_auc", **promise).objection({"roc_auc": NAN}, None) == "ROC AUC is not a number"


def test_a_champion_whose_score_is_no_number_cannot_be_beaten_by_chance() -> None:
    assert Gate("roc_auc", no_worse_by=0.02).objection({"roc_auc": 0.9}, {"roc_auc": NAN}) is not None


@pytest.mark.parametrize("promise", [{}, {"at_least": NAN}, {"no_worse_by": NAN}])
def test_a_gate_that_promises_nothing_cannot_be_written(promise: Any) -> None:
    with pytest.raises(ValueError, match="promises"):
        Gate("roc_auc", **promise)


scores = st.floats(-1e6, 1e6)


@given(challenger=scores, champion=scores, floor=scores, slack=st.floats(0, 10))
def test_what_passes_keeps_every_promise(challenger: Any, champion: Any, floor: Any, slack: Any) -> None:
    gate = Gate("score", at_least=floor, no_worse_by=slack)
    passed = gate.objection({"score": challenger}, {"score": champion}) is None
    assert passed == (challenger >= floor and challenger >= champion - slack)

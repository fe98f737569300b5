import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepfit import Gate
from keepfit.scores import metric_words
from monitoring.comparison import Gain
from tasks.decide import decide
from tasks.evaluate import Evaluation, Parity
from tests.making import project

PROJECT = project(
    metrics=["neg_log_loss", "roc_auc"], gates=[Gate("roc_auc", at_least=0.6, no_worse_by=0.02)]
)
NAN = math.nan


def gain(low: float, high: float, unknown: str | None = None) -> Gain:
    return Gain("neg_log_loss", (low + high) / 2, low, high, 0.95, 14, 2000, unknown)


def evaluation(**changed: Any) -> Evaluation:
    fields: dict[str, Any] = {
        "challenger": {"neg_log_loss": -0.5, "roc_auc": 0.7},
        "champion": {"neg_log_loss": -0.52, "roc_auc": 0.69},
        "gain": gain(0.01, 0.03),
        "parity": Parity(1.0, 1e-6),
        "rows": 1000,
    }
    return Evaluation(**(fields | changed))


def objections(**changed: Any) -> tuple[str, ...]:
    verdict = decide(PROJECT, evaluation(**changed))
    assert verdict.promote == (not verdict.objections)
    return verdict.objections


def test_a_challenger_whose_gain_is_proven_goes_live_with_its_reasons() -> None:
    verdict = decide(PROJECT, evaluation())
    assert verdict.promote
    assert verdict.reasons == (
        "the gain on log loss is +0.0200, 95% interval [+0.0100, +0.0300] over 14 days",
        "log loss 0.5000",
        "ROC AUC 0.7000",
    )


def test_a_gain_that_may_be_nothing_is_no_proof() -> None:
    (objection,) = objections(gain=gain(-0.01, 0.03))
    assert objection.endswith("over 14 days: no proof that it is better than the champion")


def test_a_gain_of_exactly_nothing_is_no_proof() -> None:
    assert objections(gain=gain(0.0, 0.0)) != ()


def test_a_loss_is_called_one() -> None:
    (objection,) = objections(gain=gain(-0.03, -0.01))
    assert objection.endswith("it is worse than the champion")


def test_a_gain_without_an_interval_is_no_proof() -> None:
    (objection,) = objections(gain=gain(NAN, NAN, "the holdout has 3 days, an interval needs at least 5"))
    assert "without an interval: the holdout has 3 days" in objection


def test_the_first_model_needs_no_gain() -> None:
    verdict = decide(PROJECT, evaluation(champion=None, gain=None))
    assert verdict.promote
    assert verdict.reasons[0].startswith("the first model")


def test_the_first_model_must_pass_the_gates() -> None:
    scores = {"neg_log_loss": -0.7, "roc_auc": 0.5}
    assert objections(champion=None, gain=None, challenger=scores) == (
        "ROC AUC is 0.5000, worse than the promised 0.6000",
    )


@pytest.mark.parametrize("metric", ["neg_log_loss", "roc_auc"])
def test_a_score_that_is_no_number_counts_against_the_first_model(metric: str) -> None:
    scores = {"neg_log_loss": -0.5, "roc_auc": 0.7, metric: NAN}
    said = (f"{metric_words(metric)} is not a number",)
    assert objections(champion=None, gain=None, challenger=scores) == said


def test_a_model_that_does_not_agree_with_its_estimator_is_refused_with_the_cure() -> None:
    (objection,) = objections(parity=Parity(0.99, 0.3))
    assert objection.startswith("the ONNX model agrees with the estimator on 99.0% of the holdout rows")
    assert "encode categories as" in objection


def test_a_parity_that_is_no_number_is_refused() -> None:
    assert objections(parity=Parity(NAN, NAN)) != ()


def test_every_objection_is_told() -> None:
    told = objections(
        parity=Parity(0.5, 0.3),
        challenger={"neg_log_loss": -0.9, "roc_auc": 0.5},
        gain=gain(-0.5, -0.3),
    )
    assert len(told) == 4  # parity, both promises of the gate, the gain


scores = st.floats(-1, 1) | st.just(NAN)


@given(auc=scores, beside=scores, low=scores, width=st.floats(0, 1), share=st.floats(0, 1) | st.just(NAN))
def test_what_goes_live_has_kept_every_promise(
    auc: Any, beside: Any, low: Any, width: Any, share: Any
) -> None:
    verdict = decide(
        PROJECT,
        evaluation(
            challenger={"neg_log_loss": -0.5, "roc_auc": auc},
            champion={"neg_log_loss": -0.52, "roc_auc": beside},
            gain=gain(low, low + width),
            parity=Parity(share, 0.0),
        ),
    )
    kept = auc >= 0.6 and auc >= beside - 0.02 and low > 0 and share >= 0.999
    assert verdict.promote == kept
    assert bool(verdict.objections) != kept
    assert all(found.kept is not False for found in verdict.gates) == kept
    assert not any(
        math.isnan(number or 0) for found in verdict.gates for number in (found.value, found.bound)
    )


def test_every_gate_is_found_in_order_with_its_number_and_its_limit() -> None:
    found = decide(PROJECT, evaluation()).gates
    assert [(each.name, each.kept, each.value, each.bound) for each in found] == [
        ("parity", True, 1.0, 0.999),
        ("requests", True, None, None),
        ("at least", True, 0.7, 0.6),
        ("no worse", True, 0.7, pytest.approx(0.67)),
        ("gain", True, 0.01, 0.0),
    ]


def test_without_a_champion_what_compares_is_not_asked() -> None:
    found = decide(PROJECT, evaluation(champion=None, gain=None)).gates
    assert [each.name for each in found if each.kept is None] == ["no worse", "gain"]


def test_what_cannot_be_answered_is_a_gate_of_its_own() -> None:
    (objection,) = objections(unanswered="it cannot answer a missing value in 'wind'")
    assert "a missing value" in objection

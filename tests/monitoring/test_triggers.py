from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from keepfit import Retraining
from monitoring.drift import DriftVerdict, Finding
from monitoring.performance import Performance
from monitoring.triggers import ChampionFacts, reason_to_retrain
from tests.monitoring.windows_of import START, project

CHAMPION = ChampionFacts(version=4, training_until=START, score=-0.50)
CALM = DriftVerdict(False, 0.4, (), (), 1000, 1000, "days")
MOVED = Finding("carrier", True, "carrier 'WN' from 3 % to 11 %", "values", 0.2, 0.001)
DRIFTED = DriftVerdict(True, 0.001, (MOVED,), (), 1000, 1000, "days")
GOOD = Performance("neg_log_loss", -0.5, -0.55, -0.45, 0.95, {"neg_log_loss": -0.5}, 900, 800, 800, 14)
HARMED = replace(GOOD, value=-0.6, low=-0.65, high=-0.55)
SOON = START + timedelta(days=20)
LATE = START + timedelta(days=28)


def reason(
    verdict: Any = CALM, performance: Any = GOOD, champion: Any = CHAMPION, as_of: Any = SOON, **changed: Any
) -> Any:
    return reason_to_retrain(project(**changed), verdict, performance, champion, as_of)


def test_a_calm_world_is_no_reason() -> None:
    assert reason() is None


def test_a_score_surely_below_that_at_promotion_is_a_reason_with_its_numbers() -> None:
    found = reason(performance=HARMED)
    assert found.kind == "performance"
    assert "[-0.6500, -0.5500]" in found.evidence
    assert "-0.5000 of version 4" in found.evidence


def test_a_score_whose_interval_holds_that_at_promotion_is_no_reason() -> None:
    assert reason(performance=replace(HARMED, high=-0.49)) is None


def test_drift_is_a_reason_that_says_what_moved() -> None:
    found = reason(verdict=DRIFTED)
    assert found.kind == "drift"
    assert "carrier 'WN' from 3 % to 11 %" in found.evidence


def test_old_training_data_is_a_reason() -> None:
    assert reason(as_of=LATE).kind == "age"
    assert reason(as_of=LATE - timedelta(seconds=1)) is None


def test_age_is_no_reason_for_a_project_that_does_not_ask() -> None:
    assert reason(as_of=LATE, retraining=Retraining(every=None)) is None


def test_harm_comes_before_drift_and_drift_before_age_and_all_evidence_is_told() -> None:
    found = reason(DRIFTED, HARMED, as_of=LATE)
    assert found.kind == "performance"
    assert "carrier" in found.evidence
    assert "28 days ago" in found.evidence
    assert reason(DRIFTED, as_of=LATE).kind == "drift"


@pytest.mark.parametrize(
    "unknown",
    [
        {"verdict": None},
        {"verdict": replace(DRIFTED, drift=None)},
        {"performance": None},
        {"performance": replace(HARMED, high=float("nan"))},
        {"performance": HARMED, "champion": replace(CHAMPION, score=None)},
        {"performance": HARMED, "champion": replace(CHAMPION, score=float("nan"))},
    ],
)
def test_what_is_unknown_is_no_reason(unknown: Any) -> None:
    assert reason(**unknown) is None

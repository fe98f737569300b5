from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from keepfit import Retraining
from monitoring.drift import DriftVerdict, Finding
from monitoring.performance import Performance
from monitoring.triggers import ChampionFacts, Evidence, Past, judge_triggers
from tests.monitoring.windows_of import START, project

CHAMPION = ChampionFacts(version=4, training_until=START, score=-0.50)
CALM = DriftVerdict(False, 0.4, (), (), 1000, 1000, "days")
MOVED = Finding("carrier", True, "carrier 'WN' from 3 % to 11 %", "values", 0.2, 0.001)
DRIFTED = DriftVerdict(True, 0.001, (MOVED,), (), 1000, 1000, "days")
GOOD = Performance("neg_log_loss", -0.5, -0.55, -0.45, 0.95, {"neg_log_loss": -0.5}, 900, 800, 800, 14)
HARMED = replace(GOOD, value=-0.6, low=-0.65, high=-0.55)
SOON = START + timedelta(days=20)
LATE = START + timedelta(days=28)


def harm(harmful: bool | None) -> Any:
    return SimpleNamespace(harmful=harmful, words="log loss .02 worse by carrier")


def asked(
    verdict: Any = CALM, performance: Any = GOOD, champion: Any = CHAMPION, as_of: Any = SOON, **given: Any
) -> Any:
    found = {name: given.pop(name) for name in ("estimate", "harms", "new_labels") if name in given}
    past = given.pop("past", Past())
    evidence = Evidence(verdict, performance, **found)
    return judge_triggers(project(**given), evidence, champion, past, as_of)


def test_a_calm_world_is_no_reason() -> None:
    assert asked().reason is None
    assert asked().sentence == "no reason to retrain"


def test_a_score_surely_worse_than_at_promotion_is_a_reason_with_its_numbers() -> None:
    found = asked(performance=HARMED).reason
    assert found.kind == "performance"
    assert "[0.5500, 0.6500]" in found.evidence
    assert "worse than the 0.5000 of version 4" in found.evidence


def test_a_score_whose_interval_holds_that_at_promotion_is_no_reason() -> None:
    assert asked(performance=replace(HARMED, high=-0.49)).reason is None


def test_an_estimate_of_all_rows_decides_instead_of_the_labels_so_far() -> None:
    assert asked(performance=HARMED, estimate=GOOD).reason is None
    assert asked(performance=GOOD, estimate=HARMED).reason.kind == "performance"


def test_where_all_labels_are_there_the_measured_interval_decides() -> None:
    known = replace(HARMED, low=-0.6, high=-0.6)
    assert asked(performance=replace(HARMED, high=-0.49), estimate=known).reason is None


def test_an_estimate_is_no_surer_than_a_score_of_so_many_rows() -> None:
    sure = replace(HARMED, value=-0.52, low=-0.53, high=-0.51)
    assert asked(performance=GOOD, estimate=sure).reason is None
    assert asked(performance=replace(GOOD, high=GOOD.value + 0.001), estimate=sure).reason is not None


def test_without_an_interval_of_the_estimate_the_labels_so_far_decide() -> None:
    unknown = replace(GOOD, low=float("nan"), high=float("nan"))
    assert asked(performance=HARMED, estimate=unknown).reason.kind == "performance"


def test_drift_without_estimated_harm_is_said_and_is_no_reason() -> None:
    found = asked(verdict=DRIFTED, harms=(harm(False),))
    assert found.reason is None
    assert "carrier 'WN' from 3 % to 11 %" in found.withheld
    assert "without estimated harm" in found.withheld


def test_drift_of_unknown_harm_is_no_reason_and_is_said_to_be_unknown() -> None:
    found = asked(verdict=DRIFTED, harms=(harm(None),))
    assert found.reason is None
    assert "nothing sure is known" in found.withheld


def test_drift_with_estimated_harm_is_a_reason() -> None:
    found = asked(verdict=DRIFTED, harms=(harm(True), harm(False))).reason
    assert found.kind == "drift"
    assert "log loss .02 worse by carrier" in found.evidence


def test_drift_is_a_reason_for_a_project_that_asks_for_it() -> None:
    found = asked(verdict=DRIFTED, retraining=Retraining(on_drift=True)).reason
    assert found.kind == "drift"
    assert "carrier 'WN' from 3 % to 11 %" in found.evidence


def test_enough_new_labels_are_a_reason_where_the_project_says_how_many() -> None:
    policy = Retraining(new_labels=500)
    assert asked(new_labels=499, retraining=policy).reason is None
    assert asked(new_labels=500, retraining=policy).reason.kind == "labels"
    assert asked(new_labels=10_000).reason is None


def test_old_training_data_is_a_reason() -> None:
    assert asked(as_of=LATE).reason.kind == "age"
    assert asked(as_of=LATE - timedelta(seconds=1)).reason is None


def test_a_challenger_that_was_refused_lately_makes_the_champions_age_no_reason() -> None:
    def found(days: int) -> Any:
        return asked(as_of=LATE + timedelta(days=40), past=Past(LATE + timedelta(days=40 - days), 1)).reason

    assert found(days=27) is None
    assert found(days=28).kind == "age"


def test_age_is_no_reason_for_a_project_that_does_not_ask() -> None:
    assert asked(as_of=LATE, retraining=Retraining(every=None)).reason is None


def test_harm_comes_before_drift_and_drift_before_age_and_all_evidence_is_told() -> None:
    found = asked(DRIFTED, HARMED, as_of=LATE, harms=(harm(True),))
    assert [reason.kind for reason in found.reasons] == ["performance", "drift", "age"]
    assert found.reason.kind == "performance"
    assert "by carrier" in found.reason.evidence
    assert "28 days ago" in found.reason.evidence


def test_soon_after_a_retrain_none_is_asked_for_and_what_speaks_for_it_is_told() -> None:
    past = Past(last=SOON - timedelta(days=6))
    found = asked(performance=HARMED, past=past)
    assert found.reason is None
    assert not found.person
    assert "[0.5500, 0.6500]" in found.withheld
    assert asked(performance=HARMED, past=Past(last=SOON - timedelta(days=7))).reason is not None


def test_after_too_many_refused_challengers_a_person_is_asked_instead() -> None:
    found = asked(performance=HARMED, past=Past(SOON - timedelta(days=30), 6))
    assert found.reason is None
    assert found.person
    assert "6 challengers in a row were refused" in found.withheld
    assert asked(performance=HARMED, past=Past(SOON - timedelta(days=30), 5)).reason is not None


def test_a_project_may_ask_never_to_be_stopped() -> None:
    past = Past(SOON - timedelta(days=30), 60)
    assert asked(performance=HARMED, past=past, retraining=Retraining(stop_after=None)).reason is not None


def test_a_person_is_not_asked_while_nothing_speaks_for_a_retrain() -> None:
    assert not asked(past=Past(SOON - timedelta(days=30), 6)).person


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
    assert asked(**unknown).reason is None

"""What the checker of a chaos run must see; the runs themselves are `make chaos`."""

from collections import Counter
from typing import Any, NamedTuple

from data.promotions import Promotion
from data.records import now
from tests.chaos.callers import Visit
from tests.chaos.checker import Kept, Pointed, Verdict, check


class Row(NamedTuple):
    prediction_id: str
    reference_id: str
    version: int
    output_0: float
    distance: float


class LabelRow(NamedTuple):
    label_id: str
    reference_id: str | None
    prediction_id: str | None
    label_number: float


def visit(**changed: Any) -> Visit:
    """Make a visit that was answered by version 1 and labelled."""
    fields: dict[str, Any] = {
        "number": 2,
        "reference": "visit-2",
        "began": 10.0,
        "ended": 10.1,
        "tries": 1,
        "outcome": "acknowledged",
        "prediction_id": "p",
        "version": 1,
        "output": 10_002.0,
        "captured": True,
        "label": 1.0,
        "label_outcome": "acknowledged",
        "label_id": "l",
    }
    return Visit(**(fields | changed))


def entry(number: int, version: int = 1, against: int | None = None) -> Promotion:
    told = number - 1 if against is None else against
    return Promotion(
        kind="by hand",
        version=version,
        digest=f"d{version}",
        reason=f"chaos, against {told}",
        as_of=now(),
        number=number,
    )


ROW = Row("p", "visit-2", 1, 10_002.0, 2.0)
LABEL = LabelRow("l", "visit-2", None, 1.0)
POINTED = Pointed(1.0, 1, 1, "d1")


def judged(
    visited: Visit,
    predictions: tuple[Row, ...] = (ROW,),
    labels: tuple[LabelRow, ...] = (LABEL,),
    aside: dict[str, int] | None = None,
    ledger: tuple[Promotion, ...] = (entry(1),),
    pointed: tuple[Pointed, ...] = (POINTED,),
) -> Verdict:
    kept = Kept(predictions, labels, Counter(aside or {}), 0, ledger)
    outputs = {version: {2.0: 10_000.0 * version + 2} for version in (1, 2)}
    return check([visited], kept, pointed, outputs)


def test_a_run_in_which_all_is_kept_is_clean() -> None:
    assert judged(visit()).clean


def test_a_captured_prediction_that_is_not_in_the_store_is_lost() -> None:
    assert judged(visit(), predictions=()).lost


def test_a_prediction_that_was_not_captured_may_be_missing() -> None:
    assert judged(visit(captured=False), predictions=()).clean


def test_an_acknowledged_label_that_is_not_in_the_store_is_lost() -> None:
    assert judged(visit(), labels=()).lost


def test_a_refused_label_may_be_missing() -> None:
    assert judged(visit(label_outcome="refused", label_id=""), labels=()).clean


def test_two_records_for_one_key_are_doubled() -> None:
    assert judged(visit(), predictions=(ROW, ROW._replace(prediction_id="q"))).doubled
    assert judged(visit(), labels=(LABEL, LABEL._replace(label_id="m"))).doubled


def test_what_was_set_aside_twice_is_doubled() -> None:
    contradicted = visit(contradicted="acknowledged", contradiction_captured=True)
    assert judged(contradicted, aside={"p": 1}).clean
    assert judged(contradicted, aside={"p": 2}).doubled


def test_a_captured_contradiction_that_was_not_set_aside_is_lost() -> None:
    assert judged(visit(contradicted="acknowledged", contradiction_captured=True)).lost


def test_a_record_that_nobody_asked_for_is_doubled() -> None:
    assert judged(visit(), predictions=(ROW, ROW._replace(reference_id="visit-9", prediction_id="q"))).doubled


def test_an_answer_that_its_version_does_not_give_has_the_wrong_version() -> None:
    assert judged(visit(output=20_002.0)).wrong_version


def test_an_answer_by_a_version_that_was_never_promoted_is_wrong() -> None:
    assert judged(visit(version=7, output=70_002.0)).wrong_version


def test_an_answer_by_a_version_that_was_not_live_yet_is_wrong() -> None:
    late = Pointed(12.0, 2, 2, "d2")
    answer = visit(version=2, output=20_002.0, captured=False)
    found = judged(answer, predictions=(), ledger=(entry(1), entry(2, 2)), pointed=(POINTED, late))
    assert found.wrong_version


def test_an_answer_long_after_its_version_was_replaced_is_wrong() -> None:
    replaced = Pointed(11.0, 2, 2, "d2")
    answered = visit(began=100.0, ended=100.1)
    assert judged(answered, ledger=(entry(1), entry(2, 2)), pointed=(POINTED, replaced)).wrong_version


def test_a_promotion_that_was_judged_against_another_breaks_the_ledger() -> None:
    ledger = (entry(1), entry(2, 2, against=0))
    assert judged(visit(), ledger=ledger, pointed=(POINTED, Pointed(11.0, 2, 2, "d2"))).broken


def test_a_pointer_that_goes_back_is_broken() -> None:
    ledger = (entry(1), entry(2, 2))
    back = (POINTED, Pointed(11.0, 2, 2, "d2"), Pointed(11.5, 1, 1, "d1"))
    assert any("back" in fault for fault in judged(visit(), ledger=ledger, pointed=back).broken)


def test_a_pointer_that_names_what_does_not_open_is_broken() -> None:
    torn = Pointed(1.0, 1, 1, "d1", "model.onnx: is not what its signature names")
    assert judged(visit(), pointed=(torn,)).broken


def test_a_pointer_that_ends_elsewhere_than_the_ledger_is_broken() -> None:
    assert judged(visit(), ledger=(entry(1), entry(2, 2))).broken

"""What speaks against one source of labels."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data.matching import SourceCounts
from data.tables import microseconds
from data.told import HOUR
from keepfit import Suspicion
from monitoring.labelshift import Difference, Shifts
from monitoring.poisoning import Suspected, judge_source

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
START = microseconds(SINCE) // HOUR
PAST = {START - hour: 10 for hour in range(1, 49)}
NOTHING = Shifts((), None, {})


def judged(hours: dict[int, int], found: Any = None, **rule: Any) -> Suspected:
    return judge_source("http", hours, SINCE, Suspicion(**rule), found)


def counts(**changed: int) -> SourceCounts:
    fields = {"labels": 1000, "unmatched": 0, "repeated": 0, "contradicting": 0} | changed
    return SourceCounts(**fields, first=SINCE + timedelta(hours=5))


def test_an_hour_like_those_of_its_past_is_no_flood() -> None:
    found = judged({**PAST, START + 3: 100})
    assert (found.wrong, found.unsaid, found.since) == ((), (), None)


def test_an_hour_of_many_times_its_past_is_a_flood_from_that_hour_on() -> None:
    found = judged({**PAST, START + 1: 100, START + 3: 101, START + 4: 5000})
    assert found.wrong == ("5,000 labels in an hour, and the busiest hour of its past had 10",)
    assert found.since == SINCE + timedelta(hours=3)


def test_a_source_without_a_past_allows_no_word_about_a_flood() -> None:
    found = judged({START - 1: 10, START + 1: 10_000})
    assert found.wrong == ()
    assert found.unsaid == ("cannot say whether it floods: labels came in 1 hours of its past",)


def test_the_most_that_the_project_allows_needs_no_past() -> None:
    assert judged({START: 101}, labels_per_hour=100).wrong == (
        "101 labels in an hour, and labels_per_hour allows 100",
    )
    assert judged({START: 100}, labels_per_hour=100).wrong == ()


@pytest.mark.parametrize(
    ("share", "words"),
    [
        ("repeated", "51 % of its 1,000 labels say again what it had said before"),
        ("unmatched", "51 % of its 1,000 labels name a prediction that does not exist"),
    ],
)
def test_too_large_a_share_is_wrong_from_the_first_label_on(share: str, words: str) -> None:
    found = judged({START + 5: 1000}, (counts(**{share: 510}), NOTHING), labels_per_hour=1e9)
    assert (found.wrong, found.since) == ((words,), SINCE + timedelta(hours=5))
    assert judged({START: 1000}, (counts(**{share: 500}), NOTHING), labels_per_hour=1e9).wrong == ()


def test_who_contradicts_others_is_doubtful_and_not_wrong() -> None:
    found = judged({START: 1000}, (counts(contradicting=51), NOTHING))
    assert (found.wrong, found.since, len(found.doubtful)) == ((), None, 1)


def test_a_shift_is_wrong_for_the_accused_only() -> None:
    shifts = Shifts((Difference("http", "its labels are moved", 0.3, 0.001),), None, {})
    assert judged({START: 1000}, (counts(), shifts)).wrong == ("its labels are moved",)
    others = Shifts((Difference("files", "its labels are moved", 0.3, 0.001),), None, {})
    assert judged({START: 1000}, (counts(), others)).wrong == ()


def test_sources_that_differ_where_nobody_can_say_which_are_doubtful() -> None:
    shifts = Shifts((), (("http", "http:a"), "they differ"), {})
    found = judged({START: 1000}, (counts(), shifts))
    assert found.doubtful == ("they differ; which of http and http:a is wrong cannot be said",)

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_struct

from data.records import now
from keepfit.scores import metric_words
from monitoring.console import phrases
from monitoring.console.reading.states import FlowRun, State
from monitoring.console.views.glance import Glance, LastRuns, look
from tests.console.years import START, Year, promote


@pytest.fixture
def seen(tmp_path: Path) -> Glance:
    year = Year(tmp_path, steps=4).live().serve(4).set_aside("too far", "too far", "no carrier")
    return look(year.sources, now())


def test_the_headline_says_who_answers(seen: Glance) -> None:
    first, second = seen.workers
    assert seen.headline == "Version 4 is champion, and both workers serve it."
    assert replace(seen, workers=()).headline == "Version 4 is champion; no worker serves it."
    late = replace(seen, workers=(first, type(second)(host="here", pid=2, at=seen.at, version=1)))
    assert late.headline == "Version 4 is champion; 1 of 2 workers serve it."
    assert replace(seen, champion=None).headline == "No model is champion."


def test_a_withdrawal_that_left_no_champion_says_why(tmp_path: Path) -> None:
    sources = Year(tmp_path).sources
    promote(sources, START, "withdrawal", None)
    seen = look(sources, now())
    assert (seen.champion, seen.headline) == (None, "No model is champion.")
    assert "left none, because: on schedule" in seen.since


def test_what_somebody_should_look_at_is_said(seen: Glance) -> None:
    assert any("Prefect does not answer" in concern for concern in seen.concerns)
    assert "3 rows in quarantine." in seen.concerns
    failed = FlowRun(id="1", flow="watch", state=State("FAILED", "Failed", "the disk is full"))
    held = replace(seen, last=LastRuns((failed,), ("retrain",)), workers=())
    assert any("No worker was seen" in concern for concern in held.concerns)
    assert any(concern.startswith("The schedules of retrain are held") for concern in held.concerns)
    assert "The last watch failed: the disk is full" in held.concerns


def test_the_first_sentence_says_whether_somebody_is_needed(seen: Glance) -> None:
    assert seen.needed == "One thing needs you; one thing is worth a look."  # Prefect is away, rows wait
    calm = replace(seen, last=LastRuns(), waiting=0)
    assert calm.needed == "Nothing needs you."
    assert replace(calm, waiting=3).needed == "Nothing needs you; one thing is worth a look."
    assert replace(calm, champion=None, last=LastRuns(away="it is away")).needed == "2 things need you."


def test_what_was_done_since_yesterday_is_counted(seen: Glance, tmp_path: Path) -> None:
    assert seen.done == "2 promotions, 2 refusals"
    later = look(Year(tmp_path).sources, now() + timedelta(days=2))
    assert later.done == "nothing was promoted or refused"


def test_a_journal_that_cannot_be_written_is_an_alarm_and_what_was_lost_stays_said(seen: Glance) -> None:
    first, second = seen.workers
    lost = {"keepfit_uncaptured_total": 1341.0, "keepfit_labels_lost_total": 1.0}
    failing = replace_struct(second, counters={**lost, "keepfit_capture_failing": 1.0})
    told = "1,341 rows not captured and 1 label refused since it started"
    alarm = f"Worker 4001 cannot write its journal: {told}; free space there, and see its log."
    assert alarm in replace(seen, workers=(first, failing)).concerns
    well = replace(seen, workers=(first, replace_struct(second, counters=lost)))
    assert not any("journal" in concern for concern in well.concerns)
    assert f"worker 4001: version 4, generation 3; {told}" in well.lines()


def test_a_terminal_is_told_the_same(seen: Glance) -> None:
    lines = seen.lines()
    assert lines[0] == seen.headline
    assert "worker 4000: version 4, generation 3" in lines
    assert lines[-3:] == ["quarantine: 3 waiting", "  2 x too far", "  1 x no carrier"]
    assert any(line.startswith("watched 15 March 2026, 00:00 UTC: no drift; log loss 0.4") for line in lines)
    assert any(line.startswith("decided 15 March 2026, 00:00 UTC: version 4 promoted") for line in lines)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0.4 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (5400, "1.5 hours"),
        (7200, "2 hours"),
        (36 * 3600, "1.5 days"),
        (40 * 86400, "40 days"),
        (None, "not known"),
    ],
)
def test_a_duration_is_told_by_its_largest_unit(seconds: float | None, said: str) -> None:
    assert phrases.duration(seconds) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.47704, "0.4770"), (-0.5, "-0.5000"), (12.345, "12.35"), (123456.7, "123,457"), (None, "not known")],
)
def test_a_number_is_told_by_as_many_digits_as_count(value: float | None, said: str) -> None:
    assert phrases.number(value) == said


def test_a_time_is_told_in_utc_for_people_and_for_programs() -> None:
    time = datetime.fromisoformat("2026-03-01T23:30:00-05:00")
    assert phrases.when(time) == "2 March 2026, 04:30 UTC"
    assert phrases.stamp(time) == "2026-03-02T04:30:00Z"
    assert phrases.ago(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)) == "2 days ago"


def test_a_metric_is_told_as_people_know_it() -> None:
    assert metric_words("neg_mean_absolute_error") == "mean absolute error"
    assert phrases.direction("neg_mean_absolute_error") == "lower is better"
    assert (phrases.shown("neg_log_loss", -0.5), phrases.shown("roc_auc", 0.7)) == (0.5, 0.7)

"""A file as traffic: what falls due when, and who sends it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.durations import duration
from control.replay.checkpoint import Checkpoint, Step
from control.replay.span import Span, choose_span
from control.replay.traffic import Traffic
from data.promotions import Promotion
from data.records import Label, Prediction
from keepfit.errors import StateError

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHAMPION = Promotion(
    kind="retrain", version=3, digest="d", reason="r", as_of=BEGIN, snapshot_until=BEGIN + 10 * HOUR
)

delays = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 50)), min_size=1, max_size=40)


def traffic(hours: list[tuple[int, int]]) -> Traffic:
    """Rows that fall due so many hours after the beginning, with labels known so many hours later."""
    predictions = [
        Prediction(f"p{n}", {}, BEGIN + due * HOUR, BEGIN + due * HOUR) for n, (due, _) in enumerate(hours)
    ]
    labels = [
        Label(f"l{n}", 1, BEGIN + (due + late) * HOUR, BEGIN + (due + late) * HOUR, "made", f"p{n}")
        for n, (due, late) in enumerate(hours)
    ]
    return Traffic(
        sorted(predictions, key=lambda p: p.predicted_at), sorted(labels, key=lambda label: label.known_at)
    )


def ids(part: Traffic) -> list[str]:
    return sorted([p.prediction_id for p in part.predictions] + [label.label_id for label in part.labels])


@given(delays, st.integers(1, 40))
def test_the_steps_take_all_traffic_each_piece_once(hours: list[tuple[int, int]], every: int) -> None:
    whole = traffic(hours)
    since, taken = BEGIN, []
    for end in Span(BEGIN, BEGIN + 200 * HOUR, every * HOUR).steps():
        taken += ids(whole.due(since, end))
        since = end
    assert sorted(taken) == ids(whole)


@given(delays, st.integers(1, 9))
def test_a_prediction_and_its_label_go_to_one_caller_in_their_order(
    hours: list[tuple[int, int]], callers: int
) -> None:
    whole = traffic(hours)
    parts = whole.shared_out(callers)
    assert sorted(name for part in parts for name in ids(part)) == ids(whole)
    for part in parts:
        events = list(part.in_order())
        places = {getattr(event, "label_id", event.prediction_id): n for n, event in enumerate(events)}
        for label in part.labels:
            assert places[label.prediction_id or ""] < places[label.label_id]


def test_a_part_of_a_file_keeps_the_labels_of_its_own_rows_only() -> None:
    part = traffic([(0, 5), (3, 1), (4, 9)]).between(BEGIN + 2 * HOUR, BEGIN + 6 * HOUR)
    assert ids(part) == ["l1", "p1", "p2"]


def test_by_default_what_the_champion_has_not_seen_is_replayed_until_the_last_label() -> None:
    span = choose_span(traffic([(0, 1), (12, 1), (20, 30)]), CHAMPION, None, None, HOUR)
    assert span.since == CHAMPION.snapshot_until
    assert span.until > BEGIN + 50 * HOUR
    assert span.steps()[-1] == span.until


def test_a_beginning_before_what_the_champion_has_seen_is_refused() -> None:
    with pytest.raises(StateError, match=r"--from 2024-01-01T02:00Z lies before 2024-01-01T10:00Z"):
        choose_span(traffic([(20, 1)]), CHAMPION, BEGIN + 2 * HOUR, None, HOUR)


def test_a_span_without_a_row_is_refused_with_what_the_file_holds() -> None:
    with pytest.raises(StateError, match=r"no row falls due .* of 2024-01-01T00:00Z to 2024-01-01T05:00Z"):
        choose_span(traffic([(0, 1), (5, 1)]), CHAMPION, None, None, HOUR)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("14d", timedelta(days=14)), ("12h", timedelta(hours=12)), (" 30m ", timedelta(minutes=30))],
)
def test_a_duration_is_a_number_and_a_unit(text: str, meant: timedelta) -> None:
    assert duration(text) == meant


@pytest.mark.parametrize("text", ["", "14", "0d", "-1d", "1w", "1.5h", "d"])
def test_another_duration_is_refused_by_the_options_name(text: str) -> None:
    with pytest.raises(StateError, match="such as 14d"):
        duration(text)


def test_a_policys_total_weighs_each_step_by_its_rows_and_leaves_out_what_is_no_number() -> None:
    steps = [_step(100, 0.5), _step(300, 0.9), _step(50, None), _step(0, None)]
    done = Checkpoint(
        file="f",
        since=BEGIN,
        until=BEGIN + HOUR,
        every_s=3600,
        frozen=1,
        promotions_before=1,
        sent_until=BEGIN,
        steps=steps,
    )
    assert done.totals("loop") == {"roc_auc": pytest.approx(0.8)}
    assert done.totals("always") == {}


def _step(rows: int, score: float | None) -> Step:
    return Step(
        as_of=BEGIN,
        rows=rows,
        drift=None,
        reason="r",
        decision={},
        promoted=False,
        version=1,
        scores={"loop": {"roc_auc": score}, "always": {"roc_auc": float("nan")}} if rows else {},
    )

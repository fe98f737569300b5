from typing import Any

from data.health import Health, Intake, arrivals, read_health
from data.matching import count_labels, count_labels_by_day
from data.records import Rejected
from data.store import Batch, Store
from data.tables import microseconds
from data.told import DAY as A_DAY
from data.told import HOUR as AN_HOUR
from tests.making import DAY, HOUR, NOON, label, prediction, project, take

LATER = NOON + 10 * DAY


def day(at: Any) -> int:
    return microseconds(at) // A_DAY


def hour(at: Any) -> int:
    return microseconds(at) // AN_HOUR


def reject(store: Store, reason: str, *times: Any, of: str = "made") -> None:
    batch = Batch(rejected=[Rejected("row", "{}", reason, "a.csv", at) for at in times])
    store.take_in(project(name=of), batch)


def test_of_an_empty_store_nothing_is_known(store: Store) -> None:
    assert read_health(store, project(), NOON, LATER) == Health(NOON, LATER)
    assert arrivals(store, project(), NOON, LATER) == {"labels": (), "predictions": ()}


def test_what_came_in_is_counted_by_the_day_when_it_was_known(store: Store) -> None:
    take(store, project(), prediction("p"), prediction("q", NOON + DAY), label("p", known_at=NOON + 2 * DAY))
    found = read_health(store, project(), NOON - DAY, LATER)
    assert found.intake == {day(NOON): Intake(1), day(NOON + DAY): Intake(1)}
    assert {at: counts.matched for at, counts in found.labels.items()} == {day(NOON + 2 * DAY): 1}


def test_days_of_labels_add_up(store: Store) -> None:
    told = [label("p", i % 2 == 0, NOON + i * DAY) for i in range(4)]
    take(store, project(), prediction("p"), *told, label("nobody"))
    days = count_labels_by_day(store, project(), NOON - DAY, LATER)
    whole = count_labels(store, project(), NOON - DAY, LATER)
    for name in ("labels", "matched", "unmatched", "doubled", "contradicting", "early"):
        assert sum(getattr(counts, name) for counts in days.values()) == getattr(whole, name)
    assert days[day(NOON + 3 * DAY)].delay_median_s == 3 * 86_400


def test_what_was_set_aside_is_counted_by_reason_without_the_value(store: Store) -> None:
    reject(store, "wind: expected a number, got 'strong'", NOON)
    reject(store, "wind: expected a number, got 'weak'; holiday: fails the suite", NOON + HOUR)
    reject(store, "wind: expected a number, got nothing", NOON)
    found = read_health(store, project(), NOON - DAY, LATER).intake[day(NOON)]
    assert found.quarantined == {"wind: expected a number": 2, "wind: expected a number, got nothing": 1}


def test_only_what_was_known_in_the_time_is_counted(store: Store) -> None:
    reject(store, "no", *(NOON + i * DAY for i in range(9)))
    reject(store, "no", NOON + 5 * DAY, of="other")
    take(store, project(), *(prediction(str(i), NOON + i * DAY) for i in range(9)))
    found = read_health(store, project(), NOON + 3 * DAY, NOON + 5 * DAY)
    assert found.intake == {day(NOON + i * DAY): Intake(1, {"no": 1}) for i in (4, 5)}


def test_hours_are_told_of_each_source_where_there_are_several(store: Store) -> None:
    take(store, project(), prediction("p"), label("p", known_at=NOON + DAY, source="http:a"))
    assert set(arrivals(store, project(), NOON - DAY, LATER)) == {"labels", "predictions"}
    take(store, project(), label("p", False, known_at=NOON + 2 * DAY, source="http:b"))
    assert arrivals(store, project(), NOON - DAY, LATER) == {
        "http:a": (hour(NOON + DAY),),
        "http:b": (hour(NOON + 2 * DAY),),
        "labels": (hour(NOON + DAY), hour(NOON + 2 * DAY)),
        "predictions": (hour(NOON),),
    }

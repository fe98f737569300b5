from dataclasses import replace
from datetime import timedelta
from typing import Any

from data.decisions import Decision, KeptDecision
from data.promotions import Promotion
from monitoring.console.figures.charts import Mark
from monitoring.console.figures.clusters import clusters
from monitoring.console.reading.watches import Drifted, Moved, Quality, Told, Wanted, Watch
from monitoring.console.views.reigns import reigns
from monitoring.console.views.story import Chapter, happened, story
from tests.making import DAY, NOON

MOVED = Drifted(drift=True, findings=(Moved("temp", "median of temp 40 -> 64", True, 0.43, 0.002),))
CALM = Drifted(drift=False)
ASKED = Wanted("drift", "the data drifted")


def watch(day: int, verdict: Drifted = CALM, **told: Any) -> Watch:
    return Watch(NOON + day * DAY, verdict=verdict, **told)


def alarm(words: str) -> Quality:
    return Quality((Told(words, alarm=True),))


def decision(day: int, *, promote: bool = False, asked_by: Any = "watch", version: int = 7) -> KeptDecision:
    at = NOON + day * DAY
    told = Decision(
        project="made",
        as_of=at,
        promote=promote,
        reason="asked",
        asked_by=asked_by,
        reasons=("it gains",),
        objections=() if promote else ("no proof",),
        version=version,
        champion=3,
    )
    return KeptDecision(f"of-{day}", at + DAY, told)


def entry(number: int, day: int, version: int | None, kind: Any = "retrain") -> Promotion:
    return Promotion(
        kind=kind, version=version, digest=None, reason="why", as_of=NOON + day * DAY, number=number
    )


def words(chapters: list[Chapter]) -> list[list[str]]:
    return [[part.words for part in chapter.parts] for chapter in chapters]


def test_a_cause_stands_before_what_came_of_it() -> None:
    told = story([watch(0, MOVED, reason=ASKED)], [], [decision(0)])
    assert words(told) == [
        [
            "drift: temp moved in 43 % of rows (median of temp 40 -> 64)",
            "a retrain was asked for: the data drifted",
            "version 7 refused: no proof",
        ]
    ]
    assert [part.event for part in told[0].parts] == ["drift", "asked", "refusal"]
    assert told[0].parts[2].link == "/decisions/of-0"


def test_a_decision_of_another_day_is_not_the_watch_s() -> None:
    told = story([watch(0, reason=ASKED)], [], [decision(1)])
    assert words(told) == [
        ["a retrain was asked for: asked", "version 7 refused: no proof"],
        ["a retrain was asked for: the data drifted", "no decision about it is kept so far"],
    ]


def test_what_a_person_asked_for_is_a_chapter_of_its_own() -> None:
    told = story([watch(0)], [], [decision(0, asked_by="person")])
    assert sorted(len(chapter.parts) for chapter in told) == [0, 2]


def test_a_promotion_is_told_once_with_its_decision() -> None:
    told = story([watch(0, reason=ASKED)], [entry(1, 0, 7)], [decision(0, promote=True)])
    assert [[part.event for part in chapter.parts] for chapter in told] == [["asked", "promotion"]]


def test_a_rollback_is_told_by_itself_newest_first() -> None:
    told = story([watch(0, MOVED)], [entry(2, 5, 3, "rollback")], [])
    assert words(told)[0] == ["version 3 by rollback: why"]
    assert told[0].parts[0].event == "rollback"


def test_drift_that_goes_on_is_told_where_it_begins_and_where_it_ends() -> None:
    told = story([watch(0), watch(1, MOVED), watch(2, MOVED), watch(3, MOVED), watch(4)], [], [])
    assert [(chapter.quiet, len(chapter.parts)) for chapter in told] == [(0, 1), (2, 0), (0, 1), (1, 0)]
    assert words(told)[0] == ["no drift any more"]
    assert (told[1].at, told[1].until) == (NOON + 2 * DAY, NOON + 3 * DAY)


def test_an_alarm_that_is_said_again_of_another_day_is_no_news() -> None:
    first = watch(0, quality=alarm("nothing came for 3.5 days"))
    again = watch(1, quality=alarm("nothing came for 4.5 days"))
    assert [chapter.quiet for chapter in story([first, again], [], [])] == [1, 0]


def test_why_no_retrain_was_asked_for_is_told_once() -> None:
    held = [watch(day, MOVED, withheld=f"day {day}: no harm was proved") for day in range(3)]
    assert words(story(held, [], []))[-1][-1] == "no retrain was asked for: day 0: no harm was proved"
    assert story(held, [], [])[0].quiet == 2


def test_every_event_has_its_mark_and_its_page() -> None:
    seen = watch(1, MOVED, reason=ASKED, quality=alarm("late files"))
    marks = happened([seen, watch(2, person=True)], [entry(1, 0, 7)], [decision(1)])
    assert [mark.event for mark in marks] == ["promotion", "refusal", "drift", "alarm", "asked", "person"]
    assert {mark.link for mark in marks} == {
        "/ledger/1",
        "/decisions/of-1",
        f"/reports/{seen.name}",
        f"/reports/{watch(2).name}",
    }


def test_a_reign_lasts_until_the_next_entry_and_none_follows_a_withdrawal() -> None:
    history = [entry(1, 0, 1), entry(2, 5, 4), entry(3, 7, None, "withdrawal"), entry(4, 9, 5)]
    assert [(each.version, each.since, each.until) for each in reigns(history)] == [
        (1, NOON, NOON + 5 * DAY),
        (4, NOON + 5 * DAY, NOON + 7 * DAY),
        (5, NOON + 9 * DAY, None),
    ]


def test_a_version_that_is_named_again_reigns_on() -> None:
    assert [each.since for each in reigns([entry(1, 0, 1), entry(2, 5, 1, "by hand")])] == [NOON]
    assert reigns([replace(entry(1, 0, 1), as_of=NOON), entry(2, 0, 2)])[0].version == 2


def test_marks_that_would_touch_are_one_that_says_how_many() -> None:
    marks = [Mark(NOON + n * DAY, "alarm", f"alarm {n}", f"/reports/{n}") for n in range(4)]
    placed = zip((0.0, 5.0, 10.0, 40.0), ("alarm", "alarm", "alarm", "alarm"), marks, strict=True)
    three, one = clusters(list(placed))
    assert (three.x, three.middle, three.end, three.count, three.link) == (0.0, 5.0, 10.0, 3, "/reports/2")
    assert three.words.startswith("3 times from 1 March 2026")
    assert (one.count, one.words) == (1, "alarm, 4 March 2026, 12:00 UTC: alarm 3")


def test_marks_of_another_kind_are_never_hidden_by_their_neighbours() -> None:
    marks = [Mark(NOON + timedelta(hours=n), "alarm", "", None) for n in range(3)]
    placed = zip((0.0, 1.0, 2.0), ("alarm", "person", "alarm"), marks, strict=True)
    assert [each.count for each in clusters(list(placed))] == [1, 1, 1]

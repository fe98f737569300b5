import csv
import io
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitoring.console.figures.heat import heat
from monitoring.console.figures.lanes import Curve, Lane, Told, pictures, span_of
from monitoring.console.reading.watches import Drifted, Estimated, Moved, Scored, Stood, Watch
from monitoring.console.views.points import Point, points
from monitoring.console.views.reigns import Reign
from tests.console.opening import opened
from tests.console.years import Year
from tests.making import DAY, NOON

MANY = tuple(f"column_{n:02d}" for n in range(40))


def scored(day: int, value: float, low: float, high: float, served: float | None = None) -> Watch:
    return Watch(
        NOON + day * DAY,
        performance=Scored("neg_log_loss", value, low, high),
        served=Stood(scores={"neg_log_loss": value if served is None else served}),
        estimate=Estimated("", -0.5, -0.6, -0.4),
    )


def told(found: list[Point], **changed: Any) -> Told:
    curve = Curve("first", "the loop", lambda p: p.value, lambda p: p.low, lambda p: p.high)
    lanes = [Lane("score", 150, [curve], strip=True)]
    ends = span_of([point.as_of for point in found], [])
    return Told(*ends, found, changed.get("reigns", []), changed.get("marks", []), lanes)


def test_a_loss_and_its_interval_are_shown_as_people_know_them() -> None:
    (point,) = points([scored(0, -0.48, -0.5, -0.46)], "neg_log_loss")
    assert (point.value, point.low, point.high) == (0.48, 0.46, 0.5)
    assert (point.estimate, point.estimate_low, point.estimate_high) == (0.5, 0.4, 0.6)


def test_an_interval_of_something_else_is_no_band_of_the_answers_as_given() -> None:
    (point,) = points([scored(0, -0.48, -0.5, -0.46, served=-0.9)], "neg_log_loss")
    assert (point.value, point.low, point.high) == (0.9, None, None)


def test_a_band_goes_along_its_upper_ends_and_back_along_its_lower_ones() -> None:
    found = points([scored(day, -0.48, -0.5, -0.46) for day in (0, 1)], "neg_log_loss")
    ((_, path),) = pictures(told(found))[0].panels[0].bands
    places = [tuple(map(float, each.split())) for each in path.strip("MZ").split("L")]
    assert [x for x, _ in places] == [places[0][0], places[1][0], places[1][0], places[0][0]]
    assert places[0][1] < places[3][1]


def test_a_year_of_watches_has_no_dots_and_its_verdicts_are_few() -> None:
    days = [
        Watch(NOON + day * DAY, verdict=Drifted(drift=100 <= day < 130), served=Stood(scores={"r2": 0.5}))
        for day in range(365)
    ]
    panel = pictures(told(points(days, "r2")))[0].panels[0]
    assert panel.lines[0].dots == []
    assert [(each.name, each.count) for each in panel.verdicts] == [
        ("no drift", 100),
        ("drift", 30),
        ("no drift", 235),
    ]
    assert panel.verdicts[1].words.startswith("30 times from 9 June 2026")


def test_a_champion_is_named_where_there_is_room_and_told_where_not() -> None:
    found = points([scored(day, -0.48, -0.5, -0.46) for day in range(0, 100, 10)], "neg_log_loss")
    short, long = Reign(1, NOON, NOON + DAY, 1), Reign(2, NOON + DAY, None, 2)
    held = pictures(told(found, reigns=[short, long]))[0].held
    assert [each.label for each in held] == ["", "v2"]
    assert held[0].words.startswith("version 1 was champion from 1 March 2026")


def test_every_lane_has_the_same_axis(console: httpx.Client) -> None:
    page = console.get("/timeline").text
    wide = page[page.index('class="plot lanes wide"') : page.index('class="plot lanes narrow"')]
    lines = re.findall(r'<g class="grid" aria-hidden="true">\s*<line x1="(\d+)" x2="(\d+)"', wide)
    assert len(lines) > 4
    assert len(set(lines)) == 1


def test_every_mark_leads_to_its_page(console: httpx.Client) -> None:
    page = console.get("/timeline").text
    links = set(re.findall(r'<a href="(/(?:ledger|decisions|reports)/[^"]+)" aria-label="[^"]+">', page))
    assert {link.split("/")[1] for link in links} == {"ledger", "decisions", "reports"}
    assert [link for link in links if console.get(link).status_code != 200] == []


def test_only_the_days_that_are_asked_for_are_shown(console: httpx.Client) -> None:
    page = console.get("/timeline?from=2026-04-01&to=2026-05-31").text
    watched = set(re.findall(r'<th scope="row"><a href="/reports/(\d{4}-\d{2}-\d{2})', page))
    assert watched == {"2026-04-12", "2026-04-26", "2026-05-10", "2026-05-24"}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=yesterday", "is no date such as 2026-03-01, so all is shown."),
        ("from=2026-05-01&to=2026-04-01", "These days end before they begin"),
        ("from=99999999-01-01", "is no date such as"),
    ],
)
def test_days_that_are_none_are_said_and_all_is_shown(console: httpx.Client, query: str, said: str) -> None:
    answer = console.get(f"/timeline?{query}")
    assert answer.status_code == 200
    assert said in answer.text
    assert "19 watches" in answer.text


def test_days_in_which_nothing_happened_say_so(console: httpx.Client) -> None:
    assert "Nothing happened in these days." in console.get("/timeline?from=2030-01-01&to=2030-02-01").text


def test_a_watch_is_a_row_of_the_file(console: httpx.Client) -> None:
    answer = console.get("/timeline.csv?from=2026-04-12&to=2026-04-26")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["as_of"][:10] for row in rows] == ["2026-04-12", "2026-04-26"]
    assert (rows[1]["drift"], rows[1]["farthest"], rows[1]["metric"]) == ("true", "distance", "log loss")
    assert float(rows[1]["low"]) < float(rows[1]["value"]) < float(rows[1]["high"])


def test_the_whole_story_is_in_the_document(console: httpx.Client) -> None:
    document = console.get("/timeline.json").json()
    assert len(document["points"]) == 19
    assert {each["event"] for each in document["events"]} >= {"promotion", "refusal", "drift", "rollback"}
    assert any("refused" in part["words"] for each in document["story"] for part in each["parts"])


def test_of_many_columns_those_are_laid_out_whose_name_is_asked_for(tmp_path: Path) -> None:
    with opened(Year(tmp_path, steps=3, names=MANY).live()) as console:
        page = console.get("/timeline?q=MN_3").text
        assert console.get("/timeline?q=none_such").status_code == 200
    assert "10 of 40 columns" in page
    assert re.findall(r'<th scope="row">(column_\d\d)</th>', page) == [f"column_3{n}" for n in range(10)]


def test_a_column_is_found_whatever_its_case() -> None:
    seen = [Watch(NOON, verdict=Drifted(findings=(Moved("Wind", effect=0.1), Moved("temp", effect=0.4))))]
    assert [name for name, _ in heat(seen, "wind").rows] == ["Wind"]


def test_what_lies_far_from_the_watches_does_not_press_them_together() -> None:
    times = [NOON, NOON + 10 * DAY]
    since, until = span_of(times, [NOON + 12 * DAY, NOON + 4000 * DAY])
    assert until - since < timedelta(days=14)


def test_what_a_classifier_sees_of_all_columns_is_no_column_that_moved() -> None:
    found = (Moved("temp", effect=0.3, what="values"), Moved("all", effect=0.9, what="together"))
    (point,) = points([Watch(NOON, verdict=Drifted(findings=found))], None)
    assert (point.farthest, point.effect) == ("temp", 0.3)
    assert [name for name, _ in heat([Watch(NOON, verdict=Drifted(findings=found))]).rows] == ["temp"]

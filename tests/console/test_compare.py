import csv
import io
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest

from data.store import Batch
from monitoring.console.pages import compared as pages
from monitoring.console.reading.watches import Span, Spans, Watch
from monitoring.console.views.asked_spans import Days, asked_spans, presets, window_of
from tests.console.opening import opened
from tests.console.years import START, Year
from tests.making import DAY, NOON, ROW, prediction, project

A, B = "2026-02-15T000000Z", "2026-03-01T000000Z"
BOTH = "a_from=2026-02-01&a_to=2026-02-14&b_from=2026-02-15&b_to=2026-02-28"


def watch(day: int, hours: int = 0) -> Watch:
    at = START + day * DAY + timedelta(hours=hours)
    return Watch(at, windows=Spans(Span(at - 42 * DAY, at - 14 * DAY), Span(at - 14 * DAY, at)))


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The console of a year whose first four weeks were predicted: the wind rises after two."""
    year = Year(tmp_path_factory.mktemp("predicted"), steps=4).live()
    rows = [
        prediction(
            f"{day}-{n}",
            START + day * DAY + timedelta(minutes=n),
            features={**ROW, "wind": n % 7 + (5.0 if day >= 14 else 0.0), "carrier": ["AA", "<i>B6"][n % 2]},
        )
        for day in range(28)
        for n in range(14)
    ]
    sources = year.sources
    sources.store.take_in(project(), Batch(predictions=rows))
    sources.close()
    with opened(year) as console:
        console.timeout = httpx.Timeout(30)
        yield console


def test_an_address_that_names_nothing_asks_for_the_last_window_beside_the_one_before() -> None:
    asked = asked_spans({}, [watch(14), watch(28)])
    assert asked.sides is not None
    assert [each.words for each in asked.sides] == ["1 to 14 February 2026", "15 to 28 February 2026"]


def test_a_loop_that_was_never_watched_has_nothing_to_compare_and_no_fault() -> None:
    assert asked_spans({}, []) == asked_spans({"a": ""}, [])
    assert asked_spans({}, []).faults == ()


def test_a_window_that_is_cut_is_rounded_to_whole_days() -> None:
    found = window_of(watch(14, hours=7))
    assert found == Days(date(2026, 2, 1), date(2026, 2, 15), watch(14, hours=7).name, cut=True)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"a": "x", "b": B}, "The first span names a watch that left no report"),
        ({"a": A}, "The second span is not said"),
        ({"a": A, "b_from": "1 May", "b_to": "2026-05-02"}, "as dates, such as 2026-03-01"),
        ({"a": A, "b_from": "2026-05-02"}, "The second span needs its first and its last day"),
        ({"a": A, "b_from": "2026-05-02", "b_to": "2026-05-01"}, "The second span ends before it begins"),
        ({"a": A, "b_from": "1990-05-02", "b_to": "2026-05-01"}, "choose at most 366"),
    ],
)
def test_what_is_wrong_with_an_address_is_a_sentence(query: dict[str, str], said: str) -> None:
    asked = asked_spans(query, [watch(14), watch(28)])
    assert asked.sides is None
    assert said in " ".join(asked.faults)
    assert all(fault.endswith(".") for fault in asked.faults)


def test_a_watch_is_offered_beside_its_reference_the_days_before_and_a_year_before() -> None:
    offered = [each.query for each in presets([watch(14), watch(28)], watch(14))]
    assert offered == [
        "a_from=2026-01-04&a_to=2026-01-31&b_from=2026-02-01&b_to=2026-02-14",
        "a_from=2026-01-18&a_to=2026-01-31&b_from=2026-02-01&b_to=2026-02-14",
        "a_from=2025-02-02&a_to=2025-02-15&b_from=2026-02-01&b_to=2026-02-14",
    ]


@pytest.mark.parametrize("query", [BOTH, f"a={A}&b={B}", f"a={A}&b_from=2026-02-15&b_to=2026-02-28"])
def test_watches_and_days_are_compared_alike(predicted: httpx.Client, query: str) -> None:
    page = predicted.get(f"/compare?{query}").text
    assert "<h1>15 to 28 February 2026, beside 1 to 14 February 2026</h1>" in page
    assert re.search(r'<strong class="tag alarm">drift</strong> Median of wind [^<]+ 3 -&gt; 8', page)
    assert "196 rows on 14 days, 14 a day (14 to 14)" in page
    assert "version 1" in page


def test_each_column_is_drawn_in_both_spans_and_no_name_is_markup(predicted: httpx.Client) -> None:
    page = predicted.get(f"/compare?{BOTH}").text
    names = re.findall(r'<article class="multiple"[^>]*>\s*<h3[^>]*>(\w+)', page)
    assert names[0] == "wind"
    assert sorted(names) == ["carrier", "distance", "holiday", "wind"]
    assert "&lt;i&gt;B6" in page
    assert "<i>B6" not in page


def test_days_without_a_row_are_said_and_no_error(predicted: httpx.Client) -> None:
    answer = predicted.get("/compare?a_from=2020-02-01&a_to=2020-02-14&b_from=2026-02-15&b_to=2026-02-28")
    assert answer.status_code == 200
    assert "no row is kept of the first span" in answer.text


def test_a_fault_is_said_above_the_form_and_a_program_is_told(predicted: httpx.Client) -> None:
    for path in ("/compare", "/compare.json", "/compare.csv"):
        answer = predicted.get(f"{path}?a_from=2026-02-01&a_to=never&b={B}")
        assert answer.status_code == 422
        assert re.search(r'<p class="fault" role="status">The first span needs', answer.text)


def test_columns_are_found_by_a_part_of_their_name(predicted: httpx.Client) -> None:
    page = predicted.get(f"/compare?{BOTH}&q=AR").text
    assert re.findall(r'<article class="multiple"[^>]*>\s*<h3[^>]*>(\w+)', page) == ["carrier"]
    assert "No column is called so." in predicted.get(f"/compare?{BOTH}&q=nothing").text


def test_a_comparison_is_a_file_for_programs(predicted: httpx.Client) -> None:
    document = predicted.get(f"/compare.json?{BOTH}").json()
    assert (document["drift"], document["a"]["rows"], document["b"]["versions"]) == (True, 196, [1])
    assert {each["column"] for each in document["histograms"]} == {"wind", "carrier", "distance", "holiday"}
    answer = predicted.get(f"/compare.csv?{BOTH}")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert (rows[0]["column"], rows[0]["drift"]) == ("wind", "true")
    assert float(rows[0]["effect"]) > 0.5


def test_a_comparison_can_be_kept_as_a_page(predicted: httpx.Client) -> None:
    answer = predicted.get(f"/compare.html?{BOTH}")
    assert "attachment" in answer.headers["content-disposition"]
    assert "<form" not in answer.text
    assert "Median of wind" in answer.text


def test_an_empty_home_is_asked_for_days(empty: httpx.Client) -> None:
    answer = empty.get("/compare")
    assert answer.status_code == 200
    assert 'name="a_from"' in answer.text
    assert empty.get(f"/compare?{BOTH}").status_code == 200


def test_noon_is_no_part_of_a_day() -> None:
    assert Days(NOON.date(), NOON.date()).until - Days(NOON.date(), NOON.date()).since == DAY


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_of_nothing_there_is_no_file(tmp_path: Path, ending: str) -> None:
    with opened(Year(tmp_path)) as console:
        assert console.get(f"/compare.{ending}").status_code == 404
        assert console.get(f"/compare.{ending}?a=x").status_code == 422


def test_beside_two_comparisons_that_are_under_way_a_third_is_asked_to_come_again(
    predicted: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_WAIT_S", 0.01)
    with pages._PLACES, pages._PLACES:
        answer = predicted.get(f"/compare?{BOTH}")
    assert answer.status_code == 503
    assert "Others compare at this moment; open this page again in a few seconds." in answer.text
    assert predicted.get(f"/compare?{BOTH}").status_code == 200

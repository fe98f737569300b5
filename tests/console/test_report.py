"""The page of one watch, its files, and the list of all."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from monitoring.console.pages import watched
from monitoring.console.reading.reported import headline, read_columns, read_report, spells
from monitoring.console.reading.watches import Watches
from monitoring.histograms import Histogram, of_names, of_numbers
from tests.console.opening import opened
from tests.console.years import EVERY, EVIL, START, Year, verdict, write_watch

AT = START + 6 * EVERY
NAME = f"{AT:%Y-%m-%dT%H%M%SZ}"
REPORT = f"/reports/{NAME}"
MANY = tuple(f"sensor_{n:03}" for n in range(40))


def number(column: str, shift: float = 0.0) -> Histogram:
    rng = np.random.default_rng(0)
    before, after = rng.normal(0, 1, 500), rng.normal(shift, 1, 500)
    ones = np.ones(500)
    return of_numbers(column, before, ones, after, ones, (0, 25))


def told(names: tuple[str, ...], **changed: Any) -> dict[str, Any]:
    found = verdict(6, 1, names)
    found["harms"] = [
        {"column": names[0], "words": f"the drift of {names[0]} costs nothing", "harmful": False}
    ]
    part = {"words": "w", "labelled": 60, "value": -0.7, "rest": -0.4, "before": -0.5}
    found["slices"] = [
        {**part, "slice": "carrier is 'AA'", "alarm": True, "worse": True},
        {**part, "slice": "carrier is 'UA'", "alarm": False, "worse": False},
    ]
    found["quality"] = {"findings": [{"what": "delay", "words": "labels come later", "alarm": True}]}
    found["estimate"] = {"value": -0.48, "low": -0.52, "high": -0.44, "how": "4 windows", "sentence": "s"}
    return found | changed


def write(folder: Path, found: dict[str, Any], drawn: list[Histogram]) -> None:
    write_watch(folder, AT, found)
    (folder / NAME / "columns.json").write_bytes(msgspec.json.encode(drawn))


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A year of one watch, of 40 columns and an answer."""
    year = Year(tmp_path_factory.mktemp("wide"), steps=1).live()
    sources = year.sources
    answer = msgspec.structs.replace(number("predicted chance of late"), part="answer")
    write(sources.reports, told(MANY), [*(number(name, 1.0) for name in MANY), answer])
    sources.close()
    with opened(year) as client:
        yield client


def drawn_in(page: str) -> list[str]:
    return re.findall(r'<h3 id="column-\d+-name">([^<]+)', page)


def test_the_headline_says_what_moved_most_and_by_how_much(wide: httpx.Client) -> None:
    page = wide.get(REPORT).text
    assert "<h1>Drift: sensor_000 moved in 32 % of rows (p\u00a0=\u00a00.002).</h1>" in page


def test_of_many_columns_those_that_moved_most_are_drawn_and_the_answers_apart(wide: httpx.Client) -> None:
    page = wide.get(REPORT).text
    assert "24 of 40 columns" in page
    assert [name.strip() for name in drawn_in(page)] == [*MANY[:24], "predicted chance of late"]
    assert page.count("<article") == page.count('<svg class="bars"') == 25


@pytest.mark.parametrize(
    ("query", "shown"),
    [("show=all", MANY), ("show=moved", MANY[:1]), ("q=SOR_03", MANY[30:]), ("q=nothing", ())],
)
def test_columns_are_chosen_and_found_by_their_name(
    wide: httpx.Client, query: str, shown: tuple[str, ...]
) -> None:
    page = wide.get(f"{REPORT}?{query}").text
    assert f"{len(shown)} of 40 columns" in page
    assert [name.strip() for name in drawn_in(page)][:-1] == list(shown)


def test_a_drawing_says_in_words_and_in_a_table_what_it_shows(wide: httpx.Client) -> None:
    page = wide.get(REPORT).text
    assert re.search(r"sensor_000 in \d+ bars; before mostly \S+ to \S+ \(\d+ %\); now mostly", page)
    assert '<th scope="row">missing</th><td class="n">0 %</td><td class="n">4.8 %</td>' in page
    assert "The drift of sensor_000 costs nothing" in page


def test_scores_stand_beside_one_another_as_the_losses_that_they_are(wide: httpx.Client) -> None:
    page = wide.get(REPORT).text
    assert re.search(r'Once every label is there.*?<td class="n" data-label="Score">0\.4800</td>', page)
    assert "0.4400 to 0.5200" in page
    assert page.count('<svg class="interval ') == 4


def test_what_alarms_is_told_first_and_the_rest_can_be_opened(wide: httpx.Client) -> None:
    page = wide.get(REPORT).text
    assert page.index("fell behind") < page.index("<summary>The other 1 part</summary>") < page.index("UA")
    assert "Labels come later" in page


def test_a_report_is_kept_as_a_page_without_its_frame(wide: httpx.Client) -> None:
    page = wide.get(f"{REPORT}.html")
    assert page.headers["content-disposition"].startswith("attachment")
    assert "<iframe" not in page.text
    assert f'<a href="{REPORT}/page">' in page.text
    assert len(drawn_in(page.text)) == 25


def test_a_program_gets_all_that_the_watch_left(wide: httpx.Client) -> None:
    answer = wide.get(f"{REPORT}.json").json()
    assert answer["verdict"] == json.loads(json.dumps(told(MANY)))
    assert [each["column"] for each in answer["columns"]][:40] == list(MANY)


def test_a_sheet_has_a_row_for_each_column(wide: httpx.Client) -> None:
    text = wide.get(f"{REPORT}.csv").content.decode("utf-8-sig")
    first, *others = csv.DictReader(io.StringIO(text, newline=""))
    assert len(others) == 39
    assert (first["column"], first["drift"], first["watches_in_a_row"]) == ("sensor_000", "true", "1")
    assert first["harm"] == "the drift of sensor_000 costs nothing"
    assert float(first["median_now"]) > float(first["median_before"])
    assert float(first["missing_now"]) == pytest.approx(25 / 525, abs=1e-6)


def test_a_report_of_an_older_keepfit_says_that_it_has_no_drawings(console: httpx.Client) -> None:
    page = console.get(REPORT).text
    assert "An older Keepfit left this report without the bars of its columns" in page
    assert "<article" not in page
    assert page.count('<meter min="0"') == 3
    assert set(console.get(f"{REPORT}.json").json()) == {"verdict"}


def test_a_report_leads_to_the_watches_around_it(console: httpx.Client) -> None:
    page = console.get(REPORT).text
    before, after = (f"{AT + step:%Y-%m-%dT%H%M%SZ}" for step in (-EVERY, EVERY))
    assert f'<a href="/reports/{before}" rel="prev">' in page
    assert f'<a href="/reports/{after}" rel="next">' in page
    assert f'href="/compare?a={before}&amp;b={NAME}"' in page


def test_the_list_says_what_moved_most_and_is_cut_to_what_drifted(console: httpx.Client) -> None:
    every, drifted = console.get("/reports").text, console.get("/reports?only=drift").text
    assert every.count('<th scope="row"') == 19
    assert drifted.count('<th scope="row"') == 2
    assert "All (19)" in every
    assert 'distance<span class="rests">32 % of rows</span>' in drifted


def test_a_long_list_leads_from_the_newest_to_the_earlier_reports(
    console: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "_LISTED", 15)
    newest = console.get("/reports").text
    assert newest.count('<th scope="row"') == 15
    (earlier,) = re.findall(r'href="(/reports\?before=[^"]+)">Earlier reports', newest)
    rest = console.get(earlier).text
    assert rest.count('<th scope="row"') == 4
    assert "The newest reports" in rest
    assert "Earlier reports" not in rest


def test_a_column_has_drifted_since_the_watches_in_a_row_before(tmp_path: Path) -> None:
    for day, drift in enumerate([True, False, True, True, True]):
        at = AT + timedelta(days=day)
        found: dict[str, Any] = {**verdict(6, 1, ("a", "b")), "as_of": at.isoformat()}
        found["verdict"]["findings"][0]["drift"] = drift
        write_watch(tmp_path, at, found)
    watches = Watches(tmp_path).every()
    assert spells(watches, watches[3]) == {"a": 2}
    assert "at the last 2 watches in a row" in headline(watches[3], {"a": 2})


@pytest.mark.parametrize("drift", [True, False, None])
def test_a_verdict_without_findings_has_its_sentence(tmp_path: Path, drift: bool | None) -> None:
    write_watch(tmp_path, AT, told(("a",)) | {"verdict": {"drift": drift, "reasons": ["too few rows"]}})
    found = read_report(tmp_path, NAME)
    assert found is not None
    said = {True: "Drift: too few", False: "No drift: none of 0", None: "Cannot say whether the data drifted"}
    assert headline(found, {}).startswith(said[drift])


def test_columns_that_do_not_fit_together_are_left_out(tmp_path: Path) -> None:
    bad = [
        Histogram("short", "number", (0.5,), (0.5,), edges=(0.0, 1.0, 2.0)),
        Histogram("unordered", "number", (0.5,), (0.5,), edges=(1.0, 1.0)),
        Histogram("unnamed", "category", (0.5,), (0.5,)),
    ]
    write(tmp_path, told(("a",)), [*bad, number("fits")])
    assert [each.column for each in read_columns(tmp_path, NAME) or []] == ["fits"]
    (tmp_path / NAME / "columns.json").write_text('[{"column":')
    assert read_columns(tmp_path, NAME) is None
    assert read_columns(tmp_path / "other", f"../{NAME}") is None


def test_names_and_categories_are_never_markup(tmp_path: Path) -> None:
    year = Year(tmp_path, steps=0)
    sources = year.sources
    drawn = of_names(EVIL, "category", {EVIL: 3, "x": 1}, {EVIL: 1}, (0, 0))
    write(sources.reports, told((EVIL, "b")), [drawn, number("b")])
    sources.close()
    with opened(year) as client:
        for path in (REPORT, f"{REPORT}?q={EVIL}", "/reports"):
            page = client.get(path).text
            assert "<img" not in page
            assert re.findall(r"<script[^>]*>", page.replace("/static/", "")) == re.findall(
                r'<script src="/[^"]+"[^>]*>', page.replace("/static/", "")
            )
        assert client.get(f"{REPORT}.json").json()["columns"][0]["column"] == EVIL

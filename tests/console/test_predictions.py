"""The page of one prediction, with a real bundle that is asked why; and how a prediction is found."""

import csv
import io
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from data.promotions import Promotion
from data.reasons import Asked
from data.records import Prediction, Rejected
from data.store import Batch
from keepfit.settings import Settings
from monitoring.console.pages.answered import address
from monitoring.console.reading.asking import Asking
from monitoring.console.reading.sources import Sources
from tests.browsing import open_browser
from tests.builders import COLUMNS, ROW, published
from tests.console.opening import console_on, opened
from tests.console.years import EVIL, NAME, Year
from tests.keys import SETTINGS
from tests.making import HOUR, NOON, label, prediction, project, take

REGRESSION = project("regression", features=COLUMNS)
ONE, OTHER, CHANGED, IMPORTED, EVIL_ID = "one", "other", "changed", "imported", f"{EVIL}/../ü?#"


@dataclass
class Kept:
    """A home with predictions in it, and version 3, which answers 30,000 and the distance."""

    settings: Settings
    console: httpx.Client

    def get(self, prediction_id: str, ending: str = "") -> httpx.Response:
        return self.console.get(f"/predictions/{prediction_id}{ending}")


def answered(name: str, **changed: Any) -> Prediction:
    fields: dict[str, Any] = {"features": ROW, "output": (30_733.0,), "version": 3}
    return prediction(name, **(fields | changed))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    home = tmp_path_factory.mktemp("kept")
    settings = replace(Year(home).settings, **SETTINGS)
    digest = published(home, settings.releases(NAME), version=3, kind="regression", project=NAME)
    sources = Sources(settings, NAME)
    entry = Promotion(kind="retrain", version=3, digest=digest, reason="on schedule", as_of=NOON)
    gone = replace(entry, version=2, digest="0" * 64)
    sources.ledger.append(entry, sources.ledger.append(gone, None))
    rows = (
        answered(ONE, reference_id="r", trace_id="t" * 32, weight=4.0),
        answered(OTHER, reference_id="r", predicted_at=NOON + HOUR),
        answered(CHANGED, output=(30_000.0,)),
        answered("gone", version=2),
        answered("unknown", version=9),
        answered(IMPORTED, version=None, output=()),
        answered(EVIL_ID, reference_id=EVIL, subject_id=EVIL, features={**ROW, "carrier": EVIL}),
    )
    labels = (label(ONE, 30_700.0), label(ONE, 12.0, NOON + HOUR, source=EVIL))
    take(sources.store, REGRESSION, *rows, *labels)
    # This one waits for its prediction.
    take(sources.store, REGRESSION, label("later", 1.0))
    sources.store.take_in(REGRESSION, Batch(rejected=[Rejected("row", "{}", "too far", "a", NOON)]))
    sources.close()
    with console_on(settings) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield Kept(settings, client)


# The page


def test_the_page_says_what_was_answered_and_how_far_off_it_was(kept: Kept) -> None:
    page = kept.get(ONE).text
    assert "<h1>Answered 30,733 for delay</h1>" in page
    assert '<a href="/models/3">version 3</a>' in page
    assert "Its label is 30700: the answer is 33 above the label" in page
    assert "24 hours after" in page or "1 day after" in page
    assert "says something else" in page
    assert f"<code>{'t' * 32}</code>" in page
    assert "4 rows, for not all were captured" in page


def test_the_page_says_what_each_feature_added(kept: Kept) -> None:
    page = kept.get(ONE).text
    # 733 is 2,133.5 short of the mean distance of the golden rows.
    assert "what pushed" not in page
    assert "What pushed the value down: distance 733 (−2,134)." in page  # noqa: RUF001 - as it is written
    assert '<th scope="row" colspan="2">Without any feature</th><td class="n">32,866</td>' in page
    assert '<th scope="row" colspan="2">Together: the value</th><td class="n">30,733</td>' in page


def test_the_page_is_there_before_its_reasons(kept: Kept) -> None:
    with kept.console.stream("GET", f"/predictions/{OTHER}") as answer:
        pieces = answer.iter_text()
        first = next(pieces)
        rest = "".join(pieces)
    assert "<h1>" in first
    assert "The row as it was sent" in first
    assert "What pushed" not in first
    assert "What pushed" in rest or "What pushed" in first + rest
    assert rest.rstrip().endswith("</html>")


def test_an_answer_that_the_bundle_does_not_give_any_more_is_named(kept: Kept) -> None:
    page = kept.get(CHANGED).text
    assert "does not answer now what it answered then: it gives 30,733" in page


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gone", "the bundle of version 2 is not in the release directory"),
        (IMPORTED, "no model answered this row: it was imported"),
        ("unknown", "the ledger knows no bundle of version 9"),
    ],
)
def test_where_nobody_can_say_why_that_is_said(kept: Kept, name: str, said: str) -> None:
    answer = kept.get(name)
    assert answer.status_code == 200
    assert f"Nobody can say why: {said}" in answer.text


def test_the_others_of_its_reference_id_are_beside_it(kept: Kept) -> None:
    others = kept.get(ONE).text.partition('id="others"')[2]
    assert f'href="/predictions/{OTHER}"' in others
    assert f'href="/predictions/{ONE}"' not in others


def test_no_text_of_it_is_markup(kept: Kept) -> None:
    (link,) = set(re.findall(r'href="(/predictions/%3C[^"]+)"', kept.console.get("/predictions").text))
    answer = kept.console.get(link)
    assert answer.status_code == 200
    for text in (answer.text, kept.console.get(f"{link}.html").text, kept.get(ONE).text):
        assert "<script" not in text
        assert "<img" not in text
    assert "&lt;/script&gt;" in answer.text


@pytest.mark.e2e
def test_the_reasons_stand_in_their_place_without_a_script(kept: Kept) -> None:
    with open_browser() as browser:
        page = browser.new_context(java_script_enabled=False).new_page()
        page.goto(f"{kept.console.base_url}/predictions/{OTHER}")
        tops = [
            page.get_by_role("heading", name=name).bounding_box() for name in ("No label", "Why", "The row")
        ]
    heights = [box["y"] for box in tops if box is not None]
    assert len(heights) == 3
    assert heights == sorted(heights)


# As a file


def test_it_is_kept_as_one_file_with_its_reasons(kept: Kept) -> None:
    answer = kept.get(ONE, ".html")
    assert answer.headers["content-disposition"] == 'attachment; filename="predictions-one.html"'
    assert "What pushed the value down" in answer.text
    assert "<template" not in answer.text
    assert "is asked why" not in answer.text


def test_a_program_gets_it_with_its_reasons(kept: Kept) -> None:
    told = kept.get(ONE, ".json").json()
    assert told["prediction"]["output"] == [30_733.0]
    assert told["explanation"]["baseline"] + sum(told["explanation"]["contributions"].values()) == 30_733.0
    assert [each["standing"] for each in told["labels"]] == ["counts", "says something else"]
    assert told["same_reference"] == [OTHER]


def test_a_sheet_has_a_row_for_each_feature(kept: Kept) -> None:
    rows = list(csv.DictReader(io.StringIO(kept.get(ONE, ".csv").content.decode("utf-8-sig"))))
    assert [row["feature"] for row in rows] == list(COLUMNS)
    assert [row["contribution"] for row in rows if row["feature"] == "distance"] == ["-2133.5"]


# Finding one


@pytest.mark.parametrize("wanted", [ONE, f" {ONE} "])
def test_an_id_leads_to_its_page(kept: Kept, wanted: str) -> None:
    answer = kept.console.get("/predictions", params={"id": wanted})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/predictions/{ONE}")


def test_a_reference_id_of_one_leads_to_its_page(kept: Kept) -> None:
    answer = kept.console.get("/predictions", params={"id": EVIL}, follow_redirects=True)
    assert "<h1>Answered 30,733 for delay</h1>" in answer.text


def test_a_reference_id_of_several_lists_them_newest_first(kept: Kept) -> None:
    page = kept.console.get("/predictions", params={"id": "r"}).text
    assert "2 predictions of the reference id r" in page
    assert page.index(f"/predictions/{OTHER}") < page.index(f"/predictions/{ONE}")


def test_what_is_not_found_is_said_with_where_it_may_be(kept: Kept) -> None:
    answer = kept.console.get("/predictions", params={"id": "later"})
    assert answer.status_code == 404
    assert "Nothing is kept under later" in answer.text
    assert "nothing waits in this machine's journal" in answer.text.replace("&#39;", "'")
    assert '<a href="/quarantine">1 row in quarantine</a>' in answer.text
    assert "Labels that wait for it" in answer.text


def test_where_not_all_is_captured_that_is_said_too(kept: Kept) -> None:
    with console_on(replace(kept.settings, capture_share=0.25)) as url:
        answer = httpx.get(f"{url}/predictions?id=nothing", trust_env=False)
    assert "one request in 4 is" in answer.text


@pytest.mark.parametrize("odd", ["%00", "%F0%90", "x" * 4000, "..%2F..", "9999999999999999.x"])
def test_odd_questions_are_answered(kept: Kept, odd: str) -> None:
    assert kept.console.get(f"/predictions?id={odd}").status_code == 404
    assert kept.console.get(f"/predictions?before={odd}").status_code == 200
    for ending in ("", ".html", ".json"):
        assert kept.console.get(f"/predictions/{odd}{ending}").status_code == 404


def test_the_last_ones_are_listed_in_parts(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, project_name=NAME)
    sources = Sources(settings, NAME)
    take(sources.store, REGRESSION, *(answered(f"p{n:02}", predicted_at=NOON + n * HOUR) for n in range(60)))
    sources.close()
    with console_on(settings) as url, httpx.Client(base_url=url, trust_env=False) as console:
        page = console.get("/predictions").text
        (older,) = re.findall(r'href="(/predictions\?before=[^"]+)"', page)
        rest = console.get(older.replace("&amp;", "&")).text
    assert (page.count("<tr>"), rest.count("<tr>")) == (1 + 50, 1 + 10)
    assert 'href="/predictions/p59"' in page
    assert 'href="/predictions/p09"' in rest


# Asking


def asking(kept: Kept, told: str, **changed: Any) -> Asking:
    """Ask a process of ours that does what is told, in Python."""
    return Asking(replace(kept.settings, **changed), (sys.executable, "-c", told))


QUESTION = Asked("", "", {})


def test_the_process_that_explains_gets_no_secret(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEEPFIT_API_KEY", "PREFECT_API_AUTH_STRING"):
        monkeypatch.setenv(name, "hidden")
    told = "import os, json; print(json.dumps({'unknown': repr(dict(os.environ))}))"
    found = asking(kept, told, database_url="postgresql://u:hidden@h/d", api_key="hidden").why(QUESTION)
    assert "KEEPFIT_HOME" in str(found.unknown)
    assert "hidden" not in str(found.unknown)


def test_a_process_that_takes_too_long_is_ended(kept: Kept) -> None:
    file = str(kept.settings.home / "pid")
    told = f"import os, time; open({file!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    found = asking(kept, told, load_s=0.2, explain_s=0.4).why(QUESTION)
    assert "KEEPFIT_EXPLAIN_S" in str(found.unknown)
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path(file).read_text()), 0)


def test_a_process_that_breaks_is_named(kept: Kept) -> None:
    assert "ended with 3: out" in str(
        asking(kept, "import sys; print('out', file=sys.stderr); sys.exit(3)").why(QUESTION).unknown
    )


def test_what_was_explained_is_not_asked_again(kept: Kept) -> None:
    once = kept.settings.home / "once"
    told = f"import os; os.mkdir({str(once)!r}); print('{{\"baseline\": 2.0}}')"
    asked = asking(kept, told)
    assert [asked.why(QUESTION).baseline for _ in range(2)] == [2.0, 2.0]


def test_who_comes_when_many_wait_is_told_so_at_once(kept: Kept) -> None:
    go = kept.settings.home / "go"
    told = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint('{{}}')"
    asked = asking(kept, told, explain_waiting=1)
    with ThreadPoolExecutor(4) as callers:
        coming = [callers.submit(asked.why, Asked("", str(n), {})) for n in range(4)]
        first = next(as_completed(coming))
        go.touch()
    assert str(first.result().unknown).startswith("3 others are being explained")
    assert [each.result().unknown for each in coming if each is not first] == [None] * 3


@pytest.mark.parametrize("name", ["a.json", "b.csv", "c.html", "a/", "50 %41"])
def test_an_id_that_ends_like_a_file_has_its_page_and_its_files(tmp_path: Path, name: str) -> None:
    year = Year(tmp_path)
    sources = year.sources
    take(sources.store, project(), prediction("a"), prediction(name))
    sources.close()
    with opened(year) as console:
        assert f"<code>{name}</code>" in console.get(address(name)).text
        assert (
            f'href="{address(name)}.json"'
            in console.get("/predictions", params={"id": name}, follow_redirects=True).text
        )
        assert console.get(f"{address(name)}.json").json()["prediction"]["prediction_id"] == name
        assert "<style>" in console.get(f"{address(name)}.html").text

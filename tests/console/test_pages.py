import re
from pathlib import Path

import httpx
import pytest

from monitoring.console.rendering import PAGES
from monitoring.console.site import POLICY
from tests.console.opening import opened
from tests.console.years import EVERY, EVIL, NAME, START, Year, decide, promote, verdict, write_watch

REPORT = "/reports/2026-02-15T000000Z"
DECISION = f"/decisions/{17:064x}"


@pytest.mark.parametrize("path", [*PAGES, "/ledger/1", DECISION, REPORT, "/models/4"])
def test_every_page_answers_with_its_title_and_its_policy(console: httpx.Client, path: str) -> None:
    answer = console.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert re.search(rf"<title>.+ · {NAME} · Keepfit</title>", answer.text)
    assert answer.text.count("<h1") == 1


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_a_loop_that_never_ran_says_what_would_be_there(empty: httpx.Client, path: str) -> None:
    assert empty.get(path).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/nothing", "/ledger/99", "/decisions/none", "/reports/2020-01-01T000000Z", "/runs/none"),
        *("/reports/..%2f..%2fetc", "/reports/2020-01-01T000000Z/page"),
    ],
)
def test_an_address_without_a_page_says_so_in_a_sentence(console: httpx.Client, path: str) -> None:
    answer = console.get(path)
    assert answer.status_code == 404
    assert "<h1>Not found</h1>" in answer.text
    assert re.search(r'role="status">[A-Z][^<]+\.</p>', answer.text)


def test_the_glance_names_the_champion_since_when_and_why(console: httpx.Client) -> None:
    page = console.get("/").text
    assert '<h1 id="headline">2 things need you; one thing is worth a look.</h1>' in page
    assert '<p class="who-answers">Version 17 is champion; no worker serves it.</p>' in page
    assert 'on what was known at <time datetime="2026-09-13T00:00:00Z">13 September 2026, 00:00 UTC' in page
    assert "<dt>Because</dt><dd>on schedule</dd>" in page


def test_the_glance_says_what_every_worker_serves(tmp_path: Path) -> None:
    with opened(Year(tmp_path, steps=2).live().serve(version=1, workers=3)) as console:
        page = console.get("/").text
    assert "Version 1 is champion, and all 3 workers serve it." in page
    assert len(re.findall(r'<th scope="row">here \d+</th><td class="n">1</td>', page)) == 3


def test_without_prefect_every_page_is_there_and_says_that_it_is_away(console: httpx.Client) -> None:
    for path in ("/", "/runs", "/runs/0191b2f0-0000-4000-8000-000000000000"):
        answer = console.get(path)
        assert answer.status_code == 200
        assert "Prefect does not answer at http://127.0.0.1:1" in answer.text


def test_the_performance_page_has_a_chart_and_a_table_of_the_loop_beside_the_frozen_model(
    console: httpx.Client,
) -> None:
    page = console.get("/timeline").text
    assert "log loss (lower is better)" in page
    assert "ROC AUC (higher is better)" in console.get("/timeline?metric=roc_auc").text
    assert "version 1, frozen" in page
    for event in ("promotion", "refusal", "rollback"):
        assert f'<g class="event {event}">' in page
    # The scores are shown as the losses that they are.
    assert re.search(r"<td class=\"n\">0\.4\d{3}</td><td class=\"n\">0\.\d{4} to 0\.\d{4}</td>", page)


def test_a_decision_on_a_score_that_is_no_number_is_shown(tmp_path: Path) -> None:
    year = Year(tmp_path, steps=1).live()
    sources = year.sources
    from dataclasses import replace

    from data.decisions import save_decision

    kept = sources.decisions()[0].decision
    save_decision(sources.store, replace(kept, challenger_scores={"roc_auc": float("nan")}), "nan")
    with opened(year) as console:
        assert "not known" in console.get("/decisions/nan").text
    sources.close()


def test_evidently_s_page_is_sandboxed_and_may_reach_nothing(console: httpx.Client) -> None:
    assert f'<iframe sandbox="allow-scripts" src="{REPORT}/page"' in console.get(REPORT).text
    policy = console.get(f"{REPORT}/page").headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "connect-src 'none'" in policy


def test_text_from_the_data_is_never_markup(tmp_path: Path) -> None:
    year = Year(tmp_path, steps=0, names=(EVIL, "wind")).set_aside(EVIL, content=EVIL)
    sources = year.sources
    told = verdict(1, 1, year.names)
    told["verdict"]["reasons"] = [EVIL]
    told["performance"]["metric"] = EVIL
    told["performance"]["scores"] = told["served"]["scores"] = {EVIL: 0.5}
    told["reason"] = {"kind": "drift", "evidence": EVIL}
    write_watch(sources.reports, START + EVERY, told)
    decide(sources, START, 1, None, promotes=False)
    promote(sources, START, "retrain", 1)
    sources.close()
    with opened(year) as console:
        for path in [*PAGES, REPORT, "/ledger/1"]:
            text = console.get(path).text
            assert EVIL not in text
            assert "<img" not in text
            scripts = re.findall(r"<script[^>]*>", text)
            assert scripts == [], path
        assert "&lt;/script&gt;" in console.get("/timeline").text


def test_rows_are_listed_for_one_reason_and_by_age(tmp_path: Path) -> None:
    year = Year(tmp_path).set_aside(*["too far"] * 60, "no carrier & no wind")
    with opened(year) as console:
        page = console.get("/quarantine").text
        assert "61 rows wait here" in page
        assert page.count('type="checkbox"') == 50
        (older,) = re.findall(r'href="(/quarantine\?before=\d+)"', page)
        assert console.get(older).text.count('type="checkbox"') == 11
        (link,) = re.findall(r'href="(/quarantine\?reason=no[^"]+)"', page)
        assert console.get(link).text.count('type="checkbox"') == 1


def test_a_row_with_a_lone_surrogate_is_shown(tmp_path: Path) -> None:
    with opened(Year(tmp_path).set_aside("broken text", content=r'"\ud800"')) as console:
        assert console.get("/quarantine").status_code == 200


def test_the_process_says_that_it_is_alive(console: httpx.Client) -> None:
    assert console.get("/health/live").json() == {"live": True}


def test_what_the_pages_need_is_served_from_here(console: httpx.Client) -> None:
    page = console.get("/").text
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        assert console.get(address).status_code == 200
    outside = set(re.findall(r'(?:src|href)="(https?://[^"]+)"', page))
    assert {address.split("/")[2] for address in outside} == {"127.0.0.1:1"}


def test_a_store_that_does_not_answer_is_said_and_asked_again(tmp_path: Path) -> None:
    year = Year(tmp_path / "home")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "keepfit.db").mkdir()
    with opened(year) as console:
        answer = console.get("/")
        assert answer.status_code == 503
        assert "the store at" in answer.text
        (tmp_path / "home" / "keepfit.db").rmdir()
        assert console.get("/").status_code == 200

import csv
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from data.sheets import exact
from tests.console.hostile import WATCH, Home
from tests.console.opening import console_on, opened
from tests.console.payloads import FORMULAS, PAYLOADS
from tests.console.years import Year
from tests.data.test_sheets import computes

TEXTS = (*FORMULAS, *PAYLOADS[::10])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The console of a home in which every text is a formula or markup."""
    home = Home(tmp_path_factory.mktemp("hostile"), TEXTS).filled()
    with console_on(home.settings) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def rows(console: httpx.Client, path: str) -> list[dict[str, str]]:
    answer = console.get(path)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("page", ["/quarantine", "/ledger", "/decisions"])
def test_a_page_leads_to_its_rows_as_a_file(console: httpx.Client, page: str) -> None:
    (link,) = re.findall(r'href="([^"]+\.csv[^"]*)"', console.get(page).text)
    answer = console.get(link)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == f'attachment; filename="{page[1:]}.csv"'
    assert len(rows(console, link)) >= 1


@pytest.mark.parametrize("path", ["/quarantine.csv", "/ledger.csv", "/decisions.csv", f"{WATCH}.csv"])
def test_no_cell_is_a_formula(hostile: httpx.Client, path: str) -> None:
    found = rows(hostile, path)
    assert len(found) >= len(TEXTS)
    assert [cell for row in found for cell in (*row, *row.values()) if computes(cell)] == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *(("/quarantine.csv", name) for name in ("content", "reason", "source")),
        *(("/ledger.csv", "reason"), ("/decisions.csv", "reason"), ("/decisions.csv", "objections")),
        (f"{WATCH}.csv", "column"),
    ],
)
def test_a_program_gets_the_exact_text_back(hostile: httpx.Client, path: str, name: str) -> None:
    assert set(TEXTS) <= {exact(row[name]) for row in rows(hostile, path)}


def test_numbers_of_a_decision_are_numbers(console: httpx.Client) -> None:
    row = next(row for row in rows(console, "/decisions.csv") if row["version"] == "17")
    assert (row["promote"], row["gain"]) == ("true", "0.021")
    assert row["challenger neg_log_loss"] == "-0.477"
    assert row["champion neg_log_loss"] == "-0.498"
    assert row["as_of"] == "2026-09-13T00:00:00Z"


def test_of_one_reason_only_its_rows_come(tmp_path: Path) -> None:
    with opened(Year(tmp_path).set_aside(*["too far"] * 3, "=no & carrier")) as console:
        page = console.get("/quarantine", params={"reason": "=no & carrier"}).text
        (link,) = re.findall(r'href="(/quarantine\.csv[^"]*)"', page)
        assert [row["reason"] for row in rows(console, link)] == ["'=no & carrier"]


def test_all_rows_come_however_many_there_are(tmp_path: Path) -> None:
    with opened(Year(tmp_path).set_aside(*["too far"] * 1203)) as console:
        numbers = [int(row["number"]) for row in rows(console, "/quarantine.csv")]
    assert len(numbers) == len(set(numbers)) == 1203


def test_a_loop_that_never_ran_has_a_header_and_no_row(empty: httpx.Client) -> None:
    assert rows(empty, "/decisions.csv") == rows(empty, "/ledger.csv") == []
    assert empty.get("/quarantine.csv").text.startswith("\ufeffnumber,kind,")


def test_a_store_that_does_not_answer_is_said_instead_of_half_a_file(tmp_path: Path) -> None:
    year = Year(tmp_path / "home")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "keepfit.db").mkdir()
    with opened(year) as console:
        answer = console.get("/quarantine.csv")
    assert answer.status_code == 503
    assert "content-disposition" not in answer.headers
    shutil.rmtree(tmp_path / "home")

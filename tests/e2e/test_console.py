"""The console in a real browser: on a home that has a year in it, and on the shared stack."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from control.stack import Stack
from data.audit import oneself, walk
from data.decisions import read_decisions
from data.records import Rejected, new_id, now
from data.store import Batch
from keepfit.settings import Settings
from monitoring.console.reading.flowruns import FlowRuns
from tasks.collect import import_file
from tasks.loop import Loop, open_loop
from tests.browsing import open_browser
from tests.conftest import NAME
from tests.console.addresses import REPORT, pages, whole_year
from tests.console.opening import console_on
from tests.e2e.worlds import LATER, MOVED, eventually, made
from tests.e2e.worlds import START as START_OF_WORLD

pytestmark = pytest.mark.e2e

EACH = pages()


@dataclass
class Seen:
    """A page in a browser, with all that it asked for and complained about."""

    page: Page
    asked: list[str] = field(default_factory=list[str])
    said: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))


Open = Callable[..., Seen]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def look(browser: Browser) -> Iterator[Open]:
    """Open a page in a window of its own, wide and light unless told otherwise."""
    contexts: list[BrowserContext] = []

    def opened(url: str, width: int = 1100, scheme: Any = "light") -> Seen:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        seen = Seen(context.new_page())
        seen.page.goto(url)
        return seen

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A console on a home with something on every page; nobody else of Keepfit is there."""
    with console_on(whole_year(tmp_path_factory.mktemp("year")).settings) as url:
        yield url


@pytest.mark.parametrize("path", EACH)
def test_a_page_opens_without_a_complaint_asks_nobody_else_and_fits_a_phone(
    look: Open, console: str, path: str
) -> None:
    seen = look(console + path)
    seen.page.wait_for_load_state("networkidle")
    assert seen.page.locator("h1").count() == 1
    seen.page.set_viewport_size({"width": 375, "height": 800})
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 375
    assert seen.said == []
    assert {url for url in seen.asked if not url.startswith((f"{console}/", "data:"))} == set()


def test_dark_and_light_are_what_the_reader_prefers(look: Open, console: str) -> None:
    grounds = [
        look(console, scheme=scheme).page.evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert grounds == ["rgb(251, 250, 248)", "rgb(21, 22, 24)"]


def test_the_keyboard_skips_to_the_content(look: Open, console: str) -> None:
    page = look(console).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_a_chart_opens_as_a_table_by_the_keyboard(look: Open, console: str) -> None:
    page = look(f"{console}/labels").page
    summary = page.locator("summary").first
    summary.focus()
    page.keyboard.press("Enter")
    table = page.locator("figure table").first
    expect(table).to_be_visible()
    assert table.locator("tbody tr").count() == 7


def test_evidently_s_page_runs_in_its_sandbox_alone(look: Open, console: str) -> None:
    seen = look(console + REPORT)
    frame = seen.page.frame_locator("iframe")
    expect(frame.locator("h1")).to_have_text("Evidently")
    (inside,) = [each for each in seen.page.frames if each.url.endswith("/page")]
    assert inside.evaluate("document.title") == "drawn"
    assert inside.evaluate("origin") == "null"
    reach = "fetch('/').then(() => 'reached', () => 'refused')"
    assert inside.evaluate(reach) == "refused"


@pytest.fixture(scope="module")
def lived(real_stack: Stack, settings: Settings, stack_project: str, tmp_path_factory: Any) -> Iterator[Loop]:  # noqa: ARG001 - it has to be up
    """The project of the stack after two promotions, each started as the console starts one."""
    loop, folder = open_loop(stack_project, settings), tmp_path_factory.mktemp("history")
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    runs = FlowRuns(settings.prefect_url, NAME)
    with closing(runs.client):
        for since, until in ((START_OF_WORLD, MOVED), (MOVED, LATER)):
            rows, path = made("multiclass", since, until), folder / f"{until:%F}.parquet"
            for column in ("predicted_at", "observed_at"):
                rows[column] += today - LATER
            rows.to_parquet(path)
            import_file(loop, path, lambda _: None)
            told = {"reason": f"history until {until:%F}", "as_of": (until + (today - LATER)).isoformat()}
            run = runs.start("retrain", told, new_id())
            eventually(lambda run=run: (found := runs.run(run)) is not None and found.over, within_s=120)
    yield loop
    loop.store.close()


def over(page: Page) -> None:
    """Wait until the page of a run, which looks again by itself, says that it is over."""
    page.wait_for_url("**/runs/*")
    expect(page.locator(".intro .tag")).to_have_text(re.compile("succeeded|failed"), timeout=120_000)


def test_the_console_of_the_stack_answers_first_and_names_what_runs(
    look: Open, lived: Loop, settings: Settings
) -> None:
    assert [entry.version for entry in lived.ledger.history()][:2] == [1, 2]
    seen = look(settings.console_url)
    expect(seen.page.locator(".who-answers")).to_have_text(
        re.compile("is champion, and both workers serve it")
    )
    flows = seen.page.get_by_role("region", name="Flows")
    expect(flows.get_by_role("row").filter(has_text="retrain")).to_contain_text("succeeded")
    seen.page.goto(f"{settings.console_url}/runs")
    made_history = seen.page.get_by_role("region", name="Runs of retrain").get_by_role("row")
    expect(made_history.filter(has_text="history until 2024-02-14")).to_contain_text("succeeded")
    expect(seen.page.get_by_role("heading", name="Due next")).to_be_visible()
    assert seen.said == []


def test_retrain_now_ends_in_a_decision_that_is_shown(look: Open, lived: Loop, settings: Settings) -> None:
    page = look(settings.console_url).page
    page.get_by_label("Why, for the ledger").first.fill("pressed by a test <b>")
    page.get_by_role("button", name="Retrain now").click()
    over(page)
    page.get_by_role("link", name="The decision with its numbers").click()
    expect(page.locator("main")).to_contain_text("pressed by a test <b>")
    reasons = [decision.reason for decision in read_decisions(lived.store, NAME)]
    assert reasons.count("pressed by a test <b>") == 1


@pytest.mark.long
def test_a_rollback_is_served_by_every_worker_and_says_so(
    look: Open, lived: Loop, settings: Settings
) -> None:
    champion = lived.ledger.champion()
    assert champion is not None
    earlier = 1 if champion.version != 1 else 2
    page = look(settings.console_url).page
    page.get_by_label("To", exact=True).select_option(str(earlier))
    page.get_by_label("Why, for the ledger").last.fill("the new one looks odd")
    page.get_by_role("button", name="Roll back").click()
    over(page)
    expect(page.locator(".intro")).to_contain_text(
        f"Version {earlier} is champion again; 2 workers confirmed it."
    )
    page.get_by_role("link", name=re.compile("^Entry")).click()
    expect(page.locator(".intro")).to_contain_text("the new one looks odd")
    with lived.store.reading() as connection:
        *_, asked, done = (entry for entry in walk(connection) if entry.why == "the new one looks odd")
    assert (asked.what, asked.who, done.what) == ("rollback asked for", "this machine", "rolled back")
    run = json.loads(asked.after or "")["run"]
    assert done.who == f"{oneself()} in rollback run {run}, started through its deployment"


@pytest.mark.long
def test_readmission_says_what_became_of_each_row(look: Open, lived: Loop, settings: Settings) -> None:
    row = {"weight": 3, "speed": 1, "place": "north", "predicted_at": "2026-01-01T00:00:00Z"}
    rejected = [
        Rejected("row", json.dumps({**row, "weight": weight}), "it was too heavy then", "old.csv", now())
        for weight in (20, 2000)
    ]
    lived.store.take_in(lived.project, Batch(rejected=rejected))
    page = look(f"{settings.console_url}/quarantine").page
    page.get_by_role("link", name="it was too heavy then").click()
    page.get_by_role("button", name="Readmit all with this reason").click()
    over(page)
    expect(page.locator(".intro")).to_contain_text("1 row of 2 taken in; 1 failed again")
    rows = page.get_by_role("region", name="Rows").get_by_role("row")
    expect(rows.filter(has_text="failed again")).to_have_count(1)
    expect(page.locator(".log")).to_contain_text(
        re.compile("row [0-9]+ of the quarantine fails again: .*weight")
    )
    assert lived.quarantine.reasons() == [("it was too heavy then", 1)]


@pytest.mark.usefixtures("real_stack")
def test_a_double_click_is_one_run(settings: Settings) -> None:
    runs, token = FlowRuns(settings.prefect_url, NAME), new_id()
    with closing(runs.client):
        first, second = (runs.start("rollback", {"version": 4711}, token) for _ in range(2))
        other = runs.start("rollback", {"version": 4712}, token)
    assert first == second != other

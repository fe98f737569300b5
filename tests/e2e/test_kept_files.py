"""A page that is kept as a file: it opens where Keepfit is not, asks nobody, and can be printed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.browsing import open_browser
from tests.console.addresses import files, whole_year
from tests.console.opening import console_on

pytestmark = pytest.mark.e2e

FILES = files()
HERE = "http://127.0.0.1"
_LINKS = """found => found.map(each => each.getAttribute("href"))
  .map(told => [told, new URL(told, document.baseURI).href])"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every file, in a folder; the console that gave them is gone."""
    folder = tmp_path_factory.mktemp("kept")
    year = whole_year(tmp_path_factory.mktemp("year"))
    found: dict[str, Path] = {}
    with console_on(year.settings) as url:
        for number, path in enumerate(FILES):
            found[path] = folder / f"{number}.html"
            found[path].write_bytes(httpx.get(url + path, trust_env=False).content)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context(color_scheme="dark", viewport={"width": 900, "height": 800}) as context:
        yield context.new_page()


@pytest.mark.parametrize("path", FILES)
def test_a_kept_page_is_whole_and_asks_nobody_for_anything(
    page: Page, kept: dict[str, Path], path: str
) -> None:
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(kept[path].as_uri(), wait_until="networkidle")
    assert (asked, said) == ([kept[path].as_uri()], [])
    assert page.locator("h1").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 22, 24)"
    assert page.locator("script, iframe, form, nav, link, img, object, embed").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 900


@pytest.mark.parametrize("path", FILES)
def test_a_link_of_a_kept_page_leads_to_the_console_and_none_is_left_within_it(
    page: Page, kept: dict[str, Path], path: str
) -> None:
    page.goto(kept[path].as_uri())
    links: list[Any] = page.eval_on_selector_all("a[href]", _LINKS)
    assert len(links) >= 4
    # A base sends what begins with # away from the file, too.
    assert [link for link in links if link[0].startswith("#") or not link[1].startswith(HERE)] == []


@pytest.mark.parametrize("path", FILES)
def test_a_kept_page_is_printed_in_the_light_and_nothing_is_cut(
    page: Page, kept: dict[str, Path], path: str
) -> None:
    page.set_viewport_size({"width": 680, "height": 960})  # A4 without its margins
    page.goto(kept[path].as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 248)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 680
    hidden = page.evaluate("""() => [...document.querySelectorAll(".scroll")].filter(each =>
      each.checkVisibility() && getComputedStyle(each).overflowX !== "visible").length""")
    assert hidden == 0
    assert page.pdf(format="A4").startswith(b"%PDF")

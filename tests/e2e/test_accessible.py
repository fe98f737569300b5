"""Who cannot see a page, or has no mouse, can use it: axe-core, the keyboard, tables beside charts."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.browsing import open_browser
from tests.console.addresses import REPORT, pages, whole_year
from tests.console.hostile import prefect_saying
from tests.console.opening import console_on

pytestmark = pytest.mark.e2e

EACH = pages()
# All rules, WCAG's up to 2.2 AA and the best practices; the size of targets is not asked for by default.
# Evidently's page is left out: it is theirs, and all that it shows stands on our page too.
_AXE = """rules => axe.run(
  {exclude: ["iframe"]},
  {resultTypes: ["violations"], iframes: false, rules: {"target-size": {enabled: true}},
   ...(rules.length ? {runOnly: {type: "rule", values: rules}} : {})}
).then(found => [
  found.passes.length,
  found.violations.flatMap(each => each.nodes.map(node => `${each.id}: ${node.html.slice(0, 200)}`)),
])"""
_SEEN = ("color-contrast", "target-size", "scrollable-region-focusable")
"""The rules whose answer differs with the width and the colours."""
_OURS = """() => {
  const found = [], say = (rule, each) => found.push(`${rule}: ${each.outerHTML.slice(0, 160)}`);
  const named = each => each.ariaLabel || each.getAttribute("aria-labelledby");
  for (const each of document.querySelectorAll("table"))
    if (!each.caption && !named(each) && !each.closest('[role="region"][aria-label]')) say("a name", each);
  for (const each of document.querySelectorAll("svg")) {
    if (each.closest('[aria-hidden="true"]')) continue;
    if (!["img", "group"].includes(each.getAttribute("role")) || !named(each)) say("words", each);
    // The few numbers of a gain stand in the sentence below it.
    if (!each.closest("figure, section")?.querySelector("table, dl, .gain + p")) say("numbers", each);
  }
  return found;
}"""
"""What axe does not ask: a name for each table and picture, and the numbers of a chart beside it."""
_STOPS = """() => [...document.querySelectorAll(
  'a[href], button, input:not([type=hidden]), select, summary, [tabindex="0"]'
)].filter(node => node.checkVisibility({visibilityProperty: true}) && !node.disabled)
  .map((node, place) => node.dataset.stop = place).length"""
_STOP = """() => {
  const node = document.activeElement;
  if (node === document.body) return null;
  const {top, bottom, left, right, width} = node.getBoundingClientRect(), style = getComputedStyle(node);
  return {
    stop: Number(node.dataset.stop), name: node.outerHTML.slice(0, 120),
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: width > 0 && bottom > 0 && top < innerHeight && right > 0 && left < innerWidth,
  };
}"""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A console on a home with something on every page, beside a Prefect that has runs."""
    year = whole_year(tmp_path_factory.mktemp("year"))
    with (
        prefect_saying(["COMPLETED", "on schedule", "by hand", "the data drifted"]) as port,
        console_on(replace(year.settings, prefect_port=port)) as url,
    ):
        yield url


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """One window for all: it is made narrow and dark where a test asks for it."""
    with open_browser() as browser, browser.new_context(reduced_motion="reduce") as context:
        yield context.new_page()


def at(page: Page, url: str, width: int = 1100, scheme: Any = "light") -> Page:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme, forced_colors="none")
    page.goto(url)
    return page


def violations(page: Page, *rules: str) -> list[str]:
    # What a test evaluates is no script of the page: its policy, which lets none in, is the real one.
    page.evaluate(AXE_SCRIPT)
    passed, found = page.evaluate(_AXE, list(rules))
    assert passed > (0 if rules else 20)
    return found


@pytest.mark.parametrize("path", EACH)
def test_no_page_breaks_a_rule_of_axe_or_of_ours_wide_and_light_or_narrow_and_dark(
    page: Page, console: str, path: str
) -> None:
    at(page, console + path)
    wide = violations(page) + page.evaluate(_OURS)
    page.set_viewport_size({"width": 375, "height": 800})
    page.emulate_media(color_scheme="dark")
    assert wide + violations(page, *_SEEN) == []


@pytest.mark.parametrize("path", ["/", "/timeline", "/quarantine", REPORT])
@pytest.mark.parametrize("width", [1100, 375])
def test_the_tab_key_reaches_everything_in_its_order_and_shows_where_it_is(
    page: Page, console: str, path: str, width: int
) -> None:
    at(page, console + path, width)
    there, order, wrong = page.evaluate(_STOPS), [], []
    while len(order) < there:
        page.keyboard.press("Tab")
        stop = page.evaluate(_STOP)
        assert stop is not None, order
        if order and stop["stop"] == order[-1]:  # day, month and year of a date
            continue
        order.append(stop["stop"])
        wrong += [] if stop["outlined"] and stop["seen"] else [stop["name"]]
    assert wrong == []
    assert order == list(range(there))


def test_on_a_phone_the_pages_are_behind_a_button_that_the_keyboard_opens(page: Page, console: str) -> None:
    at(page, console, 375)
    entry = page.get_by_role("link", name="Ledger", exact=True)
    assert not entry.is_visible()
    page.get_by_role("button", name="Menu").press("Enter")
    assert entry.is_visible()
    page.keyboard.press("Escape")
    assert not entry.is_visible()
    at(page, console, 1100)
    assert entry.is_visible()
    assert not page.get_by_role("button", name="Menu").is_visible()


def test_in_the_colours_of_the_reader_every_state_keeps_its_shape(page: Page, console: str) -> None:
    at(page, f"{console}/decisions")
    page.emulate_media(forced_colors="active")
    styles = page.evaluate("""() => [...document.querySelectorAll(".tag, button")]
      .filter(each => each.checkVisibility()).map(each => getComputedStyle(each).borderTopStyle)""")
    assert len(styles) >= 8
    assert set(styles) == {"solid"}


def test_nothing_moves_for_who_wants_nothing_to_move(page: Page, console: str) -> None:
    at(page, console)
    moving = """() => [...document.querySelectorAll("*")].filter(each => {
      const style = getComputedStyle(each);
      return style.animationName !== "none" || parseFloat(style.transitionDuration) > 0;
    }).length"""
    assert page.evaluate(moving) == 0

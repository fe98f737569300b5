"""The page at /docs, in a real browser and as text."""

import re
import shlex
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser

import pytest
from playwright.sync_api import Browser, Page

from keepfit import Column, Target
from keepfit.settings import Settings
from serving.app import routes
from serving.describing.handbook import page, policy
from serving.describing.openapi import document
from serving.describing.schemas import Schemas
from tests.browsing import open_browser
from tests.builders import manifest, model
from tests.console.payloads import PAYLOADS
from tests.serving.running import Server

HOSTILE = """</script><script>alert(1)</script>"'&`$(id)"""


def written(host: str = "example.org", **changed: object) -> str:
    made = manifest(model("binary", 3), version=3, **changed)
    return page(document(routes(Settings()), Schemas(Settings(), made)), host)


def test_a_name_that_is_markup_is_shown_as_text() -> None:
    columns = {HOSTILE: Column.number(), "way": Column.category(among=[HOSTILE, "air"])}
    row = {HOSTILE: 1.0, "way": HOSTILE}
    told = written(columns=columns, golden_rows=[row], golden_outputs=[[0.5]], project=HOSTILE)
    assert "alert(1)" in told
    assert "<script>alert" not in told


@pytest.mark.e2e
def test_no_column_category_or_class_is_more_than_text(browser: Browser) -> None:
    def drawn(texts: Sequence[str]) -> tuple[Page, list[str]]:
        columns = {text: Column.category(among=[text, "x"]) for text in texts}
        target = Target.multiclass("way", texts)
        golden = {"golden_rows": [{text: text for text in texts}], "golden_outputs": [[0.5]]}
        html = written(columns=columns, target=target, **golden)
        opened, said = browser.new_page(), list[str]()
        opened.expose_binding("pwn", lambda _, *told: said.append(f"ran {told}"))
        opened.on("console", lambda told: said.append(told.text))
        opened.on("request", lambda asked: said.append(asked.url))
        headers = {name.decode(): value.decode() for name, value in policy()}
        opened.route(
            "**/docs", lambda route: route.fulfill(body=html, headers=headers, content_type="text/html")
        )
        opened.goto("http://keepfit.example/docs")
        return opened, said

    texts = [text for text in PAYLOADS if text.isprintable()]
    opened, said = drawn(texts)
    shown = opened.evaluate("document.body.textContent")
    assert [text for text in texts if text not in shown] == []
    assert said == ["http://keepfit.example/docs"]
    skeleton = (
        "() => [...document.querySelectorAll('*')].map(e => [e.tagName, ...e.getAttributeNames()].join(' '))"
    )
    plain, _ = drawn([f"plain{number}" for number in range(len(texts))])
    assert opened.evaluate(skeleton) == plain.evaluate(skeleton)
    opened.close()
    plain.close()


@pytest.mark.parametrize("host", ["a' onclick='b", "a$(id)", "a;id", "a/../b", ""])
def test_a_host_that_is_none_does_not_stand_in_a_command(host: str) -> None:
    assert "curl -s http://localhost/v1/predict" in written(host)


def test_a_command_with_quotes_is_one_word_of_a_shell() -> None:
    row = {"way": "it's; $(id)"}
    columns = {"way": Column.category()}
    told = Texts.of(written(columns=columns, golden_rows=[row], golden_outputs=[[0.5]]))
    words = shlex.split(next(command for command in told if "/v1/predict" in command))
    assert len(words) == 5
    assert "it's; $(id)" in words[-1]


@pytest.mark.e2e
def test_each_command_on_the_page_is_answered(server: Server) -> None:
    commands = Texts.of(server.ask("GET", "/docs", Host="localhost:80").body.decode())
    assert commands
    for command in commands:
        curl, silent, url, *sent = shlex.split(command)
        assert (curl, silent) == ("curl", "-s")
        path = url.removeprefix("http://example.org:80")
        match sent:
            case []:
                told = server.ask("GET", path)
            case ["--json", body]:
                told = server.post(path, body)
            case ["-H", header, "--data-binary", body]:
                told = server.ask("POST", path, body, Content_Type=header.partition(": ")[2])
            case _:
                pytest.fail(command)
        assert told.status == 200, (command, told.body)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def opened(browser: Browser, server: Server) -> Iterator[Page]:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    made = context.new_page()
    made.goto(f"{server.url}/docs")
    yield made
    context.close()


@pytest.mark.e2e
def test_the_page_asks_for_nothing_but_itself_and_may_not(browser: Browser, server: Server) -> None:
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda told: asked.append(told.url))
    page.on("console", lambda told: said.append(told.text))
    page.goto(f"{server.url}/docs")
    assert asked == [f"{server.url}/docs"]
    assert said == []  # its own style and script keep to its policy
    assert page.evaluate("fetch('/v1/model').then(() => 'answered', () => 'refused')") == "refused"
    page.close()


@pytest.mark.e2e
@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_is_as_wide_as_the_screen(opened: Page, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.e2e
def test_the_page_is_dark_where_its_reader_wants_it(opened: Page) -> None:
    def paper() -> list[int]:
        told = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        return [int(part) for part in re.findall(r"\d+", told)]

    opened.emulate_media(color_scheme="light")
    assert min(paper()) > 200
    opened.emulate_media(color_scheme="dark")
    assert max(paper()) < 60


@pytest.mark.e2e
def test_a_command_is_copied_by_the_keyboard(opened: Page) -> None:
    command = opened.locator("#post_v1_predict figure").first
    command.get_by_role("button").focus()
    opened.keyboard.press("Enter")
    command.get_by_text("Copied").wait_for()
    assert opened.evaluate("navigator.clipboard.readText()") == command.locator("pre").text_content()


@pytest.mark.e2e
def test_every_route_is_reached_from_the_menu(opened: Page) -> None:
    targets = opened.locator("nav a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
    assert len(targets) > 5
    for target in targets:
        assert opened.locator(f"[id='{target[1:]}']").count() == 1, target


class Texts(HTMLParser):
    """Finds what stands in each command."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False

    @classmethod
    def of(cls, html: str) -> list[str]:
        read = cls()
        read.feed(re.sub(r"<(script|style)>.*?</\1>", "", html, flags=re.DOTALL))
        return read.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "pre" and ("class", "ask") in attrs:
            self._inside = True
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "pre"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data

from starlette.routing import Route, compile_path

from benchmarks.console.addresses import PAGES
from keepfit.settings import Settings
from monitoring.console.site import make_site

NOT_OPENED = {"/health/live", "/sign-in", "/reports/{as_of}/page", "/runs/{number}"}
"""What is no page of ours, and a run, of which a history without Prefect has none."""


def test_the_benchmark_opens_every_page_of_the_console() -> None:
    routes = [each for each in make_site(Settings()).routes if isinstance(each, Route)]
    shown = {each.path for each in routes if "GET" in (each.methods or ())} - NOT_OPENED
    pages = {path for path in shown if path.rpartition(".")[2] not in ("html", "json", "csv")}
    opened = [path.partition("?")[0] for path in PAGES]
    assert {page for page in pages if not any(compile_path(page)[0].match(each) for each in opened)} == set()

"""Every address of the console that answers with a page, so that no test forgets one, and a home for all."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from starlette.routing import Route

from keepfit.settings import Settings
from monitoring.console.site import make_site
from tests.console.years import START, Year
from tests.making import label, prediction, project, take

REPORT = "/reports/2026-02-15T000000Z"
_NO_PAGES = ("/reports/{as_of}/page", "/health/live")
"""Evidently's page, which is theirs and stands in a sandbox; and what a program asks."""
_EXAMPLES = {
    "/ledger/{number}": "/ledger/1",
    "/decisions/{key}": f"/decisions/{4:064x}",
    "/reports/{as_of}": REPORT,
    "/models/{version}": "/models/4",
    "/predictions/{prediction_id:path}": "/predictions/one",
    "/runs/{number}": f"/runs/{UUID(int=1)}",
}
"""What a whole year has at an address that takes a name; without its example a new page fails the tests."""


def whole_year(home: Path, steps: int = 8) -> Year:
    """Make a home in which something stands at every address."""
    year = Year(home, steps).live().serve(steps).set_aside("too far", "no carrier")
    sources = year.sources
    take(sources.store, project(), prediction("one", START), label("one"))
    sources.close()
    return year


def pages() -> list[str]:
    """Return an address for each page."""
    endings = (".html", ".json", ".csv")
    return [_example(path) for path in _paths() if path not in _NO_PAGES and not path.endswith(endings)]


def files() -> list[str]:
    """Return an address for each page that can be kept as a file."""
    kept = (path.removesuffix(".html") for path in _paths() if path.endswith(".html"))
    return [f"{_example(path)}.html" for path in kept]


def _example(path: str) -> str:
    assert "{" not in path or path in _EXAMPLES, f"give {path} an example in tests/console/addresses.py"
    return _EXAMPLES.get(path, path)


def _paths() -> Iterator[str]:
    for route in make_site(Settings()).routes:
        if isinstance(route, Route) and "GET" in (route.methods or ()):
            yield route.path

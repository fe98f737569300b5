"""Templates -> pages; every text in them is escaped, and a name that is misspelt is an error."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, StreamingResponse

from keepfit.scores import metric_words
from keepfit.settings import Settings
from monitoring.console import phrases
from monitoring.console.reading.sources import Sources
from monitoring.console.signin import SignIn

HERE = Path(__file__).parent

PAGES = {
    "/": "Glance",
    "/timeline": "Timeline",
    "/reports": "Reports",
    "/predictions": "Predictions",
    "/labels": "Labels",
    "/decisions": "Decisions",
    "/models": "Models",
    "/ledger": "Ledger",
    "/quarantine": "Quarantine",
    "/audit": "Audit",
    "/runs": "Runs",
}

LATER = "<!-- later -->"
"""Where a page has the part that is sent when it is known."""
_FILE = ".html"
"""What an address ends with where its page is to be kept as a file, mailed or printed."""
_STRANGE = re.compile(r"[^A-Za-z0-9._-]")
_EVERYWHERE = ("0.0.0.0", "::")
_WORDS = (
    "ago",
    "counted",
    "duration",
    "number",
    "p_value",
    "percent",
    "sentence",
    "signed",
    "stamp",
    "uncaptured",
    "when",
)


@dataclass(frozen=True)
class Console:
    """What every page is made from: what it reads, and the clock that it says ages by."""

    sources: Sources
    clock: Callable[[], datetime]
    sign_in: SignIn


def console_of(request: Request) -> Console:
    """Return what the pages of this site are made from."""
    console: Console = request.app.state.console
    return console


@cache
def templates() -> Environment:
    """Make the templates, with the words that they use; each is compiled once, for all sites of a process."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {name: getattr(phrases, name) for name in _WORDS}
    filters["as_shown"] = _as_shown
    filters["metric_words"] = metric_words
    filters["moment"] = _moment
    known: dict[str, Any] = {
        "apart": phrases.apart,
        "direction": phrases.direction,
        "pages": PAGES,
    }
    made.filters.update(filters)
    made.globals.update(known)
    return made


def prepare() -> None:
    """Compile every template now, and not for whoever asks for its page first."""
    for name in templates().list_templates(["html"]):
        templates().get_template(name)


def render(request: Request, template: str, status: int = 200, **told: object) -> HTMLResponse:
    """Make a page."""
    page = templates().get_template(template)
    text = page.render(**around(request), **told)
    # A lone surrogate can stand in a row that was set aside, and in no page.
    return HTMLResponse(text.encode("utf-8", "replace"), status, headers=_as_file(request))


def render_in_parts(
    request: Request, template: str, later: tuple[str, Callable[[], dict[str, object]]], **told: object
) -> StreamingResponse:
    """Make a page of which one part takes time: all else is sent at once, that part when it is there.

    It stands where the page says LATER; `later` is its template, and what finds out what that tells.
    """
    known = {**around(request), **told}
    # No text of anybody's is markup, so it is there once.
    first, last = templates().get_template(template).render(known).split(LATER)

    def parts() -> Iterator[bytes]:
        yield first.encode("utf-8", "replace")
        if request.method == "HEAD":  # nobody reads the rest
            return
        name, find = later
        yield templates().get_template(name).render({**known, **find()}).encode("utf-8", "replace")
        yield last.encode("utf-8", "replace")

    return StreamingResponse(parts(), media_type="text/html; charset=utf-8", headers=_as_file(request))


def around(request: Request) -> dict[str, object]:
    """Give what the frame of every page shows; `alone` is one that is kept as a file, without the site."""
    console = console_of(request)
    path: str = request.scope["path"]
    alone = path.endswith(_FILE)
    return {
        "path": quote(path.removesuffix(_FILE)),
        "query": request.url.query,
        "alone": alone,
        "style": _style() if alone else None,
        "now": console.clock(),
        "project": console.sources.project,
        "asked": console.sign_in.asked,
        "settings": as_seen(console.sources.settings, request.url.hostname),
        "caller": getattr(request.state, "caller", None),
    }


def file_name(path: str) -> str:
    """Name the file that an address of this site is kept as: in letters that a header can have."""
    return _STRANGE.sub("_", "-".join(filter(None, path.split("/")))) or "glance"


def _as_file(request: Request) -> dict[str, str] | None:
    path = request.url.path
    if not path.endswith(_FILE):
        return None
    return {"Content-Disposition": f'attachment; filename="{file_name(path)}"'}


@cache
def _style() -> Markup:
    """The style sheet, for a page that is kept as a file: nothing in it is anybody else's."""
    return Markup((HERE / "static" / "console.css").read_text(encoding="utf-8"))


def as_seen(settings: Settings, name: str | None) -> Settings:
    """Name this machine as whoever asks does, where Keepfit listens on all of its addresses."""
    return replace(settings, host=name) if name and settings.host in _EVERYWHERE else settings


@lru_cache(maxsize=4096)
def _moment(at: datetime) -> Markup:
    """A time with its stamp; a page of a year says the same ones again and again."""
    return Markup('<time datetime="{}">{}</time>').format(phrases.stamp(at), phrases.when(at))


def _as_shown(score: float | None, metric: str) -> float | None:
    return phrases.shown(metric, score)

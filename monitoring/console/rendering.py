"""Templates -> pages; every text in them is escaped, and a name that is misspelt is an error."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from keepfit.settings import Settings
from monitoring.console import phrases
from monitoring.console.signin import SignIn
from monitoring.console.sources import Sources

HERE = Path(__file__).parent

PAGES = {
    "/": "Glance",
    "/timeline": "Timeline",
    "/reports": "Reports",
    "/labels": "Labels",
    "/decisions": "Decisions",
    "/ledger": "Ledger",
    "/quarantine": "Quarantine",
    "/audit": "Audit",
    "/runs": "Runs",
}

_FILE = ".html"
"""What an address ends with where its page is to be kept as a file, mailed or printed."""
_EVERYWHERE = ("0.0.0.0", "::")
_WORDS = (
    "ago",
    "counted",
    "duration",
    "metric_name",
    "number",
    "p_value",
    "percent",
    "sentence",
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

    @cached_property
    def templates(self) -> Environment:
        """The templates, with the words that they use."""
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
        known: dict[str, Any] = {
            "apart": phrases.apart,
            "direction": phrases.direction,
            "pages": PAGES,
            "asked": self.sign_in.asked,
            "project": self.sources.project,
        }
        made.filters.update(filters)
        made.globals.update(known)
        return made


def console_of(request: Request) -> Console:
    """Return what the pages of this site are made from."""
    console: Console = request.app.state.console
    return console


def render(request: Request, template: str, status: int = 200, **told: object) -> HTMLResponse:
    """Make a page."""
    console = console_of(request)
    page = console.templates.get_template(template)
    text = page.render(**around(request), **told)
    # A lone surrogate can stand in a row that was set aside, and in no page.
    return HTMLResponse(text.encode("utf-8", "replace"), status, headers=_as_file(request))


def around(request: Request) -> dict[str, object]:
    """Give what the frame of every page shows; `alone` is one that is kept as a file, without the site."""
    console = console_of(request)
    path = request.url.path
    alone = path.endswith(_FILE)
    return {
        "path": path.removesuffix(_FILE),
        "query": request.url.query,
        "alone": alone,
        "style": _style() if alone else None,
        "now": console.clock(),
        "settings": as_seen(console.sources.settings, request.url.hostname),
        "caller": getattr(request.state, "caller", None),
    }


def file_name(path: str) -> str:
    """Name the file that an address of this site is kept as."""
    return "-".join(filter(None, path.split("/"))) or "glance"


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


def _as_shown(score: float | None, metric: str) -> float | None:
    return phrases.shown(metric, score)

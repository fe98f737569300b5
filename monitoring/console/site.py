"""The site: which address leads to which page, and what every answer carries."""

from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import chain
from threading import Thread
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from data.records import now
from keepfit.errors import KeepfitError, ServiceUnavailable
from keepfit.settings import Settings
from monitoring.console import actions, exports
from monitoring.console.pages import answered, compared, decided, overview, runs, timeline, versions, watched
from monitoring.console.reading.sources import Sources
from monitoring.console.rendering import HERE, Console, prepare, render
from monitoring.console.signin import SignIn
from monitoring.console.trust import Guarded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    # No script of ours writes markup, so none may.
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
DENIED = ", ".join(
    f"{feature}=()"
    for feature in (
        *("autoplay", "camera", "clipboard-read", "clipboard-write", "display-capture", "fullscreen"),
        *("geolocation", "microphone", "midi", "payment", "screen-wake-lock", "storage-access", "usb"),
    )
)
"""What a browser can do for a page and no page of the console needs."""
_CARRIED = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: a browser would then send its own forms without an origin.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": DENIED,
    # A link on a page must not make a browser look its name up.
    "X-DNS-Prefetch-Control": "off",
    "Cache-Control": "no-store",
}

_ROUTES = [
    # A file's address ends like that of a page which takes any name: so files come first.
    *exports.ROUTES,
    *chain.from_iterable(
        each.ROUTES for each in (overview, answered, timeline, compared, watched, decided, versions, runs)
    ),
    *actions.ROUTES,
    Mount("/static", StaticFiles(directory=HERE / "static")),
]


def make_site(settings: Settings, clock: Callable[[], datetime] = now) -> Starlette:
    """Make the site of the project that the settings name; StackError where it could let nobody in."""
    sources = Sources(settings, settings.project_name)
    sign_in = SignIn(settings)

    @asynccontextmanager
    async def opened(_: Starlette) -> "AsyncGenerator[None]":
        prepare()
        # Read ahead, so that the first page need not: a year of watches is many files.
        ahead = Thread(target=sources.read_ahead)
        ahead.start()
        yield
        ahead.join()
        sources.close()

    site = Starlette(
        routes=_ROUTES,
        middleware=[Middleware(Guarded, settings=settings, sign_in=sign_in, carried=_CARRIED)],
        exception_handlers={
            HTTPException: _refused,
            KeepfitError: _unavailable,
            Exception: _broken,
        },
        lifespan=opened,
    )
    site.state.console = Console(sources, clock, sign_in)
    return site


def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, HTTPException)
    title, words = _REFUSALS.get(refusal.status_code, ("Refused", ""))
    # Starlette's own say the status in words, ours are sentences.
    said = refusal.detail if refusal.detail.endswith(".") else words
    return render(request, "said.html", refusal.status_code, title=title, said=said)


_REFUSALS = {
    403: ("Not from here", ""),
    404: ("Not found", "There is no page at this address."),
    405: ("Not like this", "This address only takes a form of the console."),
    503: ("Not now", ""),
    422: ("Something is missing", ""),
}


def _unavailable(request: Request, fault: Exception) -> Response:
    status = 503 if isinstance(fault, ServiceUnavailable) else 500
    return render(request, "said.html", status, title="Not now", said=f"{fault}.")


def _broken(_: Request, __: Exception) -> Response:
    said = "This page is broken; the reason is in logs/console.log of the home.\n"
    # Starlette answers this from outside of `Guarded`.
    return PlainTextResponse(said, 500, headers=_CARRIED)

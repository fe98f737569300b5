"""The site: which address leads to which page, and what every answer carries."""

from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from data.records import now
from keepfit.errors import KeepfitError, ServiceUnavailable
from keepfit.settings import Settings
from monitoring.console import actions, pages
from monitoring.console.rendering import HERE, Console, render
from monitoring.console.sources import Sources
from monitoring.console.trust import is_local

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_CARRIED = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: a browser would then send its own forms without an origin.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_ROUTES = [
    Route("/", pages.glance),
    Route("/performance", pages.performance),
    Route("/drift", pages.drift),
    Route("/labels", pages.labels),
    Route("/quarantine", pages.quarantine),
    Route("/ledger", pages.ledger),
    Route("/ledger/{number:int}", pages.entry),
    Route("/decisions", pages.decisions),
    Route("/decisions/{key}", pages.decision),
    Route("/reports", pages.reports),
    Route("/reports/{as_of}", pages.report),
    Route("/reports/{as_of}/page", pages.report_page),
    Route("/runs", pages.runs),
    Route("/runs/{number}", pages.run),
    Route("/retrain", actions.retrain, methods=["POST"]),
    Route("/rollback", actions.rollback, methods=["POST"]),
    Route("/readmit", actions.readmit, methods=["POST"]),
    Route("/health/live", pages.live),
    Mount("/static", StaticFiles(directory=HERE / "static")),
]


def make_site(settings: Settings, clock: Callable[[], datetime] = now) -> Starlette:
    """Make the site of the project that the settings name."""
    sources = Sources(settings, settings.project_name)

    @asynccontextmanager
    async def opened(_: Starlette) -> "AsyncGenerator[None]":
        yield
        sources.close()

    site = Starlette(
        routes=_ROUTES,
        middleware=[Middleware(Guarded, host=settings.host)],
        exception_handlers={
            HTTPException: _refused,
            KeepfitError: _unavailable,
            Exception: _broken,
        },
        lifespan=opened,
    )
    site.state.console = Console(sources, clock)
    return site


class Guarded:
    """Turn away who names another host, and give every answer its headers.

    A page may bring a policy of its own.
    """

    def __init__(self, app: "ASGIApp", host: str) -> None:
        self._app, self._host = app, host

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def carrying(message: "Message") -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _CARRIED.items():
                    headers.setdefault(name, value)
            await send(message)

        told = Request(scope).headers.get("host", "")
        if not is_local(told, self._host):
            said = "This console answers to this machine only; open it by its number or as localhost.\n"
            await PlainTextResponse(said, 403)(scope, receive, carrying)
            return
        await self._app(scope, receive, carrying)


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
    422: ("Something is missing", ""),
}


def _unavailable(request: Request, fault: Exception) -> Response:
    status = 503 if isinstance(fault, ServiceUnavailable) else 500
    return render(request, "said.html", status, title="Not now", said=f"{fault}.")


def _broken(_: Request, __: Exception) -> Response:
    return PlainTextResponse("This page is broken; the reason is in logs/console.log of the home.\n", 500)

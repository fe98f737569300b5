"""What was decided about each challenger, with its numbers."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from monitoring.console.outcomes import promoted
from monitoring.console.rendering import console_of, render


def decisions(request: Request) -> HTMLResponse:
    """Show every decision, newest first."""
    return render(request, "decisions.html", decisions=console_of(request).sources.decisions())


def decision(request: Request) -> HTMLResponse:
    """Show one decision with its numbers."""
    sources = console_of(request).sources
    kept = sources.decision(request.path_params["key"])
    if kept is None:
        raise HTTPException(404, "No decision is kept under this address; all are listed under Decisions.")
    return render(request, "decision.html", kept=kept, entry=promoted(sources, kept))


ROUTES = [
    Route("/decisions", decisions),
    Route("/decisions/{key}.html", decision),
    Route("/decisions/{key}", decision),
]

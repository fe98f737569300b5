"""What was decided about each challenger, with its numbers."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from data.decisions import KeptDecision
from monitoring.console.exports import document
from monitoring.console.rendering import console_of, render
from monitoring.console.views.challenges import challenge, headline
from monitoring.console.views.outcomes import promoted


def decisions(request: Request) -> HTMLResponse:
    """Show every decision, newest first."""
    return render(request, "decisions.html", decisions=console_of(request).sources.decisions())


def decisions_document(request: Request) -> Response:
    """Answer with every decision as JSON, newest first."""
    return document(request, console_of(request).sources.decisions())


def decision(request: Request) -> HTMLResponse:
    """Show one decision: who asked, what was compared, each gate, and what followed."""
    found = _found(request)
    return render(request, "decision.html", of=challenge(console_of(request).sources, found))


def decision_document(request: Request) -> Response:
    """Answer with one decision as JSON, and with the entry of the ledger that it led to."""
    kept = _found(request)
    entry = promoted(console_of(request).sources, kept)
    told = {"key": kept.key, "recorded_at": kept.recorded_at, "says": headline(kept.decision)}
    return document(request, told | {"decision": kept.decision, "entry": entry})


def _found(request: Request) -> KeptDecision:
    kept = console_of(request).sources.decision(request.path_params["key"])
    if kept is None:
        raise HTTPException(404, "No decision is kept under this address; all are listed under Decisions.")
    return kept


ROUTES = [
    Route("/decisions.json", decisions_document),
    Route("/decisions.html", decisions),
    Route("/decisions", decisions),
    Route("/decisions/{key}.json", decision_document),
    Route("/decisions/{key}.html", decision),
    Route("/decisions/{key}", decision),
]

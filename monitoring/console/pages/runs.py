"""What ran, what runs, and what is due."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from keepfit.errors import ServiceUnavailable
from monitoring.console.rendering import console_of, render
from monitoring.console.views.outcomes import outcome

_NEXT_S = 3
"""How often the page of a run that is under way looks again."""


def runs(request: Request) -> HTMLResponse:
    """Show the last runs of each flow, and the next that are due."""
    try:
        seen = console_of(request).sources.flow_runs.listed()
    except ServiceUnavailable as away:
        return render(request, "runs.html", away=str(away), last={}, coming=[], paused=[])
    return render(request, "runs.html", away=None, last=seen.last, coming=seen.coming, paused=seen.paused)


def run(request: Request) -> HTMLResponse:
    """Show one run and what became of it; look again while it is under way."""
    console = console_of(request)
    try:
        found = console.sources.flow_runs.run(request.path_params["number"])
        if found is None:
            raise HTTPException(404, "Prefect knows no run of this id; the last runs are listed under Runs.")
        became = outcome(console.sources, found, console.clock())
    except ServiceUnavailable as away:
        return render(request, "run.html", away=str(away), became=None, again=_NEXT_S)
    again = None if found.over or "still" in request.query_params else _NEXT_S
    return render(request, "run.html", away=None, became=became, again=again)


ROUTES = [Route("/runs", runs), Route("/runs/{number}", run)]

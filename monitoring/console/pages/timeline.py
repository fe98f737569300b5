"""The weeks beside each other: how the answers did, how the data moved, and what was done about it."""

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from monitoring.console.charts import trimmed
from monitoring.console.curves import drift_charts, marks_of, score_charts
from monitoring.console.heat import heat
from monitoring.console.rendering import console_of, render


def timeline(request: Request) -> HTMLResponse:
    """Show the scores, and how the data moved, over time."""
    sources = console_of(request).sources
    watches, marks = sources.watches(), marks_of(sources)
    charts = [*score_charts(watches, marks), *drift_charts(watches, marks)]
    return render(
        request,
        "timeline.html",
        charts=[trimmed(each) for each in charts],
        watches=watches,
        heat=heat(watches),
    )


ROUTES = [Route("/timeline", timeline), Route("/timeline.html", timeline)]

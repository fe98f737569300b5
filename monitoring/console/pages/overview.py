"""The first page, and the lists that are read: labels, quarantine, ledger, audit."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from data.audit import head, last_entries
from data.records import new_id
from monitoring.console.figures.charts import trimmed
from monitoring.console.figures.curves import label_charts, marks_of, score_charts
from monitoring.console.rendering import console_of, render
from monitoring.console.views.glance import look
from monitoring.console.views.outcomes import earlier_versions

_ROWS = 50
_REASONS = 200


def live(_: Request) -> Response:
    """Answer that this process is alive."""
    return JSONResponse({"live": True})


def glance(request: Request) -> HTMLResponse:
    """Show what is going on."""
    console = console_of(request)
    sources = console.sources
    seen = look(sources, console.clock())
    charts = [trimmed(each) for each in score_charts(sources.watches(), marks_of(sources))[:1]]
    return render(
        request,
        "glance.html",
        seen=seen,
        charts=charts,
        versions=earlier_versions(sources),
        token=new_id(),
    )


def labels(request: Request) -> HTMLResponse:
    """Show how many labels came, and how late."""
    watches = console_of(request).sources.watches()
    charts = [trimmed(each) for each in label_charts(watches)]
    return render(request, "labels.html", charts=charts, watches=watches)


def quarantine(request: Request) -> HTMLResponse:
    """Show what was set aside and why, with a way to readmit it."""
    console = console_of(request)
    waits = console.sources.quarantine
    reason = request.query_params.get("reason")
    before = _number(request.query_params.get("before", ""))
    entries = waits.waiting(reason, before, _ROWS + 1)
    return render(
        request,
        "quarantine.html",
        count=waits.count(),
        reasons=waits.reasons(_REASONS),
        reason=reason,
        entries=entries[:_ROWS],
        more=entries[_ROWS - 1].number if len(entries) > _ROWS else None,
        held=console.sources.holds.waiting(console.clock()),
        token=new_id(),
    )


def ledger(request: Request) -> HTMLResponse:
    """Show every entry of the ledger."""
    history = console_of(request).sources.ledger.history()
    return render(request, "ledger.html", history=history[::-1])


def entry(request: Request) -> HTMLResponse:
    """Show one entry of the ledger."""
    sources = console_of(request).sources
    told: str = request.path_params["number"]
    number = _number(told)
    history = sources.ledger.history()
    found = next((each for each in history if each.number == number), None)
    if number is None or found is None:
        raise HTTPException(404, f"The ledger has no entry {told[:20]}; it has {len(history)}.")
    promoted = [kept for kept in sources.decisions() if kept.decision.promote]
    made = next((kept for kept in promoted if kept.decision.version == found.version), None)
    return render(
        request,
        "entry.html",
        entry=found,
        decision=made if found.kind == "retrain" else None,
        metric=None if made is None else next(iter(made.decision.challenger_scores), None),
        following=next((each for each in history if each.number == number + 1), None),
    )


def audit(request: Request) -> HTMLResponse:
    """Show who changed what, of this project and of the whole store, newest first."""
    sources = console_of(request).sources
    told = request.query_params.get("before", "")
    before = _number(told)
    with sources.store.reading() as connection:
        end = head(connection)
        entries = last_entries(connection, _ROWS + 1, (sources.project, None), before)
    more = entries[_ROWS - 1].number if len(entries) > _ROWS else None
    return render(request, "audit.html", head=end, entries=entries[:_ROWS], more=more)


def _number(told: str) -> int | None:
    """Read a number of an address: a store takes no longer one, and Python reads none of 5,000 digits."""
    return int(told) if told.isdecimal() and len(told) < 19 else None


ROUTES = [
    Route("/", glance),
    Route("/labels", labels),
    Route("/quarantine", quarantine),
    Route("/ledger", ledger),
    Route("/ledger/{number}", entry),
    Route("/audit", audit),
    Route("/health/live", live),
]

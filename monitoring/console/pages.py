"""Each page that is read: gather what it shows, and hand it to its template."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from data.audit import head, last_entries
from data.records import new_id
from keepfit.errors import ServiceUnavailable
from monitoring.console.charts import Mark, trimmed
from monitoring.console.curves import drift_charts, label_charts, marks, score_charts
from monitoring.console.flowruns import FLOWS
from monitoring.console.glance import look
from monitoring.console.heat import heat
from monitoring.console.outcomes import outcome, promoted
from monitoring.console.rendering import console_of, render
from monitoring.console.sources import Sources

_ROWS = 50
_REASONS = 200
_RUNS = 15
_NEXT_S = 3
"""How often the page of a run that is under way looks again."""

REPORT_POLICY = (
    # Evidently's page brings its own scripts and styles; it may reach nothing and nobody. Which scripts may
    # run it says itself, by their hashes; one of an older Keepfit does not.
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:; connect-src 'none'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)


def live(_: Request) -> Response:
    """Answer that this process is alive."""
    return JSONResponse({"live": True})


def glance(request: Request) -> HTMLResponse:
    """Show what is going on."""
    console = console_of(request)
    sources = console.sources
    seen = look(sources, console.clock())
    charts = [trimmed(each) for each in score_charts(sources.watches(), _marks(sources))[:1]]
    return render(
        request,
        "glance.html",
        seen=seen,
        charts=charts,
        versions=earlier_versions(sources),
        token=new_id(),
    )


def performance(request: Request) -> HTMLResponse:
    """Show the scores over time."""
    sources = console_of(request).sources
    watches = sources.watches()
    charts = [trimmed(each) for each in score_charts(watches, _marks(sources))]
    return render(request, "performance.html", charts=charts, watches=watches)


def drift(request: Request) -> HTMLResponse:
    """Show how the data moved."""
    sources = console_of(request).sources
    watches = sources.watches()
    return render(
        request,
        "drift.html",
        charts=[trimmed(each) for each in drift_charts(watches, _marks(sources))],
        watches=watches,
        heat=heat(watches),
        last=next((watch for watch in reversed(watches) if watch.verdict.findings), None),
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
    made = [kept for kept in sources.decisions() if kept.decision.promote]
    decision = next(
        (k for k in made if k.decision.version == found.version and found.kind == "retrain"), None
    )
    following = next((each for each in history if each.number == number + 1), None)
    return render(request, "entry.html", entry=found, decision=decision, following=following)


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


def reports(request: Request) -> HTMLResponse:
    """Show every watch that left a report."""
    return render(request, "reports.html", watches=console_of(request).sources.watches()[::-1])


def report(request: Request) -> HTMLResponse:
    """Show what one watch found, with Evidently's page in a sandbox."""
    sources = console_of(request).sources
    watch = sources.watch(request.path_params["as_of"])
    if watch is None:
        raise HTTPException(404, "No watch left a report here; all are listed under Reports.")
    has_page = sources.page(watch.name) is not None
    return render(request, "report.html", watch=watch, has_page=has_page)


def report_page(request: Request) -> Response:
    """Answer with Evidently's page, which may run its scripts and reach nothing.

    A browser that opens it alone gets it in a frame: what stands at the top may take itself, and what it
    knows, to any address, and in a frame only to where the page around it lets frames go.
    """
    name = request.path_params["as_of"]
    page = console_of(request).sources.page(name)
    if page is None:
        raise HTTPException(404, "Evidently drew no page for this watch.")
    # Browsers say so, and no page can say it for them; a program need not.
    if request.headers.get("sec-fetch-dest", "iframe") != "iframe":
        return render(request, "alone.html", watch=name)
    headers = {"Content-Security-Policy": REPORT_POLICY}
    return FileResponse(page, media_type="text/html; charset=utf-8", headers=headers)


def runs(request: Request) -> HTMLResponse:
    """Show the last runs of each flow, and the next that are due."""
    known = console_of(request).sources.flow_runs
    try:
        deployments = known.deployments()
        place = next((each.parameters.get("project") for each in deployments.values()), None)
        last = {flow: known.last(flow, place, _RUNS) for flow in FLOWS}
        coming = known.coming(deployments)
    except ServiceUnavailable as away:
        return render(request, "runs.html", away=str(away), last={}, coming=[], paused=[])
    paused = [flow for flow, each in deployments.items() if each.paused]
    return render(request, "runs.html", away=None, last=last, coming=coming, paused=paused)


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


def earlier_versions(sources: Sources) -> list[int]:
    """Return the versions that were champion and are not, newest first."""
    history = sources.ledger.history()
    present = history[-1].version if history else None
    were = {each.version for each in history if each.version is not None}
    return sorted(were - {present}, reverse=True)


def _marks(sources: Sources) -> list[Mark]:
    return marks(sources.ledger.history(), sources.decisions())


def _number(told: str) -> int | None:
    """Read a number of an address: a store takes no longer one, and Python reads none of 5,000 digits."""
    return int(told) if told.isdecimal() and len(told) < 19 else None

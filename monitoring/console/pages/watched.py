"""What each watch found, as a page and as files, and Evidently's page of it in a sandbox."""

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from monitoring.console.exports import attached, document
from monitoring.console.figures.intervals import scores_beside
from monitoring.console.figures.multiples import Multiple, multiples
from monitoring.console.reading.reported import (
    Report,
    headline,
    read_columns,
    read_files,
    read_report,
    spells,
)
from monitoring.console.reading.sources import Sources
from monitoring.console.reading.watches import Watch
from monitoring.console.rendering import around, console_of, render
from monitoring.histograms import Histogram

SHOWN = 24
"""So many columns are drawn unless more are asked for."""
REPORT_POLICY = (
    # Evidently's page brings its own scripts and styles; it may reach nothing and nobody. Which scripts may
    # run it says itself, by their hashes; one of an older Keepfit does not.
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:; connect-src 'none'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
_SHOW = ("most", "moved", "all")
_LISTED = 100
_ONLY = ("all", "drift", "alarm")
_HEADER = (
    *("column", "drift", "effect", "p_value", "what", "words", "watches_in_a_row"),
    *("median_before", "median_now", "missing_before", "missing_now", "harm"),
)


def reports(request: Request) -> HTMLResponse:
    """Show the watches that left a report, newest first; as asked, only those with drift or an alarm."""
    watches = console_of(request).sources.watches()[::-1]
    kept = {"all": watches, "drift": [w for w in watches if w.verdict.drift]}
    kept["alarm"] = [w for w in watches if w.verdict.drift or w.alarms or w.person or w.reason]
    only = _one_of(_ONLY, request.query_params.get("only"))
    counts = {name: len(found) for name, found in kept.items()}
    before = request.query_params.get("before", "")
    found = [watch for watch in kept[only] if not before or watch.name < before]
    shown = found[:_LISTED]
    earlier = shown[-1].name if len(found) > _LISTED else None
    return render(
        request, "reports.html", watches=shown, only=only, counts=counts, before=before, earlier=earlier
    )


def report(request: Request) -> HTMLResponse:
    """Show what one watch found, with Evidently's page in a sandbox."""
    sources = console_of(request).sources
    watch = _asked_for(request)
    watches = sources.watches()
    names = [each.name for each in watches]
    here = names.index(watch.name) if watch.name in names else None
    lasting = spells(watches, watch)
    drawn = read_columns(sources.reports, watch.name)
    every = multiples(drawn or [], watch.verdict.findings, _notes(watch, lasting))
    answers = {each.column for each in drawn or [] if each.part != "feature"}
    columns = [each for each in every if each.column not in answers]
    show = _one_of(_SHOW, request.query_params.get("show"))
    query = request.query_params.get("q", "").strip()
    return render(
        request,
        "report.html",
        watch=watch,
        headline=headline(watch, lasting),
        earlier=names[here - 1] if here else None,
        later=names[here + 1] if here is not None and here + 1 < len(names) else None,
        beside=scores_beside(watch, _promised(sources, watch)),
        drawn=drawn is not None,
        columns=_chosen(columns, show, query, whole=bool(around(request)["alone"])),
        moved=sum(each.drifted for each in columns),
        many=len(columns),
        shown=SHOWN,
        show=show,
        asked_for=query,
        answers=[each for each in every if each.column in answers],
        has_page=sources.page(watch.name) is not None,
    )


def report_document(request: Request) -> Response:
    """Answer with all that a watch left, as it was written."""
    watch = _asked_for(request)
    return document(request, read_files(console_of(request).sources.reports, watch.name))


def report_columns(request: Request) -> Response:
    """Answer with a row for each column."""
    sources = console_of(request).sources
    watch = _asked_for(request)
    lasting = spells(sources.watches(), watch)
    harms = {harm.column: harm.words for harm in watch.harms}
    drawn = {each.column: each for each in read_columns(sources.reports, watch.name) or []}
    rows = (
        [
            *(found.column, found.drift, found.effect, found.p_value, found.what, found.words),
            *(lasting.get(found.column), *_before_and_now(drawn.get(found.column)), harms.get(found.column)),
        ]
        for found in watch.verdict.findings
    )
    return attached(f"reports-{watch.name}", _HEADER, rows)


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


def _asked_for(request: Request) -> Report:
    watch = read_report(console_of(request).sources.reports, request.path_params["as_of"])
    if watch is None:
        raise HTTPException(404, "No watch left a report here; all are listed under Reports.")
    return watch


def _one_of(names: Sequence[str], asked: str | None) -> str:
    return asked if asked is not None and asked in names else names[0]


def _notes(watch: Report, lasting: dict[str, int]) -> dict[str, list[str]]:
    """Say of each column for how long it has drifted, and what that does to the model."""
    notes = {name: [f"at the last {n:,} watches in a row"] for name, n in lasting.items() if n > 1}
    for harm in watch.harms:
        notes.setdefault(harm.column, []).append(harm.words)
    return notes


def _chosen(columns: Sequence[Multiple], show: str, query: str, *, whole: bool) -> Sequence[Multiple]:
    """Choose what is drawn: as asked, or those that moved most; on a page that is kept, all that drifted."""
    if query:
        return [each for each in columns if query.casefold() in each.column.casefold()]
    if show == "moved":
        return [each for each in columns if each.drifted]
    if show == "all":
        return columns
    return columns[: max(SHOWN, sum(each.drifted for each in columns) if whole else 0)]


def _promised(sources: Sources, watch: Watch) -> float | None:
    """Give the champion's score when it was promoted."""
    if watch.version is None:
        return None
    own = (each.score for each in sources.ledger.history() if each.version == watch.version)
    return next((score for score in own if score is not None), None)


def _before_and_now(drawn: Histogram | None) -> list[float | None]:
    if drawn is None:
        return [None] * 4
    middles = [None if part is None else part[1] for part in drawn.quartiles or (None, None)]
    return [*middles, *drawn.missing]


ROUTES = [
    Route("/reports", reports),
    Route("/reports/{as_of}.json", report_document),
    Route("/reports/{as_of}.csv", report_columns),
    Route("/reports/{as_of}.html", report),
    Route("/reports/{as_of}", report),
    Route("/reports/{as_of}/page", report_page),
]

"""Any two spans of days beside each other: what moved between them, and how the answers did in each."""

from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from monitoring.console.exports import attached, document
from monitoring.console.figures.multiples import Multiple, multiples
from monitoring.console.reading.watches import Moved, Watch
from monitoring.console.rendering import console_of, render
from monitoring.console.views.asked_spans import Asked, asked_spans, presets
from monitoring.console.views.beside import Beside, Side, set_beside
from monitoring.drift.verdicts import Finding
from monitoring.histograms import Histogram

_SHOWN = 24
"""Columns that are drawn unless more are asked for."""
_PLACES = BoundedSemaphore(2)
_WAIT_S = 10.0
"""Two years of many columns take seconds of a core: no more of them at once, whoever asks."""
_HEADER = ("column", "drift", "effect", "p_value", "words", "missing_a", "missing_b")


class Compared(Struct, frozen=True):
    """What a comparison says, for programs; effects are shares of rows, from 0 to 1."""

    a: Side
    b: Side
    drift: bool | None
    p_value: float | None
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]
    columns: tuple[Finding, ...]
    histograms: tuple[Histogram, ...]


@dataclass(frozen=True)
class _Looked:
    """What was asked for, and what came of it: nothing where the address has a fault."""

    asked: Asked
    watches: list[Watch]
    beside: Beside | None


def compared(request: Request) -> HTMLResponse:
    """Show two spans beside each other; what is wrong with an address is said on its page."""
    looked = _look(request)
    query = request.query_params
    wanted, beside = query.get("q", "").strip(), looked.beside
    found = [] if beside is None else beside.found(wanted)
    shown = found if query.get("show") == "all" else found[:_SHOWN]
    chosen = next((each for each in looked.watches if each.name == query.get("b")), None)
    return render(
        request,
        "compare.html",
        status=422 if looked.asked.faults else 200,
        faults=looked.asked.faults,
        beside=beside,
        found=found,
        multiples=[] if beside is None else _drawn(beside, shown),
        wanted=wanted,
        watches=looked.watches[::-1],
        presets=presets(looked.watches, chosen),
        kept=[(name, value) for name, value in query.multi_items() if name not in ("q", "show")],
    )


def as_json(request: Request) -> Response:
    """Answer with the comparison and every histogram."""
    beside = _look(request).beside
    if beside is None:
        return _nothing(request)
    verdict = beside.verdict
    drawn = [beside.histogram(each.column) for each in verdict.findings]
    told = Compared(
        *beside.sides,
        verdict.drift,
        verdict.p_value,
        verdict.reasons,
        beside.remarks,
        verdict.findings,
        tuple(each for each in drawn if each is not None),
    )
    return document(request, told)


def as_csv(request: Request) -> Response:
    """Answer with a row per column, the farthest apart first."""
    beside = _look(request).beside
    if beside is None:
        return _nothing(request)
    return attached("compare", _HEADER, [_row(beside, each) for each in beside.found("")])


def _nothing(request: Request) -> Response:
    """Say on the page why there is no file."""
    page = compared(request)
    page.status_code = max(page.status_code, 404)
    return page


def _look(request: Request) -> _Looked:
    sources = console_of(request).sources
    watches = sources.watches()
    asked = asked_spans(request.query_params, watches)
    if asked.sides is None:
        return _Looked(asked, watches, None)
    if not _PLACES.acquire(timeout=_WAIT_S):
        raise HTTPException(503, "Others compare at this moment; open this page again in a few seconds.")
    try:
        return _Looked(asked, watches, set_beside(sources, asked.sides))
    finally:
        _PLACES.release()


def _row(beside: Beside, found: Finding) -> list[Any]:
    missing = [
        float(counts.columns[found.column].missing.sum() / max(int(counts.rows.sum()), 1))
        for counts in beside.counts
    ]
    return [found.column, found.drift, found.effect, found.p_value, found.words, *missing]


def _drawn(beside: Beside, found: list[Finding]) -> list[Multiple]:
    drawn = [beside.histogram(each.column) for each in found]
    told = [Moved(e.column, e.words, e.drift, e.effect, e.p_value, e.what) for e in found]
    return multiples([each for each in drawn if each is not None], told)


ROUTES = [
    Route("/compare.json", as_json),
    Route("/compare.csv", as_csv),
    Route("/compare.html", compared),
    Route("/compare", compared),
]

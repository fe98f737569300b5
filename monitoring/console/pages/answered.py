"""Predictions: the last ones, those that somebody looks for, and all that is known of one."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from data.backlog import drained_at, read_backlog
from data.lookup import LONGEST_ID, Answered, Place
from data.tables import as_time, microseconds
from keepfit.spec import is_storable
from monitoring.console.exports import attached, document
from monitoring.console.rendering import console_of, render, render_in_parts
from monitoring.console.views.hindsight import shown_value
from monitoring.console.views.single import Single, listed, single, why

_ROWS = 50
_PLACE = re.compile(r"(-?\d{1,16})\.(.+)", re.DOTALL)
_SHEET = ("feature", "kind", "value", "contribution", "standard_error")


def predictions(request: Request) -> Response:
    """List the last predictions, or those that go by an id."""
    console = console_of(request)
    sources, lookup = console.sources, console.sources.lookup
    wanted = request.query_params.get("id", "").strip()[: LONGEST_ID + 1]
    after = _place(request.query_params.get("before", ""))
    if not wanted:
        rows = lookup.last(_ROWS + 1, after)
        return _listing(request, wanted, rows)
    if lookup.prediction(wanted) is not None:
        return RedirectResponse(address(wanted), 303)
    rows = lookup.of_reference(wanted, _ROWS + 1, after)
    if len(rows) == 1 and after is None:
        return RedirectResponse(address(rows[0].prediction_id), 303)
    if rows:
        return _listing(request, wanted, rows)
    journal = sources.settings.journal(sources.project)
    return render(
        request,
        "predictions.html",
        404,
        wanted=wanted,
        rows=[],
        more=None,
        backlog=read_backlog(journal, console.clock()),
        drained=drained_at(journal),
        waiting=sources.quarantine.count(),
        labels=lookup.labels(wanted, wanted, sources.holds.in_force(console.clock()), _ROWS),
    )


def prediction(request: Request) -> Response:
    """Show one prediction; why it was answered so is sent when it is known."""
    found = _asked(request)
    sources = console_of(request).sources
    return render_in_parts(
        request,
        "prediction.html",
        ("why.html", lambda: {"why": why(sources, found)}),
        one=found,
        sent=[(each.name, shown_value(each)) for each in found.prediction.features],
        others=[(line, address(line.prediction.prediction_id)) for line in found.beside],
        address=address(found.prediction.prediction_id),
    )


def as_json(request: Request) -> Response:
    """Answer with one prediction as a program reads it, with what each feature added."""
    found = _asked(request)
    reasons = why(console_of(request).sources, found).reasons
    return document(request, {**found.told, "explanation": reasons})


def as_csv(request: Request) -> Response:
    """Answer with the features of one prediction, and what each added."""
    found = _asked(request)
    reasons = why(console_of(request).sources, found).reasons
    adds, errors = reasons.contributions, reasons.standard_errors or {}
    rows = [
        (each.name, each.kind, each.value, adds.get(each.name), errors.get(each.name))
        for each in found.prediction.features
    ]
    return attached("prediction", _SHEET, rows)


def address(prediction_id: str) -> str:
    """Say where a prediction's page is, whatever its id holds."""
    # One that ends like the address of a file, or by a slash, has a slash behind it.
    behind = "/" if prediction_id.endswith((".html", ".json", ".csv", "/")) else ""
    return f"/predictions/{quote(prediction_id, safe='')}{behind}"


def _asked(request: Request) -> Single:
    console = console_of(request)
    told: str = request.path_params["prediction_id"]
    names = dict.fromkeys((told.removesuffix("/"), told))
    each = (single(console.sources, name, console.clock()) for name in names)
    found = next((one for one in each if one is not None), None)
    if found is None:
        said = "No prediction is kept under this id; the search under Predictions says where else it may be."
        raise HTTPException(404, said)
    return found


def _listing(request: Request, wanted: str, rows: Sequence[Answered]) -> HTMLResponse:
    console = console_of(request)
    last = rows[_ROWS - 1] if len(rows) > _ROWS else None
    more = None if last is None else f"{microseconds(last.predicted_at)}.{last.prediction_id}"
    shown = listed(console.sources, rows[:_ROWS], console.clock())
    told = [(row, address(row.prediction.prediction_id)) for row in shown]
    return render(request, "predictions.html", wanted=wanted, rows=told, more=more)


def _place(told: str) -> Place | None:
    """Read where a list goes on; what is none begins it again."""
    found = _PLACE.fullmatch(told[:300])
    if found is None or not is_storable(found[2]):
        return None
    return Place(as_time(int(found[1])), found[2])


ROUTES = [
    Route("/predictions", predictions),
    Route("/predictions/{prediction_id:path}.html", prediction),
    Route("/predictions/{prediction_id:path}.json", as_json),
    Route("/predictions/{prediction_id:path}.csv", as_csv),
    Route("/predictions/{prediction_id:path}", prediction),
]

"""The weeks on one axis: how the answers did, who answered, how the data moved, and what came of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from urllib.parse import urlencode

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from keepfit.scores import metric_words
from monitoring.console.exports import attached, document
from monitoring.console.figures.charts import Mark
from monitoring.console.figures.heat import heat
from monitoring.console.figures.lanes import Lane, Told, pictures
from monitoring.console.rendering import console_of, render
from monitoring.console.views.points import Point
from monitoring.console.views.reigns import Reign
from monitoring.console.views.story import Chapter
from monitoring.console.views.weeks import Seen, lanes_of, see

_CHAPTERS = 60
"""Told on the page; all are in the files."""
_LATELY = {"4 weeks": 28, "3 months": 91, "a year": 365}
_DAY = timedelta(days=1)
_AS_FILE = (
    *("as_of", "version", "drift", "p_value", "effect", "farthest", "metric", "value", "low", "high"),
    *("estimate", "estimate_low", "estimate_high", "matured", "frozen", "asked", "alarms"),
)


class Weeks(Struct, frozen=True):
    """What the timeline shows, for programs: scores are as people know them, shares from 0 to 1."""

    metric: str | None
    since: datetime | None
    until: datetime | None
    points: Sequence[Point]
    champions: Sequence[Reign]
    events: Sequence[Mark]
    story: Sequence[Chapter]


def timeline(request: Request) -> HTMLResponse:
    """Show the weeks, and tell their story."""
    seen, query = _see(request), request.query_params
    lanes = lanes_of(seen)
    columns = query.get("q", "").strip()
    return render(
        request,
        "timeline.html",
        seen=seen,
        lanes=lanes,
        pictures=[] if seen.span is None else pictures(_told(seen, seen.span, lanes)),
        chapters=seen.chapters[:_CHAPTERS],
        heat=heat(seen.watches, columns),
        columns=columns,
        spans=_spans(query, seen.last),
        first=query.get("from", ""),
        last=query.get("to", ""),
        choose=partial(_address, query),
    )


def as_json(request: Request) -> Response:
    """Answer with the same as JSON, and the whole story."""
    seen = _see(request)
    since, until = seen.span or (None, None)
    told = Weeks(seen.metric, since, until, seen.points, seen.reigns, seen.marks, seen.chapters)
    return document(request, told)


def as_csv(request: Request) -> Response:
    """Answer with a row per watch, the oldest first."""
    seen = _see(request)
    named = None if seen.metric is None else metric_words(seen.metric)
    take = attrgetter(*(name for name in _AS_FILE if name != "metric"))
    place = _AS_FILE.index("metric")
    rows = [(*cells[:place], named, *cells[place:]) for cells in map(take, seen.points)]
    return attached("timeline", _AS_FILE, rows)


def _see(request: Request) -> Seen:
    return see(console_of(request).sources, request.query_params)


def _told(seen: Seen, span: tuple[datetime, datetime], lanes: Sequence[Lane]) -> Told:
    return Told(*span, seen.points, seen.reigns, seen.marks, lanes)


def _spans(query: Mapping[str, str], last: datetime | None) -> list[tuple[str, str, bool]]:
    """Offer spans up to the last watch: what each is called, its address, and whether it is shown."""
    whole = not query.get("from") and not query.get("to")
    offered: list[tuple[str, str, bool]] = []
    for name, days in _LATELY.items():
        if last is None:
            break
        since = f"{last - days * _DAY:%Y-%m-%d}"
        chosen = query.get("from") == since and not query.get("to")
        offered.append((name, _address(query, **{"from": since, "to": ""}), chosen))
    return [*offered, ("all", _address(query, **{"from": "", "to": ""}), whole)]


def _address(query: Mapping[str, str], **changed: str) -> str:
    kept = {name: query.get(name, "") for name in ("metric", "from", "to", "q")} | changed
    told = urlencode({name: value for name, value in kept.items() if value}, errors="replace")
    return f"/timeline?{told}" if told else "/timeline"


ROUTES = [
    Route("/timeline.json", as_json),
    Route("/timeline.csv", as_csv),
    Route("/timeline.html", timeline),
    Route("/timeline", timeline),
]

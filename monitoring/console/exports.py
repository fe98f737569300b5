"""What a page lists, as a file for a spreadsheet or a program."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from data.decisions import KeptDecision
from data.quarantine import Quarantine, Quarantined
from data.sheets import Cell, sheet
from monitoring.console.rendering import console_of, file_name

DECISIONS = 20_000
"""The most decisions of one file, the newest."""
_ROWS = 500

_QUARANTINE = ("number", "kind", "known_at", "source", "reason", "content")
_LEDGER = (
    *("number", "kind", "version", "as_of", "recorded_at", "workers", "reason", "score"),
    *("training_until", "snapshot_until", "snapshot_id", "digest"),
)
_DECIDED = (
    *(
        "as_of",
        "recorded_at",
        "promote",
        "rehearsal",
        "version",
        "champion",
        "reason",
        "reasons",
        "objections",
    ),
    *(
        "gain",
        "gain_low",
        "gain_high",
        "rows_train",
        "rows_holdout",
        "parity",
        "workers",
        "snapshot_id",
        "key",
    ),
)


def quarantine(request: Request) -> Response:
    """Answer with all rows that wait, newest first; as on their page, of one `reason` where it is given."""
    waits = console_of(request).sources.quarantine
    rows = _waiting(waits, request.query_params.get("reason"))
    return attached("quarantine", _QUARANTINE, (_cells(_QUARANTINE, entry) for entry in rows))


def ledger(request: Request) -> Response:
    """Answer with every entry of the ledger, newest first."""
    history = console_of(request).sources.ledger.history()[::-1]
    return attached("ledger", _LEDGER, [_cells(_LEDGER, entry) for entry in history])


def decisions(request: Request) -> Response:
    """Answer with the decisions, newest first, and a column for each score that any of them has."""
    kept = console_of(request).sources.decisions(DECISIONS)
    metrics = list(dict.fromkeys(name for each in kept for name in each.decision.challenger_scores))
    header = [*_DECIDED, *(f"{who} {name}" for name in metrics for who in ("challenger", "champion"))]
    return attached("decisions", header, (_decided(each, metrics) for each in kept))


def _waiting(waits: Quarantine, reason: str | None) -> Iterator[Quarantined]:
    """Read what waits in parts, so that no store and no process holds all of it."""
    entries = waits.waiting(reason, None, _ROWS)
    while entries:
        yield from entries
        entries = waits.waiting(reason, entries[-1].number, _ROWS)


def _decided(kept: KeptDecision, metrics: Sequence[str]) -> Sequence[Cell]:
    told = kept.decision
    own: dict[str, Cell] = {
        "recorded_at": kept.recorded_at,
        "key": kept.key,
        "reasons": "; ".join(told.reasons),
        "objections": "; ".join(told.objections),
    }
    scores = (told.challenger_scores, told.champion_scores or {})
    cells = [own[name] if name in own else getattr(told, name) for name in _DECIDED]
    return [*cells, *(each.get(metric) for metric in metrics for each in scores)]


def _cells(names: Sequence[str], of: object) -> Sequence[Cell]:
    return [getattr(of, name) for name in names]


def document(request: Request, told: object) -> Response:
    """Answer with what a page shows as JSON; what is told is what msgspec can write."""
    body = msgspec.json.format(msgspec.json.encode(told), indent=1)
    name = file_name(request.url.path)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type="application/json", headers=headers)


def attached(name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """Answer with rows as CSV, read while they are sent; `name` is that of the file without its ending."""
    coming = iter(rows)
    # The first row is read before the answer begins: a store that is away is said on a page.
    first = next(coming, None)
    every = coming if first is None else chain([first], coming)
    return StreamingResponse(
        sheet(header, every),
        media_type="text/csv; charset=utf-8; header=present",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


ROUTES = [
    Route("/quarantine.csv", quarantine),
    Route("/ledger.csv", ledger),
    Route("/decisions.csv", decisions),
]

"""Each version of the model: when it was champion, what it learned from, how it did."""

from collections.abc import Sequence
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from data.provenance import provenance
from data.sheets import Cell
from data.signatures import Trust
from monitoring.console.exports import attached, document
from monitoring.console.reading.sources import Sources
from monitoring.console.rendering import console_of, render
from monitoring.console.views.careers import Career, career, career_chart, careers
from monitoring.console.views.challenges import headline

_COLUMNS = (
    *("version", "as_of", "promoted", "champion_since", "champion_until", "metric", "promised"),
    *("mean_while_champion", "watches", "digest", "decision"),
)


def models(request: Request) -> HTMLResponse:
    """Show every version, newest first."""
    return render(request, "models.html", careers=careers(console_of(request).sources))


def models_document(request: Request) -> Response:
    """Answer with every version as JSON."""
    return document(request, [_told(each) for each in careers(console_of(request).sources)])


def models_sheet(request: Request) -> Response:
    """Answer with a row for each time that a version was champion, and one for each that never was."""
    found = careers(console_of(request).sources)
    return attached("models", _COLUMNS, (row for each in found for row in _rows(each)))


def model(request: Request) -> HTMLResponse:
    """Show one version."""
    console = console_of(request)
    sources = console.sources
    found = _found(request)
    told = provenance(sources.settings.releases(sources.project), found.digest, Trust.of(sources.settings))
    return render(
        request,
        "model.html",
        of=found,
        headline=headline,
        told=told,
        chart=career_chart(found, sources.watches()),
        workers=_serving(sources, found, request),
        registry=_address(sources, found.version),
    )


def model_document(request: Request) -> Response:
    """Answer with one version as JSON, with what its bundle says of itself."""
    sources = console_of(request).sources
    found = _found(request)
    told = provenance(sources.settings.releases(sources.project), found.digest, Trust.of(sources.settings))
    bundle = {"signed": told.signed, "words": told.words, "statement": told.statement}
    if told.manifest is not None:
        # Without the golden rows: they are rows of the data.
        bundle |= {"columns": told.manifest.columns, "target": told.manifest.target}
        bundle |= {"lineage": told.manifest.lineage}
    at_watches = [
        {"as_of": w.as_of, "performance": w.performance, "verdict": w.verdict.drift} for w in found.watches
    ]
    refusals = [{"key": kept.key, "sentence": kept.decision.sentence} for kept in found.challengers]
    return document(request, _told(found) | {"bundle": bundle, "watches": at_watches, "refused": refusals})


def _found(request: Request) -> Career:
    said: str = request.path_params["version"]
    # A store takes no longer number.
    version = int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else None
    found = None if version is None else career(console_of(request).sources, version)
    if found is None:
        words = (
            f"No decision and no entry of the ledger knows version {said[:20]}; all are listed under Models."
        )
        raise HTTPException(404, words)
    return found


def _serving(sources: Sources, found: Career, request: Request) -> int:
    seen = sources.workers(console_of(request).clock())
    return sum(each.version == found.version for each in seen)


def _address(sources: Sources, version: int) -> str:
    """Say where MLflow shows a version."""
    return f"{sources.settings.mlflow_url}/#/models/{quote(sources.project, safe='')}/versions/{version}"


def _told(of: Career) -> dict[str, object]:
    mean, count = of.kept
    return {
        "version": of.version,
        "says": of.headline,
        "decision": of.made.key if of.made else None,
        "promoted": of.made.decision.promote if of.made else None,
        "metric": of.metric,
        "promised": of.promised,
        "mean_while_champion": mean,
        "watches_while_champion": count,
        "digest": of.digest,
        "champion": [
            {
                "since": each.reign.since,
                "until": each.reign.until,
                "entry": each.reign.entry,
                "kind": each.began.kind,
            }
            for each in of.spells
        ],
    }


def _rows(of: Career) -> list[Sequence[Cell]]:
    mean, count = of.kept
    made = of.made.decision if of.made else None
    times = [(each.reign.since, each.reign.until) for each in of.spells] or [(None, None)]
    return [
        (
            *(of.version, made.as_of if made else None, made.promote if made else None, since, until),
            *(of.metric, of.promised, mean, count, of.digest, of.made.key if of.made else None),
        )
        for since, until in times
    ]


ROUTES = [
    Route("/models.json", models_document),
    Route("/models.csv", models_sheet),
    Route("/models.html", models),
    Route("/models", models),
    Route("/models/{version}.json", model_document),
    Route("/models/{version}.html", model),
    Route("/models/{version}", model),
]

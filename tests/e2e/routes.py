"""Every route of Prefect's or MLflow's server, from its own tables: `python -m tests.e2e.routes prefect`.

In a process of its own, with the environment of that server: both read it as they are imported. Also what
that server answers by itself, without its door, to who brings no credential.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import httpx

from control import fronts
from keepfit.settings import Settings

WEBSOCKET = "WEBSOCKET"
_ASKED = {"prefect": "/api/admin/version", "mlflow": "/api/2.0/mlflow/experiments/search?max_results=1"}


def routes_of(routes: Iterable[Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Name each method and path, with `x` for what is a part of it; fail for a route of an unknown kind."""
    from fastapi.routing import iter_route_contexts

    for found in iter_route_contexts(list(routes)):
        route, path = found.original_route, above + str(found.path)
        kind = type(route).__name__
        if kind == "Mount":
            yield from _mounted(route.app, path)  # pyright: ignore[reportAttributeAccessIssue]
        elif "WebSocket" in kind:
            yield WEBSOCKET, _filled(path)
        else:
            assert found.methods, f"{path}: a {kind}, whose methods nobody walks"
            yield from ((method, _filled(path)) for method in sorted(found.methods))


def _mounted(app: Any, path: str) -> Iterator[tuple[str, str]]:
    kind = type(app).__name__
    if kind == "FastAPI":
        yield from routes_of(app.routes, path)
        if app.router._low_priority_routes:  # pages, and for each other path the first of them
            yield from ((method, f"{path}/{page}") for method in ("GET", "HEAD") for page in ("", "v2/", "x"))
    elif kind == "StaticFiles":
        yield from ((method, f"{path}/x") for method in ("GET", "HEAD"))
    elif kind == "_EfficientWSGIMiddleware":
        for rule in app.app.url_map.iter_rules():
            yield from ((method, path + _filled(rule.rule)) for method in sorted(rule.methods))
    else:
        msg = f"{path}: a {kind} is mounted there, whose routes nobody walks"
        raise TypeError(msg)


def _filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}|<[^>]*>", "x", path)


if __name__ == "__main__":
    which = sys.argv[1]
    app, _, _ = getattr(fronts, which)(Settings.from_env())
    inside = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost")
    told = {
        "routes": sorted(set(routes_of(app.routes))),
        "without_the_door": asyncio.run(inside.get(_ASKED[which])).status_code,
    }
    sys.stdout.write(json.dumps(told))

"""A route: which requests a handler answers, and how its contract writes a refusal."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from data.apikeys import ROLES, Role
from serving.describing.operations import Operation
from serving.desk import Desk
from serving.exchange import Request, Response, refused
from serving.refusal import Refused

Handler = Callable[[Desk, Request], Awaitable[Response]]

OPEN: tuple[Role, ...] = ()
"""Health, which those ask for who have no key."""
PREDICTS: tuple[Role, ...] = ("predict",)
LABELS: tuple[Role, ...] = ("feedback",)
DESCRIBES: tuple[Role, ...] = ("predict", "read")
"""What a client asks before it predicts."""
LOOKS: tuple[Role, ...] = ("read",)
ANY_KEY = ROLES

_SEGMENT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path; `{model}` in a path takes one segment, which the request then has by that name.

    `roles` are those of which a caller's key needs one; with none the route is open to everybody.
    `refused` writes a refusal in the shape of the route's contract, `operation` describes it for people.
    """

    method: str
    path: str
    roles: tuple[Role, ...]
    handle: Handler
    refused: Callable[[Refused], Response] = refused
    operation: Operation | None = None


class Routes:
    """Every route by its path: a look into a table for one without segments, a few matches for the others."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.all = tuple(routes)
        self._fixed: dict[str, dict[str, Route]] = {}
        self._matched: dict[str, tuple[re.Pattern[str], dict[str, Route]]] = {}
        for route in routes:
            if "{" in route.path:
                _, methods = self._matched.setdefault(route.path, (_pattern(route.path), {}))
            else:
                methods = self._fixed.setdefault(route.path, {})
            methods[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """Give the route of a request and its segments; raise Refused with 404 or 405."""
        methods, segments = self._fixed.get(path), {}
        if methods is None:
            methods, segments = self._match(path)
        found = methods.get("GET" if method == "HEAD" else method)
        if found is None:
            allowed = ", ".join(["GET, HEAD" if m == "GET" else m for m in methods])
            raise Refused(
                405, f"expected {allowed}, got {method[:20]}", headers=((b"allow", allowed.encode()),)
            )
        return found, segments

    def _match(self, path: str) -> tuple[dict[str, Route], Mapping[str, str]]:
        for pattern, methods in self._matched.values():
            if match := pattern.fullmatch(path):
                return methods, match.groupdict()
        raise Refused(404, f"no such path; there are {', '.join(self._fixed)}")


def _pattern(path: str) -> re.Pattern[str]:
    parts = _SEGMENT.split(path)
    return re.compile(
        "".join(f"(?P<{part}>[^/:]+)" if i % 2 else re.escape(part) for i, part in enumerate(parts))
    )

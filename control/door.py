"""The door before another's application: whose page sent a request, and whether it brings the credential.

Prefect has no look at Host and Origin, MLflow's lets every port of this machine through; and MLflow's own
authentication leaves out what it does not know. So nothing reaches either before it has passed here.
"""

import hmac
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from keepfit.origins import is_from_elsewhere, is_ours
from keepfit.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_FORBIDDEN, _UNAUTHORIZED, _NOT_FOUND = 403, 401, 404


@dataclass(frozen=True)
class Rules:
    """What a door lets through.

    `header` is the Authorization that a request must bring, None where nobody is asked. `opens` tells of a
    method (`WEBSOCKET` for one) and a path that it needs none. What `closes` matches is not there at all.
    `asks_browsers` makes a browser ask whoever sits before it; pages that ask by themselves must not.
    """

    header: str | None
    opens: Callable[[str, str], bool]
    closes: re.Pattern[str] = field(default=re.compile(r"(?!)"))
    asks_browsers: bool = False


class Door:
    """An ASGI application before another: refuses, or passes a request on without its Origin.

    The other need not judge the Origin again by rules of its own, and so answers no page from elsewhere.
    """

    def __init__(self, app: App, settings: Settings, rules: Rules) -> None:
        self._app = app
        self._rules = rules
        self._names = settings.names
        self._local = settings.is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge a request; what begins and ends the application passes."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            headers = [pair for pair in scope["headers"] if pair[0] != b"origin"]
            await self._app({**scope, "headers": headers}, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the answer is 403
        else:
            await _refuse(send, *refusal, asking=self._rules.asks_browsers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        given: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            given.setdefault(name, []).append(value.decode("latin-1"))
        hosts = given.get(b"host", [])
        if len(hosts) != 1 or not is_ours(hosts[0], self._names, local=self._local):
            return _FORBIDDEN, "header Host: this is not its name; KEEPFIT_HOSTS gives it further ones"
        if _is_from_elsewhere(given, hosts[0]):
            return _FORBIDDEN, "header Origin: a page from elsewhere may ask for nothing here"
        method = "WEBSOCKET" if scope["type"] == "websocket" else scope["method"]
        path = scope["path"]
        if self._rules.header is not None and not self._rules.opens(method, path):
            brought = given.get(b"authorization", [])
            # Compared in the same time however much of it is right.
            if len(brought) != 1 or not hmac.compare_digest(
                _folded(brought[0]).encode("latin-1"), self._rules.header.encode()
            ):
                return _UNAUTHORIZED, "this needs the credential that bin/keepfit up --public made"
        if self._rules.closes.match(path):
            return _NOT_FOUND, "this part is switched off: Keepfit does not use it"
        return None


def _is_from_elsewhere(given: dict[bytes, list[str]], host: str) -> bool:
    origins = given.get(b"origin", [])
    site = given.get(b"sec-fetch-site", [None])[0]
    if origins:
        return len(origins) > 1 or is_from_elsewhere(origins[0], host, site)
    # A picture from here in a page from elsewhere brings no Origin; nor does a link that is followed.
    return site not in (None, "same-origin", "none") and given.get(b"sec-fetch-mode") != ["navigate"]


def _folded(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    return f"{scheme.capitalize()} {rest.strip()}"


async def _refuse(send: Send, status: int, reason: str, *, asking: bool) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    if status == _UNAUTHORIZED and asking:
        headers.append((b"www-authenticate", b'Basic realm="keepfit", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{reason}\n".encode()})

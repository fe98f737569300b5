"""Whose request this is, before any page sees it: which host it means, where it is from, and who asks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from data.apikeys import ROLES, Role
from keepfit.origins import is_from_elsewhere, is_ours
from keepfit.settings import Settings
from monitoring.console.signin import CHANGES, LOOKS, SignIn

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OPEN = ("/health/live", "/sign-in")
_STATIC = "/static/"


def roles_of(method: str, path: str) -> tuple[Role, ...]:
    """Say which roles a key needs one of; none where everybody may ask.

    By what a request is and not by its route: what somebody adds is never open by being forgotten.
    """
    if path in _OPEN or path.startswith(_STATIC):
        return ()
    if path == "/sign-out":
        return ROLES
    return LOOKS if method in ("GET", "HEAD") else CHANGES


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Tell whether a page of this very site sent a form: browsers say so, and no page can say it for them."""
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = headers.get("origin")
    if origin is None:
        return site == "same-origin"
    return urlsplit(origin).netloc == headers.get("host")


class Guarded:
    """Turn away who means another host, comes from elsewhere, or may not; give every answer its headers.

    A page may bring a policy of its own. Who asks is `request.state.caller`: an API key, or None where
    nobody is asked.
    """

    def __init__(
        self, app: "ASGIApp", settings: Settings, sign_in: SignIn, carried: Mapping[str, str]
    ) -> None:
        self._app, self._sign_in, self._carried = app, sign_in, carried
        self._names, self._local = settings.names, settings.is_local

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def carrying(message: "Message") -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._carried.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        refusal = self._turned_away(request) or self._unknown(request)
        await (refusal or self._app)(scope, receive, carrying)

    def _turned_away(self, request: Request) -> Response | None:
        headers = request.headers
        host = headers.get("host", "")
        if not is_ours(host, self._names, local=self._local):
            whom = "this machine only" if self._local else "its own names only; KEEPFIT_HOSTS gives it more"
            said = f"This console answers to {whom}; open it by its number or as localhost.\n"
            return PlainTextResponse(said, 403)
        if is_from_elsewhere(headers.get("origin"), host, headers.get("sec-fetch-site")):
            said = "Only a page of this console may do this; open it and press its button.\n"
            return PlainTextResponse(said, 403)
        return None

    def _unknown(self, request: Request) -> Response | None:
        caller = self._sign_in.caller(request.headers)
        request.state.caller = caller
        needed = roles_of(request.method, request.url.path)
        if not self._sign_in.asked or not needed:
            return None
        if caller is None:
            if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
                whither = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                return RedirectResponse(f"/sign-in?next={quote(whither, safe='')}", 303)
            said = "Sign in first, or bring an API key: Authorization: Bearer KEY.\n"
            return PlainTextResponse(said, 401, {"WWW-Authenticate": 'Bearer realm="keepfit"'})
        if not caller.may(needed):
            has, needs = " and ".join(caller.roles), " or ".join(needed)
            said = f"The key {caller.name} may {has}; this needs a key that may {needs}.\n"
            return PlainTextResponse(said, 403)
        return None

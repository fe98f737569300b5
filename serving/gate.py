"""Who may come in: the Host and Origin of every request, its API key, what that may do and how often."""

import math
from collections.abc import Sequence

from data.apikeys import ApiKey, ApiKeys, Role
from keepfit.origins import is_from_elsewhere, is_ours
from keepfit.settings import Settings
from serving.exchange import Request
from serving.rates import Rates
from serving.refusal import Refused

_BEARER = b"bearer "
_REMEMBERED = 256
"""Hosts that were found to be ours: what callers name is the same again and again."""


class Gate:
    """Lets a request in or raises Refused; only its event loop touches it."""

    def __init__(self, settings: Settings, keys: ApiKeys | None, rates: Rates) -> None:
        self._keys = keys
        self._rates = rates
        self._local, self._names = settings.is_local, settings.names
        self._ours: set[bytes] = set()

    def check_origin(self, request: Request) -> None:
        """Refuse (403) who means another host, or was sent here by a page from elsewhere."""
        headers = request.headers
        host = headers.get(b"host")
        # Who names no host is no browser: there is nobody to be misled.
        if host is not None and host not in self._ours:
            self._check_host(host)
        if b"origin" in headers and is_from_elsewhere(
            request.header(b"origin"), request.header(b"host") or "", request.header(b"sec-fetch-site")
        ):
            raise Refused(
                403, "header Origin: a page from elsewhere may ask for nothing here", counted="origin"
            )

    def caller(self, request: Request) -> ApiKey | None:
        """Find the key that a request brings; None without one, with a wrong one, or where none is asked."""
        if self._keys is None:
            return None
        given = request.headers.get(b"authorization")
        if given is None or given[:7].lower() != _BEARER:
            return None
        return self._keys.of(given[7:].strip())

    def check_role(self, caller: ApiKey | None, roles: Sequence[Role]) -> None:
        """Refuse who has no key (401), a key for other things (403), or asks too often (429)."""
        if self._keys is None or not roles:
            return
        if caller is None:
            raise unknown()
        if not caller.may(roles):
            has, needs = " and ".join(caller.roles), " or ".join(roles)
            raise Refused(
                403, f"the key {caller.name} may {has}; this needs a key that may {needs}", counted="role"
            )
        if caller.rate is not None and (wait_s := self._rates.wait_s(caller.number, caller.rate)):
            raise Refused(
                429,
                f"the key {caller.name} may ask {caller.rate:g} times a second; ask again later",
                headers=((b"retry-after", b"%d" % math.ceil(wait_s)),),
                counted="rate",
            )

    def hides(self, caller: ApiKey | None) -> bool:
        """Tell whether somebody may not even know what there is."""
        return self._keys is not None and caller is None

    def look(self) -> None:
        """See whether keys were made or revoked; may wait for the disk."""
        if self._keys is not None:
            self._keys.look()

    def _check_host(self, host: bytes) -> None:
        name = host.decode("latin-1")
        if not is_ours(name, self._names, local=self._local):
            reason = f"header Host: {name[:60]!r} is no name of this server; KEEPFIT_HOSTS takes further ones"
            raise Refused(403, reason, counted="host")
        if len(self._ours) < _REMEMBERED:
            self._ours.add(host)


def unknown() -> Refused:
    """Refuse who brings no key that may be used; whether it was ever one is not told."""
    return Refused(
        401,
        "expected the header Authorization: Bearer KEY with an API key that is in use; "
        "bin/keepfit keys make makes one",
        headers=((b"www-authenticate", b'Bearer realm="keepfit"'),),
        counted="key",
    )

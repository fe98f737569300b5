"""Signing in to the console with an API key, and staying so in one browser for a working day."""

import hmac
import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from data.apikeys import ApiKey, ApiKeys, Role, asked_keys
from keepfit.secret import secret_key
from keepfit.settings import Settings

STAY_S = 12 * 3600
"""How long a browser stays signed in."""
LOOKS: tuple[Role, ...] = ("read",)
CHANGES: tuple[Role, ...] = ("operate",)


class SignIn:
    """Knows who asks: by the key in the request, or by the cookie of a browser that has signed in.

    A cookie is `number.until.mac`: the key's number, when it ends, and an HMAC of both by a secret of this
    home, so that nothing is kept here. A key that is revoked ends it at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._keys: ApiKeys | None = asked_keys(settings)
        self._secret = b"" if self._keys is None else secret_key(settings.home / "keys" / "session.key")
        self._secure = settings.tls_cert is not None
        # The prefix makes browsers refuse it from a page without TLS, or for another host (RFC 6265bis).
        self.cookie = "__Host-keepfit" if self._secure else "keepfit"

    @property
    def asked(self) -> bool:
        """Whether anybody has to sign in."""
        return self._keys is not None

    def key(self, text: str) -> ApiKey | None:
        """Find the key that was typed in, if it may be used now."""
        if self._keys is None:
            return None
        self._keys.look()
        return self._keys.of(text.strip().encode())

    def caller(self, headers: Mapping[str, str]) -> ApiKey | None:
        """Find who asks, or None."""
        if self._keys is None:
            return None
        scheme, _, text = headers.get("authorization", "").partition(" ")
        if scheme:
            return self.key(text) if scheme.lower() == "bearer" else None
        self._keys.look()
        number = self._number(headers.get("cookie", ""))
        return None if number is None else self._keys.numbered(number)

    def stay(self, key: ApiKey) -> str:
        """Make the Set-Cookie of a browser that signs in."""
        content = f"{key.number}.{int(time.time()) + STAY_S}"
        return self._set(f"{content}.{self._mac(content)}", STAY_S)

    def leave(self) -> str:
        """Make the Set-Cookie of a browser that signs out."""
        return self._set("", 0)

    def _number(self, told: str) -> int | None:
        try:
            found = SimpleCookie(told).get(self.cookie)
        except CookieError:
            return None
        content, _, mac = (found.value if found is not None else "").rpartition(".")
        if not content or not hmac.compare_digest(mac.encode(), self._mac(content).encode()):
            return None
        number, _, until = content.partition(".")
        return int(number) if time.time() < int(until) else None

    def _mac(self, content: str) -> str:
        return hmac.digest(self._secret, content.encode(), "sha256").hex()

    def _set(self, value: str, max_age_s: int) -> str:
        secure = "; Secure" if self._secure else ""
        return f"{self.cookie}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"

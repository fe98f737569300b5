"""Whose request this is, by its `Host` and `Origin`: a web page from elsewhere may not speak for anybody.

A page can make its own name lead to this machine (DNS rebinding), but neither a number nor `localhost`;
and a browser says of each request that a page makes where that page is from (RFC 6454, RFC 9110 7.2).
"""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

_EVERYWHERE = ("0.0.0.0", "::")
ANY = "*"


def is_loopback(name: str) -> bool:
    """Tell whether a name or number leads to this machine only."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_everywhere(address: str) -> bool:
    """Tell whether who listens at an address listens at all of this machine's."""
    return address in _EVERYWHERE


def is_ours(host: str, names: Collection[str], *, local: bool) -> bool:
    """Tell whether a Host header names us: one of `names`, or a number; `local` takes this machine's only."""
    if ANY in names:
        return True
    name = _name(host)
    if name in names or is_loopback(name):
        return True
    return not local and _is_number(name)


def is_from_elsewhere(origin: str | None, host: str, site: str | None = None) -> bool:
    """Tell whether a page of another site sent a request, by its Origin and Sec-Fetch-Site headers.

    What is no browser sends neither. `null`, which a sandboxed page sends, is another site.
    """
    if origin is None:
        return False
    if site is not None and site not in ("same-origin", "none"):
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:  # brackets without a number
        return True
    is_page = origin.isprintable() and parts.scheme in ("http", "https")
    return not is_page or parts.netloc.lower() != host.lower()


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:  # brackets without a number
        return ""


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

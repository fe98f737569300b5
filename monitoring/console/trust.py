"""Whose request this is: a page from elsewhere may neither read the console nor press its buttons."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def is_local(host: str, ours: str) -> bool:
    """Tell whether a Host header names this machine, where it listens to this machine only.

    A page from elsewhere can make its own name lead here (DNS rebinding), but not a number or localhost.
    Where Keepfit listens to others as well, it may have any name.
    """
    if not _loopback(ours):
        return True
    name = urlsplit(f"//{host}").hostname or ""
    return name == ours or _loopback(name)


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Tell whether a page of this very site sent a form: browsers say so, and no page can say it for them."""
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = headers.get("origin")
    if origin is None:
        return site == "same-origin"
    return urlsplit(origin).netloc == headers.get("host")


def _loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False

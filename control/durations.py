"""Lengths of time as people type them: 14d, 12h, 30m."""

import re
from datetime import timedelta

from keepfit.errors import StateError

_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
_DURATION = re.compile(r"(?P<count>\d{1,5})(?P<unit>[dhm])")


def duration(text: str) -> timedelta:
    """Read a duration such as 14d, 12h or 30m; raise StateError for anything else."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or not int(found["count"]):
        msg = f"{text!r}: expected a whole number of days, hours or minutes, such as 14d, 12h or 30m"
        raise StateError(msg)
    return int(found["count"]) * _UNITS[found["unit"]]

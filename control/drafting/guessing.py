"""One column of a file -> the Column that a project would say, or why it should not learn from it."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from control.drafting.facts import Cell, Facts
from control.drafting.leaks import leak
from control.drafting.roles import Roles, is_id, is_subject, is_unique
from keepfit.spec import LARGEST, Column, is_storable

_MOST_AMONG = 12
_MOST_CATEGORIES = 1000
_OFTEN = 5
"""A set of categories is closed only when each was seen so often, in both halves of the time."""
_CODE = re.compile(r"(^|_)(code|type|class|kind|group|category|zone|region|agent|id)$", re.IGNORECASE)
_LONGEST_NAME = 200
_RESERVED = ("reference_id", "prediction_id")


@dataclass(frozen=True)
class Guess:
    """A column as a feature, or None where it is left out; `why` says what was seen."""

    name: str
    column: Column | None
    why: str = ""


def guess(facts: Facts, roles: Roles, halves: tuple[Sequence[int], Sequence[int]]) -> Guess:
    """Say what a column may hold; `halves` are the places of the older and of the newer rows."""
    if reason := _unfit(facts, roles):
        return Guess(facts.name, None, reason)
    optional = facts.gaps > 0
    gaps = f"{_share(facts.gaps, len(facts.values))} of the rows have none" if optional else ""
    odd = f"{facts.odd} values are no {_KINDS[facts.kind]}, such as {facts.example}" if facts.odd else ""
    column, seen = _column(facts, halves, optional)
    return Guess(facts.name, column, "; ".join(said for said in (seen, gaps, odd) if said))


_KINDS = {"number": "number", "flag": "true or false", "text": "text", "time": "time"}


def _column(facts: Facts, halves: tuple[Sequence[int], Sequence[int]], optional: bool) -> tuple[Column, str]:
    if facts.kind == "flag":
        return Column.flag(optional=optional), "only true and false, or 0 and 1, seen"
    if facts.kind == "text":
        if _is_closed(facts, halves):
            names = sorted(str(value) for value in facts.counts)
            return Column.category(among=names, optional=optional), "no others seen, early or late"
        return Column.category(optional=optional), f"{len(facts.counts)} different seen, new ones are taken"
    low, high = min(facts.numbers), max(facts.numbers)
    seen = f"seen {_plain(low)} to {_plain(high)}"
    if facts.whole and _CODE.search(facts.name):
        seen += "; if these are codes and no amounts, write them as text in the file: Column.category()"
    return Column.number(between=widened(low, high, whole=facts.whole), optional=optional), seen


def widened(low: float, high: float, *, whole: bool) -> tuple[float, float] | None:
    """Widen what was seen by its own span on each side, to round numbers; never below 0 from above it.

    None where no such range can be said in float32.
    """
    span = high - low
    if not math.isfinite(span) or span <= 0 or max(abs(low), abs(high)) + span > LARGEST / 10:
        return None
    step = 10.0 ** math.floor(math.log10(span))
    if whole:
        step = max(step, 1.0)
    least = 0.0 if 0 <= low <= span else math.floor((low - span) / step) * step
    most = 0.0 if -span <= high <= 0 else math.ceil((high + span) / step) * step
    digits = max(0, -math.floor(math.log10(step)))
    ends = (round(least, digits), round(most, digits))
    return ends if ends[0] <= low and high <= ends[1] and ends[0] < ends[1] else None


def _unfit(facts: Facts, roles: Roles) -> str | None:
    """Say why a project should not learn from a column."""
    name = facts.name
    if not name or len(name) > _LONGEST_NAME or not name.isprintable() or set(name) & {'"', "\\"}:
        said = "printable text without double quotes and backslashes"
        return f"a feature's name is {said}, of at most {_LONGEST_NAME} characters; rename it"
    if facts.kind == "nothing":
        return "it is empty"
    if facts.kind == "mixed":
        return f"it holds values of several kinds or of none, such as {facts.example}"
    if facts.kind == "time":
        return _of_time(facts, roles)
    if len(facts.counts) == 1:
        return f"it is always {_told(next(iter(facts.counts)))}"
    if name in _RESERVED or _is_id(facts):
        return "an id: nearly every row has its own"
    if said := leak(facts, roles.target.facts, of_classes=roles.kind != "regression"):
        return said
    return _unfit_as_category(facts) if facts.kind == "text" or _names_somebody(facts) else None


def _of_time(facts: Facts, roles: Roles) -> str:
    pairs = zip(facts.values, roles.time.facts.values, strict=True)
    later = [seen > at for seen, at in pairs if isinstance(seen, datetime) and isinstance(at, datetime)]
    if sum(later) > len(later) / 100:
        share = _share(sum(later), len(later))
        return f"later than {roles.time.name!r} in {share} of the rows: if it is a plan, say it as a number"
    return f"a time: say it as a number, such as the days before {roles.time.name!r}"


def _is_id(facts: Facts) -> bool:
    if not is_unique(facts):
        return False
    numbers = facts.numbers
    ordered = facts.kind == "number" and all(a < b for a, b in pairwise(numbers))
    return facts.kind == "text" or ordered or is_id(facts.name)


def _names_somebody(facts: Facts) -> bool:
    return is_subject(facts.name) and len(facts.counts) > max(20, facts.present / 100)


def _unfit_as_category(facts: Facts) -> str | None:
    many = len(facts.counts)
    if _names_somebody(facts):
        return "it seems to name a person; a model should not learn people by heart"
    if many > 100 and many > facts.present / 2:
        return "text that nearly every row has for itself: nothing is learned from it as a category"
    if many > _MOST_CATEGORIES:
        return f"{many} different texts are too many for one category; group them"
    return None


def _is_closed(facts: Facts, halves: tuple[Sequence[int], Sequence[int]]) -> bool:
    if len(facts.counts) > _MOST_AMONG or min(facts.counts.values()) < _OFTEN:
        return False
    if not all(isinstance(value, str) and is_storable(value) for value in facts.counts):
        return False
    early, late = ({facts.values[i] for i in half} - {None} for half in halves)
    return early == late


def _share(count: int, of: int) -> str:
    percent = 100 * count / of
    return f"{percent:.0f} %" if percent >= 1 else f"{percent:.2g} %"


def _plain(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.6g}"


def _told(value: Cell) -> str:
    return _plain(value) if isinstance(value, float) else repr(value)[:60]

"""What a foreign body gives: rows, and how its contract calls the place of each cell."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from keepfit.spec import UNSTORABLE, is_storable, shown
from serving.contract import PredictAnswer, Row, Schema
from serving.desk import Desk
from serving.exchange import Request
from serving.refusal import Refused, explained, invalid
from serving.slot import LiveModel

T = TypeVar("T")
At = Callable[[int, str | None], str]
"""The path of a row, or of one of its cells, as its contract writes it."""

REFERENCE = "reference_id"
"""A column of this name beside the model's is the caller's own name for each row."""
_LONGEST_ID = 200
_INLINE_BYTES = 64 * 1024
_PLACE = re.compile(r"\$\.rows(?:\[(?P<row>\d+)\](?:\.features(?P<name>.+)|\.(?P<field>\w+))?)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Given:
    """Rows to answer; `whole` is the path of all of them, `at` of one row or cell."""

    rows: Sequence[Row]
    whole: str
    at: At


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes rows of what a body has; every row bears `reference_id` that has none of its own."""

    schema: Schema
    most_rows: int
    reference_id: str | None = None

    def by_name(self, rows: Sequence[Mapping[str, Any]], whole: str, at: At) -> Given:
        """Take rows that name their columns."""
        self.check_count(len(rows), whole)
        named = REFERENCE not in self.schema.columns
        return Given([self._row(row, named, at, place) for place, row in enumerate(rows)], whole, at)

    def by_place(self, names: Sequence[str], rows: Sequence[Sequence[Any]], whole: str, at: At) -> Given:
        """Take rows whose cells are in the order of `names`."""
        self.check_count(len(rows), whole)
        if len(set(names)) < len(names):
            twice = next(name for name, count in Counter(names).items() if count > 1)
            raise invalid(whole, f"the column {shown(twice)} stands twice; name each column once")
        for place, row in enumerate(rows):
            if len(row) != len(names):
                told = f"expected {len(names)} values ({', '.join(names)}), got {len(row)}"
                raise invalid(at(place, None), told)
        return self.by_name([dict(zip(names, row, strict=True)) for row in rows], whole, at)

    def check_count(self, count: int, whole: str) -> None:
        """Refuse more rows than one request may have, before anything is made of them."""
        if count > self.most_rows:
            raise Refused(413, f"expected at most {self.most_rows} rows in one request, got {count}", whole)

    def _row(self, given: Mapping[str, Any], named: bool, at: At, place: int) -> Row:
        if not (named and REFERENCE in given):
            return Row(given if isinstance(given, dict) else dict(given), self.reference_id)
        features = {name: value for name, value in given.items() if name != REFERENCE}
        own = checked_id(given[REFERENCE], at(place, REFERENCE))
        return Row(features, self.reference_id if own is None else own)


async def ask(desk: Desk, request: Request, live: LiveModel, given: Given) -> PredictAnswer:
    """Answer and capture; a refusal names the place as the caller's contract does."""
    try:
        return await desk.predict(request, live, given.rows)
    except Refused as refusal:
        raise Refused(refusal.status, refusal.reason, _placed(refusal.path, given), refusal.headers) from None


async def read_aside(body: bytes, read: Callable[[bytes], T]) -> T:
    """Read a body; a large one in a thread, since other requests and health checks must not wait for it."""
    return await asyncio.to_thread(read, body) if len(body) > _INLINE_BYTES else read(body)


def decoded(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """Read JSON in which NaN is null, as the platforms' clients write a missing number."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        plain = _without_nan(body) if b"NaN" in body else None
        if plain is None:
            raise explained(body, fault) from None
    try:
        return decoder.decode(plain)
    except (msgspec.MsgspecError, RecursionError) as fault:
        raise explained(plain, fault) from None


def checked_id(given: object, path: str) -> str | None:
    """Take a caller's own id as it can be kept."""
    if given is None:
        return None
    if not isinstance(given, str) or not 0 < len(given) <= _LONGEST_ID:
        raise invalid(path, f"expected text of 1 to {_LONGEST_ID} characters, got {shown(given)}")
    if not is_storable(given):
        raise invalid(path, UNSTORABLE)
    return given


def _placed(path: str, given: Given) -> str:
    found = _PLACE.fullmatch(path)
    if found is None:
        return path
    if found["row"] is None:
        return given.whole
    name = found["field"]
    if step := found["name"]:
        name = step[1:] if step.startswith(".") else json.loads(step[1:-1])
    return given.at(int(found["row"]), name)


def _without_nan(body: bytes) -> bytes | None:
    """Write JSON with null for NaN; None where it is not even JSON with NaN."""
    try:
        return msgspec.json.encode(json.loads(body.decode(), parse_constant=_constant))
    except (ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return None


def _constant(name: str) -> None:
    if name != "NaN":
        raise ValueError(name)  # an infinity is no way to say that nothing is known

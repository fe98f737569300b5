"""A request that is refused: its status, the path in its body and the reason, for people to act on."""

import json
import math
import re
from collections.abc import Iterator
from typing import cast

import msgspec

from keepfit.errors import IntakeError

_EXPLAINED_BYTES = 1024 * 1024
"""A larger body that cannot be read is told only what the decoder says: looking closer takes a while."""
_CELL = re.compile(r"\$\.rows\[\d+\]\.features[.\[]")
_AT = re.compile(r" - at `([^`]*)`$")


class Refused(IntakeError):
    """What a caller sent cannot be answered; nothing of it was kept."""

    def __init__(
        self,
        status: int,
        reason: str,
        path: str = "$",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        counted: str | None = None,
    ) -> None:
        super().__init__(f"{path}: {reason}")
        self.status = status
        self.reason = reason
        self.path = path
        self.headers = headers
        self.counted = counted
        """What it is counted as, where its status does not say."""


def invalid(path: str, reason: str) -> Refused:
    """Refuse something that was understood and may not be."""
    return Refused(422, reason, path)


def key(name: str) -> str:
    """Write a key as the next step of a path."""
    return f".{name}" if name.isidentifier() else f"[{json.dumps(name, ensure_ascii=False)}]"


def explained(body: bytes, fault: Exception) -> Refused:
    """Turn a decoder's exception into a refusal that names the place and the reason.

    JSON has no NaN, infinities or lone surrogates, but many writers do: those are looked for.
    """
    if isinstance(fault, RecursionError):
        return Refused(400, "the body is nested too deeply")
    if isinstance(fault, UnicodeDecodeError):
        return Refused(400, f"the body is not UTF-8: {_bad_byte(body)}")
    if len(body) <= _EXPLAINED_BYTES and (found := _strange(body)):
        return found
    text = str(fault)
    if not isinstance(fault, msgspec.ValidationError):
        return Refused(400, f"the body is not JSON: {text.removeprefix('JSON is malformed: ')}")
    at = _AT.search(text)
    reason = text[: at.start()] if at else text
    return invalid(at[1] if at else "$", reason[:1].lower() + reason[1:].replace("`", ""))


def _bad_byte(body: bytes) -> str:
    try:
        body.decode()
    except UnicodeDecodeError as fault:
        return f"byte {fault.start} is 0x{body[fault.start]:02x}"
    return "it has lone surrogates"


def _strange(body: bytes) -> Refused | None:
    """Find the first value that a lenient reader understands and no model or store can take."""
    try:
        document: object = json.loads(body.decode(), parse_int=_whole)
    except (ValueError, RecursionError):
        return None
    for path, value in _values(document):
        if isinstance(value, float) and not math.isfinite(value):
            return invalid(path, f"expected a finite number, got {value}")
        if isinstance(value, str) and not _is_unicode(value):
            return invalid(path, "expected Unicode text, got a lone surrogate")
        if isinstance(value, list | dict) and _CELL.match(path):
            got = "a list" if isinstance(value, list) else "an object"
            return invalid(path, f"expected a single value, got {got}")
    return None


def _values(document: object) -> Iterator[tuple[str, object]]:
    """Walk what a body may hold, in order: `$.rows[0].features.distance`, and nothing below that."""
    todo: list[tuple[str, object, int]] = [("$", document, 0)]
    while todo:
        path, value, depth = todo.pop()
        yield path, value
        inner: list[tuple[str, object, int]] = []
        if isinstance(value, dict):
            named = cast("dict[str, object]", value)
            if bad := next((k for k in named if not _is_unicode(k)), None):
                yield path, bad
            inner = [(path + key(k), v, depth + 1) for k, v in named.items()]
        elif isinstance(value, list):
            inner = [(f"{path}[{i}]", v, depth + 1) for i, v in enumerate(cast("list[object]", value))]
        if depth < 4:
            todo.extend(reversed(inner))


def _whole(digits: str) -> float:
    return int(digits) if len(digits) < 300 else float(digits)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

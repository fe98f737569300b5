"""What schemathesis is told beside the document, so that most requests come as far as the model."""

from random import random
from typing import Any

import schemathesis
from msgspec.json import encode

from data.records import new_id

_KEY = "Idempotency-Key"
_BINARY_AFTER = "Inference-Header-Content-Length"
_AS_MADE = 0.1
"""The share of requests that stay as they were made up."""


@schemathesis.hook
def before_call(_context: object, case: Any, _kwargs: dict[str, Any]) -> None:  # noqa: ANN401 - schemathesis.Case
    """Give a request a key of its own, else nearly all would be refused as reused: keys made up are short.

    A number of bytes before binary data is right by chance only: there are none.
    """
    headers = case.headers
    if not headers or random() < _AS_MADE:
        return
    key = headers.get(_KEY)
    if isinstance(key, str) and 0 < len(key) <= 200 and key.isascii() and key.isprintable():
        headers[_KEY] = new_id()
    headers.pop(_BINARY_AFTER, None)


@schemathesis.serializer("application/jsonlines")
def lines(_context: object, value: Any) -> bytes:  # noqa: ANN401 - JSON
    """Write a line for each part of a list; anything else as it is."""
    if isinstance(value, list):
        return b"".join(encode(part) + b"\n" for part in value)
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else encode(value)


@schemathesis.check
def declared_status(_context: object, response: Any, case: Any) -> None:  # noqa: ANN401 - schemathesis's types
    """Hold every answer to what is declared; the check of schemathesis lets any refusal of bad data pass."""
    declared = case.operation.definition.raw["responses"]
    if str(response.status_code) not in declared:
        told = f"{case.method} {case.path}: {response.status_code} is not among {', '.join(declared)}"
        raise AssertionError(told)

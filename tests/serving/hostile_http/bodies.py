"""Bodies that no honest caller writes, for every route that takes one."""

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from tests.builders import ROW

KINDS = {"distance": "FP32", "carrier": "BYTES", "season": "BYTES", "wind": "FP32", "holiday": "BOOL"}
CELLS = {name: json.dumps(value).encode() for name, value in ROW.items()}
DEEP = 100_000


@dataclass(frozen=True)
class Taker:
    """A route that takes a body of a media type; `write` puts a number, as it stands, into a good body."""

    route: str
    write: Callable[[bytes], bytes]
    media: str = "application/json"
    path: str = ""
    """Where a request goes that differs from the route."""


def _cells(wind: bytes) -> list[bytes]:
    return list({**CELLS, "wind": wind}.values())


def _features(wind: bytes) -> bytes:
    return b"{%b}" % b",".join(
        b'"%b":%b' % (name.encode(), cell) for name, cell in zip(ROW, _cells(wind), strict=True)
    )


def _tensors(wind: bytes) -> bytes:
    made = b'{"name":"%b","shape":[1],"datatype":"%b","data":[%b]}'
    parts = [
        made % (name.encode(), KINDS[name].encode(), cell)
        for name, cell in zip(ROW, _cells(wind), strict=True)
    ]
    return b'{"inputs":[%b]}' % b",".join(parts)


def _within(before: bytes, after: bytes) -> Callable[[bytes], bytes]:
    return lambda wind: before + _features(wind) + after


NAMES = json.dumps(list(ROW)).encode()
TAKERS = {
    "own": Taker("/v1/predict", _within(b'{"rows":[{"features":', b"}]}")),
    "explained": Taker(
        "/v1/predict", _within(b'{"rows":[{"features":', b"}]}"), path="/v1/predict?explain=true"
    ),
    "labels": Taker("/v1/feedback", lambda label: b'{"labels":[{"prediction_id":"a","label":%b}]}' % label),
    "tensors": Taker("/v2/models/{model}/infer", _tensors, path="/v2/models/flights/infer"),
    "instances": Taker(
        "/v1/models/{model}:predict", _within(b'{"instances":[', b"]}"), path="/v1/models/flights:predict"
    ),
    "platform": Taker("/aip/predict", _within(b'{"instances":[', b"]}")),
    "inputs": Taker("/invocations", _within(b'{"inputs":[', b"]}")),
    "columns": Taker("/invocations", _within(b'{"inputs":', b"}")),
    "records": Taker("/invocations", _within(b'{"dataframe_records":[', b"]}")),
    "split": Taker(
        "/invocations",
        lambda wind: b'{"dataframe_split":{"columns":%b,"data":[[%b]]}}' % (NAMES, b",".join(_cells(wind))),
    ),
    "lines": Taker("/invocations", _features, "application/jsonlines"),
    "CSV": Taker(
        "/invocations",
        lambda wind: b"distance,carrier,season,wind,holiday\n733,AA,winter,%b,false\n" % wind,
        "text/csv",
    ),
}

TAKEN = {
    "minus nothing": b"-0",
    "minus nothing point nothing": b"-0.0",
    "next to nothing": b"1e-999",
    "5,000 digits behind the point": b"0." + b"1" * 5000,
    "an exponent of many digits": b"0e" + b"9" * 400,
    "a capital exponent": b"1E+2",
}
"""Numbers that are odd, and numbers."""

REFUSED = {
    "1e999": b"1e999",
    "-1e999": b"-1e999",
    "beyond float32": b"3.5e38",
    "10^5000": b"1" + b"0" * 5000,
    "-10^5000": b"-1" + b"0" * 5000,
    "5,000 digits": b"9" * 5000,
    "4,300 digits": b"9" * 4300,
    "400 digits": b"9" * 400,
    "an exponent of many digits": b"1e" + b"9" * 400,
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "hex": b"0x10",
    "a letter": b"1x",
    "two points": b"1.2.3",
    "no number": b'"a"',
    "an escaped half": rb'"\ud800"',
    "two halves in the wrong order": rb'"\udc00\ud800"',
    "a raw half": b'"\xed\xa0\x80"',
    "an escaped NUL": rb'"\u0000"',
    "a raw NUL": b'"\0"',
    "an overlong byte": b'"\xc0\x80"',
    "a lone byte": b'"\xff"',
    "beyond Unicode": b'"\xf4\x90\x80\x80"',
    "a list": b"[1, 2]",
    "an object": b'{"a": 1}',
    "lists in lists": b"[" * DEEP + b"]" * DEEP,
    "objects in objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "open lists": b"[" * DEEP,
    **{f"{deep} lists": b"[" * deep + b"1,1" + b"]" * deep for deep in range(940, 1000, 3)},
    **{f"{deep} objects": b'{"a":' * deep + b"1" + b"}" * deep for deep in range(940, 1000, 3)},
    "a megabyte of text": b'"%b"' % (b"a" * 1024 * 1024),
    "a megabyte of digits": b"9" * 1024 * 1024,
}
"""What is no number that a model or a store can take. About 980 lists are where a stack of 1,000 ends."""

WHOLE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "spaces": lambda _: b" " * 1000,
    "null": lambda _: b"null",
    "a number": lambda _: b"0",
    "a text": lambda _: b'"a"',
    "a list": lambda _: b"[]",
    "an object": lambda _: b"{}",
    "lists": lambda _: b"[" * DEEP + b"]" * DEEP,
    "objects": lambda _: b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "half of it": lambda good: good[: len(good) // 2],
    "two of it": lambda good: good + good,
    "in a text": lambda good: json.dumps(good.decode()).encode(),
    "in single quotes": lambda good: good.replace(b'"', b"'"),
    "a comment": lambda good: good + b"// a",
    "a comma behind": lambda good: good + b",",
    "NUL behind": lambda good: good + b"\0",
    "NUL before": lambda good: b"\0" + good,
    "a bad byte behind": lambda good: good + b"\xff",
    "a bad byte in a name": lambda good: good.replace(b'"', b'"\xff', 1),
    "a half in a name": lambda good: good.replace(b'"', rb'"\ud800', 1),
    "a BOM": lambda good: b"\xef\xbb\xbf" + good,
    "UTF-16": lambda good: good.decode().encode("utf-16"),
    "UTF-16 without a BOM": lambda good: good.decode().encode("utf-16-be"),
    "UTF-32": lambda good: good.decode().encode("utf-32"),
    "UTF-32 without a BOM": lambda good: good.decode().encode("utf-32-le"),
    "UTF-7": lambda good: good.decode().encode("utf-7").replace(b"{", b"+AHs-"),
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}
"""What is made of a good body, and is none."""

_BOMB = gzip.compress(bytes(100 * 1024 * 1024))
HEADERS: dict[str, tuple[dict[str, str], int]] = {
    "text": ({"content-type": "text/plain"}, 415),
    "XML": ({"content-type": "application/xml"}, 415),
    "a form": ({"content-type": "application/x-www-form-urlencoded"}, 415),
    "parts": ({"content-type": "multipart/form-data; boundary=a"}, 415),
    "two types": ({"content-type": "application/json, text/html"}, 415),
    "a type with a space": ({"content-type": "application / json"}, 415),
    "a type of 30,000 letters": ({"content-type": "a" * 30_000}, 415),
    "a type of other letters": ({"content-type": "application/jso\xf1"}, 415),
    "gzip": ({"content-encoding": "gzip"}, 415),
    "deflate": ({"content-encoding": "deflate"}, 415),
    "br": ({"content-encoding": "br"}, 415),
    "zstd": ({"content-encoding": "zstd"}, 415),
    "gzip twice": ({"content-encoding": "gzip, gzip"}, 415),
    "identity and gzip": ({"content-encoding": "identity, gzip"}, 415),
    "an unknown coding": ({"content-encoding": "x" * 30_000}, 415),
    "no key": ({"idempotency-key": ""}, 400),
    "a key of 201 letters": ({"idempotency-key": "a" * 201}, 400),
    "a key of other letters": ({"idempotency-key": "\xff"}, 400),
    "a key with a tab": ({"idempotency-key": "a\tb"}, 400),
    "a clock": ({"keepfit-clock": "2013-02-01T00:00:00Z"}, 400),
    "no clock": ({"keepfit-clock": "9" * 30_000}, 400),
}
"""Headers beside a good body, and what they are refused with."""

BOMBS = {"gzip": _BOMB, "deflate": zlib.compress(bytes(100 * 1024 * 1024)), "br": b"\x81\xff\x1f" * 100}
"""100 MB in a few KB, by their Content-Encoding."""


def _many(count: int, form: bytes) -> bytes:
    return b",".join(form % place for place in range(count))


_SPLIT = b'{"dataframe_split":{"columns":[%b],"data":[]}}'
DENSE: dict[str, tuple[str, bytes]] = {
    "columns": ("split", _SPLIT % _many(700_000, b'"%d"')),
    "one column, often": ("split", _SPLIT % b",".join([b'"a"'] * 2_000_000)),
    "lengths": (
        "tensors",
        b'{"inputs":[{"name":"a","shape":[%b],"datatype":"FP32","data":[]}]}' % _many(400_000, b"9%015d"),
    ),
    "tensors": (
        "tensors",
        b'{"inputs":[%b]}' % _many(120_000, b'{"name":"%d","shape":[1],"datatype":"FP32","data":[1]}'),
    ),
    "features": ("own", b'{"rows":[{"features":{%b}}]}' % _many(600_000, b'"%d":1')),
    "labels": ("labels", b'{"labels":[%b]}' % _many(900_000, b"%d")),
    "rows": ("inputs", b'{"inputs":[%b]}' % _many(700_000, b"[%d]")),
    "cells": ("CSV", _many(900_000, b"%d")),
    "lines": ("lines", b"\n" * 4_000_000 + b"{}\n" * 1_000_000),
    "a name": ("own", b'{"rows":[{"features":{"%b":1}}]}' % (b"a" * 8_000_000)),
}
"""8 MB of as many small parts as fit, by who takes them: each is refused while a caller waits."""

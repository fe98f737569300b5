"""What comes over a connection that is no plain HTTP/1.1, and what must be answered.

Every table is `name: (sent, answers)`. `answers` names each answer that comes, in order: its status and the
`X-Request-Id` of the request that it belongs to, which is missing where no request was read. What is sent
is followed by a good request of the name `probe`: it is answered, or the connection is closed before it.
`SMUGGLED` stands where a server with another opinion of the message's end would read a request.
"""

import json

from tests.builders import ROW

BODY = json.dumps({"rows": [{"features": ROW}]}).encode()
PROBE = b"GET /v2 HTTP/1.1\r\nhost: localhost\r\nx-request-id: probe\r\n\r\n"
SMUGGLED = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nx-request-id: smuggled\r\n\r\n"

Table = dict[str, tuple[bytes | tuple[bytes, ...], str]]


def post(
    *headers: bytes, body: bytes = BODY, line: bytes = b"POST /v1/predict HTTP/1.1", ends: bytes = b"\r\n"
) -> bytes:
    """Write a predict request of the name `first` with these headers beside its media type, and no length."""
    named = (b"host: localhost", b"content-type: application/json", b"x-request-id: first")
    return ends.join((line, *named, *headers, b"", body))


def sized(*headers: bytes, body: bytes = BODY, line: bytes = b"POST /v1/predict HTTP/1.1") -> bytes:
    """Write the same with its length."""
    return post(*headers, b"content-length: %d" % len(body), body=body, line=line)


def chunked(*headers: bytes, chunks: bytes, coding: bytes = b"chunked") -> bytes:
    """Write the same in chunks."""
    return post(*headers, b"transfer-encoding: " + coding, body=chunks)


def get(path: bytes, *headers: bytes, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    """Write a request of the name `first` without a body."""
    line = b" ".join(part for part in (method, path, version) if part)
    return b"\r\n".join((line, b"host: localhost", b"x-request-id: first", *headers, b"", b""))


LENGTH = len(BODY)
WHOLE = b"%x\r\n%b\r\n" % (LENGTH, BODY)
LAST = b"0\r\n\r\n"
HIDDEN = LAST + SMUGGLED

LENGTHS: Table = {
    "two equal lengths": (post(*[b"content-length: %d" % LENGTH] * 2), "400"),
    "two lengths": (post(b"content-length: %d" % LENGTH, b"content-length: 0"), "400"),
    "a list of lengths": (post(b"content-length: %d, %d" % (LENGTH, LENGTH)), "400"),
    "negative": (post(b"content-length: -1"), "400"),
    "plus": (post(b"content-length: +%d" % LENGTH), "400"),
    "hex": (post(b"content-length: 0x%x" % LENGTH), "400"),
    "a space within": (post(b"content-length: 1 %d" % LENGTH), "400"),
    "a letter behind": (post(b"content-length: %dx" % LENGTH), "400"),
    "an underscore": (post(b"content-length: 1_0"), "400"),
    "nothing": (post(b"content-length:"), "400"),
    "a fraction": (post(b"content-length: %d.0" % LENGTH), "400"),
    "beyond 64 bits": (post(b"content-length: 18446744073709551616"), "400"),
    "nearly 64 bits": (post(b"content-length: 18446744073709551615"), "413 first"),
    "a space before the colon": (post(b"content-length : %d" % LENGTH), "400"),
    "zeros before it": (post(b"content-length: 000%d" % LENGTH), "200 first, 200 probe"),
    "spaces around it": (post(b"content-length:   %d  " % LENGTH), "200 first, 200 probe"),
}
"""Content-Length."""

_BOTH = b"content-length: %d" % LENGTH
CODINGS: Table = {
    "CL.TE": (post(b"content-length: 5", b"transfer-encoding: chunked", body=HIDDEN), "400"),
    "TE.CL": (post(b"transfer-encoding: chunked", b"content-length: 5", body=HIDDEN), "400"),
    "TE.TE, the last unknown": (
        post(b"transfer-encoding: chunked", b"transfer-encoding: x", body=HIDDEN),
        "400",
    ),
    "TE.TE, the last chunked": (
        post(b"transfer-encoding: x", b"transfer-encoding: chunked", body=HIDDEN),
        "400",
    ),
    "chunked twice": (chunked(chunks=WHOLE + LAST, coding=b"chunked, chunked"), "400"),
    "chunked, identity": (chunked(chunks=HIDDEN, coding=b"chunked, identity"), "400"),
    "identity": (chunked(chunks=HIDDEN, coding=b"identity"), "400"),
    "xchunked": (chunked(chunks=HIDDEN, coding=b"xchunked"), "400"),
    "chunkedx": (chunked(chunks=HIDDEN, coding=b"chunkedx"), "400"),
    "gzip": (chunked(chunks=HIDDEN, coding=b"gzip"), "400"),
    "in quotes": (chunked(chunks=HIDDEN, coding=b'"chunked"'), "400"),
    "a tab before it": (chunked(chunks=WHOLE + LAST, coding=b"\tchunked"), "200 first, 200 probe"),
    "a tab behind it": (chunked(chunks=WHOLE + LAST, coding=b"chunked\t"), "400"),
    "a form feed before it": (chunked(chunks=HIDDEN, coding=b"\x0cchunked"), "400"),
    "a comma behind it": (chunked(chunks=WHOLE + LAST, coding=b"chunked,"), "400"),
    "a comma before it": (chunked(chunks=WHOLE + LAST, coding=b", chunked"), "400"),
    "in capitals": (chunked(chunks=WHOLE + LAST, coding=b"CHUNKED"), "200 first, 200 probe"),
    "a space before its colon": (post(b"transfer-encoding : chunked", body=HIDDEN), "400"),
    "on a folded line": (post(b"transfer-encoding:", b" chunked", body=HIDDEN), "400"),
    "behind a bare line feed": (post(b"x-a: b\ntransfer-encoding: chunked", body=HIDDEN), "400"),
    "behind a bare carriage return": (post(b"x-a: b\rtransfer-encoding: chunked", body=HIDDEN), "400"),
    "with an underscore": (post(b"transfer_encoding: chunked", _BOTH), "200 first, 200 probe"),
    "HTTP/1.0 in chunks": (
        post(b"transfer-encoding: chunked", body=HIDDEN, line=b"POST /v1/predict HTTP/1.0"),
        "400 first",
    ),
}
"""Transfer-Encoding."""

CHUNKS: Table = {
    "good": (chunked(chunks=WHOLE + LAST), "200 first, 200 probe"),
    "byte by byte": (
        chunked(chunks=b"".join(b"1\r\n%c\r\n" % c for c in BODY) + LAST),
        "200 first, 200 probe",
    ),
    "no size": (chunked(chunks=b"\r\n" + LAST), "400"),
    "a negative size": (chunked(chunks=b"-1\r\n" + LAST), "400"),
    "a size with 0x": (chunked(chunks=b"0x5\r\nhello\r\n" + LAST), "400"),
    "a size with a space before it": (chunked(chunks=b" 5\r\nhello\r\n" + LAST), "400"),
    "a size beyond 64 bits": (chunked(chunks=b"1" + b"0" * 16 + b"\r\n" + LAST), "400"),
    "a size with a plus": (chunked(chunks=b"+5\r\nhello\r\n" + LAST), "400"),
    "a letter in its size": (chunked(chunks=b"5g\r\nhello\r\n" + LAST), "400"),
    "too short": (chunked(chunks=b"2\r\nhello\r\n" + LAST), "400"),
    "too long": (chunked(chunks=b"7\r\nhello\r\n" + LAST), "400"),
    "line feeds only": (chunked(chunks=b"%x\n%b\n0\n\n" % (LENGTH, BODY)), "400"),
    "a line feed behind the size": (chunked(chunks=b"%x\n%b\r\n" % (LENGTH, BODY) + LAST), "400"),
    "a line feed in an extension": (chunked(chunks=b"%x;a\nb\r\n%b\r\n" % (LENGTH, BODY) + LAST), "400"),
    "a quoted extension": (
        chunked(chunks=b'%x;a="b c"\r\n%b\r\n' % (LENGTH, BODY) + LAST),
        "200 first, 200 probe",
    ),
    "a trailer": (chunked(chunks=WHOLE + b"0\r\nx-more: 1\r\n\r\n"), "200 first, 200 probe"),
    "trailers that name the request anew": (
        chunked(chunks=WHOLE + b"0\r\nx-request-id: smuggled\r\ncontent-type: text/csv\r\n\r\n"),
        "200 first, 200 probe",
    ),
    "a trailer with a length": (chunked(chunks=WHOLE + b"0\r\ncontent-length: 5\r\n\r\n"), "400"),
    "a trailer that is none": (chunked(chunks=WHOLE + b"0\r\nx more 1\r\n\r\n"), "400"),
    "a huge size that is not sent": (chunked(chunks=b"7fffffffffffffff\r\n{}"), "408"),
    "more than a request may have": (
        chunked(chunks=(b"100000\r\n%b\r\n" % (b" " * 0x100000)) * 9 + LAST),
        "413 first, 200 probe",
    ),
    "a huge extension": (
        chunked(chunks=b"%x;%b\r\n%b\r\n" % (LENGTH, b"x" * 300_000, BODY) + LAST),
        "200 first, 200 probe",
    ),
    "many small extensions": (
        chunked(chunks=(b"1;%b\r\n \r\n" % (b"x" * 1000)) * 300 + WHOLE + LAST),
        "200 first, 200 probe",
    ),
    "many trailers": (
        chunked(chunks=WHOLE + b"0\r\n" + b"x-more: 1\r\n" * 50_000 + b"\r\n"),
        "200 first, 200 probe",
    ),
}
"""Bodies in chunks."""

HEADS: Table = {
    "HTTP/0.9": (get(b"/v2", version=b""), "400"),
    "HTTP/1.0": (get(b"/v2", version=b"HTTP/1.0"), "200 first"),
    "HTTP/1.0 that asks to stay": (get(b"/v2", b"connection: keep-alive", version=b"HTTP/1.0"), "200 first"),
    "HTTP/2.0": (get(b"/v2", version=b"HTTP/2.0"), "400"),
    "HTTP/1.2": (get(b"/v2", version=b"HTTP/1.2"), "400"),
    "HTTP/9.9": (get(b"/v2", version=b"HTTP/9.9"), "400"),
    "http/1.1": (get(b"/v2", version=b"http/1.1"), "400"),
    "ICY": (get(b"/v2", version=b"ICY/1.1"), "400"),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", "400"),
    "TLS": (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(64), "400"),
    "CONNECT": (get(b"localhost:1", method=b"CONNECT") + SMUGGLED, "400"),
    "CONNECT to a path": (get(b"/v2", method=b"CONNECT") + SMUGGLED, "405 first"),
    "OPTIONS *": (get(b"*", method=b"OPTIONS"), "404 first, 200 probe"),
    "another address in the line": (get(b"http://evil.example/v2"), "200 first, 200 probe"),
    "no slash": (get(b"v2"), "400"),
    "two slashes": (get(b"//evil.example/v2"), "404 first, 200 probe"),
    "dots": (get(b"/v1/../v2"), "404 first, 200 probe"),
    "a coded slash": (get(b"/v2%2fhealth%2flive"), "200 first, 200 probe"),
    "a coded NUL": (get(b"/v2%00"), "404 first, 200 probe"),
    "a coded line": (get(b"/v2%0d%0ax-a:%20b"), "404 first, 200 probe"),
    "a bad code": (get(b"/v2%zz"), "404 first, 200 probe"),
    "a coded half": (get(b"/%ed%a0%80"), "404 first, 200 probe"),
    "raw bytes in the path": (get(b"/\xff\xfe"), "400"),
    "NUL in the path": (get(b"/v2\0"), "400"),
    "a fragment": (get(b"/v2#a"), "200 first, 200 probe"),
    "a tab in the line": (get(b"/v2", version=b"\tHTTP/1.1"), "400"),
    "a huge line": (get(b"/" + b"a" * 100_000), "431"),
    "a huge query": (get(b"/v2?" + b"a" * 100_000), "431"),
    "an unknown method": (get(b"/v2", method=b"BREW"), "400"),
    "a method in small letters": (get(b"/v2", method=b"get"), "400"),
    "a huge method": (get(b"/v2", method=b"A" * 100_000), "400"),
    "TRACE": (get(b"/v2", method=b"TRACE"), "405 first, 200 probe"),
    "a space before the first header": (b"GET /v2 HTTP/1.1\r\n host: a\r\n\r\n", "400"),
    "a folded header": (get(b"/v2", b"x-a: b\r\n c"), "400"),
    "a header without a name": (get(b"/v2", b": b"), "400"),
    "a header without a colon": (get(b"/v2", b"x-a"), "400"),
    "a space in a name": (get(b"/v2", b"x a: b"), "400"),
    "NUL in a name": (get(b"/v2", b"x\0a: b"), "400"),
    "NUL in a value": (get(b"/v2", b"x-a: b\0c"), "400"),
    "a carriage return in a value": (get(b"/v2", b"x-a: b\rc"), "400"),
    "a bell in a value": (get(b"/v2", b"x-a: b\x07c"), "400"),
    "Latin-1 in a value": (get(b"/v2", b"x-a: \xff"), "200 first, 200 probe"),
    "line feeds only": (get(b"/v2").replace(b"\r\n", b"\n"), "400"),
    "carriage returns only": (get(b"/v2").replace(b"\r\n", b"\r"), "400"),
    "empty lines before it": (b"\r\n\r\n" + get(b"/v2"), "200 first, 200 probe"),
    "many headers": (get(b"/v2", *[b"x-a: b"] * 20_000), "431"),
    "a huge header": (get(b"/v2", b"x-a: " + b"b" * 100_000), "431"),
    "a body with GET": (
        get(b"/v2", b"content-length: %d" % len(SMUGGLED)) + SMUGGLED,
        "200 first, 200 probe",
    ),
    "a trace with a tab": (
        get(b"/v2", b"traceparent: 00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-00-\tc"),
        "200 first, 200 probe",
    ),
    "a trace of other letters": (
        get(b"/v2", b"traceparent: 00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-00-\xff"),
        "200 first, 200 probe",
    ),
    "a name with a tab": (
        get(b"/v2").replace(b"first", b"fi\trst"),
        "200, 200 probe",
    ),
}
"""Request lines and headers."""

ORDERS: Table = {
    "two good": (sized() + sized().replace(b"first", b"second"), "200 first, 200 second, 200 probe"),
    "a good one after one that is refused": (sized(body=b"{"), "400 first, 200 probe"),
    "a bad one after a good one": (sized() + b"\x16\x03 no HTTP\r\n\r\n", "200 first, 400"),
    "a bad one after two good": (
        sized() + sized().replace(b"first", b"second") + b"\x16\x03 no HTTP\r\n\r\n",
        "200 first, 200 second, 400",
    ),
    "a huge head after a good one": (sized() + get(b"/" + b"a" * 200_000), "200 first, 431"),
    "more than its length": (
        post(b"content-length: %d" % LENGTH, body=BODY + SMUGGLED.replace(b"smuggled", b"second")),
        "200 first, 200 second, 200 probe",
    ),
    "refused before its body": (
        (sized(b"content-encoding: gzip")[:-LENGTH], BODY),
        "415 first, 200 probe",
    ),
    "refused, and its body looks like a request": (
        (sized(b"content-encoding: gzip", body=SMUGGLED)[: -len(SMUGGLED)], SMUGGLED),
        "415 first, 200 probe",
    ),
    "an upgrade": (get(b"/v2", b"connection: upgrade", b"upgrade: h2c"), "200 first"),
    "an upgrade to a websocket": (
        get(b"/v2", b"connection: upgrade", b"upgrade: websocket", b"sec-websocket-version: 13"),
        "200 first",
    ),
    "an upgrade with a body": (
        sized(b"connection: upgrade", b"upgrade: h2c"),
        "400 first",
    ),
    "an upgrade, and more in another packet": (
        (get(b"/v2", b"connection: upgrade", b"upgrade: h2c") + b"GET /v2 HTTP/1.1\r\nx-a: ", SMUGGLED),
        "200 first",
    ),
    "an expectation": (sized(b"expect: 100-continue"), "100, 200 first, 200 probe"),
    "an unknown expectation": (sized(b"expect: 200-ok"), "200 first, 200 probe"),
    "an expectation that is refused": (
        sized(b"expect: 100-continue", b"content-encoding: br"),
        "415 first, 200 probe",
    ),
}
"""What one message does to the next."""

TWICE: Table = {
    name: (sized(*headers), "400")
    for name, headers in {
        "a second host": (b"host: evil.example",),
        "a second type": (b"content-type: text/csv",),
        "the same type again": (b"Content-Type: application/json",),
        "two codings": (b"content-encoding: identity", b"content-encoding: gzip"),
        "two keys": (b"idempotency-key: a", b"idempotency-key: b"),
        "two clocks": (b"keepfit-clock: a", b"keepfit-clock: b"),
        "two names": (b"x-request-id: smuggled",),
        "two authorizations": (b"authorization: Bearer a", b"authorization: Bearer b"),
        "two origins": (b"origin: http://localhost", b"origin: http://evil.example"),
        "two expectations": (b"expect: 100-continue",) * 2,
    }.items()
} | {"two that may": (sized(b"accept: a/b", b"accept: c/d"), "200 first, 200 probe")}
"""Headers of which another server may have looked at the other one."""

NEVER: Table = {
    "nothing": (b"", "408"),
    "half a line": (b"POST /v1/pre", "408"),
    "half a head": (sized()[:60], "408"),
    "no body": (post(_BOTH, body=b""), "408"),
    "half a body": (sized()[:-1], "408"),
    "no chunk": (chunked(chunks=b""), "408"),
    "half a chunk": (chunked(chunks=WHOLE[:-3]), "408"),
    "no last chunk": (chunked(chunks=WHOLE), "408"),
    "no end of the trailers": (chunked(chunks=WHOLE + b"0\r\nx-a: b\r\n"), "408"),
    "an expectation and no body": (post(_BOTH, b"expect: 100-continue", body=b""), "100, 408"),
    "the body of a refused one": (post(_BOTH, b"content-encoding: br", body=b""), "415 first"),
}
"""What never comes whole: no probe follows."""

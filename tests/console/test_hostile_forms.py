"""What the console's addresses and forms can be sent: each is refused or answered, and no page breaks."""

import httpx
import pytest

DIGITS = "9" * 5000
FORMS = {
    "nothing": b"",
    "bad UTF-8": b"why=\xff\xfe",
    "coded bad UTF-8": b"why=%ff%fe",
    "a half": b"why=%ed%a0%80",
    "NUL": b"why=%00&version=%00&number=%00&token=%00&reason=%00",
    "5,000 digits": f"version={DIGITS}&number={DIGITS}".encode(),
    "19 digits": b"version=9999999999999999999&number=9999999999999999999",
    "18 digits": b"number=999999999999999999",
    "minus": b"version=-1&number=-1",
    "no number": b"version=1e999&number=NaN",
    "digits of others": "version=\u0661&number=\u0661&number=\u00b2".encode(),
    "many numbers": b"&".join(b"number=%d" % n for n in range(12_000)),
    "many names": b"&".join(b"%d=%d" % (n, n) for n in range(12_000)),
    "all of what there is not": b"all=1&reason=" + b"x" * 100_000,
    "the same twice": b"version=1&version=2&number=1&number=2&why=a&why=b",
    "JSON": b'{"version": 1}',
    "only signs": b"&&&===;;;%%%",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    "too much": b"why=" + b"x" * 300_000,
}
ADDRESSES = [
    *(f"/ledger/{number}" for number in ("0", "-1", DIGITS, "9" * 19, "9" * 25, "1e9", "\u0661", "%00")),
    *(f"/ledger?before={number}" for number in ("0", "-1", DIGITS, "9" * 19, "\u0661", "%00", "%ff")),
    *(f"/quarantine?before={number}" for number in ("0", "-1", DIGITS, "9" * 19, "\u0661", "%00", "%ff")),
    *(f"/quarantine?reason={text}" for text in ("%00", "%ff", "%ed%a0%80", "x" * 50_000)),
    *(f"/decisions/{key}" for key in ("%00", "%ff", "%ed%a0%80", "..%2f..%2fetc", "x" * 50_000, DIGITS)),
    *(f"/reports/{key}" for key in ("%00", "%ff", "..%2f..", "x" * 5000, DIGITS, "0001-01-01", "9999-12-31")),
    *(f"/reports/{key}/page" for key in ("%00", "%ff", "..%2f..", "x" * 5000, "2013-02-30")),
    *(f"/runs/{key}" for key in ("%00", "%ff", "..%2f..", "x" * 5000, DIGITS)),
    *(f"/static/{key}" for key in ("%00", "..%2f..%2fsite.py", "%ff", "x" * 5000, "%5c..%5c")),
    *(f"/timeline?{query}" for query in ("%00=%ff", "a" * 50_000, "days=" + DIGITS, "metric=%ed%a0%80")),
    *("/%2e%2e/site.py", "//evil.example", "/\u00e9", "/%"),
]
AWAY = 503
"""Prefect does not answer here: a form that is taken comes as far as that."""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", ["/retrain", "/rollback", "/readmit"])
def test_a_hostile_form_is_refused_or_a_reason_like_any_other(
    console: httpx.Client, path: str, form: str
) -> None:
    kind = "application/x-www-form-urlencoded"
    headers = {"Origin": str(console.base_url).rstrip("/"), "Content-Type": kind}
    answer = console.post(path, content=FORMS[form], headers=headers)
    assert answer.status_code in {400, 413, 422, AWAY}
    assert "<title>" in answer.text
    assert answer.status_code != AWAY or "Prefect does not answer" in answer.text


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: address[:40])
def test_a_hostile_address_is_a_page_or_none(console: httpx.Client, address: str) -> None:
    url = httpx.URL(console.base_url)
    raw = address.encode().replace(b"\xc3\xa9", b"%c3%a9").replace(b"\xd9\xa1", b"%d9%a1")
    answer = console.get(url.copy_with(raw_path=raw))
    assert answer.status_code in {200, 400, 404, 422, AWAY}
    if answer.status_code == AWAY:
        assert address.startswith("/runs/")

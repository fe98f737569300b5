"""What reads bytes from outside, each with a law that holds for whatever comes.

A target gives the same whenever it is called with the same bytes, and raises nothing but what its module
declares; what it takes, it holds against the schema. `benchmarks.parsers` has
libFuzzer look for bytes that break that, guided by the lines that they reach.
"""

import math
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import atheris
import msgspec

with atheris.instrument_imports(include=["serving", "data", "keepfit"]):  # what is guided by coverage
    from data.apikeys import read_keys
    from data.bundles import Manifest
    from data.journal import encode_line, read_chunk
    from data.records import ids_of
    from data.releases import POINTER, last_served, read_pointer, read_statuses
    from data.signatures import Keys as TrustedKeys
    from keepfit import Column, Target
    from keepfit.errors import BundleError, KeepfitError
    from keepfit.origins import is_from_elsewhere, is_ours
    from serving.answer import acknowledged
    from serving.contract import Schema, read_feedback_request, read_predict_request
    from serving.exchange import Request, refused
    from serving.keys import Keys
    from serving.predictor import cell_order
    from serving.protocols.frames import read_csv
    from serving.protocols.given import Given, Reader, decoded
    from serving.protocols.instances import read
    from serving.protocols.kserve import refused as in_a_sentence
    from serving.protocols.messages import InstancesRequest
    from serving.protocols.mlflow import read_invocation
    from serving.protocols.requested import read_infer, rows_of
    from serving.protocols.sagemaker import inference_id, wanted
    from serving.refusal import Refused
    from serving.typed import TypedRow, TypedRows, cells_of, times_of

COLUMNS = {
    "distance": Column.number(between=(0, 5000)),
    "carrier": Column.category(),
    "season": Column.category(among=["winter", "summer"], optional=True),
    "wind": Column.number(optional=True),
    "holiday": Column.flag(),
}
_KINDS = (
    Target.binary("late"),
    Target.multiclass("way", ["air", "rail"]),
    Target.regression("delay"),
    None,
)
_NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
_ROWS = 20
_SCHEMA = Schema(COLUMNS, Target.binary("late"))
_TYPED = TypedRows(_SCHEMA)
_READER = Reader(_SCHEMA, _ROWS, "own")
_HOME = Path(tempfile.mkdtemp(prefix="keepfit-fuzz-"))
_INSTANCES = msgspec.json.Decoder(InstancesRequest)
_STATUSES = {400, 413, 415, 422}
_HEADERS = (
    *(b"idempotency-key", b"x-request-id", b"traceparent", b"content-type", b"accept"),
    *(b"x-amzn-sagemaker-inference-id", b"content-encoding"),
)


@dataclass(frozen=True)
class Reading:
    """Something that reads bytes, what it may raise, and good examples to begin from."""

    read: Callable[[bytes], object]
    seeds: Sequence[str | bytes]
    declared: type[Exception] = Refused


def _good(rows: Sequence[TypedRow]) -> object:
    """Hold rows that were taken against the schema; give them as values that can be compared."""
    told: list[object] = []
    for row, at in zip(rows, times_of(rows, _NOON), strict=True):
        cells = dict(zip(cell_order(COLUMNS), cells_of(row), strict=True))
        assert at.tzinfo is UTC
        for name, cell in cells.items():
            assert COLUMNS[name].objection(cell) is None, (name, cell)
            assert not isinstance(cell, float) or math.isfinite(cell)
        assert msgspec.json.decode(msgspec.json.encode(row), type=type(row)) == row
        told.append((cells, row.reference_id, row.predicted_at))
    return told


def _own(body: bytes) -> object:
    told = _good(_TYPED.read(body, _ROWS))
    assert told == _good(_TYPED.take(read_predict_request(body, _ROWS).rows)), "the two readers differ"
    return told


def _labels(body: bytes) -> object:
    target = _KINDS[len(body) % len(_KINDS)]
    asked = read_feedback_request(body, _ROWS)
    entry = acknowledged(asked, target, _NOON, ids_of("a", len(asked.labels)))
    assert _kept(encode_line(entry)) == (repr([entry]), [])
    return entry


def _taken(given: Given) -> object:
    for place in range(min(2, len(given.rows))):
        for name in (None, "distance", "reference_id", "strange"):
            assert isinstance(given.at(place, name), str)
    return _good(_TYPED.take(given.rows))


def _infer(body: bytes) -> object:
    length, _, rest = body.partition(b"\n")
    headers = [(b"inference-header-content-length", length)] if length else []
    return _taken(rows_of(*read_infer(_request(*headers), rest), _READER))


def _csv(body: bytes) -> object:
    header = {0: None, 1: True, 2: False}[body[0] % 3] if body else None
    return _taken(read_csv(_READER, body[1:], header))


def _headers(body: bytes) -> object:
    """Read each header; what goes back stays one line."""
    values = body.split(b"\n")[: len(_HEADERS)]
    if any((c < 32 and c != 9) or c == 127 for value in values for c in value):
        return None  # no server would let it through
    request = _request(*zip(_HEADERS, values, strict=False))
    told = [request.media, request.trace_id, wanted(request), inference_id(request), request.echoed]
    if request.key is not None:
        Keys().check(request.key, b"")
        told += ids_of(request.key, 2)
    return told


def _request(*headers: tuple[bytes, bytes]) -> Request:
    return Request({"type": "http", "headers": list(headers)}, _never)


async def _never() -> Any:  # noqa: ANN401 - an event of ASGI
    raise NotImplementedError


def _origins(body: bytes) -> object:
    host, origin, site = ([*body.decode("latin-1").split("\n"), "", ""])[:3]
    return is_ours(host, ("keepfit.example",), local=True), is_from_elsewhere(origin, host, site or None)


def _kept(line: bytes) -> tuple[str, list[str]]:
    """Read a line as a drain does: it says what is no entry, and raises nothing."""
    file = _HOME / "a.journal"
    file.write_bytes(line)
    chunk = read_chunk(file, 0)
    assert (chunk.end, chunk.finished) == (len(line), True)
    return repr(chunk.entries), [torn.reason for torn in chunk.torn]


def _journal(body: bytes) -> object:
    line = body.replace(b"\n", b"")
    return _kept(body), _kept(b"%08x %b\n" % (zlib.crc32(line), line))


def _notes(body: bytes) -> object:
    for name in (POINTER, "served.json", "a-1.status.json"):
        (_HOME / name).write_bytes(body)
    return last_served(_HOME), len(read_statuses(_HOME, _NOON)), read_pointer(_HOME)


def _signature(body: bytes) -> None:
    TrustedKeys(_HOME, {}, ()).check(_HOME / "model.sig", body, {"a": "0" * 64})
    raise AssertionError("it is signed by nobody")


def _manifest(body: bytes) -> object:
    try:
        made = msgspec.json.decode(body, type=Manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as fault:  # as `open_bundle` has it
        raise BundleError(str(fault)) from None
    return made


def _api_keys(body: bytes) -> object:
    (_HOME / "keys").write_bytes(body)
    (_HOME / "keys").chmod(0o600)
    return read_keys(_HOME / "keys")


_FEATURES = '{"distance":733,"carrier":"AA","season":"winter","wind":3.5,"holiday":false}'
_CELLS = '733,"AA","winter",3.5,false'
_NAMES = '"distance","carrier","season","wind","holiday"'
_TENSORS = ",".join(
    f'{{"name":"{name}","shape":[1,1],"datatype":"{kind}","data":[{cell}]}}'
    for name, kind, cell in zip(
        COLUMNS, ("FP32", "BYTES", "BYTES", "FP64", "BOOL"), _CELLS.split(","), strict=True
    )
)
_BINARY = '{"inputs":[{"name":"a","shape":[1,5],"datatype":"FP32","parameters":{"binary_data_size":20}}]}'
_ODD = (b'{"a":' + b"[" * 1500, b'{"a":"\xff"}', b'{"\\ud800":1}', b'{"a":1e999}', b"[" * 980 + b"]" * 980)
"""What is tried on every reader."""
READINGS = {
    "own rows": Reading(
        _own,
        [
            f'{{"rows":[{{"features":{_FEATURES},"reference_id":"a","predicted_at":"2013-02-01T00:00:00Z"}}]}}',
            '{"rows":[{"features":{"distance":1e-999,"carrier":"\\u00e9","holiday":1}}]}',
        ],
    ),
    "labels": Reading(
        _labels,
        [
            '{"labels":[{"label":true,"prediction_id":"a","observed_at":"2013-02-01T00:00:00+01:00"}]}',
            '{"labels":[{"label":"air","reference_id":"a"},{"label":12.5,"reference_id":"b"}]}  ',
        ],
    ),
    "instances": Reading(
        lambda body: _taken(read(_READER, decoded(_INSTANCES, body).instances, "$.instances")),
        [f'{{"instances":[{_FEATURES}]}}', f'{{"instances":[[{_CELLS}]],"parameters":{{"answer":"full"}}}}'],
    ),
    "invocations": Reading(
        lambda body: _taken(read_invocation(body, _READER)[1]),
        [
            f'{{"dataframe_split":{{"columns":[{_NAMES}],"index":[0],"data":[[{_CELLS}]]}}}}',
            f'{{"dataframe_records":[{_FEATURES}],"client_request_id":"a"}}',
            f'{{"inputs":{_FEATURES.replace(":", ":[").replace(",", "],").replace("}", "]}")}}}',
            f'{{"instances":[{{"features":[{_CELLS}]}}],"params":{{"answer":"full"}}}}',
            f'{{"inputs":[{_FEATURES.replace("3.5", "NaN")}]}}',
        ],
    ),
    "tensors": Reading(
        _infer, [f'\n{{"id":"a","inputs":[{_TENSORS}]}}', f"{len(_BINARY)}\n{_BINARY}{chr(0) * 20}"]
    ),
    "CSV": Reading(
        _csv, ["\0distance,carrier,season,wind,holiday\n733,AA,winter,3.5,false\n", "\2733,AA,,,1\n"]
    ),
    "headers": Reading(
        _headers,
        [f"key\nname\n00-{'a' * 32}-{'b' * 16}-01\ntext/csv; header=present\ntext/csv\nid\nidentity"],
    ),
    "origins": Reading(
        _origins, ["localhost:8000\nhttp://localhost:8000\nsame-origin", "[::1]:1\nhttps://[::1]:1"]
    ),
    "journal": Reading(
        _journal,
        [
            '{"kind":"labels","labels":[{"label_id":"a","label":1,"observed_at":"2013-02-01T00:00:00Z",'
            '"known_at":"2013-02-01T00:00:00Z","source":"http","prediction_id":"b"}]}'
        ],
    ),
    "notes": Reading(
        _notes,
        [
            f'{{"digest":"{"a" * 64}","version":1,"promotion":1}}',
            '{"host":"a","pid":1,"at":"2013-02-01T00:00:00Z","counters":{"a":1.5}}',
        ],
        KeepfitError,
    ),
    "signature": Reading(
        _signature,
        [
            '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":'
            f'{{"hint":"{"a" * 64}"}},"tlogEntries":[]}},"dsseEnvelope":{{"payload":"YQ==","payloadType":'
            '"application/vnd.in-toto+json","signatures":[{"sig":"YQ==","keyid":""}]}}'
        ],
        BundleError,
    ),
    "manifest": Reading(
        _manifest, ['{"project":"a","version":1,"columns":{"a":{"kind":"number"}}}'], BundleError
    ),
    "API keys": Reading(_api_keys, ['{"keys":[]}'], KeepfitError),
}


def check(reading: Reading, body: bytes) -> None:
    """Read bytes twice; raise where a law is broken."""
    assert _outcome(reading, body) == _outcome(reading, body), "it was read in two ways"


def _outcome(reading: Reading, body: bytes) -> str:
    try:
        return repr(reading.read(body))
    except reading.declared as fault:
        if isinstance(fault, Refused):
            _hold(fault)
        return f"{type(fault).__name__}: {fault}"


def _hold(refusal: Refused) -> None:
    """A refusal has a status of a body that is refused, and can be written."""
    assert refusal.status in _STATUSES, refusal.status
    for written in (refused(refusal), in_a_sentence(refusal)):
        msgspec.json.decode(written.body)


def main() -> None:
    """Look until the time is over or a law is broken; never returns."""
    name, folder, dictionary, seconds = sys.argv[1:5]
    reading = READINGS[name]
    corpus = Path(folder)
    for place, seed in enumerate((*reading.seeds, *_ODD)):
        (corpus / f"seed-{place}").write_bytes(seed.encode() if isinstance(seed, str) else seed)
    limits = (f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=4096")
    told = ("-print_final_stats=1", f"-artifact_prefix={corpus}/", f"-dict={dictionary}")
    words = [sys.argv[0], *limits, *told, str(corpus)]
    atheris.Setup(words, lambda body: check(reading, body))
    atheris.Fuzz()


if __name__ == "__main__":
    main()

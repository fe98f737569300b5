"""The records that a journal, a file or the store holds: predictions and labels."""

import hashlib
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from msgspec import Struct

from keepfit.spec import Value

_UUID7 = 7
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
_pool = bytearray()
# A forked process must not draw what its parent draws.
os.register_at_fork(after_in_child=_pool.clear)


class Prediction(Struct, frozen=True, omit_defaults=True, gc=False):
    """One row that was answered, or imported (then it has no version and no output).

    `output` is P(positive) [1], the probabilities in the order of the target's classes [k], or the
    value [1]. `known_at` is stamped by the clock of the server that took it in. A server that writes many
    may give `features` as a Struct whose fields are encoded under the features' names; read back, it is a
    mapping.

    `latency_s` is from the request's headers to its answer, the same for all rows of a request. `status` is
    what the caller was answered: 200, or 499 where nobody was left to answer. Where one row of n is kept,
    its `weight` is n. `trace_id` is that of W3C's `traceparent`.
    """

    prediction_id: str
    features: Mapping[str, Value]
    predicted_at: datetime
    known_at: datetime
    output: tuple[float, ...] = ()
    version: int | None = None
    reference_id: str | None = None
    subject_id: str | None = None
    latency_s: float | None = None
    status: int = 200
    weight: float = 1.0
    trace_id: str | None = None


class Label(Struct, frozen=True, omit_defaults=True, gc=False):
    """A true outcome, of the prediction with an id or of all that share a reference id."""

    label_id: str
    label: Value
    observed_at: datetime
    known_at: datetime
    source: str
    prediction_id: str | None = None
    reference_id: str | None = None


class CapturedPredictions(Struct, frozen=True, tag_field="kind", tag="predictions"):
    """What one predict request journals, in one line."""

    rows: tuple[Prediction, ...]


class AcknowledgedLabels(Struct, frozen=True, tag_field="kind", tag="labels"):
    """What one feedback request journals, in one line."""

    labels: tuple[Label, ...]


Entry = CapturedPredictions | AcknowledgedLabels


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something that was received and not accepted: it goes to quarantine with its reason.

    `content` is the row or line as text, so that it can be read and readmitted.
    """

    kind: str
    content: str
    reason: str
    source: str
    known_at: datetime


def now() -> datetime:
    """Read this machine's clock: for stamping what comes in, never for deciding."""
    return datetime.now(UTC)


def since_boot() -> tuple[str, float]:
    """Read the clock that nobody sets: which start of this machine, and seconds that pass since.

    All processes of a machine read the same, however its time of day is set meanwhile. Where the start
    has no name, it is empty: then this is no other process's clock.
    """
    return _boot(), time.monotonic()


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def new_id() -> str:
    """Make a UUIDv7 (RFC 9562): ids sort by the millisecond in which they were made."""
    return new_ids(1)[0]


def new_ids(count: int) -> list[str]:
    """Make ids of one millisecond, in no order."""
    if len(_pool) < 10 * count:
        _pool.extend(os.urandom(4096 + 10 * count))  # one call of the kernel for hundreds of ids
    drawn = bytes(_pool[-10 * count :]).hex()
    del _pool[-10 * count :]
    time_ms = f"{time.time_ns() // 1_000_000:012x}"
    head = f"{time_ms[:8]}-{time_ms[8:]}-7"
    parts = [drawn[start : start + 20] for start in range(0, 20 * count, 20)]
    return [f"{head}{p[1:4]}-{_VARIANT[p[4]]}{p[5:8]}-{p[8:]}" for p in parts]  # as `uuid7` shapes one


def ids_of(key: str, count: int) -> list[str]:
    """Make the ids of a request's records: the same idempotency key gives the same ids, whatever is sent.

    They carry the time of a key that is a UUIDv7, and else none.
    """
    try:
        made = uuid.UUID(key)
    except ValueError:
        made = uuid.UUID(int=0)
    unix_ms = made.int >> 80 if made.version == _UUID7 else 0
    return [uuid7(unix_ms, hashlib.sha256(b"%d\x1f%b" % (n, key.encode())).digest()) for n in range(count)]


def uuid7(unix_ms: int, rest: bytes) -> str:
    """Shape a time and 10 bytes as a UUIDv7; the same input gives the same id."""
    head, tail = f"{unix_ms & 0xFFFF_FFFF_FFFF:012x}", rest[:10].hex()
    return f"{head[:8]}-{head[8:]}-7{tail[1:4]}-{_VARIANT[tail[4]]}{tail[5:8]}-{tail[8:]}"

"""How a version came to be: what it was made of and what was decided, as an in-toto statement."""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

Scores = dict[str, float | None]
"""A score that is not a number is written as null: JSON has no NaN."""


class Judgement(Struct, frozen=True, kw_only=True):
    """What was decided about a challenger before it became a version, beside which champion, and why.

    `audit_head` is the hash of the audit log's last entry then: the signature keeps it outside of the store.
    """

    promote: bool
    asked_by: str
    reasons: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()
    champion: int | None = None
    challenger_scores: Scores = {}
    champion_scores: Scores | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    parity: float | None = None
    audit_head: str | None = None


class Origin(Struct, frozen=True, kw_only=True):
    """What a version was made of, and what was decided about it; None: nothing was judged."""

    project: str
    version: int
    snapshot_id: str
    training_until: datetime
    as_of: datetime
    commit: str
    lock_hash: str
    metrics: dict[str, float]
    judgement: Judgement | None


class Digest(Struct, frozen=True):
    """A SHA-256, in hexadecimal."""

    sha256: str


class Subject(Struct, frozen=True):
    """A file that a statement is about."""

    name: str
    digest: Digest


class Statement(Struct, frozen=True, kw_only=True, rename="camel"):
    """What is said of the bundle whose manifest is the subject; the bundle's signature covers it."""

    type: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(
        name="_type", default="https://in-toto.io/Statement/v1"
    )
    subject: tuple[Subject]
    predicate_type: Literal["https://keepfit/origin/v1"] = "https://keepfit/origin/v1"
    predicate: Origin

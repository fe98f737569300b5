"""What callers send and what they are answered: the wire types of /v1, and the rows a model takes.

Every time is RFC 3339 with an offset. A missing value is absent or null. Where a key stands twice in
an object, the last one counts.
"""

import difflib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from keepfit.spec import LARGEST, UNSTORABLE, Column, Target, Value, is_storable
from serving.refusal import Refused, explained, invalid, key

T = TypeVar("T")
Id = Annotated[str, Meta(min_length=1, max_length=200)]

_EXACT = 2**53
"""The largest whole number that a float keeps; a larger one is kept as a float, as models see it."""
_YEARS = (1970, 2200)
"""What every store and every tool downstream can count in nanoseconds."""


class Row(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One row to answer; `reference_id` is the caller's own name for it, by which a label may come."""

    features: dict[str, Value]
    reference_id: Id | None = None
    predicted_at: datetime | None = None
    """When the answer is for; the server's clock where it is not given."""


class PredictRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/predict: one row or many; all are answered by the same model, or all are refused."""

    rows: Annotated[list[Row], Meta(min_length=1)]


class Explanation(Struct, frozen=True, omit_defaults=True):
    """What each feature adds to an answer: the baseline and all contributions together are the answer.

    `of` is the class whose probability is explained: 1, or the output; a regression has none.
    `standard_errors` are there where the contributions were sampled.
    """

    baseline: float
    contributions: dict[str, float]
    of: int | str | None = None
    standard_errors: dict[str, float] | None = None


class PredictedRow(Struct, frozen=True, omit_defaults=True, gc=False):
    """One answer: the most probable class, or the value; the probabilities as in `classes`.

    Where `explain=true` was asked for it has `explanation`, or the reason why not as `unexplained`.
    """

    prediction_id: str
    output: int | str | float
    probabilities: list[float] | None = None
    reference_id: str | None = None
    explanation: Explanation | None = None
    unexplained: str | None = None


class PredictAnswer(Struct, frozen=True, omit_defaults=True):
    """The answers in the order of the rows; `captured` says that they are in the journal."""

    version: int
    captured: bool
    predictions: list[PredictedRow]
    classes: tuple[int | str, ...] = ()


class LabelRow(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A true outcome, of the prediction with an id or of all with a reference id: give exactly one."""

    label: Value
    prediction_id: Id | None = None
    reference_id: Id | None = None
    observed_at: datetime | None = None
    """When it became true; the server's clock where it is not given."""


class FeedbackRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/feedback: labels; all are taken or all are refused."""

    labels: Annotated[list[LabelRow], Meta(min_length=1)]


class FeedbackAnswer(Struct, frozen=True):
    """The labels are on disk; the ids are in their order."""

    accepted: int
    label_ids: list[str]


class WorkerAnswer(Struct, frozen=True, kw_only=True):
    """What one worker serves; `error` is why it did not follow the release pointer to `refused`."""

    host: str
    pid: int
    version: int | None
    digest: str | None
    generation: int
    error: str | None
    refused: str | None


class ModelAnswer(Struct, frozen=True):
    """GET /v1/model: what the answering worker serves, and every worker seen in the last 5 seconds.

    `replay` says that callers may set the clock of a request.
    """

    project: str
    worker: WorkerAnswer
    workers: list[WorkerAnswer]
    replay: bool = False


class ErrorDetail(Struct, frozen=True):
    """Where in the body, and why; `$` is the request as a whole."""

    path: str
    reason: str


class ErrorAnswer(Struct, frozen=True):
    """The body of every answer of 400 and above."""

    error: ErrorDetail


_predict_request = msgspec.json.Decoder(PredictRequest)
_feedback_request = msgspec.json.Decoder(FeedbackRequest)


def read_predict_request(body: bytes, most_rows: int) -> PredictRequest:
    """Read a body; raise Refused with the path and the reason when it is none of ours."""
    request = _decoded(_predict_request, body)
    check_count("rows", len(request.rows), most_rows)
    return request


def read_feedback_request(body: bytes, most_rows: int) -> FeedbackRequest:
    """Read a body; raise Refused with the path and the reason when it is none of ours."""
    request = _decoded(_feedback_request, body)
    check_count("labels", len(request.labels), most_rows)
    return request


class Schema:
    """What the live model takes: rows with its columns, and labels of its target."""

    def __init__(self, columns: Mapping[str, Column], target: Target) -> None:
        self.columns = dict(columns)
        self.target = target

    def check(self, given: Mapping[str, Value], row: int) -> None:
        """Check the features of row number `row`; raise Refused when one may not be."""
        if given.keys() - self.columns.keys():
            # Before what is missing: a misspelt name is both.
            self._refuse_unknown(given, row)
        for name, column in self.columns.items():
            if objection := column.objection(given.get(name)):
                raise invalid(f"$.rows[{row}].features{key(name)}", objection)

    def _refuse_unknown(self, given: Mapping[str, Value], row: int) -> None:
        name = next(name for name in given if name not in self.columns)
        close = difflib.get_close_matches(name[:200], self.columns, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the model takes {', '.join(self.columns)}"
        raise invalid(f"$.rows[{row}].features{key(name)}", f"unknown feature; {hint}")


def check_label(given: LabelRow, place: int, target: Target | None) -> None:
    """Refuse a label that no target, or not the live model's, can have; or one that names nothing."""
    at = f"$.labels[{place}]"
    if (given.prediction_id is None) == (given.reference_id is None):
        raise invalid(at, "expected exactly one of prediction_id and reference_id")
    _check_id(given.prediction_id, f"{at}.prediction_id")
    _check_id(given.reference_id, f"{at}.reference_id")
    objection = _label_objection(given.label) if target is None else target.objection(given.label)
    if objection := objection or _unkept(given.label):
        raise invalid(f"{at}.label", objection)


def check_row(given: Row, place: int) -> None:
    """Refuse a row whose own name cannot be kept."""
    _check_id(given.reference_id, f"$.rows[{place}].reference_id")


def kept(value: Value) -> Value:
    """Write a value as it is kept: a whole number too large for 64 bits as the float that models see."""
    return float(value) if type(value) is int and not -_EXACT <= value <= _EXACT else value


def instant(given: datetime | None, clock: datetime, path: str) -> datetime:
    """Take a time in UTC, or the clock's where none was given; one without an offset is refused."""
    if given is None:
        return clock
    if given.tzinfo is None:
        raise invalid(
            path, "expected a time with an offset, such as 2026-01-31T08:30:00Z or ...08:30:00+01:00"
        )
    if not _YEARS[0] < given.year < _YEARS[1]:
        raise invalid(path, f"expected a time between {_YEARS[0]} and {_YEARS[1]}, got {given.isoformat()}")
    return given.astimezone(UTC)


def _label_objection(label: Value) -> str | None:
    if label is None:
        return "expected a label, got nothing"
    if isinstance(label, int | float) and not -LARGEST <= label <= LARGEST:
        return "expected a finite number"
    return None


def _unkept(value: Value) -> str | None:
    return UNSTORABLE if isinstance(value, str) and not is_storable(value) else None


def _check_id(value: str | None, path: str) -> None:
    if objection := _unkept(value):
        raise invalid(path, objection)


def check_count(what: str, count: int, most: int) -> None:
    """Refuse more rows or labels than one request may have."""
    if count > most:
        raise Refused(413, f"expected at most {most} {what} in one request, got {count}", f"$.{what}")


def _decoded(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise explained(body, fault) from None

"""Raw row -> record, or the reason why not."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import msgspec

from data.cells import coerced, is_absent, is_missing, label_value, parse_time, untyped
from data.files import BadRow, Row
from data.records import Label, Prediction, Rejected, now, uuid7
from data.store import Batch
from data.tables import microseconds
from keepfit.errors import FileUnreadable, RowRefused
from keepfit.spec import Project, Value, is_storable

_HASHED = "hmac-sha256:"
_LONGEST_ID = 200


@dataclass(frozen=True)
class Origin:
    """Where rows come from, and when they are said to be known.

    `known_at` None is an import: a prediction is known when it was made, a label at its `label_time`.
    `subject_key` is what a subject's id is hashed with: the id itself is never kept.
    """

    name: str
    known_at: datetime | None = None
    subject_key: bytes = field(default=b"", repr=False)


@dataclass
class Records:
    """What intake made of rows; `raw` keeps the row of each prediction, in their order, for a later refusal.

    `row_labels` came in the rows of predictions and share their fate; `labels` came alone.
    """

    predictions: list[Prediction] = field(default_factory=list[Prediction])
    labels: list[Label] = field(default_factory=list[Label])
    row_labels: list[Label] = field(default_factory=list[Label])
    rejected: list[Rejected] = field(default_factory=list[Rejected])
    raw: list[str] = field(default_factory=list[str])

    def batch(self, objections: Sequence[str | None], origin: Origin) -> Batch:
        """Set aside each prediction that has an objection, with the label that came with it."""
        judged = list(zip(self.predictions, objections, strict=True))
        refused = {p.prediction_id for p, objection in judged if objection is not None}
        rejected = [
            Rejected("row", raw, objection, origin.name, now())
            for raw, objection in zip(self.raw, objections, strict=True)
            if objection is not None
        ]
        return Batch(
            [p for p, objection in judged if objection is None],
            [*self.labels, *(x for x in self.row_labels if x.prediction_id not in refused)],
            [*self.rejected, *rejected],
        )


def kind_of_file(project: Project, columns: Iterable[str], name: str) -> Literal["rows", "labels"]:
    """Tell whole rows from labels by a file's columns; raise FileUnreadable when it is neither."""
    present = set(columns)
    if present & set(project.features):
        needed = {n for n, column in project.features.items() if not column.optional} | {project.time}
        if project.target.name in present and project.label_time is not None:
            # Without it a label would be known before anybody could know it.
            needed.add(project.label_time)
        if missing := sorted(needed - present):
            msg = f"{name}: lacks {', '.join(missing)}; rows need every feature, their time and the label's"
            raise FileUnreadable(msg)
        return "rows"
    keys = present & {"prediction_id", "reference_id", project.reference}
    if keys and present & {"label", project.target.name}:
        return "labels"
    msg = (
        f"{name}: holds neither rows of {project.name} (its features and {project.time!r}) nor labels "
        f"(prediction_id or reference_id, and {project.target.name!r}); correct the header"
    )
    raise FileUnreadable(msg)


def take_rows(project: Project, rows: Iterable[Row | BadRow], origin: Origin) -> Records:
    """Turn whole rows, labelled or not, into predictions without an output, and labels.

    Ids come from the content, so the same row taken in twice is one record.
    """
    records = Records()
    copies: Counter[str] = Counter()
    for row in rows:
        row = _without_subject(project, row, origin)
        content = _content(row)
        try:
            if isinstance(row, BadRow):
                raise RowRefused(row.reason)
            prediction = _prediction(project, row, origin, copies)
            label = _row_label(project, row, prediction, origin)
        except RowRefused as refusal:
            records.rejected.append(Rejected("row", content, str(refusal), origin.name, now()))
            continue
        records.predictions.append(prediction)
        records.raw.append(content)
        if label is not None:
            records.row_labels.append(label)
    return records


def take_labels(project: Project, rows: Iterable[Row | BadRow], origin: Origin) -> Records:
    """Turn rows of prediction_id or reference id, label and time into labels."""
    records = Records()
    for row in rows:
        try:
            if isinstance(row, BadRow):
                raise RowRefused(row.reason)
            records.labels.append(_label(project, row, origin))
        except RowRefused as refusal:
            records.rejected.append(Rejected("label", _content(row), str(refusal), origin.name, now()))
    return records


def take_journaled(
    project: Project, predictions: Iterable[Prediction], labels: Iterable[Label], source: str
) -> Records:
    """Take what the server journaled; it was checked against the schema of the model that answered."""
    records = Records()
    for prediction in predictions:
        content = msgspec.json.encode(prediction).decode()
        try:
            if len(prediction.output) not in (0, project.target.outputs):
                raise RowRefused(f"output: answered {len(prediction.output)} numbers, for another target")
            features = _features(project, prediction.features)
        except RowRefused as refusal:
            records.rejected.append(Rejected("row", content, str(refusal), source, now()))
            continue
        records.predictions.append(msgspec.structs.replace(prediction, features=features))
        records.raw.append(content)
    for label in labels:
        if objection := project.target.objection(label.label):
            content = msgspec.json.encode(label).decode()
            reason = f"{project.target.name}: {objection}"
            records.rejected.append(Rejected("label", content, reason, source, now()))
        else:
            records.labels.append(label)
    return records


def _prediction(project: Project, row: Row, origin: Origin, copies: Counter[str]) -> Prediction:
    features = _features(project, row)
    predicted_at = parse_time(project, project.time, row.get(project.time))
    reference = _reference(project, row)
    key = msgspec.json.encode([project.name, reference, microseconds(predicted_at), features]).decode()
    if reference is None:
        key += str(row.get(project.target.name))
        copies[key] += 1  # two equal rows of one file are two rows
        key += str(copies[key])
    return Prediction(
        prediction_id=_id(predicted_at, key),
        features=features,
        predicted_at=predicted_at,
        known_at=origin.known_at or predicted_at,
        reference_id=reference,
        subject_id=_subject(project, row),
    )


def _row_label(project: Project, row: Row, prediction: Prediction, origin: Origin) -> Label | None:
    raw = row.get(project.target.name)
    # A class may be called "none"; a number is not.
    if is_missing(raw) or (project.target.kind != "multiclass" and is_absent(raw)):
        return None
    observed_at = prediction.predicted_at
    if project.label_time is not None:
        observed_at = parse_time(project, project.label_time, row.get(project.label_time))
    label = label_value(project, raw)
    known_at = origin.known_at or observed_at
    key = f"{prediction.prediction_id}{label!r}{microseconds(observed_at)}{microseconds(known_at)}"
    return Label(
        label_id=_id(known_at, key),
        label=label,
        observed_at=observed_at,
        known_at=known_at,
        source=origin.name,
        prediction_id=prediction.prediction_id,
    )


def _label(project: Project, row: Row, origin: Origin) -> Label:
    prediction_id, reference = row.get("prediction_id"), _reference(project, row)
    if (prediction_id is None) == (reference is None):
        msg = "expected a prediction_id or a reference id, one of both"
        raise RowRefused(msg)
    label = label_value(project, row.get(project.target.name, row.get("label")))
    times = [name for name in (project.label_time, "observed_at") if name is not None and row.get(name)]
    observed_at = parse_time(project, times[0], row[times[0]]) if times else origin.known_at or now()
    known_at = origin.known_at or observed_at
    times_key = f"{microseconds(observed_at)}{microseconds(known_at)}"
    return Label(
        label_id=_id(known_at, f"{project.name}{prediction_id}{reference}{label!r}{times_key}"),
        label=label,
        observed_at=observed_at,
        known_at=known_at,
        source=origin.name,
        prediction_id=None if prediction_id is None else _own_id("prediction_id", prediction_id),
        reference_id=reference,
    )


def _features(project: Project, row: Mapping[str, object]) -> dict[str, Value]:
    features: dict[str, Value] = {}
    for name, column in project.features.items():
        value = coerced(name, column, row.get(name))
        # Ranges, sets and gaps are the expectations' work; here only what has no type to be checked in.
        if value is not None and (objection := untyped(column).objection(value)):
            msg = f"{name}: {objection}"
            raise RowRefused(msg)
        features[name] = value
    return features


def _reference(project: Project, row: Row) -> str | None:
    for name in (project.reference, "reference_id"):
        if name is not None and row.get(name) is not None:
            return _own_id(name, row[name])
    return None


def _own_id(name: str, raw: object) -> str:
    """Read an id that a caller gave; every store can keep it, and find a record by it."""
    given = str(raw)
    if not 0 < len(given) <= _LONGEST_ID or not is_storable(given):
        msg = f"{name}: expected 1 to {_LONGEST_ID} characters of text; use another id"
        raise RowRefused(msg)
    return given


def _subject(project: Project, row: Row) -> str | None:
    subject = None if project.subject is None else row.get(project.subject)
    return None if subject is None else str(subject)


def _without_subject(project: Project, row: Row | BadRow, origin: Origin) -> Row | BadRow:
    """Put a keyed hash in place of the subject's id, before anything of the row is kept."""
    if project.subject is None or isinstance(row, BadRow) or row.get(project.subject) is None:
        return row
    subject = str(row[project.subject])
    if not subject.startswith(_HASHED):  # a row that comes out of quarantine has it already
        told = f"{project.name}\x1f{subject}".encode("utf-8", "replace")
        subject = _HASHED + hmac.digest(origin.subject_key, told, "sha256").hex()
    return {**row, project.subject: subject}


def _id(time: datetime, key: str) -> str:
    return uuid7(max(0, microseconds(time) // 1000), hashlib.sha256(key.encode("utf-8", "replace")).digest())


def _content(row: Row | BadRow) -> str:
    return row.content if isinstance(row, BadRow) else msgspec.json.encode(row, enc_hook=str).decode()

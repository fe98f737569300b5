"""SageMaker: its id, its attributes, and answers as CSV or JSON lines, on the path that MLflow has too."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from serving.contract import PredictAnswer
from serving.exchange import JSON, Request, encode
from serving.protocols.given import checked_id
from serving.protocols.instances import headers
from serving.refusal import invalid

CSV = "text/csv"
LINES = "application/jsonlines"
_ID = b"x-amzn-sagemaker-inference-id"
_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
_MOST_ATTRIBUTES = 1024


def inference_id(request: Request) -> str | None:
    """Give the caller's own id for a request; SageMaker takes ASCII only, and HTTP has no other text."""
    given, path = request.header(_ID), "header X-Amzn-SageMaker-Inference-Id"
    if given and not (given.isascii() and given.isprintable()):
        raise invalid(path, f"expected ASCII that can be printed, got {given[:60]!r}")
    return checked_id(given, path)


def wanted(request: Request) -> str:
    """Say what the answer is to be: JSON, unless the caller takes CSV or JSON lines and no JSON."""
    accepted = (request.header(b"accept") or "").lower()
    if "application/json" in accepted.replace(LINES, ""):
        return JSON.decode()
    return next((media for media in (CSV, LINES) if media in accepted), JSON.decode())


def written(values: Sequence[Any], media: str) -> bytes:
    """Write one line for each row."""
    if media == LINES:
        return b"".join(encode(value) + b"\n" for value in values)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_cells(value) for value in values)
    return text.getvalue().encode()


def attributes(request: Request, answer: PredictAnswer) -> tuple[tuple[bytes, bytes], ...]:
    """Say the version, the ids and the caller's id in headers.

    SageMaker hands on one only: the custom attributes, of at most 1,024 characters; they have the ids as
    long as these fit.
    """
    told = headers(answer)
    if not any(name.startswith(b"x-amzn-sagemaker-") for name in request.headers):
        return told
    given = [(_ID, request.headers[_ID])] if _ID in request.headers else []
    said = f"keepfit-version={answer.version}"
    ids = ",".join(row.prediction_id for row in answer.predictions)
    if len(said) + len(ids) + 24 <= _MOST_ATTRIBUTES:
        said += f";keepfit-prediction-ids={ids}"
    return (*told, *given, (_ATTRIBUTES, said.encode()))


def _cells(value: Any) -> Sequence[Any]:  # noqa: ANN401 - a class, a number, probabilities or all of a row
    if isinstance(value, dict):
        flat = [cell if isinstance(cell, list) else [cell] for cell in value.values()]
        return [cell for cells in flat for cell in cells]
    return value if isinstance(value, list) else [value]

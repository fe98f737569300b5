"""docs/platforms.md is true: what it shows is taken, as what it says."""

import json
import re

import msgspec

from keepfit import Column, Target
from keepfit.settings import ROOT
from serving.contract import Schema
from serving.protocols.given import Given, Reader
from serving.protocols.instances import read
from serving.protocols.messages import InferAnswer, InferRequest, Predictions
from serving.protocols.mlflow import read_invocation
from serving.protocols.requested import rows_of

PAGE = (ROOT / "docs/platforms.md").read_text(encoding="utf-8")
COLUMNS = {"plan": Column.category(), "months": Column.number(between=(0, 600))}
READER = Reader(Schema(COLUMNS, Target.binary("left")), 10)


def taken(path: str, body: str) -> Given:
    if path.endswith("/infer"):
        return rows_of(msgspec.json.decode(body, type=InferRequest), memoryview(b""), READER)
    if path.endswith(":predict"):
        return read(READER, json.loads(body)["instances"], "$.instances")
    return read_invocation(body.encode(), READER)[1]


def test_every_request_of_the_page_is_the_row_that_it_speaks_of() -> None:
    shown = re.findall(r"^\$ curl -s localhost:8300(\S+) --json '([^']*)'\n([^`]*)```", PAGE, re.MULTILINE)
    assert len(shown) == 3
    for path, body, answer in shown:
        (row,) = taken(path, body).rows
        assert row.features == {"plan": "basic", "months": 7}
        READER.schema.check(row.features, 0)
        kind = InferAnswer if path.endswith("/infer") else Predictions
        told = msgspec.json.decode(answer, type=kind)
        assert json.loads(msgspec.json.encode(told)) == json.loads(answer)

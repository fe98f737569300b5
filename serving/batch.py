"""Requests that are answered together: one run of the model, and a line of the journal for each."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

import numpy as np

from data.journal import encode_line
from data.records import CapturedPredictions, Prediction
from keepfit.errors import BundleUnusable
from keepfit.spec import Value
from serving.refusal import Refused, invalid
from serving.slot import LiveModel
from serving.typed import TypedRow, cells_of

_GONE = 499
"""The status of a row whose caller left before its answer: nobody saw it."""

Outputs = list[list[float]]


class Caller(Protocol):
    """Who waits for an answer: since when, of `time.perf_counter`, and as part of which trace."""

    began: float

    @property
    def trace_id(self) -> str | None:
        """The id of the caller's trace."""
        ...

    @property
    def gone(self) -> bool:
        """Whether the connection is closed."""
        ...


class Asked:
    """A request in the line: its rows, checked, and what they will be known by.

    `weight` is 1 / the share of requests that are captured, and 0 where this one is not. `answered` comes
    when the rows are, with whether they were kept.
    """

    __slots__ = ("answered", "caller", "clock", "ids", "live", "rows", "times", "weight")

    def __init__(  # noqa: PLR0913 - a record, written out: a dataclass takes twice as long to make
        self,
        live: LiveModel,
        rows: Sequence[TypedRow],
        ids: Sequence[str],
        times: Sequence[datetime],
        clock: datetime,
        caller: Caller,
        weight: float = 1.0,
    ) -> None:
        self.live = live
        self.rows = rows
        self.ids = ids
        self.times = times
        self.clock = clock
        self.caller = caller
        self.weight = weight
        self.answered: asyncio.Future[tuple[Outputs, bool]] = asyncio.get_running_loop().create_future()


@dataclass(slots=True)
class Ran:
    """What a run gave for each request, and the journal lines of what is answered."""

    found: "list[Outputs | Refused]"
    lines: bytes


def run(batch: list[Asked]) -> Ran:
    """Answer requests to one model; a row that it cannot answer refuses its own request only."""
    found = _outputs(batch)
    lines: list[bytes] = []
    for asked, outputs in zip(batch, found, strict=True):
        if asked.weight and not isinstance(outputs, Refused):
            lines.append(encode_line(_captured(asked, outputs)))
    return Ran(found, b"".join(lines))


def _outputs(batch: list[Asked]) -> "list[Outputs | Refused]":
    cells = [cells_of(row) for asked in batch for row in asked.rows]
    try:
        numbers = batch[0].live.predictor.predict_cells(cells)
    except BundleUnusable as fault:
        if len(batch) > 1:  # some row of somebody's: the others are answered
            return [outputs for asked in batch for outputs in _outputs([asked])]
        # It answered its golden rows, so it is these rows that it cannot take.
        return [invalid("$.rows", f"the live model cannot answer these rows: {fault}")]
    every = bool(np.isfinite(numbers).all())
    finite = [] if every else cast("list[bool]", np.isfinite(numbers).all(axis=1).tolist())
    found: list[Outputs | Refused] = []
    outputs: Outputs = numbers.tolist()
    start = 0
    for asked in batch:
        end = start + len(asked.rows)
        if every or all(finite[start:end]):
            found.append(outputs[start:end])
        else:
            place = finite[start:end].index(False)
            found.append(invalid(f"$.rows[{place}]", "the live model has no finite answer to this row"))
        start = end
    return found


def _captured(asked: Asked, outputs: Outputs) -> CapturedPredictions:
    version = asked.live.version
    latency_s = round(time.perf_counter() - asked.caller.began, 6)
    status = _GONE if asked.caller.gone else 200
    clock, weight, trace_id = asked.clock, asked.weight, asked.caller.trace_id
    rows: list[Prediction] = []
    for made, row, at, output in zip(asked.ids, asked.rows, asked.times, outputs, strict=True):
        # By place, in the order of the record: this is done for every row.
        features = cast("dict[str, Value]", row.features)  # written as the mapping that is read back
        reference = row.reference_id
        rows.append(
            Prediction(
                *(made, features, at, clock, tuple(output), version, reference),
                *(None, latency_s, status, weight, trace_id),
            )
        )
    return CapturedPredictions(tuple(rows))

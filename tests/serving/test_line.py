import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from data.bundles import Bundle
from data.journal import Journal, journal_files, read_journal
from data.records import CapturedPredictions, Prediction
from keepfit import Column
from keepfit.settings import Settings
from serving.batch import Asked, Outputs
from serving.capture import Capture
from serving.contract import Row
from serving.exchange import CallerGone
from serving.line import Line
from serving.pace import Pace
from serving.predictor import Predictor
from serving.refusal import Refused
from serving.slot import LiveModel, ModelSlot
from tests.builders import manifest
from tests.serving.test_capture import full_disk

pytestmark = pytest.mark.anyio
NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)


@dataclass
class Waiting:
    """A caller that leaves after it was looked at `looks` times."""

    looks: int = 1_000_000
    began: float = field(default_factory=time.perf_counter)
    trace_id: str | None = None

    @property
    def gone(self) -> bool:
        self.looks -= 1
        return self.looks < 0


class Place:
    """A line before a model whose answer is the logarithm of its only column."""

    def __init__(self, folder: Path, **settings: float) -> None:
        self.folder = folder
        self.line = Line(replace(Settings(), **settings), Capture(Journal(folder, 10_000_000)))
        self.live = ModelSlot().swap(logarithm(version=1))

    async def ask(self, *cells: float, **changed: object) -> tuple[Outputs, bool] | Refused:
        try:
            return await self.line.answer(self.asked(cells, **changed))
        except Refused as refused:
            return refused

    def asked(self, cells: Sequence[float], **changed: object) -> Asked:
        fields: dict[str, object] = {"live": self.live, "caller": Waiting()}
        live = changed.get("live", self.live)
        assert isinstance(live, LiveModel)
        rows = live.rows.take([Row({"x": cell}) for cell in cells])
        names = [f"{cell:g}" for cell in cells]
        return Asked(rows=rows, ids=names, times=[NOON] * len(rows), clock=NOON, **(fields | changed))  # type: ignore[arg-type]

    def lines(self) -> list[CapturedPredictions]:
        found = [e for f in journal_files(self.folder) for c in read_journal(f, 0) for e in c.entries]
        return [entry for entry in found if isinstance(entry, CapturedPredictions)]

    def rows(self) -> list[Prediction]:
        return [row for line in self.lines() for row in line.rows]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def logarithm(version: int) -> Predictor:
    graph = helper.make_graph(
        [helper.make_node("Log", ["x"], ["answer"])],
        "log",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None, 1])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    model = made.SerializeToString()
    columns = {"x": Column.number()}
    said = manifest(model, version=version, kind="regression", columns=columns, golden_rows=[{"x": 1.0}])
    return Predictor(Bundle("0" * 64, said, model))


def slow(row_s: float) -> Pace:
    pace = Pace()
    pace.learn(1, row_s)
    return pace


async def test_requests_that_come_at_once_are_each_answered_by_their_own_rows(place: Place) -> None:
    asked = [[float(n), n + 0.5] for n in range(1, 40)]
    answers = await asyncio.gather(*(place.ask(*cells) for cells in asked))
    for cells, answer in zip(asked, answers, strict=True):
        assert not isinstance(answer, Refused)
        np.testing.assert_allclose([row[0] for row in answer[0]], np.log(cells), rtol=1e-5)
        assert answer[1]


async def test_each_request_has_a_line_of_its_own_in_the_journal(place: Place) -> None:
    await asyncio.gather(place.ask(1.0, 2.0), place.ask(3.0))
    assert [[row.features["x"] for row in line.rows] for line in place.lines()] == [[1.0, 2.0], [3.0]]
    (row, *_) = place.rows()
    assert (row.version, row.status, row.weight, row.known_at) == (1, 200, 1.0, NOON)
    assert 0 < (row.latency_s or 0) < 60


async def test_a_row_that_the_model_cannot_answer_refuses_its_own_request_only(place: Place) -> None:
    before, refused, after = await asyncio.gather(place.ask(1.0), place.ask(2.0, -1.0), place.ask(3.0))
    assert isinstance(refused, Refused)
    assert (refused.status, refused.path) == (422, "$.rows[1]")
    assert not isinstance(before, Refused)
    assert not isinstance(after, Refused)
    assert [row.features["x"] for row in place.rows()] == [1.0, 3.0]


async def test_requests_to_two_models_are_answered_each_by_its_own(place: Place) -> None:
    other = ModelSlot().swap(logarithm(version=2))
    await asyncio.gather(place.ask(1.0), place.ask(2.0, live=other), place.ask(3.0))
    assert [(row.features["x"], row.version) for row in place.rows()] == [(1.0, 1), (2.0, 2), (3.0, 1)]


async def test_a_request_that_would_wait_too_long_is_refused_at_once_and_told_when_to_come(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path, deadline_s=3.0)
    place.live = replace(place.live, pace=slow(0.2))
    answers = await asyncio.gather(*(place.ask(1.0) for _ in range(10)))
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert [(r.status, dict(r.headers)) for r in refused] == [(429, {b"retry-after": b"1"})] * 3
    assert len(place.rows()) == 7  # what is answered within half of the deadline
    assert place.line.rows == 0


async def test_a_body_is_not_read_when_there_is_room_for_no_row(tmp_path: Path) -> None:
    place = Place(tmp_path, deadline_s=3.0)
    place.live = replace(place.live, pace=slow(0.2))
    waiting = [asyncio.ensure_future(place.ask(1.0)) for _ in range(9)]
    place.line.check_room(place.live)
    await asyncio.sleep(0)
    with pytest.raises(Refused, match="more is asked"):
        place.line.check_room(place.live)
    await asyncio.gather(*waiting)
    place.line.check_room(place.live)


async def test_more_rows_than_can_be_answered_in_time_are_refused_with_how_many_can(tmp_path: Path) -> None:
    place = Place(tmp_path, deadline_s=3.0)
    place.live = replace(place.live, pace=slow(1.0))
    assert not isinstance(await place.ask(*[1.0] * 10), Refused)  # who knows what ten rows take?
    place.live = replace(place.live, pace=slow(1.0))
    place.live.pace.learn(8, 8.0)
    refused = await place.ask(*[1.0] * 10)
    assert isinstance(refused, Refused)
    assert refused.status == 413
    assert "send at most 3 in one request" in refused.reason


async def test_no_more_rows_wait_than_may(tmp_path: Path) -> None:
    place = Place(tmp_path, line_rows=5)
    answers = await asyncio.gather(*(place.ask(1.0, 2.0) for _ in range(4)))
    assert [isinstance(answer, Refused) for answer in answers] == [False, False, True, True]


async def test_a_request_that_waited_past_its_deadline_is_refused(place: Place) -> None:
    refused = await place.ask(1.0, caller=Waiting(began=time.perf_counter() - 60))
    assert isinstance(refused, Refused)
    assert (refused.status, place.rows()) == (429, [])


async def test_a_request_whose_caller_left_is_not_run(place: Place) -> None:
    with pytest.raises(CallerGone):
        await place.ask(1.0, caller=Waiting(looks=0))
    assert (place.line.abandoned, place.line.rows, place.rows()) == (1, 0, [])


async def test_a_row_whose_caller_left_while_it_was_answered_says_so(place: Place) -> None:
    await place.ask(1.0, caller=Waiting(looks=1))
    assert [row.status for row in place.rows()] == [499]


async def test_a_request_that_is_not_sampled_is_answered_and_not_kept(place: Place) -> None:
    left_out, sampled = await asyncio.gather(place.ask(1.0, weight=0.0), place.ask(2.0, weight=4.0))
    assert not isinstance(left_out, Refused)
    assert not isinstance(sampled, Refused)
    assert (left_out[1], sampled[1]) == (False, True)
    assert [(row.features["x"], row.weight) for row in place.rows()] == [(2.0, 4.0)]


async def test_where_a_write_breaks_off_those_whose_lines_are_whole_are_told_that_they_are_kept(
    place: Place,
) -> None:
    await place.ask(1.0)
    whole = journal_files(place.folder)[0].stat().st_size
    with full_disk(int(3.5 * whole)):  # room for two lines and a half
        asked = [place.ask(2.0, weight=0.0), *(place.ask(x) for x in (3.0, -1.0, 4.0, 5.0))]
        found = await asyncio.gather(*asked)
    told = [answer if isinstance(answer, Refused) else answer[1] for answer in found]
    assert isinstance(told.pop(2), Refused)
    assert told == [False, True, True, False]
    assert [row.features["x"] for row in place.rows()] == [1.0, 3.0, 4.0]


class Broken(Capture):
    """A capture with a fault of ours."""

    def lines(self, lines: bytes) -> int:
        raise ZeroDivisionError(len(lines))


async def test_a_fault_of_ours_fails_its_requests_and_the_line_goes_on(tmp_path: Path) -> None:
    place = Place(tmp_path)
    good = place.line
    place.line = Line(Settings(), Broken(Journal(tmp_path, 1000)))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await place.ask(1.0)
    assert place.line.rows == 0
    place.line = good
    assert not isinstance(await place.ask(1.0), Refused)


async def test_a_slow_run_lets_others_go_on_meanwhile(place: Place) -> None:
    place.live = replace(place.live, pace=slow(0.02))
    turned = 0
    answer = asyncio.ensure_future(place.ask(1.0))
    while not answer.done():
        await asyncio.sleep(0)
        turned += 1
    assert turned > 1
    assert not isinstance(answer.result(), Refused)

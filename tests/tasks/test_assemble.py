from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.records import Label, Prediction
from tasks.assemble import assemble_snapshot
from tests.making import DAY, HOUR, NOON, LoopOnFakes, label, loop, prediction, project, take


@pytest.fixture
def made(tmp_path: Path) -> Iterator[LoopOnFakes]:
    opened = loop(tmp_path, project(training=5 * DAY, holdout=2 * DAY))
    for day in range(10):
        at = NOON + day * DAY
        take(opened.store, opened.project, prediction(str(day), at), label(str(day), known_at=at + 2 * HOUR))
    take(opened.store, opened.project, prediction("unlabelled", NOON + 8 * DAY))
    yield opened
    opened.store.close()


def names(of: LoopOnFakes, as_of_day: float) -> list[str]:
    return assemble_snapshot(of, NOON + as_of_day * DAY).examples.facts["prediction_id"].tolist()


def test_a_snapshot_holds_what_was_labelled_and_known(made: LoopOnFakes) -> None:
    assert names(made, 3) == ["0", "1", "2"]


def test_a_snapshot_reaches_back_as_far_as_the_project_trains_and_judges(made: LoopOnFakes) -> None:
    assert names(made, 9.5) == ["3", "4", "5", "6", "7", "8", "9"]


def test_a_snapshot_of_the_past_is_the_same_on_any_day(made: LoopOnFakes) -> None:
    before = assemble_snapshot(made, NOON + 3 * DAY)
    take(made.store, made.project, label("1", False, known_at=NOON + 20 * DAY))
    assert assemble_snapshot(made, NOON + 3 * DAY).snapshot_id == before.snapshot_id
    assert assemble_snapshot(made, NOON + 21 * DAY).snapshot_id != before.snapshot_id


def test_a_snapshot_is_kept_as_a_file_of_its_name(made: LoopOnFakes) -> None:
    snapshot = assemble_snapshot(made, NOON + 3 * DAY)
    assert snapshot.path == made.settings.snapshots("made") / f"{snapshot.snapshot_id}.parquet"
    assert pq.read_metadata(snapshot.path).num_rows == 3


def test_labels_that_wait_for_one_class_are_left_out_and_said(tmp_path: Path) -> None:
    opened = loop(tmp_path, project(training=None, min_rows=50))
    made: list[Prediction | Label] = []
    for number in range(900):
        at, yes = NOON + number * DAY / 9, number % 2 == 0
        known_at = at + (1 if yes else 15 + number % 11) * DAY
        made += [prediction(str(number), at), label(str(number), yes, known_at, observed_at=known_at)]
    take(opened.store, opened.project, *made)
    snapshot = assemble_snapshot(opened, NOON + 100 * DAY)
    assert "are left out, for a label of another value would hardly have come yet" in (
        snapshot.maturity or ""
    )
    newest = snapshot.examples.facts["predicted_at"].max()
    assert abs(newest - (NOON + 80 * DAY)) < 2 * DAY
    assert snapshot.examples.labels.mean() == pytest.approx(0.5, abs=0.01)
    again = assemble_snapshot(opened, NOON + 100 * DAY)
    assert again.snapshot_id == snapshot.snapshot_id
    opened.store.close()

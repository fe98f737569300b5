import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from data.examples import Examples
from data.snapshots import freeze, snapshot_id
from keepfit import Column
from tests.making import DAY, FEATURES, HOUR, NOON, TARGETS, project
from tests.monitoring.windows_of import window
from tests.serving.test_capture import full_disk


def examples(rows: int = 8, kind: str = "binary") -> Examples:
    made = window(rows=rows, kind=kind)
    made.facts["label_id"] = [f"label-{i}" for i in range(rows)]
    return made


def reordered(made: Examples, order: Any) -> Examples:
    return Examples(
        made.features.iloc[order],
        made.facts.iloc[order],
        made.outputs[order],
        made.labels[order],
        made.labelled,
    )


@given(order=st.permutations(range(8)))
@hypothesis(deadline=None, max_examples=20)
def test_a_snapshot_is_named_by_its_content_in_whatever_order(order: Any) -> None:
    made = examples()
    assert snapshot_id(reordered(made, order), project()) == snapshot_id(made, project())


@given(left_out=st.sets(st.integers(0, 7), min_size=1, max_size=7))
@hypothesis(deadline=None, max_examples=20)
def test_other_rows_are_another_snapshot(left_out: Any) -> None:
    made = examples()
    some = made.where(np.array([i not in left_out for i in range(8)]))
    assert snapshot_id(some, project()) != snapshot_id(made, project())


def test_another_label_is_another_snapshot() -> None:
    made, corrected = examples(), examples()
    corrected.facts.loc[3, "label_id"] = "label-corrected"
    assert snapshot_id(made, project()) != snapshot_id(corrected, project())


def test_another_schema_is_another_snapshot() -> None:
    wider = project(features={**FEATURES, "age": Column.number()})
    assert snapshot_id(examples(), project()) != snapshot_id(examples(), wider)


def test_what_a_project_says_beside_its_schema_is_not_in_the_name() -> None:
    assert snapshot_id(examples(), project()) == snapshot_id(examples(), project(min_rows=7, seed=3))


@pytest.mark.parametrize("kind", TARGETS)
def test_the_file_holds_every_row_with_its_label(tmp_path: Path, kind: str) -> None:
    made = examples(kind=kind)
    frozen = freeze(made, project(kind), NOON, tmp_path)
    table = pq.read_table(frozen.path)
    assert table.num_rows == 8
    assert table[f"label.{project(kind).target.name}"].to_pylist() == made.labels.tolist()
    assert table["feature.carrier"].to_pylist() == made.features["carrier"].tolist()


def test_freezing_the_same_again_is_the_same_file_and_leaves_no_remains(tmp_path: Path) -> None:
    first = freeze(examples(), project(), NOON, tmp_path)
    again = freeze(examples(), project(), NOON + DAY, tmp_path)
    assert (first.snapshot_id, first.path) == (again.snapshot_id, again.path)
    assert list(tmp_path.iterdir()) == [first.path]


def test_a_snapshot_that_has_no_room_leaves_nothing(tmp_path: Path) -> None:
    with full_disk(100), pytest.raises(OSError, match="File too large"):
        freeze(examples(), project(), NOON, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_lost_is_written_again() -> None:
    with tempfile.TemporaryDirectory() as folder:
        frozen = freeze(examples(), project(), NOON, Path(folder))
        frozen.path.unlink()
        assert freeze(examples(), project(), NOON, Path(folder)).path.exists()


def test_a_feature_may_be_called_like_a_fact(tmp_path: Path) -> None:
    made = examples()
    made.features["version"] = np.float32(7)
    named = project(features={**FEATURES, "version": Column.number()})
    table = pq.read_table(freeze(made, named, NOON, tmp_path).path)
    assert set(table["feature.version"].to_pylist()) == {7.0}
    assert set(table["version"].to_pylist()) == {1}


def ripened(weight: float, hours: int) -> Examples:
    made = examples()
    return replace(made, facts=made.facts.assign(weight=weight, ripe_at=NOON + hours * HOUR))


def test_where_labels_wait_weights_and_ripeness_are_in_the_name() -> None:
    names = {
        snapshot_id(made, project()) for made in (examples(), ripened(1, 0), ripened(1.25, 0), ripened(1, 5))
    }
    assert len(names) == 4
    assert snapshot_id(ripened(1.25, 5), project()) == snapshot_id(ripened(1.25, 5), project())

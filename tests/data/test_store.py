import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from data import tables
from data.examples import query_examples
from data.records import Rejected
from data.store import AlreadyTaken, Batch, LandedFile, OffsetMove, Store, Taken
from keepfit import Column, Project
from keepfit.errors import ServiceUnavailable
from tests.making import DAY, FEATURES, NOON, ROW, TARGETS, label, prediction, project, take

LATER = NOON + 10 * DAY
REJECTED = Rejected("row", "{}", "no", "a.csv", NOON)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "a.journal"
    path.touch()
    return path


def counts(store: Store, of: Project) -> tuple[int, int, int]:
    """Count the predictions, labels and quarantined rows that are there."""
    with store.reading() as connection:
        return tuple(  # type: ignore[return-value]
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (store.predictions(of), tables.labels, tables.quarantine)
        )


def answers(store: Store) -> dict[str, dict[str, Any]]:
    """Say of each prediction how it was answered."""
    table = store.predictions(project())
    columns = [table.c[name] for name in ("latency_s", "status", "weight", "trace_id")]
    with store.reading() as connection:
        rows = connection.execute(select(table.c.prediction_id, *columns)).mappings()
        return {made.pop("prediction_id"): made for made in map(dict[str, Any], rows)}


def test_what_was_taken_is_there_for_another_process(store: Store, store_url: str) -> None:
    take(store, project(), prediction("p"), label("p"))
    other = Store(store_url)
    assert len(query_examples(other, project(), LATER)) == 1
    other.close()


def test_a_batch_says_how_much_of_it_was_new(store: Store) -> None:
    first = store.take_in(project(), Batch([prediction("p")], [label("p")], [REJECTED]))
    assert first == Taken(1, 1, 1)
    assert store.take_in(project(), Batch([prediction("p"), prediction("q")], [label("p")])) == Taken(1, 0, 0)


def test_records_taken_in_twice_are_there_once_as_they_were_first(store: Store) -> None:
    take(store, project(), prediction("p", version=1), label("p"))
    take(store, project(), prediction("p", version=2), label("p"))
    examples = query_examples(store, project(), LATER)
    assert examples.facts["version"].tolist() == [1]
    assert counts(store, project())[:2] == (1, 1)


_numbers = itertools.count()


@given(names=st.lists(st.lists(st.sampled_from("abcdef"), max_size=6), max_size=6))
@hypothesis(deadline=None, max_examples=15)
def test_however_often_records_come_each_is_there_once(shared: Store, names: Any) -> None:
    of = project(name=f"made-{next(_numbers)}")
    taken = [shared.take_in(of, Batch([prediction(n) for n in some])) for some in names]
    once = {n for some in names for n in some}
    assert counts(shared, of)[0] == sum(t.predictions for t in taken) == len(once)


def test_lines_of_a_journal_are_taken_in_once(store: Store, journal: Path) -> None:
    store.take_in(project(), Batch([prediction("p")]), move=OffsetMove(journal, 0, 100))
    with pytest.raises(AlreadyTaken, match=r"a\.journal: another drain took what follows byte 0"):
        store.take_in(
            project(), Batch([prediction("q")], rejected=[REJECTED]), move=OffsetMove(journal, 0, 90)
        )
    assert counts(store, project()) == (1, 0, 0)
    assert store.journal_positions("made") == {"a.journal": 100}


def test_lines_of_a_journal_are_taken_in_one_after_the_other(store: Store, journal: Path) -> None:
    store.take_in(project(), Batch([prediction("p")]), move=OffsetMove(journal, 0, 100))
    store.take_in(project(), Batch([prediction("q")]), move=OffsetMove(journal, 100, 200))
    assert store.journal_positions("made") == {"a.journal": 200}
    with pytest.raises(AlreadyTaken):
        store.take_in(project(), Batch(), move=OffsetMove(journal, 100, 200))


def test_lines_of_a_journal_that_was_taken_and_deleted_are_not_taken_again(
    store: Store, journal: Path
) -> None:
    journal.unlink()
    with pytest.raises(AlreadyTaken, match=r"a\.journal: another drain took it to its end"):
        store.take_in(
            project(), Batch([prediction("q")], rejected=[REJECTED]), move=OffsetMove(journal, 0, 90)
        )
    assert counts(store, project()) == (0, 0, 0)
    assert store.journal_positions("made") == {}


def test_a_file_is_taken_in_once_by_its_content(store: Store) -> None:
    file = LandedFile("hash", "a.csv", NOON)
    assert not store.is_taken("made", "hash")
    store.take_in(project(), Batch([prediction("p")]), file=file)
    assert store.is_taken("made", "hash")
    with pytest.raises(AlreadyTaken, match="a file with this content was taken in before"):
        store.take_in(project(), Batch([prediction("q")], rejected=[REJECTED]), file=file)
    assert counts(store, project()) == (1, 0, 0)


def test_what_fails_in_the_middle_leaves_nothing(store: Store, journal: Path) -> None:
    unkept = label("p", "not a number")
    with pytest.raises(ValueError, match="could not convert"):
        store.take_in(project(), Batch([prediction("p")], [unkept]), move=OffsetMove(journal, 0, 100))
    assert counts(store, project()) == (0, 0, 0)
    assert store.journal_positions("made") == {}


def test_threads_that_bring_the_same_lines_take_them_in_once(
    store_url: str, store: Store, journal: Path
) -> None:
    store.predictions(project())

    def drain(number: int) -> int:
        mine = Store(store_url)
        try:
            batch = Batch([prediction(f"{i}") for i in range(50)], rejected=[REJECTED])
            return mine.take_in(project(), batch, move=OffsetMove(journal, 0, 100 + number)).predictions
        except AlreadyTaken:
            return -1
        finally:
            mine.close()

    with ThreadPoolExecutor(4) as drains:
        taken = sorted(drains.map(drain, range(4)))
    assert taken == [-1, -1, -1, 50]
    assert counts(store, project()) == (50, 0, 1)


def test_projects_do_not_see_each_other(store: Store, journal: Path) -> None:
    other = project("regression", name="other")
    take(store, project(), prediction("p"), label("p"))
    store.take_in(other, Batch([prediction("p")], [label("p", 7.5, label_id="other")]))
    assert query_examples(store, project(), LATER).labels.tolist() == [1.0]
    assert query_examples(store, other, LATER).labels.tolist() == [7.5]
    store.take_in(other, Batch(), move=OffsetMove(journal, 0, 1))
    assert store.journal_positions("made") == {}


def test_a_feature_that_is_added_later_is_missing_before(store: Store) -> None:
    take(store, project(), prediction("old"))
    wider = project(features={**FEATURES, "age": Column.number(optional=True), "seat": Column.category()})
    take(store, wider, prediction("new", NOON + DAY, features={**ROW, "age": 30, "seat": "A"}))
    features = query_examples(store, wider, LATER).features
    assert features["age"].isna().tolist() == [True, False]
    assert features["seat"].tolist() == ["", "A"]
    assert features["distance"].tolist() == [733.0, 733.0]


def test_a_feature_that_left_and_came_back_still_has_its_values(store: Store) -> None:
    take(store, project(), prediction("p"))
    without = project(features={n: c for n, c in FEATURES.items() if n != "wind"})
    take(store, without, prediction("q", NOON + DAY))
    wind = query_examples(store, project(), LATER).features["wind"]
    assert wind.isna().tolist() == [False, True]


def test_a_feature_that_changes_its_kind_begins_anew(store: Store) -> None:
    take(store, project(), prediction("old"))
    changed = project(features={**FEATURES, "wind": Column.category()})
    take(store, changed, prediction("new", NOON + DAY, features={**ROW, "wind": "strong"}))
    assert query_examples(store, changed, LATER).features["wind"].tolist() == ["", "strong"]
    assert query_examples(store, project(), LATER).features["wind"].isna().tolist() == [False, True]


def test_a_store_of_before_is_widened_and_its_rows_stay(store: Store, store_url: str) -> None:
    take(store, project(), prediction("old"), label("old"))
    with store.transaction() as connection:
        for column in ("status", "latency_s", "weight", "trace_id"):
            connection.execute(text(f"ALTER TABLE {store.predictions(project()).name} DROP COLUMN {column}"))
    widened = Store(store_url)
    answered = {"latency_s": 0.25, "status": 499, "weight": 10.0, "trace_id": "a" * 32}
    take(widened, project(), prediction("new", NOON + DAY, **answered), label("new"))
    examples = query_examples(widened, project(), LATER)
    assert (examples.facts["weight"].tolist(), examples.labelled.tolist()) == ([1.0, 10.0], [True, True])
    assert answers(widened)["new"] == answered
    assert answers(widened)["old"] == {"latency_s": None, "status": None, "weight": 1.0, "trace_id": None}
    widened.close()


def test_how_each_row_was_answered_is_kept_with_it(store: Store) -> None:
    take(store, project(), prediction("p", latency_s=0.002), prediction("imported", version=None))
    assert answers(store)["p"] == {"latency_s": 0.002, "status": 200, "weight": 1.0, "trace_id": None}
    assert answers(store)["imported"]["status"] is None


def test_a_name_that_is_sql_is_a_name(store: Store) -> None:
    name = "x'; DROP TABLE labels; --"
    mine = project(features={name: Column.category()})
    take(store, mine, prediction("p", features={name: "'; --"}), label("p"))
    examples = query_examples(store, mine, LATER)
    assert examples.features[name].tolist() == ["'; --"]
    assert examples.labelled.all()


def test_columns_that_begin_with_nothing_come_back_with_their_types(store: Store) -> None:
    rows = 3000
    many = [
        prediction(
            f"{i:05}",
            features={**ROW, "wind": 1.5, "carrier": "AA"} if i == rows - 1 else {"distance": 1},
            reference_id="r" if i == rows - 1 else None,
            output=(0.5,) if i == rows - 1 else (),
            version=3 if i == rows - 1 else None,
        )
        for i in range(rows)
    ]
    take(store, project(), *many, label(f"{rows - 1:05}"))
    examples = query_examples(store, project(), LATER)
    last = rows - 1
    assert examples.features["wind"].dtype == "float32"
    assert (examples.features["wind"].iloc[last], examples.features["carrier"].iloc[last]) == (1.5, "AA")
    assert (examples.facts["version"].iloc[last], examples.facts["reference_id"].iloc[last]) == (3, "r")
    assert (examples.outputs[last, 0], examples.labels[last]) == (0.5, 1.0)


@pytest.mark.parametrize("kind", TARGETS)
def test_columns_of_nothing_at_all_come_back_with_their_types(store: Store, kind: str) -> None:
    take(store, project(kind), prediction("p", features={}, output=(), version=None))
    examples = query_examples(store, project(kind), LATER)
    assert [str(t) for t in examples.features.dtypes] == ["float32", "float32", "object", "float32"]
    assert examples.features["carrier"].tolist() == [""]
    assert examples.outputs.dtype == "float64"
    assert not examples.labelled.any()
    assert examples.facts["predicted_at"].dt.tz is not None


@pytest.mark.parametrize("kind", TARGETS)
def test_an_empty_store_gives_no_examples(store: Store, kind: str) -> None:
    examples = query_examples(store, project(kind), LATER)
    assert (
        len(examples) == len(examples.features) == len(examples.labels) == len(examples.for_training()) == 0
    )


def test_a_bulk_read_has_the_types_of_the_schema(store: Store) -> None:
    take(store, project(), *(prediction(f"{i}", reference_id=None) for i in range(3)))
    table = store.predictions(project())
    schema = pa.schema(
        [("prediction_id", pa.string()), ("reference_id", pa.string()), ("version", pa.int64())]
    )
    read = store.read_arrow(select(*(table.c[name] for name in schema.names)), schema)
    assert read.schema == schema
    assert read.num_rows == 3


def test_a_database_that_does_not_answer_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable, match=r"the store at sqlite:.* does not answer"):
        Store(f"sqlite:///{tmp_path}")

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from data import dialects, tables
from data.decisions import Decision, read_decisions, save_decision
from data.examples import query_examples
from data.quarantine import Quarantine
from data.records import Rejected
from data.store import AlreadyTaken, Batch, LandedFile, OffsetMove, Store
from keepfit import Column
from keepfit.errors import ServiceUnavailable, StateError
from tests.databases import Postgres
from tests.making import DAY, FEATURES, NOON, label, prediction, project, take

LATER = NOON + 10 * DAY


@pytest.fixture
def on_postgres(postgres: Postgres) -> Iterator[Store]:
    made = Store(postgres.fresh())
    yield made
    made.close()


@pytest.mark.parametrize("url", ["mysql://me:secret@there/db", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_another_database_is_refused_without_telling_its_password(url: str) -> None:
    with pytest.raises(
        StateError, match=r"expected sqlite:///FILE or postgresql://USER@HOST/DATABASE"
    ) as told:
        Store(url)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_write_postgresql_is_taken(postgres: Postgres, scheme: str) -> None:
    made = Store(postgres.fresh().replace("postgresql", scheme, 1))
    assert made.journal_positions("made") == {}
    made.close()


def test_what_is_read_in_one_go_is_one_state(store: Store, store_url: str) -> None:
    other = Store(store_url)
    count = select(func.count()).select_from(tables.labels)
    with store.reading() as connection:
        assert connection.execute(count).scalar_one() == 0
        take(other, project(), prediction("p"), label("p"))
        assert connection.execute(count).scalar_one() == 0
    with store.reading() as connection:
        assert connection.execute(count).scalar_one() == 1
    other.close()


def test_whoever_reads_does_not_wait_for_who_writes(store: Store, store_url: str) -> None:
    take(store, project(), prediction("p"), label("p"))
    with store.transaction() as connection:
        connection.execute(tables.projects.insert().values(name="coming"))
        other = Store(store_url)
        assert len(query_examples(other, project(), LATER)) == 1
        other.close()


def test_text_is_ordered_by_its_bytes(store: Store) -> None:
    take(store, project(), *(prediction(name) for name in ("a", "B", "a-b", "ab", "é", "A")))
    ids = query_examples(store, project(), LATER).facts["prediction_id"].tolist()
    assert ids == sorted(ids)


def test_what_no_store_can_keep_is_set_aside_as_its_escape(store: Store, tmp_path: Path) -> None:
    torn = Rejected(
        "journal line", "12\x00\x0034 \udcff", "the line's checksum\x00 is wrong", "a\x00.journal", NOON
    )
    journal = tmp_path / "a.journal"
    journal.touch()
    file = LandedFile("hash", "caf\udce9.csv", NOON)
    store.take_in(project(), Batch(rejected=[torn]), OffsetMove(journal, 0, 10), file)
    (entry,) = Quarantine(store, "made").entries()
    assert (entry.content, entry.source) == (r"12\x00\x0034 \udcff", r"a\x00.journal")


def test_rows_of_several_columns_numbers_and_projects_made_at_once_are_right(store_url: str) -> None:
    together = threading.Barrier(6, timeout=30)

    def make(number: int) -> tuple[str, ...]:
        features = {**FEATURES, f"own_{number % 3}": Column.number(optional=True), "seat": Column.category()}
        of = project(name=f"made-{number // 3}", features=features)
        mine = Store(store_url)
        try:
            together.wait()
            take(mine, of, prediction(f"{number}", features={f"own_{number % 3}": float(number)}))
            together.wait()
            read = query_examples(mine, of, LATER)
            return (
                mine.predictions(of).name,
                *read.facts["prediction_id"][read.features[f"own_{number % 3}"] == number],
            )
        finally:
            mine.close()

    with ThreadPoolExecutor(6) as makers:
        found = list(makers.map(make, range(6)))
    assert [ids for _, *ids in found] == [[f"{number}"] for number in range(6)]
    assert len({name for name, *_ in found[:3]}) == len({name for name, *_ in found[3:]}) == 1
    store = Store(store_url)
    with store.reading() as connection:
        numbers = select(tables.features.c.number).where(tables.features.c.project == "made-0")
        assert sorted(connection.execute(numbers).scalars()) == list(range(1, len(FEATURES) + 5))
    store.close()


def test_records_that_are_in_two_files_are_kept_once_whatever_their_order(
    store_url: str, tmp_path: Path
) -> None:
    rounds, rows = 5, 200
    first = Store(store_url)
    first.predictions(project())
    first.close()
    together = threading.Barrier(4, timeout=30)

    def drain(number: int) -> int:
        mine, taken = Store(store_url), 0
        ids = [f"{i:04}" for i in range(rows)][:: -1 if number % 2 else 1]
        try:
            for turn in range(rounds):
                path = tmp_path / f"{number}-{turn}.journal"
                path.touch()
                batch = Batch([prediction(f"{turn}-{i}") for i in ids], [label(f"{turn}-{i}") for i in ids])
                together.wait()
                taken += mine.take_in(project(), batch, OffsetMove(path, 0, 10)).predictions
            return taken
        finally:
            mine.close()

    with ThreadPoolExecutor(4) as drains:
        assert sum(drains.map(drain, range(4))) == rounds * rows


def test_a_decision_that_is_kept_by_several_at_once_is_kept_once(store_url: str) -> None:
    Store(store_url).close()
    together = threading.Barrier(4, timeout=30)

    def keep(_: int) -> None:
        mine = Store(store_url)
        try:
            together.wait()
            save_decision(mine, Decision(project="made", as_of=NOON, promote=False, reason="drift"), "key")
        finally:
            mine.close()

    with ThreadPoolExecutor(4) as keepers:
        list(keepers.map(keep, range(4)))
    store = Store(store_url)
    assert len(read_decisions(store, "made")) == 1
    store.close()


def test_of_several_that_go_on_with_one_file_one_does_at_each_step(store_url: str, tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    path.touch()
    Store(store_url).close()

    def drain(number: int) -> int:
        mine, taken = Store(store_url), 0
        try:
            for step in range(10):
                batch = Batch(rejected=[Rejected("row", f"{step}", "no", f"{number}", NOON)])
                try:
                    taken += mine.take_in(
                        project(), batch, OffsetMove(path, step * 10, step * 10 + 10)
                    ).rejected
                except AlreadyTaken:
                    continue
            return taken
        finally:
            mine.close()

    with ThreadPoolExecutor(4) as drains:
        assert sum(drains.map(drain, range(4))) == 10
    store = Store(store_url)
    assert store.journal_positions("made") == {"a.journal": 100}
    store.close()


def test_a_writer_that_waits_too_long_for_another_is_told(postgres: Postgres) -> None:
    url = postgres.fresh() + "%20-clock_timeout%3D100ms"
    first, second = Store(url), Store(url)
    with first.transaction() as connection:
        connection.execute(tables.projects.insert().values(name="made"))
        with (
            pytest.raises(ServiceUnavailable, match=r"does not answer: .*lock timeout.*; try again"),
            second.transaction() as waiting,
        ):
            waiting.execute(tables.projects.insert().values(name="made"))
    first.close()
    second.close()


def test_a_line_that_was_cut_is_replaced(postgres: Postgres, on_postgres: Store) -> None:
    with on_postgres.reading() as connection:
        pid = connection.execute(select(func.pg_backend_pid())).scalar_one()
    postgres.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
    assert on_postgres.journal_positions("made") == {}


def test_a_database_that_hangs_is_not_waited_for(postgres: Postgres) -> None:
    engine = dialects.connect(postgres.fresh(), transaction_s=0.3)
    began = time.monotonic()
    with pytest.raises(OperationalError), engine.connect() as connection:
        connection.execute(text("SELECT pg_sleep(60)"))
    assert time.monotonic() - began < 10
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()


def test_a_server_that_never_answers_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialects, "CONNECT_PAUSES_S", ())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ServiceUnavailable, match=rf"the store at postgresql.*:{port}/db does not answer"):
            Store(f"postgresql://me:secret@127.0.0.1:{port}/db?connect_timeout=1")


def test_a_user_who_may_not_make_tables_is_told_what_to_do(postgres: Postgres) -> None:
    url = postgres.fresh()
    postgres.execute("CREATE ROLE stranger LOGIN")
    with pytest.raises(StateError, match=r"refuses to make its tables: .*let its user create tables there"):
        Store(url.replace("//postgres@", "//stranger@").replace("//postgres:@", "//stranger:@"))

"""Backup and restore as they are meant to be used: something runs before, meanwhile and after."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, inspect, select, text
from sqlalchemy import Table as SqlTable

from data import kept
from data.archives import BackupRefused
from data.journal import Journal, journal_files
from data.promotions import Promotion
from data.records import AcknowledgedLabels, CapturedPredictions, Entry
from data.releases import Pointer, move_pointer, read_pointer
from data.store import Store
from keepfit.errors import StateError
from tasks.backup import back_up
from tasks.collect import drain_journals, import_file, take_landed
from tasks.loop import Loop
from tasks.restore import Restored, restore
from tests.databases import Postgres, Sqlite
from tests.making import NOON, ROW, label, loop, prediction, take

Database = Sqlite | Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    return Sqlite() if request.param == "sqlite" else request.getfixturevalue("postgres")


@pytest.fixture
def made(tmp_path: Path, database: Database) -> Iterator[Loop]:
    """A loop on each database; what is not about the database asks for `light`."""
    opened = loop(tmp_path / "home", database_url=database.fresh(tmp_path))
    yield opened
    opened.store.close()


@pytest.fixture
def light(tmp_path: Path) -> Iterator[Loop]:
    opened = loop(tmp_path / "home")
    yield opened
    opened.store.close()


def nothing(_: int) -> None:
    return


def answered(name: str) -> Entry:
    return CapturedPredictions((prediction(name),))


def refusable(name: str) -> Entry:
    return CapturedPredictions((prediction(name, features={}),))


def told(name: str) -> Entry:
    return AcknowledgedLabels((label(name),))


def wrote(of: Loop, *entries: Entry) -> None:
    """Journal as a worker does that ends."""
    journal = Journal(of.journal, 1 << 20)
    for entry in entries:
        journal.append(entry)
    journal.close()


def landed(of: Loop, name: str, content: str) -> None:
    folder = of.settings.landing(of.name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)


def row(reference: str) -> str:
    return json.dumps({**ROW, "predicted_at": NOON.isoformat(), "reference_id": reference}) + "\n"


def collected(of: Loop) -> None:
    drain_journals(of)
    take_landed(of)


def holds(of: Loop) -> dict[str, Counter[Any]]:
    """Say what is in the store of what was received: each record, as often as it is there."""
    table = of.store.predictions(of.project).name
    queries = {
        "predictions": f"SELECT coalesce(reference_id, prediction_id) FROM {table}",
        "labels": "SELECT label_id, prediction_id, label_number FROM labels",
        "quarantine": "SELECT kind, content, reason FROM quarantine",
        "landed": "SELECT sha256, name FROM landed_files",
    }
    with of.store.reading() as connection:
        found = {what: connection.execute(text(query)).all() for what, query in queries.items()}
    # A file that is refused again is put aside under another name.
    found["quarantine"] = [r if r.kind != "file" else (r.kind, r.reason) for r in found["quarantine"]]
    return {what: Counter(tuple(each) for each in rows) for what, rows in found.items()}


def rows_of(url: str) -> dict[str, Counter[Any]]:
    """Read every table of a store, whatever it is."""
    store = Store(url)
    with store.reading() as connection:
        tables = [
            SqlTable(n, MetaData(), autoload_with=connection) for n in inspect(connection).get_table_names()
        ]
        found = {t.name: Counter(tuple(r) for r in connection.execute(select(*t.c))) for t in tables}
    store.close()
    return found


def without_audit(of: Loop) -> dict[str, Counter[Any]]:
    """Read every table but the log, to which each restore appends: see test_noting.py."""
    return {name: rows for name, rows in rows_of(of.settings.store_url).items() if name != "audit"}


def restored(of: Loop, path: Path, **how: Any) -> Restored:
    """Restore as it is done: whoever had the store open has ended, and opens it anew."""
    of.store.close()
    done = restore(of.settings, path, nothing, **how)
    Store.__init__(of.store, of.store.url)
    return done


def test_a_backup_that_is_taken_while_others_write_is_of_one_moment(made: Loop, tmp_path: Path) -> None:
    take(made.store, made.project, prediction("before"), label("before"))
    writing = Store(made.settings.store_url)
    wrote_meanwhile: list[str] = []

    def write_meanwhile(_: int) -> None:
        # Called when the first table is read, and the others are not.
        name = f"meanwhile-{len(wrote_meanwhile)}"
        take(writing, made.project, prediction(name), label(name))
        wrote_meanwhile.append(name)

    taken = back_up(made.settings, tmp_path / "one.backup", write_meanwhile)
    writing.close()
    assert len(wrote_meanwhile) > 1
    assert (taken.manifest.rows("labels"), taken.manifest.rows("predictions_")) == (1, 1)


def test_what_was_acknowledged_after_the_backup_is_there_exactly_once_after_a_restore(
    made: Loop, tmp_path: Path
) -> None:
    wrote(made, answered("drained"), told("drained"), refusable("bad-drained"))
    landed(made, "first.jsonl", row("landed-before"))
    collected(made)
    half = Journal(made.journal, 1 << 20)
    for entry in (answered("half"), refusable("bad-half")):
        half.append(entry)
    collected(made)
    wrote(made, answered("waiting"), told("waiting"), refusable("bad-waiting"))

    backup = back_up(made.settings, tmp_path / "one.backup", nothing).path

    half.append(told("half"))
    half.append(refusable("bad-half-after"))
    half.close()
    wrote(made, answered("after"), told("after"), told("drained"), refusable("bad-after"))
    landed(made, "second.jsonl", row("landed-after") + "no json\n")
    landed(made, "third.txt", "of no format")
    collected(made)
    wrote(made, answered("last"), told("last"), refusable("bad-last"))
    before_the_last = holds(made)
    made.store.close()

    restored(made, backup, replace=True)
    assert holds(made) != before_the_last
    collected(made)
    after = holds(made)
    assert {name for (name,) in after["predictions"]} == {
        *("drained", "half", "waiting", "after", "last", "landed-before", "landed-after"),
    }
    assert {name for _, name, _ in after["labels"]} == {"drained", "half", "waiting", "after", "last"}
    assert before_the_last["quarantine"] < after["quarantine"]
    assert after["quarantine"].total() == before_the_last["quarantine"].total() + 1
    assert {max(counts.values()) for counts in after.values()} == {1}
    assert journal_files(made.journal) == []


def test_restoring_a_second_time_ends_the_same(light: Loop, tmp_path: Path) -> None:
    wrote(light, answered("p"), refusable("bad"))
    backup = back_up(light.settings, tmp_path / "one.backup", nothing).path
    drain_journals(light)
    wrote(light, told("p"), refusable("bad-after"))
    drain_journals(light)
    expected = holds(light)
    for _ in range(2):
        restored(light, backup, replace=True)
        assert holds(light)["predictions"] == Counter()
        drain_journals(light)
        assert holds(light) == expected


def test_a_restore_that_dies_in_its_transaction_leaves_the_store_as_it_was(
    made: Loop, tmp_path: Path
) -> None:
    take(made.store, made.project, prediction("p"), label("p"))
    backup = back_up(made.settings, tmp_path / "one.backup", nothing).path
    take(made.store, made.project, prediction("q"), label("q"))
    expected = rows_of(made.settings.store_url)

    def die(_: int) -> None:
        msg = "killed"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="killed"):
        restore(made.settings, backup, die, replace=True)
    assert rows_of(made.settings.store_url) == expected


def test_a_restore_that_dies_when_it_has_given_the_journals_back_changes_nothing(
    light: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = back_up(light.settings, tmp_path / "one.backup", nothing).path
    wrote(light, answered("p"), told("p"), refusable("bad"))
    drain_journals(light)
    expected = holds(light)

    def die(*_: object) -> list[str]:
        assert len(journal_files(light.journal)) == 1
        msg = "killed"
        raise RuntimeError(msg)

    monkeypatch.setattr("tasks.restore._to_import", die)
    with pytest.raises(RuntimeError, match="killed"):
        restored(light, backup, replace=True)
    drain_journals(light)
    assert holds(light) == expected
    assert journal_files(light.journal) == []


def test_what_was_in_one_database_is_the_same_in_the_other_and_back(
    tmp_path: Path, postgres: Postgres
) -> None:
    first = loop(tmp_path / "home")
    wrote(first, answered("p"), told("p"), refusable("bad"), answered("q"))
    landed(first, "rows.jsonl", row("landed"))
    collected(first)
    first.ledger.append(Promotion(kind="retrain", version=1, digest="d", reason="é", as_of=NOON), None)
    backup = back_up(first.settings, tmp_path / "one.backup", nothing).path
    expected = without_audit(first)
    first.store.close()

    second = loop(tmp_path / "second", database_url=postgres.fresh())
    restored(second, backup)
    assert without_audit(second) == expected
    again = back_up(second.settings, tmp_path / "two.backup", nothing).path
    third = loop(tmp_path / "third")
    restored(third, again)
    assert without_audit(third) == expected
    # What is numbered goes on behind what was restored.
    for each in (second, third):
        wrote(each, answered("new"), refusable("bad-new"))
        assert drain_journals(each).quarantined == 1
        each.store.close()


def test_what_the_other_database_cannot_keep_is_refused_by_its_table(
    tmp_path: Path, postgres: Postgres
) -> None:
    first = loop(tmp_path / "home")
    with first.store.transaction() as connection:  # as no Keepfit writes it
        connection.execute(text("INSERT INTO projects VALUES (1, 'a' || char(0) || 'b')"))
    first.store.close()
    backup = back_up(first.settings, tmp_path / "one.backup", nothing).path
    second = loop(tmp_path / "second", database_url=postgres.fresh())
    with pytest.raises(StateError, match=r"refuses rows of projects: .*nothing was kept"):
        restored(second, backup)
    assert sum(counts.total() for counts in rows_of(second.settings.store_url).values()) == 0
    second.store.close()


def test_without_a_backup_no_journal_is_kept(light: Loop) -> None:
    wrote(light, answered("p"))
    drain_journals(light)
    assert kept.kept_files(light.journal) == []
    assert light.store.journal_positions("made") == {}


def test_a_drained_journal_is_kept_until_two_backups_have_it_whole(light: Loop) -> None:
    back_up(light.settings, None, nothing)
    wrote(light, answered("p"))
    drain_journals(light)
    name = kept.kept_files(light.journal)[0].name
    again = back_up(light.settings, light.settings.home / "two.backup", nothing)
    drain_journals(light)
    assert (again.kept_files, again.removed_files) == (1, 0)
    assert list(light.store.journal_positions("made")) == [name]
    last = back_up(light.settings, light.settings.home / "three.backup", nothing)
    assert (last.kept_files, last.removed_files) == (0, 1)
    assert light.store.journal_positions("made") == {}


def test_the_backup_before_the_last_can_be_restored_with_all_that_came_after_it(
    light: Loop, tmp_path: Path
) -> None:
    for number in range(4):
        wrote(light, answered(f"{number}"), refusable(f"bad-{number}"))
        drain_journals(light)
        back_up(light.settings, tmp_path / f"{number}.backup", nothing)
    expected = holds(light)
    done = restored(light, tmp_path / "2.backup", replace=True)
    assert done.said == ()
    drain_journals(light)
    assert holds(light) == expected


def test_an_older_backup_is_restored_and_what_may_be_missing_is_said(light: Loop, tmp_path: Path) -> None:
    for number in range(3):
        wrote(light, answered(f"{number}"))
        drain_journals(light)
        back_up(light.settings, tmp_path / f"{number}.backup", nothing)
    done = restored(light, tmp_path / "0.backup", replace=True)
    assert len(done.said) == 1
    assert "0.backup is not one of the last two backups: journals are kept from 1.backup on" in done.said[0]


def test_a_backup_that_was_broken_off_leaves_no_file_and_no_journal_is_kept_for_it(
    light: Loop, tmp_path: Path
) -> None:
    def die(_: int) -> None:
        assert kept.keeping(light.settings.home)
        msg = "killed"
        raise RuntimeError(msg)

    take(light.store, light.project, prediction("p"))
    with pytest.raises(RuntimeError, match="killed"):
        back_up(light.settings, tmp_path / "one.backup", die)
    assert list(tmp_path.glob("*one.backup*")) == []
    assert not kept.keeping(light.settings.home)


def test_a_store_that_is_not_empty_is_refused(light: Loop, tmp_path: Path) -> None:
    take(light.store, light.project, prediction("p"))
    backup = back_up(light.settings, tmp_path / "one.backup", nothing).path
    with pytest.raises(StateError, match="the store is not empty, it has 6 rows; restore with --replace"):
        restored(light, backup)


def test_the_store_that_is_replaced_can_itself_be_restored(made: Loop, tmp_path: Path) -> None:
    backup = back_up(made.settings, tmp_path / "one.backup", nothing).path
    take(made.store, made.project, prediction("only here"))
    wrote(made, refusable("bad"))
    drain_journals(made)
    expected = holds(made)
    replaced = restored(made, backup, replace=True).replaced
    assert replaced is not None
    done = restored(made, replaced, replace=True)
    assert done.said == ()
    drain_journals(made)
    assert holds(made) == expected


def test_two_backups_of_one_second_are_two_files(light: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.backup.now", lambda: NOON)
    places = [back_up(light.settings, None, nothing).path for _ in range(3)]
    assert len(set(places)) == 3
    assert all(place.exists() for place in places)


def test_a_file_that_is_no_whole_backup_is_refused_by_name_and_changes_nothing(
    light: Loop, tmp_path: Path
) -> None:
    take(light.store, light.project, prediction("p"))
    backup = back_up(light.settings, tmp_path / "one.backup", nothing).path
    expected = rows_of(light.settings.store_url)
    backup.write_bytes(backup.read_bytes()[:-100])
    with pytest.raises(BackupRefused, match=r"one\.backup: is no whole backup"):
        restored(light, backup, replace=True)
    assert rows_of(light.settings.store_url) == expected


def test_a_file_of_sqlite_that_cannot_be_read_is_put_aside(tmp_path: Path) -> None:
    made = loop(tmp_path / "home")
    take(made.store, made.project, prediction("p"))
    backup = back_up(made.settings, tmp_path / "one.backup", nothing).path
    made.store.close()
    damaged = made.settings.home / "keepfit.db"
    damaged.write_bytes(b"no database" * 1000)
    with pytest.raises(StateError, match=r"keepfit\.db: cannot be read: .*; restore with --replace"):
        restored(made, backup)
    done = restored(made, backup, replace=True)
    assert done.replaced is not None
    assert done.replaced.read_bytes() == b"no database" * 1000
    assert rows_of(made.settings.store_url)["predictions_1"].total() == 1


def test_a_version_that_became_champion_after_the_backup_stays_champion_and_that_is_said(
    made: Loop, tmp_path: Path
) -> None:
    last = None
    backup = tmp_path / "one.backup"
    for version in (1, 2, 3):
        promoted = Promotion(kind="retrain", version=version, digest=f"{version}", reason="", as_of=NOON)
        last = made.ledger.append(promoted, last)
        move_pointer(made.releases, Pointer(last.digest, version, last.number))
        if version == 1:
            back_up(made.settings, backup, nothing)
    live = read_pointer(made.releases)
    done = restored(made, backup, replace=True)
    assert read_pointer(made.releases) == live == Pointer("3", 3, 3)
    assert [entry.version for entry in made.ledger.history()] == [1, 1, 3]
    assert len(done.said) == 1
    assert "version 3 became champion after the backup (promotion 3) and stays it" in done.said[0]
    assert "in the backup version 1 was" in done.said[0]


def test_a_file_that_was_imported_after_the_backup_is_named(light: Loop, tmp_path: Path) -> None:
    backup = back_up(light.settings, tmp_path / "one.backup", nothing).path
    history = tmp_path / "history.jsonl"
    history.write_text(row("imported"))
    import_file(light, history, nothing)
    done = restored(light, backup, replace=True)
    assert done.said == ("history.jsonl was imported into 'made' after the backup: import it again",)

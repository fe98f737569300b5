"""The audit log on every database that it can be in."""

import subprocess
import sys
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from data import audit, dialects, tables
from data.audit import Change, Entry, Head, append, head, last_entries, oneself, walk
from data.chain import Checked, check_store
from data.promotions import Ledger, Promotion
from data.store import Store
from keepfit.errors import ChampionChanged
from keepfit.faults import arm
from keepfit.settings import ROOT
from tests.making import DAY, NOON

PROCESSES, APPENDS = 2, 40

_APPEND = """
import sys
from data.audit import Change, append
from data.store import Store

store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    with store.transaction() as connection:
        append(connection, Change(what="source held", why=f"{number}", who=sys.argv[3]))
store.close()
"""


def change(why: str = "a test", **changed: object) -> Change:
    return replace(Change(what="source held", why=why), **changed)


def note(store: Store, *changes: Change) -> None:
    for each in changes:
        with store.transaction() as connection:
            append(connection, each)


def log(store: Store) -> list[Entry]:
    with store.reading() as connection:
        return list(walk(connection))


def checked(store: Store, known: str | None = None) -> Checked:
    with store.reading() as connection:
        return check_store(connection, known)


def promotion(version: int = 1, **changed: object) -> Promotion:
    made = Promotion(kind="retrain", version=version, digest="d", reason="drift", as_of=NOON)
    return replace(made, **changed)


def forge(store: Store, *statements: str) -> None:
    """Do by SQL what no Keepfit does: the second lock is taken off first."""
    with store.transaction() as connection:
        if connection.dialect.name == "sqlite":
            for verb in ("UPDATE", "DELETE"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS audit_no_{verb}"))
        else:
            connection.execute(text("DROP TRIGGER IF EXISTS audit_stays ON audit"))
        for statement in statements:
            connection.execute(text(statement))


def test_an_entry_says_who_what_why_before_and_after(store: Store) -> None:
    note(store, change("é\x00\ud800", who=" ann\n@box ", project="made", before={"a": 1}, after={"a": None}))
    (entry,) = log(store)
    assert (entry.number, entry.who, entry.what, entry.project) == (1, "ann @box", "source held", "made")
    assert entry.why == "é\\x00\\ud800"
    assert (entry.before, entry.after) == ('{"a": 1}', '{"a": null}')
    assert checked(store) == Checked(Head(1, entry.hash))


def test_who_is_the_user_of_the_process_where_nobody_says(store: Store) -> None:
    note(store, change())
    assert log(store)[0].who == oneself()


def test_each_entry_has_the_hash_of_the_one_before_it(store: Store) -> None:
    note(store, change("a"), change("b"), change("c"))
    first, second, third = log(store)
    assert (first.previous, second.previous, third.previous) == (audit.NOTHING, first.hash, second.hash)
    with store.reading() as connection:
        assert head(connection) == Head(3, third.hash)


def test_the_last_entries_come_first_of_a_project_of_the_store_or_of_all(store: Store) -> None:
    note(
        store, change("a", project="one"), change("b"), change("c", project="two"), change("d", project="one")
    )
    with store.reading() as connection:
        assert [e.why for e in last_entries(connection, 3)] == ["d", "c", "b"]
        assert [e.why for e in last_entries(connection, 9, ("one",))] == ["d", "a"]
        assert [e.why for e in last_entries(connection, 9, ("one", None), before=4)] == ["b", "a"]


def test_processes_that_append_at_once_make_one_chain(store: Store, store_url: str) -> None:
    command = [sys.executable, "-c", _APPEND, store_url, str(APPENDS)]
    processes = [
        subprocess.Popen(
            [*command, f"p{n}"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            process.communicate(timeout=60)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0] * PROCESSES
    by = [[entry.why for entry in log(store) if entry.who == f"p{n}"] for n in range(PROCESSES)]
    assert by == [[str(number) for number in range(APPENDS)]] * PROCESSES
    assert checked(store).objection is None


def test_a_transaction_that_fails_leaves_neither_donenor_entry(store: Store) -> None:
    ledger = Ledger(store, "made")

    def die(point: str, *_: object) -> None:
        if point == "ledger.append":
            raise RuntimeError("killed")

    arm(die)
    try:
        with pytest.raises(RuntimeError, match="killed"):
            ledger.append(promotion(), None)
    finally:
        arm(None)
    assert (ledger.history(), log(store)) == ([], [])


def test_a_promotion_that_was_overtaken_leaves_no_entry(store: Store) -> None:
    ledger = Ledger(store, "made")
    ledger.append(promotion(), None)
    with pytest.raises(ChampionChanged):
        ledger.append(promotion(2), None)
    assert len(log(store)) == 1


def test_a_promotion_is_noted_with_the_one_before_it(store: Store) -> None:
    ledger = Ledger(store, "made", who="ann@box")
    first = ledger.append(promotion(1), None)
    ledger.append(promotion(None, kind="withdrawal", digest=None, reason="refused"), first)
    noted, withdrawn = log(store)
    assert (noted.what, noted.who, noted.why, noted.project) == ("promoted", "ann@box", "drift", "made")
    assert noted.before is None
    assert (withdrawn.what, withdrawn.why, withdrawn.before) == ("withdrawn", "refused", noted.after)


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'nobody'", "DELETE FROM audit"])
def test_the_database_refuses_to_doneor_remove_an_entry(store: Store, statement: str) -> None:
    note(store, change())
    with (
        pytest.raises(DatabaseError, match="neither changed nor removed"),
        store.engine.begin() as connection,
    ):
        connection.execute(text(statement))
    assert checked(store).head.entries == 1


@pytest.mark.parametrize(
    ("statements", "objection"),
    [
        (["UPDATE audit SET why = 'x' WHERE number = 2"], r"entry 2 was changed"),
        (["DELETE FROM audit WHERE number = 2"], r"entry 2 is missing: entry 3 comes after 1"),
        (["DELETE FROM audit WHERE number = 1"], r"entry 1 is missing"),
        (["UPDATE audit SET number = 9 WHERE number = 3"], r"entry 3 is missing: entry 9 comes after 2"),
    ],
)
def test_what_was_done_to_the_log_by_sql_is_named(
    store: Store, statements: list[str], objection: str
) -> None:
    note(store, change("a"), change("b"), change("c"))
    forge(store, *statements)
    found = checked(store).objection
    assert found is not None
    assert found.startswith(objection)


def test_a_log_that_lost_its_end_holds_and_lacks_the_head_that_was_noted(store: Store) -> None:
    note(store, change("a"), change("b"))
    known = checked(store).head.hash
    forge(store, "DELETE FROM audit WHERE number = 2")
    assert checked(store).objection is None, "the rest is whole"
    found = checked(store, known).objection
    assert found is not None
    assert found.startswith(
        f"no entry has the hash {known}: since it was noted, entries were taken off the end"
    )


def test_a_log_goes_on_from_a_head_that_was_noted(store: Store) -> None:
    note(store, change("a"))
    known = checked(store).head.hash
    note(store, change("b"), change("c"))
    found = checked(store, known)
    assert (found.objection, found.said) == (None, "the head that was noted is entry 1; 2 came since")


@pytest.mark.parametrize(
    ("done", "which", "objection"),
    [
        (
            "UPDATE promotions SET version = 7",
            2,
            "2 of made is not what entry 2 says: its version is 7, not 2",
        ),
        ("UPDATE promotions SET reason = 'x'", 1, "1 of made is not what entry 1 says: its why is 'x', not"),
        ("UPDATE promotions SET kind = 'rollback'", 1, "1 of made is not what entry 1 says: its kind"),
        ("DELETE FROM promotions", 2, "2 of made, which entry 2 notes, is not in the ledger"),
        ("UPDATE promotions SET project = 'other'", 2, "2 of other stands in the ledger and has no entry"),
    ],
)
def test_a_ledger_that_was_written_to_by_sql_is_named(
    store: Store, done: str, which: int, objection: str
) -> None:
    ledger = Ledger(store, "made")
    first = ledger.append(promotion(1, training_until=NOON - DAY, score=float("nan")), None)
    ledger.append(promotion(2, score=0.1 + 0.2), first)
    ledger.confirm(2, workers=2)
    assert checked(store).objection is None, "how many workers confirmed it comes later, and is no change"
    forge(store, f"{done} WHERE number = {which}")
    found = checked(store).objection
    assert found is not None
    assert found.startswith(f"promotion {objection}")


def test_a_store_that_is_older_than_its_log_says_so_in_its_first_entry(store: Store, store_url: str) -> None:
    ledger = Ledger(store, "made")
    first = ledger.append(promotion(1), None)
    with store.transaction() as connection:
        tables.audit.drop(connection)
    again = Store(store_url)
    Ledger(again, "made").append(promotion(2), first)
    begun, noted = log(again)
    assert (begun.what, begun.after) == ("log begun", '{"promotions": {"made": 1}}')
    assert noted.what == "promoted"
    assert checked(again).objection is None
    forge(again, "UPDATE promotions SET number = 5 WHERE number = 1")
    assert checked(again).objection == "promotion 5 of made stands in the ledger and has no entry in the log"
    again.close()


def test_who_waits_for_the_head_of_the_chain_holds_up_nobody_s_reading(store: Store) -> None:
    with store.transaction() as connection:
        dialects.lock_chain(connection)
        append(connection, change())
        assert log(store) == []
    assert len(log(store)) == 1

import pytest

from data.quarantine import Quarantine
from data.records import Rejected
from data.store import Batch, Store, Taken
from tests.making import NOON, project


@pytest.fixture
def quarantine(store: Store) -> Quarantine:
    return Quarantine(store, "made")


def reject(store: Store, *reasons: str, of: str = "made") -> None:
    batch = Batch(rejected=[Rejected("row", f'{{"n": "{r}"}}', r, "a.csv", NOON) for r in reasons])
    store.take_in(project(name=of), batch)


def readmit(quarantine: Quarantine, *numbers: int) -> None:
    with quarantine.store.transaction() as connection:
        quarantine.readmitted(connection, numbers, Taken(1, 0, 0))


def test_a_row_keeps_its_content_its_reason_and_where_it_came_from(
    store: Store, quarantine: Quarantine
) -> None:
    reject(store, "wind: too strong")
    (entry,) = quarantine.entries()
    assert (entry.kind, entry.content, entry.reason) == (
        "row",
        '{"n": "wind: too strong"}',
        "wind: too strong",
    )
    assert (entry.source, entry.known_at, entry.readmitted_at) == ("a.csv", NOON, None)


def test_two_equal_rows_are_two_entries(store: Store, quarantine: Quarantine) -> None:
    reject(store, "no", "no")
    assert quarantine.count() == 2


def test_the_newest_entries_come_first(store: Store, quarantine: Quarantine) -> None:
    reject(store, *"abc")
    assert [entry.reason for entry in quarantine.entries(limit=2)] == ["c", "b"]


def test_entries_are_found_by_their_numbers(store: Store, quarantine: Quarantine) -> None:
    reject(store, *"abc")
    wanted = [entry.number for entry in quarantine.entries() if entry.reason in "ac"]
    assert [entry.reason for entry in quarantine.entries(wanted)] == ["c", "a"]
    assert quarantine.entries([]) == []


def test_what_was_readmitted_stays_and_no_longer_waits(store: Store, quarantine: Quarantine) -> None:
    reject(store, *"ab")
    number = quarantine.entries()[0].number
    readmit(quarantine, number)
    assert quarantine.count() == 1
    assert quarantine.entries([number])[0].readmitted_at is not None
    assert quarantine.reasons() == [("a", 1)]


def test_the_commonest_reason_comes_first(store: Store, quarantine: Quarantine) -> None:
    reject(store, *"abbcc")
    assert quarantine.reasons() == [("b", 2), ("c", 2), ("a", 1)]
    assert quarantine.reasons(limit=1) == [("b", 2)]


def test_another_projects_rows_are_neither_seen_nor_readmitted(store: Store, quarantine: Quarantine) -> None:
    reject(store, "a", of="other")
    assert (quarantine.count(), quarantine.entries()) == (0, [])
    other = Quarantine(store, "other")
    readmit(quarantine, other.entries()[0].number)
    assert other.count() == 1


def test_what_waits_is_read_by_its_reason_and_page_by_page(store: Store, quarantine: Quarantine) -> None:
    reject(store, "no", "no", "far", "no")
    first, *older = quarantine.waiting("no", limit=2)
    assert [entry.reason for entry in (first, *older)] == ["no", "no"]
    (oldest,) = quarantine.waiting("no", before=older[-1].number)
    readmit(quarantine, oldest.number)
    assert [entry.number for entry in quarantine.waiting("no")] == [first.number, older[0].number]
    assert len(quarantine.waiting()) == 3

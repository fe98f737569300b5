"""Whatever is done to one entry of a chain is found."""

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from data.audit import NOTHING, Change, Entry, Head, chained
from data.chain import check_chain

TEXT = st.text(max_size=8)
SAID = st.none() | st.dictionaries(TEXT, st.none() | st.integers() | TEXT, max_size=3)
CHANGES = st.lists(
    st.builds(
        Change,
        what=st.just("source held"),
        why=TEXT,
        who=TEXT,
        project=st.none() | TEXT,
        before=SAID,
        after=SAID,
    ),
    min_size=3,
    max_size=5,
)
FORGED: dict[str, st.SearchStrategy[Any]] = {
    "number": st.integers(min_value=-1, max_value=99),
    "at": st.integers(min_value=0, max_value=2**50),
    "previous": TEXT,
    "hash": TEXT,
    **dict.fromkeys(("who", "what", "why"), TEXT),
    **{name: st.none() | TEXT for name in ("project", "before", "after")},
}


def chain(changes: list[Change]) -> list[Entry]:
    entries: list[Entry] = []
    head = Head()
    for at, change in enumerate(changes):
        entries.append(chained(change, head, at))
        head = Head(entries[-1].number, entries[-1].hash)
    return entries


def holds(entries: list[Entry]) -> bool:
    """Check entries as they come out of the store: by their numbers."""
    return check_chain(sorted(entries, key=lambda entry: entry.number)).objection is None


@given(CHANGES)
def test_a_chain_as_it_was_written_holds(changes: list[Change]) -> None:
    entries = chain(changes)
    assert check_chain(entries).head == Head(len(entries), entries[-1].hash)
    assert holds(entries)


@given(CHANGES)
def test_anybody_can_check_a_chain_by_the_rule_of_the_docs(changes: list[Change]) -> None:
    names = ("number", "at", "project", "who", "what", "why", "before", "after", "previous")
    previous = NOTHING
    for entry in chain(changes):
        said = json.dumps([getattr(entry, name) for name in names], separators=(",", ":"))
        assert entry.previous == previous
        previous = sha256(said.encode()).hexdigest()
        assert entry.hash == previous


@given(CHANGES, st.data())
def test_an_entry_that_was_changed_is_found(changes: list[Change], data: st.DataObject) -> None:
    entries = chain(changes)
    place = data.draw(st.integers(0, len(entries) - 1))
    name = data.draw(st.sampled_from(sorted(FORGED)))
    forged = replace(entries[place], **{name: data.draw(FORGED[name])})
    assume(forged != entries[place])
    assert not holds([*entries[:place], forged, *entries[place + 1 :]])


@given(CHANGES, st.data())
def test_an_entry_that_was_changed_and_hashed_anew_is_found_by_the_one_after_it(
    changes: list[Change], data: st.DataObject
) -> None:
    entries = chain(changes)
    place = data.draw(st.integers(0, len(entries) - 2))
    before = Head(place, entries[place - 1].hash if place else NOTHING)
    forged = chained(replace(changes[place], why=data.draw(TEXT)), before, entries[place].at)
    assume(forged != entries[place])
    assert not holds([*entries[:place], forged, *entries[place + 1 :]])


@given(CHANGES, st.data())
def test_an_entry_that_was_removed_is_found_but_for_the_last(
    changes: list[Change], data: st.DataObject
) -> None:
    entries = chain(changes)
    place = data.draw(st.integers(0, len(entries) - 2))
    assert not holds(entries[:place] + entries[place + 1 :])


@given(CHANGES, st.data())
def test_an_entry_that_was_put_between_is_found(changes: list[Change], data: st.DataObject) -> None:
    entries = chain(changes)
    place = data.draw(st.integers(1, len(entries) - 1))
    forged = chained(changes[0], Head(place, entries[place - 1].hash), 0)
    later = [replace(entry, number=entry.number + 1) for entry in entries[place:]]
    assert not holds([*entries[:place], forged, *later])


@given(CHANGES, st.data())
def test_two_entries_that_changed_places_are_found(changes: list[Change], data: st.DataObject) -> None:
    entries = chain(changes)
    one, other = sorted(data.draw(st.sets(st.integers(0, len(entries) - 1), min_size=2, max_size=2)))
    moved = list(entries)
    moved[one], moved[other] = (
        replace(entries[other], number=one + 1),
        replace(entries[one], number=other + 1),
    )
    assert not holds(moved)

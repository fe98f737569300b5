import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from data.records import Label, Prediction, ids_of, new_id, new_ids, now, uuid7
from data.tables import as_time, microseconds
from keepfit.settings import ROOT

moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.timezones())  # noqa: DTZ001


@given(unix_ms=st.integers(0, 2**48 - 1), rest=st.binary(min_size=10, max_size=40))
def test_an_id_is_a_uuid_of_version_7_that_tells_its_time(unix_ms: Any, rest: Any) -> None:
    made = uuid.UUID(uuid7(unix_ms, rest))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == unix_ms


@given(pair=st.tuples(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1)), rest=st.binary(min_size=10))
def test_ids_sort_by_their_time(pair: Any, rest: Any) -> None:
    earlier, later = sorted(pair)
    assert earlier == later or uuid7(earlier, rest) < uuid7(later, rest)


def test_two_ids_are_never_one() -> None:
    assert len({new_id() for _ in range(1000)} | set(new_ids(1000))) == 2000


def test_ids_made_together_are_uuids_of_version_7_of_this_moment() -> None:
    before = time.time_ns() // 1_000_000
    made = [uuid.UUID(each) for each in new_ids(100)]
    assert {(each.version, each.variant) for each in made} == {(7, uuid.RFC_4122)}
    assert all(before <= each.int >> 80 <= time.time_ns() // 1_000_000 for each in made)


def test_a_forked_process_draws_ids_of_its_own() -> None:
    # One write a process: what `print` writes in two pieces can be mixed with the other's.
    told_at_once = "os.write(1, (new_id() + chr(10)).encode())"
    forking = f"import os; from data.records import new_id; new_id(); os.fork(); {told_at_once}"
    told = subprocess.run(
        [sys.executable, "-c", forking], cwd=ROOT, capture_output=True, text=True, check=True
    )
    parent, child = told.stdout.split()
    assert parent[-20:] != child[-20:]


@given(key=st.text(st.characters(max_codepoint=127), min_size=1), count=st.integers(1, 5))
def test_a_key_names_its_records_and_no_others(key: str, count: int) -> None:
    ids = ids_of(key, count)
    assert ids_of(key, count + 1)[:count] == ids
    assert len({*ids, *ids_of(key + "x", count)}) == 2 * count


def test_ids_of_a_key_that_tells_a_time_sort_by_it() -> None:
    key = new_id()
    assert [uuid.UUID(made).int >> 80 for made in ids_of(key, 2)] == [uuid.UUID(key).int >> 80] * 2
    assert uuid.UUID(ids_of("order-7", 1)[0]).int >> 80 == 0


def test_the_clock_knows_its_offset() -> None:
    assert now().utcoffset() is not None


@given(moment=moments)
def test_a_time_that_is_kept_is_the_same_moment_when_it_is_read(moment: Any) -> None:
    # Compared in UTC: a time that a clock skips equals none of another zone.
    assert as_time(microseconds(moment)) == moment.astimezone(UTC)


@given(one=moments, other=moments)
def test_times_are_kept_in_their_order(one: Any, other: Any) -> None:
    assert (one.astimezone(UTC) < other.astimezone(UTC)) == (microseconds(one) < microseconds(other))


def test_a_record_is_the_same_after_a_journal() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    answered: dict[str, Any] = {"latency_s": 0.001, "status": 499, "weight": 10.0, "trace_id": "a" * 32}
    features = {"wind": 10**30, "carrier": "Ä", "holiday": None}
    prediction = Prediction("p", features, at, at, (0.25, 0.75), 3, "r", **answered)
    label = Label("l", "road", at, at, "http", reference_id="r")
    assert msgspec.json.decode(msgspec.json.encode(prediction), type=Prediction) == prediction
    assert msgspec.json.decode(msgspec.json.encode(label), type=Label) == label

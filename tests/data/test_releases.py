import errno
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.bundles import MODEL
from data.records import now, since_boot
from data.releases import (
    POINTER,
    Pointer,
    WorkerStatus,
    forget_lost_workers,
    last_served,
    move_pointer,
    publish,
    read_pointer,
    read_statuses,
    released,
    remove_status,
    write_status,
)
from keepfit.errors import BundleDamaged, StateError
from tests.builders import opened
from tests.keys import TRUST

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def status(pid: int, at: datetime = NOON, **changed: object) -> WorkerStatus:
    return WorkerStatus(**{"host": "here", "pid": pid, "at": at, **changed})


def test_a_published_bundle_is_opened_by_its_digest(tmp_path: Path) -> None:
    made = opened(tmp_path, version=4)
    publish(made, tmp_path / "releases", TRUST)
    assert released(tmp_path / "releases", made.digest, TRUST) == made


def test_publishing_twice_changes_nothing(tmp_path: Path) -> None:
    made = opened(tmp_path)
    releases = tmp_path / "releases"
    first = publish(made, releases, TRUST)
    assert publish(made, releases, TRUST) == first
    assert [path.name for path in releases.iterdir()] == [made.digest]


def test_publishing_at_the_same_time_leaves_one_bundle_and_no_remains(tmp_path: Path) -> None:
    made = opened(tmp_path)
    releases = tmp_path / "releases"
    with ThreadPoolExecutor(8) as publishers:
        homes = list(publishers.map(lambda _: publish(made, releases, TRUST), range(8)))
    assert set(homes) == {releases / made.digest}
    assert [path.name for path in releases.iterdir()] == [made.digest]
    assert released(releases, made.digest, TRUST)


def test_a_damaged_bundle_is_not_published(tmp_path: Path) -> None:
    made = msgspec.structs.replace(opened(tmp_path), model=b"something else")
    with pytest.raises(BundleDamaged):
        publish(made, tmp_path / "releases", TRUST)
    assert list((tmp_path / "releases").iterdir()) == []


def test_before_the_first_promotion_there_is_no_pointer(tmp_path: Path) -> None:
    assert read_pointer(tmp_path) is None


@given(st.lists(st.integers(1, 20), min_size=1, max_size=20))
def test_whatever_the_order_the_latest_promotion_wins(promotions: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for promotion in promotions:
            move_pointer(Path(folder), Pointer(f"{promotion:064}", promotion, promotion))
        assert read_pointer(Path(folder)) == Pointer(
            f"{max(promotions):064}", max(promotions), max(promotions)
        )


def test_many_at_once_leave_the_latest_promotion(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as movers:
        list(movers.map(lambda n: move_pointer(tmp_path, Pointer("0" * 64, n, n)), [*range(50), *range(50)]))
    assert read_pointer(tmp_path) == Pointer("0" * 64, 49, 49)
    assert {path.name for path in tmp_path.iterdir()} == {POINTER, ".lock"}


def test_moving_the_pointer_to_where_it_is_says_that_it_did_not_move(tmp_path: Path) -> None:
    pointer = Pointer("0" * 64, 1, 1)
    assert [move_pointer(tmp_path, pointer), move_pointer(tmp_path, pointer)] == [True, False]


def test_a_pointer_that_is_none_is_said_and_can_be_written_anew(tmp_path: Path) -> None:
    (tmp_path / POINTER).write_bytes(b"{}")
    with pytest.raises(StateError, match="is no pointer"):
        read_pointer(tmp_path)
    assert move_pointer(tmp_path, Pointer(None, None, 3))
    assert read_pointer(tmp_path) == Pointer(None, None, 3)


def test_workers_seen_lately_are_listed_by_pid(tmp_path: Path) -> None:
    for pid, age_s in ((30, 0), (20, 4), (10, 6)):
        write_status(tmp_path, status(pid, NOON - timedelta(seconds=age_s)))
    assert [seen.pid for seen in read_statuses(tmp_path, NOON)] == [20, 30]


def test_a_status_is_replaced_and_taken_away(tmp_path: Path) -> None:
    write_status(tmp_path, status(1, version=1))
    write_status(tmp_path, status(1, version=2, error="why", refused="0" * 64, counters={"rows": 5.0}))
    assert read_statuses(tmp_path, NOON) == [
        status(1, version=2, error="why", refused="0" * 64, counters={"rows": 5.0})
    ]
    remove_status(tmp_path, status(1))
    assert read_statuses(tmp_path, NOON) == []


def test_a_status_that_is_still_being_written_is_not_a_second_worker(tmp_path: Path) -> None:
    write_status(tmp_path, status(1))
    (whole,) = tmp_path.iterdir()
    whole.with_name(f".{whole.name}").write_bytes(whole.read_bytes())
    assert len(read_statuses(tmp_path, NOON)) == 1


def test_the_status_file_of_a_worker_that_was_killed_is_taken_away_in_time(tmp_path: Path) -> None:
    lost, alive = (WorkerStatus(host="h", pid=pid, at=now()) for pid in (1, 2))
    write_status(tmp_path, lost)
    write_status(tmp_path, alive)
    forget_lost_workers(tmp_path, now() + timedelta(seconds=30))
    assert [status.pid for status in read_statuses(tmp_path, now())] == [1, 2]
    write_status(tmp_path, status(1, now() - timedelta(hours=1), host="h"))
    forget_lost_workers(tmp_path, now())
    assert [path.name for path in tmp_path.iterdir()] == ["h-2.status.json"]


def test_what_is_no_note_of_a_worker_is_none_however_deep_it_is(tmp_path: Path) -> None:
    for name in ("h-1.status.json", "served.json"):
        (tmp_path / name).write_text('{"a":' + "[" * 100_000)
    assert read_statuses(tmp_path, NOON) == []
    assert last_served(tmp_path) is None


def test_a_status_from_before_a_clock_was_set_back_is_no_sign_of_life(tmp_path: Path) -> None:
    write_status(tmp_path, status(1, NOON + timedelta(days=1)))
    assert read_statuses(tmp_path, NOON) == []
    forget_lost_workers(tmp_path, NOON)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("days", [-1, 1])
def test_who_was_seen_lately_on_this_machine_is_known_by_the_clock_that_nobody_sets(
    tmp_path: Path, days: int
) -> None:
    boot, up_s = since_boot()
    for pid, age_s in ((1, 4.0), (2, 60.0)):
        write_status(tmp_path, status(pid, NOON + timedelta(days=days), boot=boot, up_s=up_s - age_s))
    assert [seen.pid for seen in read_statuses(tmp_path, NOON)] == [1]


def test_a_status_of_the_time_before_the_machine_began_again_is_none_of_a_worker(tmp_path: Path) -> None:
    write_status(tmp_path, status(1, NOON - timedelta(hours=1), boot="another", up_s=since_boot()[1]))
    assert read_statuses(tmp_path, NOON) == []


def test_a_published_bundle_that_was_damaged_is_replaced_by_publishing_it_again(tmp_path: Path) -> None:
    made = opened(tmp_path, version=4)
    home = publish(made, tmp_path / "releases", TRUST)
    (home / MODEL).write_bytes(b"something else")
    publish(made, tmp_path / "releases", TRUST)
    assert released(tmp_path / "releases", made.digest, TRUST) == made


def test_a_status_is_told_where_there_is_no_room_for_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_status(tmp_path, status(1, generation=1, error="long " * 10))
    monkeypatch.setattr(Path, "replace", no_room)
    write_status(tmp_path, status(1, generation=2))
    with pytest.raises(OSError, match="No space left"):
        write_status(tmp_path, status(2))
    assert [(seen.pid, seen.generation) for seen in read_statuses(tmp_path, NOON)] == [(1, 2)]
    assert len(list(tmp_path.iterdir())) == 1

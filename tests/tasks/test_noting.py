"""Each step that changes something leaves its entry in the audit log: who, what, why, from what to what."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data import tables
from data.audit import Entry, head, oneself, walk
from data.chain import Checked, check_store
from data.files import content_hash
from data.parts import Part
from data.promotions import Promotion
from data.records import Rejected, now
from data.releases import Pointer, move_pointer
from data.store import AlreadyTaken, Batch, Store
from tasks.backup import back_up
from tasks.collect import drain_journals, import_file, readmit, take_landed
from tasks.restore import restore
from tests.making import DAY, NOON, ROW, LoopOnFakes, history, loop


@pytest.fixture
def made(tmp_path: Path) -> Iterator[LoopOnFakes]:
    opened = loop(tmp_path / "home")
    yield replace(opened, who="ann@box")
    opened.store.close()


def log(of: LoopOnFakes) -> list[Entry]:
    with of.store.reading() as connection:
        return list(walk(connection))


def checked(of: LoopOnFakes) -> Checked:
    with of.store.reading() as connection:
        return check_store(connection)


def after(entry: Entry) -> dict[str, Any]:
    assert entry.after is not None
    return json.loads(entry.after)


def written(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def nothing(_: int) -> None:
    return


def test_an_import_is_noted_once_with_its_file_and_how_much_it_brought(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    bad = {**history(1)[0], "distance": 9_999, "reference_id": "bad"}
    file = written(tmp_path / "jan.jsonl", *history(5), bad)
    import_file(made, file, nothing)
    with pytest.raises(AlreadyTaken):
        import_file(made, file, nothing)
    (entry,) = log(made)
    assert (entry.what, entry.who, entry.why, entry.project) == (
        "file imported",
        "ann@box",
        "by hand",
        "made",
    )
    told = {"predictions": 5, "labels": 5, "quarantined": 1}
    assert after(entry) == {"file": "jan.jsonl", "sha256": content_hash(file), **told}


def test_an_import_of_a_part_says_which(made: LoopOnFakes, tmp_path: Path) -> None:
    file = written(tmp_path / "jan.jsonl", *history(5))
    import_file(made, file, nothing, Part(until=NOON + DAY))
    assert log(made)[0].why == "only rows before 2026-03-02T12:00"


def test_a_landed_file_is_noted(made: LoopOnFakes) -> None:
    written(made.settings.landing("made") / "rows.jsonl", {**ROW, "predicted_at": NOON.isoformat()})
    take_landed(made)
    (entry,) = log(made)
    assert (entry.what, entry.why) == ("file landed", "it lay in the landing folder")
    assert (after(entry)["file"], after(entry)["predictions"]) == ("rows.jsonl", 1)


def test_what_is_no_change_leaves_no_entry(made: LoopOnFakes) -> None:
    written(made.settings.landing("made") / "not.jsonl", {"a": 1})
    take_landed(made)
    drain_journals(made)
    assert made.quarantine.count() == 1
    assert log(made) == []


def test_a_readmitted_row_is_noted_by_its_number_and_says_nothing_of_what_is_in_it(made: LoopOnFakes) -> None:
    row = json.dumps({**ROW, "carrier": "SECRET", "predicted_at": NOON.isoformat()})
    rejected = [Rejected("row", content, "no SECRET", "a.csv", now()) for content in (row, "{}")]
    made.store.take_in(made.project, Batch(rejected=rejected))
    readmit(made, [1, 2])
    (entry,) = log(made)
    assert (entry.what, entry.who) == ("row readmitted", "ann@box")
    assert (entry.before, after(entry)) == ('{"quarantine": [1]}', {"predictions": 1, "labels": 0})
    assert "SECRET" not in repr(entry)


def test_a_restore_goes_back_to_the_older_chain_and_names_the_head_that_it_replaced(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    first = made.ledger.append(Promotion(kind="retrain", version=1, digest="d", reason="a", as_of=NOON), None)
    backup = back_up(made.settings, tmp_path / "one.backup", nothing)
    kept = backup.manifest.audit
    made.ledger.append(Promotion(kind="retrain", version=2, digest="d", reason="b", as_of=NOON), first)
    replaced = checked(made).head
    made.store.close()
    restore(made.settings, backup.path, nothing, replace=True)
    Store.__init__(made.store, made.store.url)
    noted, restored = log(made)
    assert kept is not None
    assert (kept.entries, kept.hash) == (1, noted.hash)
    assert (restored.what, restored.who) == ("store restored", oneself())
    assert json.loads(restored.before or "") == {"entries": 2, "head": replaced.hash}
    assert after(restored)["backup"] == backup.manifest.backup_id
    with made.store.reading() as connection:
        found = check_store(connection, replaced.hash)
    assert found.objection is None
    assert found.said is not None
    assert found.said.startswith("the head that was noted is that of the store which entry 2 replaced")


def test_a_promotion_that_a_restore_carries_over_is_noted_and_the_ledger_agrees(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    made.ledger.append(Promotion(kind="retrain", version=1, digest="d", reason="a", as_of=NOON), None)
    backup = back_up(made.settings, tmp_path / "one.backup", nothing)
    move_pointer(made.releases, Pointer("e" * 64, 3, 3))  # two promotions came after the backup
    made.store.close()
    restore(made.settings, backup.path, nothing, replace=True)
    Store.__init__(made.store, made.store.url)
    assert [(e.what, after(e).get("promotion")) for e in log(made)][2:] == [
        ("promoted by hand", 2),
        ("promoted by hand", 3),
    ]
    assert checked(made).objection is None


def test_a_backup_that_is_older_than_the_log_begins_one(tmp_path: Path) -> None:
    old = loop(tmp_path / "old")
    old.ledger.append(Promotion(kind="retrain", version=1, digest="d", reason="a", as_of=NOON), None)
    with old.store.transaction() as connection:
        tables.audit.drop(connection)
        tables.audit.create(connection)
    backup = back_up(old.settings, tmp_path / "one.backup", nothing)
    old.store.close()
    new = loop(tmp_path / "new")
    new.store.close()
    restore(new.settings, backup.path, nothing)
    Store.__init__(new.store, new.store.url)
    assert [entry.what for entry in log(new)] == ["log begun", "store restored"]
    assert checked(new).objection is None
    new.store.close()


def test_the_log_is_the_same_after_a_way_to_postgresql_and_back(
    made: LoopOnFakes, tmp_path: Path, postgres: Any
) -> None:
    made.ledger.append(
        Promotion(kind="retrain", version=1, digest="d", reason="é\x00", as_of=NOON, score=0.1 + 0.2), None
    )
    began, path = log(made), back_up(made.settings, tmp_path / "0.backup", nothing).path
    for number, url in enumerate((postgres.fresh(), None)):
        other = loop(tmp_path / f"home-{number}", database_url=url)
        other.store.close()
        restore(other.settings, path, nothing)
        Store.__init__(other.store, other.store.url)
        assert log(other)[: len(began)] == began
        assert checked(other).objection is None
        with other.store.reading() as connection:
            assert head(connection).entries == len(began) + 1
        began, path = log(other), back_up(other.settings, tmp_path / f"{number + 1}.backup", nothing).path
        other.store.close()

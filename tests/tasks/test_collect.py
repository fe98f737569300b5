import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sqlalchemy import text

from data.examples import query_examples
from data.files import content_hash
from data.journal import Journal, journal_files
from data.parts import Part
from data.records import AcknowledgedLabels, CapturedPredictions, Entry, now
from data.store import AlreadyTaken, Batch, OffsetMove
from keepfit import Column, Target
from keepfit.errors import FileUnreadable
from tasks.collect import Collected, drain_journals, import_file, readmit, take_landed
from tasks.loop import Loop
from tests.making import DAY, FEATURES, HOUR, NOON, ROW, history, label, loop, prediction, project

LATER = NOON + 3650 * DAY


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Loop]:
    opened = loop(tmp_path)
    yield opened
    opened.store.close()


def answered(name: str, **changed: Any) -> Entry:
    return CapturedPredictions((prediction(name, **changed),))


def told(name: str) -> Entry:
    return AcknowledgedLabels((label(name),))


def journaled(of: Loop, *entries: Entry, max_bytes: int = 1 << 20) -> Path:
    """Write entries as a worker does that ends, into one file; give it."""
    before = set(journal_files(of.journal))
    journal = Journal(of.journal, max_bytes)
    for entry in entries:
        journal.append(entry)
    journal.close()
    return max(set(journal_files(of.journal)) - before)


def known(of: Loop) -> list[str]:
    """Name the predictions in the store."""
    return query_examples(of.store, of.project, LATER).facts["prediction_id"].tolist()


def labelled(of: Loop) -> int:
    return int(query_examples(of.store, of.project, LATER).labelled.sum())


def landed(of: Loop, name: str, content: str | bytes) -> Path:
    folder = of.settings.landing(of.name)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def names(folder: Path) -> list[str]:
    """Name what lies in a folder, without the ids that keep equal names apart."""
    return sorted(p.name[37:] for p in folder.iterdir()) if folder.exists() else []


def test_a_drain_takes_in_what_was_answered_and_told_and_deletes_the_closed_file(made: Loop) -> None:
    path = journaled(made, answered("p"), told("p"), answered("q"))
    size = path.stat().st_size
    collected = drain_journals(made)
    assert collected == Collected(predictions=2, labels=1, positions={path.name: size})
    assert (known(made), labelled(made)) == (["p", "q"], 1)
    assert journal_files(made.journal) == []
    assert made.store.journal_positions("made") == {}


def test_a_second_drain_finds_nothing(made: Loop) -> None:
    journaled(made, answered("p"))
    drain_journals(made)
    assert drain_journals(made) == Collected()


def test_a_file_in_use_is_drained_and_kept_until_its_worker_ends(made: Loop) -> None:
    journal = Journal(made.journal, 1 << 20)
    journal.append(answered("p"))
    assert drain_journals(made).predictions == 1
    assert len(journal_files(made.journal)) == 1
    journal.append(answered("q"))
    assert drain_journals(made).predictions == 1
    journal.close()
    assert drain_journals(made).predictions == 0
    assert journal_files(made.journal) == []
    assert known(made) == ["p", "q"]


def test_a_drain_does_not_forget_how_far_another_machine_has_its_files(made: Loop, tmp_path: Path) -> None:
    there = loop(tmp_path / "another machine", database_url=made.settings.store_url)
    journal = Journal(there.journal, 1 << 20)
    journal.append(answered("bad", features={}))
    drain_journals(there)
    drain_journals(made)
    drain_journals(there)
    journal.close()
    there.store.close()
    assert made.quarantine.count() == 1


def test_a_journal_of_many_files_is_drained_whole(made: Loop) -> None:
    journal = Journal(made.journal, max_bytes=1)
    for number in range(7):
        journal.append(answered(str(number)))
    assert drain_journals(made).predictions == 7
    assert len(journal_files(made.journal)) == 1
    journal.close()


def test_a_drain_that_fails_in_the_middle_of_its_transaction_is_repeated_without_a_loss_or_a_double(
    made: Loop,
) -> None:
    path = journaled(made, answered("p"), answered("bad", features={}), told("p"))
    size = path.stat().st_size
    with made.store.transaction() as connection:
        connection.execute(
            text("CREATE TRIGGER full BEFORE INSERT ON labels BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        )
    with pytest.raises(Exception, match="disk full"):
        drain_journals(made)
    assert (known(made), made.quarantine.count(), path.exists()) == ([], 0, True)
    with made.store.transaction() as connection:
        connection.execute(text("DROP TRIGGER full"))
    assert drain_journals(made) == Collected(1, 1, 1, positions={path.name: size})
    assert (known(made), labelled(made), made.quarantine.count()) == (["p"], 1, 1)


def test_a_drain_that_died_before_it_deleted_the_file_is_finished(made: Loop) -> None:
    path = journaled(made, answered("p"))
    made.store.take_in(made.project, Batch([prediction("p")]), move=OffsetMove(path, 0, path.stat().st_size))
    assert drain_journals(made).predictions == 0
    assert (known(made), journal_files(made.journal)) == (["p"], [])
    assert made.store.journal_positions("made") == {}


def test_a_drain_that_died_before_it_forgot_the_offset_is_finished(made: Loop) -> None:
    path = journaled(made, answered("p"))
    made.store.take_in(made.project, Batch(), move=OffsetMove(path, 0, path.stat().st_size))
    path.unlink()
    drain_journals(made)
    assert made.store.journal_positions("made") == {}


def test_two_drains_at_once_take_each_line_in_once(tmp_path: Path) -> None:
    made = loop(tmp_path)
    drain_journals(made)
    for number in range(4):
        journaled(made, answered(f"{number}"), answered(f"bad-{number}", features={}), told(f"{number}"))
    loops = [loop(tmp_path) for _ in range(2)]
    with ThreadPoolExecutor(2) as drains:
        collected = list(drains.map(drain_journals, loops))
    assert sum(c.predictions for c in collected) == len(known(made)) == 4
    assert sum(c.labels for c in collected) == labelled(made) == 4
    assert sum(c.quarantined for c in collected) == made.quarantine.count() == 4
    assert journal_files(made.journal) == []
    for each in (made, *loops):
        each.store.close()


def test_a_torn_line_is_set_aside_and_what_is_whole_is_taken(made: Loop) -> None:
    path = journaled(made, answered("p"), answered("q"))
    path.write_bytes(path.read_bytes()[:-20])
    collected = drain_journals(made)
    assert (collected.predictions, collected.quarantined) == (1, 1)
    (entry,) = made.quarantine.entries()
    assert (entry.kind, entry.reason) == ("journal line", "the line has no end: its worker died writing it")
    assert entry.source == path.name
    assert journal_files(made.journal) == []


def test_a_damaged_line_is_set_aside_and_those_around_it_are_taken(made: Loop) -> None:
    path = journaled(made, *(answered(name) for name in "abc"))
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second.replace(b"733", b"734") + third)
    collected = drain_journals(made)
    assert (known(made), collected.quarantined) == (["a", "c"], 1)
    assert made.quarantine.entries()[0].reason == "the line's checksum is wrong"


def test_a_prediction_outside_of_the_projects_range_is_set_aside_and_its_label_is_kept(made: Loop) -> None:
    journaled(made, answered("far", features={**ROW, "distance": 9999}), told("far"), answered("p"))
    collected = drain_journals(made)
    assert (collected.predictions, collected.labels, collected.quarantined) == (1, 1, 1)
    assert made.quarantine.reasons() == [("distance: expected a number between 0 and 5000, got 9999", 1)]


def test_a_prediction_that_was_set_aside_is_readmitted_as_it_was_once_the_project_takes_it(
    made: Loop, tmp_path: Path
) -> None:
    far = {**ROW, "distance": 9999.0}
    journaled(made, answered("far", features=far, reference_id="r"), told("far"))
    drain_journals(made)
    (entry,) = made.quarantine.entries()
    assert readmit(made, [entry.number]) == Collected()
    assert made.quarantine.count() == 1
    wider = loop(tmp_path, project(features={**FEATURES, "distance": Column.number()}))
    assert readmit(wider, [entry.number]) == Collected(predictions=1)
    examples = query_examples(wider.store, wider.project, LATER)
    assert examples.facts[["prediction_id", "reference_id", "version"]].iloc[0].tolist() == ["far", "r", 1]
    assert (examples.labels.tolist(), examples.outputs.tolist()) == ([1.0], [[0.5]])
    assert made.quarantine.count() == 0
    assert readmit(wider, [entry.number]) == Collected()
    wider.store.close()


def test_another_record_under_an_id_that_is_taken_is_set_aside_and_cannot_be_readmitted(made: Loop) -> None:
    other = answered("p", features={**ROW, "distance": 1.0})
    wrong = AcknowledgedLabels((label("p", label_id="l"), label("p", False, label_id="l")))
    journaled(made, answered("p"), other, wrong)
    journaled(made, other, answered("p"))
    collected = drain_journals(made)
    assert (collected.predictions, collected.labels, collected.quarantined) == (1, 1, 3)
    numbers = [entry.number for entry in made.quarantine.entries()]
    reasons = sorted(made.quarantine.reasons())
    assert readmit(made, numbers) == Collected()
    assert (made.quarantine.count(), sorted(made.quarantine.reasons())) == (3, reasons)
    cure = "a new request needs an Idempotency-Key of its own"
    assert reasons == [
        (f"label_id l: is in the store with another label; {cure}", 1),
        (f"prediction_id p: is in the store with another distance; {cure}", 2),
    ]


def test_a_record_that_contradicts_what_was_never_accepted_is_accepted(made: Loop, tmp_path: Path) -> None:
    journaled(made, answered("p", features={**ROW, "distance": 9999.0}), answered("p"))
    assert drain_journals(made).predictions == 1
    wider = loop(tmp_path, project(features={**FEATURES, "distance": Column.number()}))
    (entry,) = made.quarantine.entries()
    assert readmit(wider, [entry.number]) == Collected()
    assert made.quarantine.count() == 1
    wider.store.close()


def test_a_row_that_was_set_aside_is_readmitted_with_its_label(made: Loop, tmp_path: Path) -> None:
    (row,) = history(1)
    landed(made, "a.jsonl", lines([{**row, "distance": 9999}]))
    assert take_landed(made).quarantined == 1
    wider = loop(tmp_path, project(features={**FEATURES, "distance": Column.number()}))
    assert readmit(wider, [made.quarantine.entries()[0].number]) == Collected(predictions=1, labels=1)
    assert (labelled(wider), wider.quarantine.count()) == (1, 0)
    wider.store.close()


def test_a_label_that_was_set_aside_is_readmitted_once_the_target_has_its_class(tmp_path: Path) -> None:
    two = loop(tmp_path, project(target=Target.multiclass("way", ["road", "air"])))
    journal_label = AcknowledgedLabels((label("p", "sea"),))
    journaled(two, answered("p", output=(0.5, 0.5)), journal_label)
    assert drain_journals(two).quarantined == 1
    three = loop(tmp_path, project(target=Target.multiclass("way", ["road", "air", "sea"])))
    assert readmit(three, [e.number for e in two.quarantine.entries()]) == Collected(labels=1)
    assert query_examples(three.store, three.project, LATER).labels.tolist() == ["sea"]
    two.store.close()
    three.store.close()


def test_what_cannot_be_read_again_stays_in_quarantine(made: Loop) -> None:
    path = journaled(made, answered("p"))
    path.write_bytes(b"no line\n")
    landed(made, "a.txt", "no rows")
    drain_journals(made)
    take_landed(made)
    numbers = [entry.number for entry in made.quarantine.entries()]
    assert len(numbers) == 2
    assert readmit(made, numbers) == Collected()
    assert made.quarantine.count() == 2


def test_a_landed_file_of_rows_is_taken_and_moved(made: Loop) -> None:
    landed(made, "rows.jsonl", lines(history(20)))
    assert take_landed(made) == Collected(predictions=20, labels=20, files=("rows.jsonl",))
    folder = made.settings.landing("made")
    assert [p.name for p in folder.iterdir()] == ["taken"]
    assert names(folder / "taken") == ["rows.jsonl"]
    assert labelled(made) == 20


def test_what_landed_is_known_when_it_landed(made: Loop) -> None:
    landed(made, "rows.jsonl", lines(history(3)))
    before = now()
    take_landed(made)
    assert len(query_examples(made.store, made.project, before)) == 0


def test_a_landed_file_of_labels_finds_its_predictions(made: Loop) -> None:
    journaled(made, *(answered(n, reference_id=f"r-{n}") for n in "pq"))
    drain_journals(made)
    landed(made, "labels.csv", f"reference_id,late,observed_at\nr-p,true,{NOON.isoformat()}\nr-q,0,\n")
    assert take_landed(made).labels == 2
    assert labelled(made) == 2


def test_a_file_that_is_still_written_or_hidden_is_left_alone(made: Loop) -> None:
    for name in ("rows.csv.part", ".rows.csv"):
        landed(made, name, "half")
    (made.settings.landing("made") / "folder.csv").mkdir()
    assert take_landed(made) == Collected()
    assert len(list(made.settings.landing("made").iterdir())) == 3


REFUSED = {
    "half.parquet": (b"PAR1 half", "half.parquet: cannot be read as Parquet"),
    "header.csv": (b"distance,late\n1,1\n", "header.csv: lacks carrier, holiday"),
    "latin.csv": ("Ä".encode("latin-1"), "latin.csv: cannot be read as CSV"),
    "other.csv": (b"a,b\n1,2\n", "other.csv: holds neither rows of made"),
    "picture.png": (b"\x89PNG", "picture.png: expected one of .csv, .parquet, .jsonl"),
    "quote.csv": (b'reference_id,late\n1,"', "quote.csv: cannot be read as CSV"),
    "empty.csv": (b"", "empty.csv: its header must name each column"),
}


def test_files_that_cannot_be_read_are_set_aside_with_their_reasons_and_the_others_go_on(made: Loop) -> None:
    for name, (content, _) in REFUSED.items():
        landed(made, name, content)
    landed(made, "a.jsonl", lines(history(3)))
    landed(made, "z.jsonl", lines(history(5)[3:]))
    collected = take_landed(made)
    assert collected.files == ("a.jsonl", "z.jsonl")
    assert collected.predictions == 5
    assert sorted(collected.refused_files) == sorted(REFUSED)
    assert collected.quarantined == len(REFUSED)
    assert {entry.kind for entry in made.quarantine.entries()} == {"file"}
    refused = made.settings.landing("made") / "refused"
    for name, (content, reason) in REFUSED.items():
        (kept,) = refused.glob(f"*-{name}")
        assert kept.read_bytes() == content
        assert kept.with_suffix(".reason.txt").read_text().startswith(reason)
    for entry in made.quarantine.entries():
        assert (refused.parent / entry.content).exists()


def test_rows_that_cannot_be_read_are_set_aside_and_the_others_of_their_file_go_on(made: Loop) -> None:
    first, second = history(2)
    landed(made, "a.jsonl", lines([first]) + '{"half": \n' + lines([second, {**second, "distance": "far"}]))
    collected = take_landed(made)
    assert (collected.predictions, collected.quarantined) == (2, 2)
    reasons = {entry.reason.partition(":")[0] for entry in made.quarantine.entries()}
    assert reasons == {"line 2", "distance"}


def test_the_same_content_under_another_name_is_taken_once(made: Loop) -> None:
    landed(made, "monday.jsonl", lines(history(3)))
    take_landed(made)
    landed(made, "tuesday.jsonl", lines(history(3)))
    landed(made, "wednesday.jsonl", lines([*history(3), {"bad": 1}]))
    assert take_landed(made) == Collected(quarantined=1, files=("wednesday.jsonl",), labels=3)
    assert len(known(made)) == labelled(made) == 3
    assert names(made.settings.landing("made") / "taken") == [
        "monday.jsonl",
        "tuesday.jsonl",
        "wednesday.jsonl",
    ]


cells = st.none() | st.booleans() | st.integers(-9, 9999) | st.floats() | st.text(max_size=3)
broken = st.dictionaries(
    st.sampled_from(sorted({*ROW, "predicted_at", "observed_at", "late"})), cells, max_size=1
)


@given(faults=st.lists(broken, min_size=1, max_size=8), bad_lines=st.integers(0, 2))
@hypothesis(deadline=None, max_examples=12)
def test_what_was_received_is_what_was_accepted_and_what_was_set_aside(
    tmp_path_factory: pytest.TempPathFactory, faults: Any, bad_lines: Any
) -> None:
    made = loop(tmp_path_factory.mktemp("home"))
    rows = [{**row, **fault} for row, fault in zip(history(len(faults)), faults, strict=True)]
    landed(made, "a.jsonl", lines(rows) + "{\n" * bad_lines + lines(history(9)[8:]))
    collected = take_landed(made)
    assert collected.predictions + collected.quarantined == len(rows) + bad_lines + 1
    assert len(known(made)) + made.quarantine.count() == len(rows) + bad_lines + 1
    made.store.close()


def test_history_is_known_when_it_happened(made: Loop, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(lines(history(40, days=40)))
    assert import_file(made, path, lambda _: None).predictions == 40
    at = NOON + 10 * DAY + HOUR / 2
    assert len(query_examples(made.store, made.project, at)) == 11
    assert int(query_examples(made.store, made.project, at).labelled.sum()) == 10
    assert path.exists()


def test_history_is_imported_once(made: Loop, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(lines(history(4)))
    import_file(made, path, lambda _: None)
    with pytest.raises(AlreadyTaken, match=r"history\.jsonl: this content was taken in before"):
        import_file(made, path, lambda _: None)
    assert made.store.is_taken("made", content_hash(path))


def test_the_parts_of_a_file_are_imported_one_after_the_other(made: Loop, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(lines(history(40)))
    cut = NOON + 10 * DAY
    first = import_file(made, path, lambda _: None, Part(until=cut))
    assert (first.predictions, first.labels, first.left_out) == (10, 10, 30)
    with pytest.raises(AlreadyTaken, match=r"history\.jsonl: these rows were taken in before"):
        import_file(made, path, lambda _: None, Part(until=cut))
    rest = import_file(made, path, lambda _: None, Part(since=cut))
    assert (rest.predictions, rest.labels, rest.left_out) == (30, 30, 10)


def test_a_label_of_an_imported_part_is_known_at_its_own_time(made: Loop, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(lines(history(40)))
    cut = NOON + 10 * DAY
    import_file(made, path, lambda _: None, Part(until=cut))
    at = cut - DAY + HOUR / 2
    assert int(query_examples(made.store, made.project, at).labelled.sum()) == 9
    assert labelled(made) == 10


def test_a_part_of_a_file_of_labels_is_refused(made: Loop, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(lines([{"prediction_id": "p", "late": True, "observed_at": NOON.isoformat()}]))
    with pytest.raises(FileUnreadable, match="holds labels, and a part is chosen by the time of rows"):
        import_file(made, path, lambda _: None, Part(until=NOON))


def test_an_import_of_what_is_not_there_is_refused(made: Loop, tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="there is no such file; import takes CSV, JSON lines, Parquet"):
        import_file(made, tmp_path / "nothing.csv", lambda _: None)


def test_an_import_tells_how_far_it_is(made: Loop, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(lines(history(2500)))
    told_rows: list[int] = []
    import_file(made, path, told_rows.append)
    assert 2000 <= sum(told_rows) <= 2500

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from data.examples import query_examples
from data.records import now
from flows.feedback import feedback
from tests.e2e.worlds import MOVED, PER_DAY, START, World, made

pytestmark = pytest.mark.e2e

DAY = START + timedelta(days=1)


@pytest.fixture
def world(unserved: World) -> World:
    landing(unserved).mkdir(parents=True)
    return unserved


def landing(world: World) -> Path:
    return world.settings.landing(world.name)


def labels(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["reference_id", "cost", "observed_at"]]


def left(folder: Path) -> list[str]:
    """What a folder holds, without the ids that taken files are given."""
    return sorted(path.name[37:] for path in folder.glob("*") if path.is_file())


def test_whole_rows_and_labels_that_landed_become_examples(world: World) -> None:
    rows = made("regression", START, DAY)
    rows.drop(columns=["cost", "observed_at"]).to_parquet(landing(world) / "rows.parquet")
    labels(rows).to_csv(landing(world) / "told.csv", index=False)
    taken = feedback(world.place)
    assert (taken.collected.predictions, taken.collected.labels) == (PER_DAY, PER_DAY)
    assert (taken.labels.matched, taken.labels.unmatched) == (PER_DAY, 0)
    assert left(landing(world) / "taken") == ["rows.parquet", "told.csv"]


def test_what_landed_is_known_from_then_on_and_not_before(world: World) -> None:
    made("regression", START, DAY).to_parquet(landing(world) / "rows.parquet")
    feedback(world.place)
    assert len(query_examples(world.loop.store, world.loop.project, MOVED)) == 0


def test_what_cannot_be_read_is_set_aside_and_the_others_go_on(world: World) -> None:
    rows, there = made("regression", START, DAY), landing(world)
    rows.to_parquet(there / "broken.parquet")
    whole = (there / "broken.parquet").read_bytes()
    (there / "broken.parquet").write_bytes(whole[: len(whole) // 2])
    rows.rename(columns={"weight": "wait"}).to_parquet(there / "misspelt.parquet")
    (there / "notes.txt").write_text("see you on Monday")
    (there / "still-coming.csv.part").write_text("reference_id,co")
    labels(rows).to_csv(there / "told.csv", index=False)
    taken = feedback(world.place).collected
    assert taken.labels == PER_DAY
    assert taken.refused_files == ("broken.parquet", "misspelt.parquet", "notes.txt")
    assert [path.name for path in there.iterdir() if path.is_file()] == ["still-coming.csv.part"]
    assert left(there / "refused") == [
        *("broken.parquet", "broken.reason.txt", "misspelt.parquet", "misspelt.reason.txt"),
        *("notes.reason.txt", "notes.txt"),
    ]
    (reason,) = (there / "refused").glob("*misspelt.reason.txt")
    assert "lacks weight" in reason.read_text()
    refusals = [reason.partition(":")[0] for reason, _ in world.loop.quarantine.reasons()]
    assert sorted(refusals) == ["broken.parquet", "misspelt.parquet", "notes.txt"]


def test_a_row_that_breaks_the_schema_is_set_aside_and_the_others_go_on(world: World) -> None:
    rows = made("regression", START, DAY)
    rows.loc[3, "weight"] = 1e6
    rows.loc[5, "cost"] = float("inf")
    rows.to_csv(landing(world) / "rows.csv", index=False)
    taken = feedback(world.place).collected
    assert (taken.predictions, taken.labels, taken.quarantined) == (PER_DAY - 2, PER_DAY - 2, 2)


def test_a_file_that_lands_twice_counts_once(world: World) -> None:
    rows = made("regression", START, DAY)
    rows.to_parquet(landing(world) / "rows.parquet")
    feedback(world.place)
    rows.to_parquet(landing(world) / "again.parquet")
    taken = feedback(world.place)
    assert (taken.collected.predictions, taken.collected.labels, taken.collected.quarantined) == (0, 0, 0)
    assert (taken.labels.labels, taken.labels.doubled) == (PER_DAY, 0)
    assert left(landing(world) / "taken") == ["again.parquet", "rows.parquet"]


def test_labels_that_say_the_same_something_else_or_nothing_known_are_counted_and_kept(world: World) -> None:
    rows, there = made("regression", START, DAY), landing(world)
    rows.drop(columns=["cost", "observed_at"]).to_parquet(there / "rows.parquet")
    told = labels(rows).head(3)
    told.to_csv(there / "1-first.csv", index=False)
    told.assign(observed_at=told["observed_at"] + timedelta(hours=1)).to_csv(
        there / "2-again.csv", index=False
    )
    corrected = told.assign(cost=99.0, observed_at=told["observed_at"] + timedelta(hours=2))
    corrected.to_csv(there / "3-corrected.csv", index=False)
    told.assign(reference_id=["x", "y", "z"]).to_json(
        there / "4-unknown.jsonl", orient="records", lines=True, date_format="iso"
    )
    counts = feedback(world.place).labels
    assert (counts.labels, counts.matched, counts.unmatched) == (12, 9, 3)
    assert (counts.doubled, counts.contradicting) == (3, 3)
    known = query_examples(world.loop.store, world.loop.project, now())
    assert known.labels[known.labelled].tolist() == [99.0] * 3

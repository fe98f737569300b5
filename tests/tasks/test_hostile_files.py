"""What is dropped into the landing folder to harm: each is set aside, and the others are taken."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data.examples import query_examples
from data.files import OpenFile
from data.parquet import MEMORY
from keepfit.settings import ROOT
from tasks.collect import Collected, take_landed
from tests.data.bombs import KINDS
from tests.making import DAY, NOON, history, loop

MOST = 16 << 20
MB = 1 << 20
TAKE = """
import json, resource, sys
from pathlib import Path
from tasks.collect import take_landed
from tests.making import loop
made = loop(Path(sys.argv[1]), landing_bytes=int(sys.argv[2]))
def peak(whose):
    return resource.getrusage(whose).ru_maxrss * 1024
before = peak(resource.RUSAGE_SELF)
taken = take_landed(made)
more = peak(resource.RUSAGE_SELF) - before
print(json.dumps([taken.labels, sorted(taken.refused_files), more, peak(resource.RUSAGE_CHILDREN)]))
made.store.close()
"""


def listing(folder: Path) -> dict[str, Any]:
    """Tell of each file outside of the home what would show that it was touched."""
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.glob("*.csv")}


def test_hostile_files_are_set_aside_in_bounded_memory_and_the_rest_is_taken(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (landing := home / "landing" / "made").mkdir(parents=True)
    (tmp_path / "outside.csv").write_text("reference_id,late\nsecret,1\n")
    outside = listing(tmp_path)
    for name, (lay, _) in KINDS.items():
        lay(landing / name)
    for name in ("a.csv", "zz.csv"):
        (landing / name).write_text(f"reference_id,late\n{name},1\n")
    command = [sys.executable, "-c", TAKE, str(home), str(MOST)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    labels, refused, more, decoder = json.loads(told.stdout)
    assert (labels, refused) == (2, sorted(KINDS))
    reasons = [path.read_text() for path in (landing / "refused").glob("*.reason.txt")]
    for name, (_, reason) in KINDS.items():
        (told_of,) = (r for r in reasons if r.startswith(f"{name}: "))
        assert reason in told_of
    assert more < 200 * MB
    assert decoder < MEMORY + 200 * MB
    assert listing(tmp_path) == outside


FORMULAS = ["=cmd|' /C calc'!A0", "@SUM(1+1)", "+cmd|' /C calc'!A0", "-2+3+cmd", "\t=1+1", "\r=1+1", "=1+1"]


def test_a_formula_is_no_number_and_is_kept_as_the_text_that_it_is(tmp_path: Path) -> None:
    made = loop(tmp_path)
    (landing := made.settings.landing("made")).mkdir(parents=True)
    as_number = [{**row, "distance": f} for row, f in zip(history(7), FORMULAS, strict=True)]
    as_text = [{**row, "carrier": f} for row, f in zip(history(14)[7:], FORMULAS, strict=True)]
    with (landing / "formulas.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(as_text[0]), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows([*as_number, *as_text])
    collected = take_landed(made)
    assert (collected.predictions, collected.quarantined) == (7, 7)
    kept = query_examples(made.store, made.project, NOON + 3650 * DAY).features["carrier"].tolist()
    assert sorted(kept) == sorted(FORMULAS)
    assert {entry.reason for entry in made.quarantine.entries()} == {
        f"distance: expected a number, got {formula!r}" for formula in FORMULAS
    }
    made.store.close()


def test_a_file_that_its_writer_is_still_at_when_it_cannot_be_read_is_left_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = loop(tmp_path)
    (landing := made.settings.landing("made")).mkdir(parents=True)
    path = landing / "a.csv"
    path.write_text('reference_id,late\n"half')
    hashed = OpenFile.content_hash

    def goes_on(file: OpenFile) -> str:
        with path.open("a") as writer:
            writer.write('",1\n')
        return hashed(file)

    with monkeypatch.context() as patch:
        patch.setattr(OpenFile, "content_hash", goes_on)
        assert take_landed(made) == Collected()
    assert [p.name for p in landing.iterdir()] == ["a.csv"]
    made.store.close()

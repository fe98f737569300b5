"""bin/keepfit replay on a stack of its own, while each of its processes is killed."""

import json
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from control import guard
from control.running import told
from control.stack import Stack
from data import tables
from keepfit.settings import ROOT, Settings
from tasks.loop import Loop, open_loop
from tests.control.little import free_port
from tests.e2e.worlds import MOVED, PER_DAY, START, made, write_project

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(600)]

DAYS = 21
ROWS = DAYS * PER_DAY
NAME = "replayed"


@dataclass
class Replayed:
    """What was said by a replay whose processes were killed, and what it left."""

    loop: Loop
    killed: list[str]
    interrupted: list[int]
    lines: list[str]
    summary: dict[str, Any]
    again: dict[str, Any]


@pytest.fixture(scope="module")
def replayed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    folder = tmp_path_factory.mktemp("replay")
    place = write_project(folder, NAME, "multiclass")
    settings = Settings(
        home=folder / "var",
        serving_port=free_port(),
        prefect_port=free_port(),
        mlflow_port=free_port(),
        console_port=free_port(),
        project_name=NAME,
        replay=True,
    )
    history, later = folder / "history.parquet", folder / "later.parquet"
    made("multiclass", START, MOVED).to_parquet(history)
    made("multiclass", MOVED, MOVED + timedelta(days=DAYS)).to_parquet(later)
    with Stack(settings, place, NAME, say=lambda _: None) as stack:
        threading.Thread(target=stack.supervise, daemon=True).start()
        here = _Commands(settings, place)
        here.run("import", str(history))
        here.run("retrain", "--as-of", f"{MOVED:%F}")
        killer = _Killer(settings)
        cues: list[dict[str, list[str]]] = []
        if request.config.option.markexpr != "not long":
            # Each of these is minutes: Prefect and MLflow take half a one to be back.
            cues = [
                {"rows fall due": ["worker", "serving"], "feedback:": ["prefect"]},
                {"feedback:": ["mlflow"], "watch:": ["runner", "console"]},
            ]
        interrupted = [here.follow(later, killer, cue) for cue in cues]
        lines, summary = here.finish(later)
        _, again = here.finish(later)
        loop = open_loop(place, settings)
        yield Replayed(loop, killer.killed, interrupted, lines, summary, again)
        loop.store.close()


def test_every_kind_of_process_was_killed(replayed: Replayed) -> None:
    kinds = ["worker", "serving", "prefect", "mlflow", "runner", "console"]
    assert sorted(replayed.killed) == sorted(kinds)
    assert replayed.interrupted == [-9, -9]  # and the replay itself, twice


def test_every_row_and_every_label_is_in_the_store_once(replayed: Replayed) -> None:
    predictions = replayed.loop.store.predictions(replayed.loop.project)
    answered = select(predictions.c.reference_id, predictions.c.prediction_id).where(
        predictions.c.version.is_not(None)
    )
    labels = select(tables.labels.c.prediction_id).where(tables.labels.c.source == "http")
    with replayed.loop.store.reading() as connection:
        rows = connection.execute(answered).all()
        told = Counter(connection.execute(labels).scalars())
    assert len(rows) == len({row.reference_id for row in rows}) == ROWS
    assert told == {row.prediction_id: 1 for row in rows}


def test_it_goes_on_from_the_last_step_that_was_over(replayed: Replayed) -> None:
    assert any(line.startswith("going on where it was interrupted") for line in replayed.lines)
    ends = [step["as_of"][:10] for step in replayed.summary["steps"]]
    assert ends == ["2024-02-07", "2024-02-14", "2024-02-20"]


def test_the_summary_counts_what_was_done(replayed: Replayed) -> None:
    summary = replayed.summary
    retrained = [step for step in summary["steps"] if step["decision"] is not None]
    assert len(summary["steps"]) == 3
    assert summary["retrainings"] == len(retrained) == 3 - summary["retrainings_avoided"]
    assert summary["promotions"] == sum(step["promoted"] for step in retrained) >= 1
    assert summary["refusals"] == len(retrained) - summary["promotions"]
    assert all(step["reason"] for step in retrained)
    assert (summary["quarantined"], summary["uncaptured"], summary["refused_rows"]) == (0, 0, 0)
    assert sum(step["rows"] for step in summary["steps"]) == ROWS
    assert summary["urls"].keys() == {"console", "serving", "prefect", "mlflow"}


def test_the_loop_beats_the_frozen_model_where_the_world_has_moved(replayed: Replayed) -> None:
    frozen, loop = replayed.summary["frozen"], replayed.summary["loop"]
    assert loop["accuracy"] > frozen["accuracy"] + 0.2
    assert replayed.summary["always"]["accuracy"] > frozen["accuracy"]
    first, last = replayed.summary["steps"][0], replayed.summary["steps"][-1]
    for policy in ("frozen", "always"):  # until the first promotion they are one model
        assert first["scores"][policy] == pytest.approx(first["scores"]["loop"], abs=1e-6)
    assert last["scores"]["loop"]["accuracy"] > last["scores"]["frozen"]["accuracy"]


def test_a_replay_that_is_over_says_the_same_and_changes_nothing(replayed: Replayed) -> None:
    assert replayed.again == replayed.summary


class _Killer:
    """Kills processes of a stack without a warning."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.killed: list[str] = []

    def kill(self, what: str) -> None:
        stack = told(self._settings)
        assert stack is not None
        service = "serving" if what == "worker" else what
        there = guard.carriers(stack.stack, service)
        root = next(carrier for carrier in there if carrier.root)
        workers = [c.process for c in there if not c.root and "spawn_main" in " ".join(c.process.cmdline())]
        (workers[0] if what == "worker" else root.process).kill()
        self.killed.append(what)


@dataclass
class _Commands:
    """bin/keepfit on one home."""

    settings: Settings
    place: str

    def run(self, *arguments: str) -> None:
        self._ended(self._begin(*arguments))

    def follow(self, later: Path, killer: _Killer, cues: dict[str, list[str]]) -> int:
        """Replay, kill what each line is the cue for, and after the last of them the replay itself."""
        process, left = self._begin("replay", str(later), "--every", "7d"), dict(cues)
        assert process.stderr is not None
        for line in process.stderr:
            cue = next((cue for cue in left if cue in line), None)
            for victim in left.pop(cue) if cue is not None else ():
                killer.kill(victim)
            if not left and ("retrain:" in line or "scores:" in line):
                break
        process.kill()
        process.communicate()
        return process.returncode

    def finish(self, later: Path) -> tuple[list[str], dict[str, Any]]:
        out, err = self._ended(self._begin("replay", str(later), "--every", "7d", "--json"))
        return err.splitlines(), json.loads(out)

    def _begin(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [ROOT / "bin" / "keepfit", *arguments, "-p", self.place],
            env={**os.environ, **self.settings.environment()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _ended(self, process: "subprocess.Popen[str]") -> tuple[str, str]:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        return out, err

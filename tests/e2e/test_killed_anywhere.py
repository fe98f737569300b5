"""Each flow is killed at each place that it reaches, and run again: the end is as if it had not died."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import get_args

import psutil
import pytest
from mlflow import MlflowClient
from sqlalchemy import func, select

from data.decisions import read_decisions
from data.journal import Journal, journal_files
from data.promotions import Promotion
from data.records import AcknowledgedLabels, CapturedPredictions, Label, Prediction, new_ids, now
from data.releases import Pointer, move_pointer, read_pointer
from data.tables import labels, quarantine
from keepfit.faults import Point
from keepfit.settings import ROOT, Settings
from tasks.reconcile import promotion_of
from tasks.register import fetch
from tests.chaos import armed
from tests.e2e.worlds import LATER, MOVED, START, World, eventually, made, world_on
from tests.faults.warm import Warm

pytestmark = [pytest.mark.e2e, pytest.mark.long]

ROWS = 3
"""How many predictions, as many labels, and a torn line are in the journal that each flow finds."""


@pytest.fixture(scope="module")
def warm(on_stack: Settings) -> Iterator[Warm]:  # noqa: ARG001 - its environment
    with Warm("tests.e2e.killable") as process:
        yield process


@pytest.fixture(scope="module")
def reached() -> set[str]:
    """Which points the flows of this module were killed at."""
    return set()


@pytest.fixture(scope="module")
def chaos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the workers say what they reach, and find what is planned for them."""
    return tmp_path_factory.mktemp("chaos")


@pytest.fixture(scope="module")
def world(
    on_stack: Settings, warm: Warm, chaos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A world with three versions, whose workers say what they reach."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEEPFIT_CHAOS", str(chaos))
        patch.setenv("PYTHONPATH", f"{ROOT / 'tests' / 'chaos' / 'site'}:{os.environ['PYTHONPATH']}")
        with world_on(on_stack, tmp_path_factory.mktemp("killed"), "multiclass", served=False) as made_here:
            made_here.serve()
            patch.undo()
            made_here.remember()
            made_here.remember(MOVED, LATER)
            for _ in range(3):
                without_champion(made_here)
                assert warm.call("run", "retrain", asked(made_here)).signal is None
            yield made_here


def asked(world: World, **more: object) -> dict[str, object]:
    return {"project": world.place, "as_of": LATER.isoformat(), **more}


def crown(world: World, version: int | None) -> None:
    """Make a version champion, or none, as a promotion leaves it that came to its end."""
    loop, before = world.loop, world.loop.ledger.latest()
    entry = Promotion(kind="withdrawal", version=None, digest=None, reason="for the next", as_of=MOVED)
    if version is not None:
        entry = promotion_of(loop, fetch(loop, version), "by hand", "for the next", MOVED)
    entry = loop.ledger.append(entry, before)
    move_pointer(loop.releases, Pointer(entry.digest, entry.version, entry.number))
    loop.registry.name_champion(version, entry.number)
    eventually(lambda: world.versions() == [version] * 2)
    loop.ledger.confirm(entry.number, 2)


def without_champion(world: World) -> None:
    """Let whatever passes its gates be promoted next, from a training set that nobody kept."""
    if world.loop.ledger.champion() is not None:
        crown(world, None)
    shutil.rmtree(world.settings.snapshots(world.name), ignore_errors=True)


def unpublished(world: World, version: int) -> None:
    """Lose a version's bundle: the registry has it still."""
    shutil.rmtree(world.loop.releases / fetch(world.loop, version).digest)


def journaled(world: World) -> None:
    """Leave the journal of a worker that died in a line."""
    journal, at, ids = Journal(world.loop.journal, 10**6), now(), new_ids(ROWS)
    row = {"weight": 1.0, "speed": 0.5, "place": "north"}
    answered = tuple(Prediction(name, row, at, at, (0.2, 0.3, 0.5), 1) for name in ids)
    journal.append(CapturedPredictions(answered))
    journal.append(AcknowledgedLabels(tuple(Label(f"of {n}", "small", at, at, "http", n) for n in ids)))
    journal.close()
    with (world.loop.journal / journal.name).open("ab") as file:
        file.write(b"0badc0de {")


def before_retrain(world: World) -> None:
    without_champion(world)
    journaled(world)


def before_watch(world: World) -> None:
    crown(world, 3)
    shutil.rmtree(world.settings.reports(world.name), ignore_errors=True)
    journaled(world)


def before_rollback(world: World) -> None:
    crown(world, 3)
    unpublished(world, 2)


def before_feedback(world: World) -> None:
    """An earlier flow died after it wrote to the ledger, its bundle is lost, and a file has landed."""
    crown(world, 3)
    entry = promotion_of(world.loop, fetch(world.loop, 2), "rollback", "died", LATER)
    world.loop.ledger.append(entry, world.loop.ledger.latest())
    unpublished(world, 2)
    journaled(world)
    landing = world.settings.landing(world.name)
    landing.mkdir(parents=True, exist_ok=True)
    # Other rows each time: a file of the same content counts once.
    since = START - timedelta(days=len(list(landing.glob("taken/*"))) + 1)
    made(world.kind, since, since + timedelta(days=1)).to_parquet(landing / "rows.parquet")


BEFORE: dict[str, Callable[[World], None]] = {
    "feedback": before_feedback,
    "watch": before_watch,
    "retrain": before_retrain,
    "rollback": before_rollback,
}


@dataclass(frozen=True)
class Kept:
    """How much is kept, in the registry, the ledger and the store."""

    versions: int
    entries: int
    decisions: int
    predictions: int
    labels: int
    quarantined: int
    landed: int


def kept(world: World) -> Kept:
    loop = world.loop
    table = loop.store.predictions(loop.project)
    with loop.store.reading() as connection:
        predictions = connection.scalar(select(func.count()).select_from(table))
        known, aside = (
            connection.scalar(select(func.count()).where(each.c.project == world.name))
            for each in (labels, quarantine)
        )
    return Kept(
        versions=len(MlflowClient(world.settings.mlflow_url).search_model_versions(f"name = '{world.name}'")),
        entries=len(loop.ledger.history()),
        decisions=len(read_decisions(loop.store, world.name)),
        predictions=predictions or 0,
        labels=known or 0,
        quarantined=aside or 0,
        landed=len(list(world.settings.landing(world.name).glob("taken/*"))),
    )


def end(world: World, before: Kept) -> dict[str, object]:
    """Say what a flow left behind; where it was killed, and how often, must not be seen."""
    loop, after = world.loop, kept(world)
    entries = loop.ledger.history()
    last = entries[-1]
    return {
        "more": {name: getattr(after, name) - getattr(before, name) for name in Kept.__dataclass_fields__},
        "entries": [(e.kind, e.workers) for e in entries[before.entries :]],
        "version": last.version
        if last.kind != "retrain"
        else "new"
        if last.version == after.versions
        else "old",
        "as told": [e.number for e in entries] == list(range(1, len(entries) + 1))
        and last.workers == 2
        and read_pointer(loop.releases) == Pointer(last.digest, last.version, last.number)
        and (loop.registry.champion(), loop.registry.projected()) == (last.version, last.number)
        and world.versions() == [last.version] * 2
        and not [path for path in journal_files(loop.journal) if _closed(path)],
        "reports": sorted(path.name for path in world.settings.reports(world.name).glob("*/[!.]*")),
        "landing": [path.name for path in world.settings.landing(world.name).glob("*.*")],
    }


def _closed(path: Path) -> bool:
    return path.stem.endswith(f"-{os.getpid()}")  # one of `journaled`, and no worker's


@pytest.mark.parametrize("flow", list(BEFORE))
def test_a_flow_that_is_killed_anywhere_and_run_again_ends_as_if_it_had_not_died(
    world: World, warm: Warm, reached: set[str], flow: str
) -> None:
    undisturbed, places = ran(world, warm, flow)
    ends = {case: ran(world, warm, flow, case)[0] for case in cases(flow, places)}
    assert {case: found for case, found in ends.items() if found != undisturbed} == {}
    assert undisturbed["as told"], undisturbed
    reached.update(place.partition(" ")[0] for place in places)
    assert_swept(world, warm)


def ran(
    world: World, warm: Warm, flow: str, killed_at: Sequence[str] = ()
) -> tuple[dict[str, object], list[str]]:
    """Run a flow that is killed at one place after the other; say how it ended, and what it reached then."""
    BEFORE[flow](world)
    before = kept(world)
    for place in killed_at:
        assert warm.call("run", flow, asked(world), place).signal == signal.SIGKILL, place
    places = warm.call("run", flow, asked(world)).returned
    return end(world, before), places


def cases(flow: str, places: Sequence[str]) -> list[tuple[str, ...]]:
    """Kill at each place alone; but in the drain, which is swept elsewhere, at one after the other."""
    drain = tuple(place for place in places if place.startswith("drain.") and " " not in place)
    # The name that a file gets at a point is no place of its own; each file of a bundle is, in one flow.
    known = ["drain.", "naming *", "naming champion.json"] + ["publish.copy "] * (flow != "rollback")
    return [drain] * bool(drain) + [(place,) for place in places if not place.startswith(tuple(known))]


def assert_swept(world: World, warm: Warm) -> None:
    """An hour later nothing is left of what the killed ones were writing."""
    where = world.settings
    folders = (where.releases(world.name), where.snapshots(world.name), where.reports(world.name))
    for path in left_over(*folders):
        os.utime(path, (0, 0))
    assert warm.call("run", "feedback", asked(world)).signal is None
    assert left_over(*folders) == []


def left_over(*folders: Path) -> list[Path]:
    found = [path for folder in folders for path in folder.rglob(".*")]
    return [path for path in found if path.name not in (".lock", ".registering")]


@pytest.mark.parametrize("place", ["ledger.appended", "pointer.move"])
def test_a_flow_that_was_stopped_and_overtaken_does_not_move_the_pointer_back(
    world: World, warm: Warm, place: str
) -> None:
    crown(world, 3)
    stopped = warm.start("run", "rollback", asked(world, version=2), place, signal.SIGSTOP)
    eventually(lambda: psutil.Process(stopped).status() == psutil.STATUS_STOPPED)
    overtaking = warm.start("run", "rollback", asked(world, version=1))
    # It overtakes, or it waits for the pointer's lock.
    eventually(lambda: psutil.Process(overtaking).status() == psutil.STATUS_ZOMBIE or waits(overtaking))
    os.kill(stopped, signal.SIGCONT)
    assert {warm.wait(pid).signal for pid in (stopped, overtaking)} == {None}
    last = world.loop.ledger.latest()
    assert last is not None
    assert (last.kind, last.version, last.workers) == ("rollback", 1, 2)
    assert read_pointer(world.loop.releases) == Pointer(last.digest, 1, last.number)
    assert world.versions() == [1, 1]


def waits(pid: int) -> bool:
    """Say whether a process waits for a lock that another one holds."""
    return any("->" in line and f" {pid} " in line for line in Path("/proc/locks").read_text().splitlines())


def test_a_promotion_stands_though_a_worker_dies_at_each_step_of_the_swap(
    world: World, warm: Warm, chaos: Path
) -> None:
    crown(world, 3)
    for point in ("load.read", "load.check", "swap.assign", "swap.assigned"):
        armed.plan(chaos, point, armed.KILL)
    warm.call("run", "rollback", asked(world, version=2))
    champion = world.loop.ledger.champion()
    assert champion is not None
    assert (champion.kind, champion.version) == ("rollback", 2)
    assert champion.workers
    assert list((chaos / "plan").iterdir()) == []
    eventually(lambda: world.versions() == [2, 2])


def test_every_fault_point_is_reached(world: World, reached: set[str], chaos: Path) -> None:
    world.live(LATER, LATER + timedelta(days=1))
    by_workers = {path.name for path in (chaos / "reached").iterdir()}
    assert set(get_args(Point)) - reached - by_workers == set()

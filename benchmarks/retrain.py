"""Claim: of a retrain's time most is the model's own; what proves and promotes it costs at most 5 s beside.

The flow itself against a champion of the first 40 days, on the whole stack: Prefect, MLflow, two workers.
"""

import functools
import importlib
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from benchmarks import made
from benchmarks.figures import Options, Parts, Table, cores
from benchmarks.servers import free_port
from control.orchestrator import paused, use_stack
from control.stack import Stack
from data.store import Batch
from keepfit.settings import Settings
from tasks.loop import Loop, open_loop

P = ParamSpec("P")
R = TypeVar("R")

_ROWS = 100_000
_AT_ONCE = 10_000
_CHAMPION_DAYS = 40
_THE_MODELS_OWN = ("fit", "predict", "bootstrap")
_BESIDE = f"beside {', '.join(_THE_MODELS_OWN)}"
_GOAL_S = 5.0

_PARTS = {
    "open the store": [("flows.retrain", "open_loop")],
    "settle what was left": [("flows.retrain", "settle_latest")],
    "drain": [("flows.retrain", "drain_journals")],
    "read": [("tasks.assemble", "query_examples")],
    "choose what teaches": [("flows.retrain", "assemble_snapshot")],
    "snapshot": [("tasks.assemble", "freeze")],
    "split": [("flows.retrain", "split")],
    "fit": [("flows.retrain", "train")],
    "convert": [("flows.retrain", "convert")],
    "predict": [("tasks.evaluate", "rescore"), ("tasks.evaluate", "answer")],
    "bootstrap": [("tasks.evaluate", "compare")],
    "score": [("tasks.evaluate", "score"), ("flows.retrain", "evaluate")],
    "parity": [("tasks.evaluate", "parity")],
    "gaps and new categories": [("tasks.evaluate", "unanswered")],
    "golden rows": [("tasks.register", "make_manifest")],
    "what it is made of": [("flows.turns", "recipe"), ("flows.retrain", "code_commit")],
    "fetch the champion": [("flows.retrain", "fetch")],
    "register": [("flows.retrain", "register")],
    "release": [("flows.retrain", "release")],
    "swap": [("flows.retrain", "promote")],
    "alias": [("tasks.swap", "project_alias")],
    "keep the decision": [("flows.retrain", "save_decision")],
    "leave the page": [("flows.retrain", "leave_page")],
}
"""What each part is, by the functions that do it; the time of one inside another is not its own."""


def measure(options: Options) -> Table:
    """Retrain on a stack of its own, and take the flow's time apart."""
    rows = options.count(_ROWS)
    parts = Parts()
    with (
        tempfile.TemporaryDirectory(prefix="keepfit-bench-") as folder,
        _stack(Path(folder)) as (place, loop),
    ):
        _remember(loop, rows)
        # Prefect reads where its server is when it is imported.
        from flows.retrain import retrain
        from flows.rollback import rollback

        first = retrain(place, "a benchmark", made.BEGIN + timedelta(days=_CHAMPION_DAYS))
        assert first.promote, first.sentence
        with _watching(parts):
            for turn in range(options.rounds):
                as_of = made.BEGIN + timedelta(days=made.DAYS + 1, hours=turn)
                with parts.lap("the flow itself"):
                    decision = retrain(place, f"round {turn}", as_of)
                assert decision.promote, decision.sentence
                parts.end_round()
                rollback(place, first.version)  # each round beats the same champion
                parts.forget_round()
                for snapshot in loop.settings.snapshots(loop.name).iterdir():
                    snapshot.unlink()  # or the next round would find it frozen
        loop.store.close()
    return _table(options, rows, parts, decision.sentence)


def _table(options: Options, rows: int, parts: Parts, last: str) -> Table:
    names = ("the flow itself", *_PARTS)
    beside = parts.median(*(name for name in names if name not in _THE_MODELS_OWN))
    whole = parts.median_round()
    table = Table(
        f"Where a retrain's time goes: {rows:,} labelled examples of {len(made.project.features)} columns",
        ("", "seconds", "CPU s", "share"),
        (
            f"{options.rounds} rounds on {len(cores())} cores, with Prefect, MLflow and two workers beside",
            "CPU is of the retrain's own process, and tells of a busy machine where it is far less",
            "without what a process imports once, some 15 s; `the flow itself` is Prefect's",
            f"the last: {last[:90]}",
        ),
    )
    measured = [(name, parts.median(name)) for name in names]
    for name, (wall, worked) in [*measured, ("all", whole), (_BESIDE, beside)]:
        table.add(name, f"{wall:.2f}", f"{worked:.2f}", f"{wall / whole[0]:.0%}")
    table.add(f"goal: at most {_GOAL_S:g} s beside", "kept" if beside[0] <= _GOAL_S else "MISSED", "", "")
    return table


@contextmanager
def _stack(home: Path) -> Generator[tuple[str, Loop]]:
    settings = Settings(
        home=home,
        project_name=made.project.name,
        **{f"{name}_port": free_port() for name in ("serving", "prefect", "mlflow", "console")},
    )
    place = str(Path(made.__file__).resolve())
    use_stack(settings, place, made.project.name)
    with Stack(settings, place, made.project.name, say=lambda _: None), paused(made.project.name):
        yield place, open_loop(place, settings)


@contextmanager
def _watching(parts: Parts) -> Generator[None]:
    """Put a watch around each function, where it is called from, for the time being."""
    replaced: list[tuple[Any, str, Callable[..., Any]]] = []
    for part, places in _PARTS.items():
        for module, name in places:
            where = importlib.import_module(module)
            work = getattr(where, name)
            replaced.append((where, name, work))
            setattr(where, name, _watched(parts, part, work))
    try:
        yield
    finally:
        for where, name, work in reversed(replaced):
            setattr(where, name, work)


def _watched(parts: Parts, part: str, work: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(work)
    def watched(*args: P.args, **named: P.kwargs) -> R:
        with parts.lap(part):
            return work(*args, **named)

    return watched


def _remember(loop: Loop, rows: int) -> None:
    frame = made.features(rows)
    predictions = made.predictions(list(made.cells(frame)))
    labels = made.outcomes(predictions, made.labels(frame))
    for start in range(0, rows, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        loop.store.take_in(loop.project, Batch(predictions[part], labels[part]))

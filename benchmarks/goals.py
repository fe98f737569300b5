"""What the server must reach, held against what was measured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.contest import EMPTY, OURS, Contestant
from benchmarks.figures import Table
from benchmarks.load import Result

ONE, MANY, BODIES = (1, 1), (16, 1), (16, 100)
"""The loads: connections, and rows in a request."""
_MLFLOW = "mlflow models serve"
READY_S, WORKER_MB = 1.5, 150.0

Load = tuple[int, int]


@dataclass(frozen=True)
class Measured:
    """Medians of the rounds, and how far the rates of the rounds are apart, as a share of the median."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    busy: float
    spread: float

    @classmethod
    def of(cls, results: Sequence[Result]) -> "Measured":
        """Take the medians of some rounds."""
        told = np.array([(r.rate, r.p50_ms, r.p99_ms, r.cpu_us, r.busy) for r in results])
        rates = told[:, 0]
        rate, p50, p99, cpu, busy = np.median(told, axis=0).tolist()
        return cls(rate, p50, p99, cpu, busy, float(rates.max() - rates.min()) / rate)


@dataclass(frozen=True)
class Figures:
    """All that was measured on one model: by load and server's name, and the megabytes by server's name."""

    name: str
    title: str
    contestants: Sequence[Contestant]
    missing: Mapping[str, str]
    loads: Mapping[Load, Mapping[str, Measured]]
    memory_mb: Mapping[str, tuple[float, float]]

    def times(self, load: Load, other: str) -> float | None:
        """Say how many times the rate of another server Keepfit's is; None where that was not measured."""
        beside = self.loads[load].get(other)
        return None if beside is None else self.loads[load][OURS].rate / beside.rate


def goals(models: Sequence[Figures], ready_s: float) -> Table:
    """Hold every goal against the figures of each model."""
    table = Table("Goals", ("", "goal", "measured", ""))
    for figures in models:
        for goal, wanted, had, kept in _of_one(figures):
            table.add(f"{figures.name}: {goal}", wanted, had, kept)
    table.add("`python -m serving` is ready", *_at_most(READY_S, ready_s, "s"))
    largest = max(figures.memory_mb[OURS][0] for figures in models)
    table.add("a worker's memory after all loads", *_at_most(WORKER_MB, largest, "MB"))
    return table


def _of_one(figures: Figures) -> Iterator[tuple[str, str, str, str]]:
    many = figures.loads[MANY]
    others = [c for c in figures.contestants if c.name not in (OURS, EMPTY, _MLFLOW) and c.name in many]
    alone = [c.name for c in others if not c.batching]
    yield f"16 connections beside {_MLFLOW}", *_at_least(100, figures.times(MANY, _MLFLOW))
    if alone:
        best = max(alone, key=lambda name: many[name].rate)
        yield f"16 connections beside the best other ({best})", *_at_least(40, figures.times(MANY, best))
    if len(others) > len(alone):
        best = max((c.name for c in others if c.batching), key=lambda name: many[name].rate)
        had = figures.times(MANY, best)
        yield f"16 connections beside the best told to batch ({best})", "no goal", f"{had:.1f} x", ""
    yield "16 connections beside the empty function", *_at_least(0.5, figures.times(MANY, EMPTY))
    p99 = many[OURS].p99_ms / many[EMPTY].p99_ms
    yield "16 connections, p99 beside the empty function's", *_at_most(2.0, p99, "x")
    yield f"bodies of 100 rows beside {_MLFLOW}", *_at_least(10, figures.times(BODIES, _MLFLOW))


def _at_least(wanted: float, had: float | None) -> tuple[str, str, str]:
    if had is None:
        return f">= {wanted:g} x", "not measured", "UNKNOWN"
    return f">= {wanted:g} x", _rounded(had, "x"), "kept" if had >= wanted else "MISSED"


def _at_most(wanted: float, had: float, unit: str) -> tuple[str, str, str]:
    return f"<= {wanted:g} {unit}", _rounded(had, unit), "kept" if had <= wanted else "MISSED"


def _rounded(number: float, unit: str) -> str:
    return f"{number:,.0f} {unit}" if number >= 10 else f"{number:.2f} {unit}"

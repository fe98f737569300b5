"""Claim: how fast Keepfit answers, with its capture on, beside the other ways to serve the same model.

One worker of each server on one core, the load generator on another, the same rows, in turns; every
server's answers are first held against the pipeline's own. `benchmarks.empty`, a bare ASGI function on
Keepfit's own HTTP settings, is what an exchange costs before any work.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.contest import COMPARED, EMPTY, ONNX, OURS, Contest, Contestant, contest
from benchmarks.figures import Options, Table, cores
from benchmarks.goals import BODIES, MANY, ONE, Figures, Load, Measured, goals
from benchmarks.load import Job, Result
from benchmarks.models import Model, flights, made_up
from benchmarks.rivals.environments import installed
from benchmarks.servers import NotServed, Served, load, serving
from keepfit.settings import Settings

_HEADER = ("", "requests/s", "rows/s", "p50 ms", "p99 ms", "Keepfit is", "CPU us", "spread", "generator")
_BUSY = 0.9
"""Above this share of its core the load generator is part of what was measured."""


@dataclass(frozen=True)
class Report:
    """Several tables, and what README says of them."""

    tables: Sequence[Table]
    markdown: str

    def text(self) -> str:
        """Write one below the other."""
        return "\n\n".join([*(table.text() for table in self.tables), self.markdown])


def measure(options: Options) -> Report:
    """Measure every server on both models."""
    places, missing = installed(Settings.from_env().home / "bench")
    measured: list[Figures] = []
    try:
        with tempfile.TemporaryDirectory(prefix="keepfit-bench-") as folder:
            for make in (flights, made_up):
                model = make()
                home = Path(folder) / model.project.name
                with contest(model, home, places) as held:
                    measured.append(_measured(options, model, held, missing))
            ready_s = _ready_s(options, Settings(home=home, project_name=model.project.name))
    except NotServed as fault:
        raise SystemExit(f"no figure: {fault}") from fault
    tables = [_table(figures, at) for figures in measured for at in (ONE, MANY, BODIES)]
    tables[-1].notes = (*tables[-1].notes, *_notes(options))
    tables += [_standing(measured[0], ready_s), goals(measured, ready_s)]
    return Report(tables, "\n\n".join(_markdown(figures) for figures in measured))


def _measured(options: Options, model: Model, held: Contest, missing: Mapping[str, str]) -> Figures:
    loads = {at: _one_load(options, model, held, at) for at in (ONE, MANY, BODIES)}
    _check_captured(held.named(OURS).server)
    memory = {c.name: c.server.memory_mb() for c in held.contestants}
    return Figures(
        model.project.name, model.title, held.contestants, {**missing, **held.missing}, loads, memory
    )


def _one_load(options: Options, model: Model, held: Contest, at: Load) -> dict[str, Measured]:
    connections, rows = at
    # Joining requests is for those that come together, and a hundred rows are joined already.
    taking_part = [c for c in held.contestants if not c.batching or at == MANY]
    asked = {c.name: [c.request(part) for part in _parts(model, rows)] for c in taking_part}
    found: dict[str, list[Result]] = {c.name: [] for c in taking_part}
    for _ in range(options.rounds):
        for one in [c for c in taking_part if c in held.contestants]:
            try:
                found[one.name].append(_loaded(one, Job(connections, _seconds(options), asked[one.name])))
            except NotServed as fault:
                if one.name in (OURS, EMPTY):
                    raise
                held.missing[one.name] = str(fault)
    return {name: Measured.of(results) for name, results in found.items() if name not in held.missing}


def _loaded(one: Contestant, job: Job) -> Result:
    if one.name in (OURS, EMPTY):
        return load(one.server, job)
    with one.server.awake():
        return load(one.server, job)


def _seconds(options: Options) -> float:
    return 1.0 if options.quick else 2.0


def _parts(model: Model, rows: int) -> list[Sequence[Mapping[str, object]]]:
    count = 512 if rows == 1 else 32
    return [model.rows[i * rows : (i + 1) * rows] for i in range(count)]


def _table(figures: Figures, at: Load) -> Table:
    connections, rows = at
    many = "16 connections" if connections > 1 else "1 connection"
    table = Table(f"{figures.title}: {many}, {rows} row{'s' if rows > 1 else ''} a request", _HEADER)
    for name, had in figures.loads[at].items():
        told = (f"{had.rate:,.0f}", f"{had.rate * rows:,.0f}", f"{had.p50_ms:.2f}", f"{had.p99_ms:.2f}")
        times = "" if name == OURS else _times(figures.times(at, name))
        busy = f"{had.busy:.0%}{' BUSY' if had.busy > _BUSY else ''}"
        table.add(name, *told, times, f"{had.cpu_us:,.0f}", f"{had.spread:.0%}", busy)
    _name_missing(table, figures)
    return table


def _standing(figures: Figures, ready_s: float) -> Table:
    table = Table(
        f"{figures.title}: starting, and memory after all loads",
        ("", "ready after s", "worker MB", "all MB"),
        (
            "ready after: from the start of the command to the first 200 of its health check, on one core",
            "worker: RSS of the largest process; all: PSS of every process, what they share counts once",
        ),
    )
    for one in figures.contestants:
        worker, every = figures.memory_mb[one.name]
        ready = ready_s if one.name == OURS else one.server.ready_s
        table.add(one.name, f"{ready:.2f}", f"{worker:,.0f}", f"{every:,.0f}")
    _name_missing(table, figures)
    return table


def _notes(options: Options) -> tuple[str, ...]:
    return (
        f"medians of {options.rounds} rounds of {_seconds(options):g} s, in turns; who waits is stopped",
        f"one worker each on core {cores()[0]}, the load generator on core {cores()[-1]}",
        f"{COMPARED} answers of each are the pipeline's own, Keepfit's within {ONNX:g} (float32)",
        "batching: told to join the requests that wait; by themselves these servers do not",
        "Keepfit is: its requests/s as a multiple of the line's",
        "CPU us: the server's processor time a request, which other processes change least",
        "spread: between the rates of the rounds, of their median; where it is large, others were busy",
        "generator: the load generator's share of its core; near 100% it is what was measured",
    )


def _name_missing(table: Table, figures: Figures) -> None:
    for name, why in figures.missing.items():
        table.add(f"{name}: not measured", *[""] * (len(table.header) - 1))
        table.notes = (*table.notes, f"{name}: {why}")


def _markdown(figures: Figures) -> str:
    """Write what README has of one model."""
    lines = [
        f"| {figures.title} | 1 connection | 16 connections | p50, p99 | Keepfit is |"
        " 100 rows a request | Keepfit is | worker |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in figures.contestants:
        many = figures.loads[MANY].get(one.name)
        if many is None:
            continue
        alone, bodies = figures.loads[ONE].get(one.name), figures.loads[BODIES].get(one.name)
        cells = (
            f"{alone.rate:,.0f}/s" if alone else "",
            f"{many.rate:,.0f}/s",
            f"{many.p50_ms:.1f}, {many.p99_ms:.1f} ms",
            "" if one.name == OURS else _times(figures.times(MANY, one.name)),
            f"{bodies.rate * BODIES[1]:,.0f} rows/s" if bodies else "",
            "" if one.name == OURS or not bodies else _times(figures.times(BODIES, one.name)),
            f"{figures.memory_mb[one.name][0]:,.0f} MB",
        )
        lines.append(f"| {one.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _times(times: float | None) -> str:
    if times is None:
        return ""
    return f"{times:,.0f} x" if times >= 10 else f"{times:.2f} x"


def _ready_s(options: Options, settings: Settings) -> float:
    """Start Keepfit a few times more, nothing else running; give the median."""
    taken: list[float] = []
    for _ in range(1 if options.quick else 5):
        with serving("serving", settings) as served:
            taken.append(served.ready_s)
    return median(taken)


def _check_captured(ours: Served) -> None:
    counted = dict(line.rsplit(" ", 1) for line in ours.get("/metrics")[1].splitlines() if line[0] != "#")
    lost = sum(float(n) for name, n in counted.items() if name.startswith("keepfit_uncaptured_total"))
    rows = sum(float(n) for name, n in counted.items() if name.startswith("keepfit_rows_total"))
    if lost or not rows:
        raise SystemExit(f"of {rows:.0f} answered rows {lost:.0f} were not captured: no figure")

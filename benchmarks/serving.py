"""Claim: what a captured prediction costs beside the HTTP exchange that brings it.

One worker of `python -m serving`, its capture on, beside a bare ASGI function on the same uvicorn
settings, asked the same requests in turns by the same load generator.
"""

import tempfile
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np

from benchmarks import made
from benchmarks.figures import Options, Table, cores
from benchmarks.load import Job, Result
from benchmarks.servers import Served, load, serving
from data.bundles import Lineage, write_bundle
from data.releases import Pointer, move_pointer, publish
from keepfit.settings import Settings
from serving.contract import PredictRequest, Row
from tasks.convert import convert, make_manifest
from tasks.train import build, encode_labels

_LOADS = ((1, 1), (16, 1), (16, 100))
"""Connections, and rows in a request."""
_TRAINED_ON = 20_000
_HEADER = ("", "connections", "rows a request", "requests/s", "rows/s", "p50 ms", "p99 ms")


def measure(options: Options) -> Table:
    """Load both servers in turns."""
    seconds = 1.0 if options.quick else 5.0
    with tempfile.TemporaryDirectory(prefix="keepfit-bench-") as folder:
        settings = Settings(home=Path(folder), project_name=made.project.name)
        _release(settings)
        with serving("serving", settings) as ours, serving("benchmarks.empty", settings) as empty:
            return _table(options, ours, empty, seconds)


def _table(options: Options, ours: Served, empty: Served, seconds: float) -> Table:
    table = Table(
        f"One worker, {len(made.project.features)} mixed columns, boosted trees, capture on",
        (*_HEADER, "of empty", "CPU us", "of empty"),
        (
            f"{options.rounds} rounds of {seconds:g} s, both servers in turns; medians of the rounds",
            f"servers on core {cores()[0]}, the load generator on core {cores()[-1]}",
            "empty: a bare ASGI function on the same uvicorn settings; reads the body, answers 18 bytes",
            "CPU us: the server's processor time a request, which other processes change least",
            "every answered row is in the journal: the worker counted none that could not be captured",
        ),
    )
    for connections, rows in _LOADS:
        job = Job(connections, seconds, _requests(rows))
        found: dict[str, list[Result]] = {ours.name: [], empty.name: []}
        for _ in range(options.rounds):
            for server in (ours, empty):
                found[server.name].append(load(server, job))
        base = _median(found[empty.name])
        for server, name in ((ours, "keepfit"), (empty, "empty")):
            rate, p50, p99, cpu = _median(found[server.name])
            told = (f"{rate:,.0f}", f"{rate * rows:,.0f}", f"{p50:.2f}", f"{p99:.2f}")
            ratios = (f"{rate / base[0]:.2f}", f"{cpu:,.0f}", f"{cpu / base[3]:.1f}")
            table.add(name, str(connections), str(rows), *told, *ratios)
    _check_captured(ours)
    return table


def _median(results: list[Result]) -> tuple[float, float, float, float]:
    """Give the medians of requests/s, p50, p99 and CPU time."""
    told = np.array([(r.rate, r.p50_ms, r.p99_ms, r.cpu_us) for r in results])
    rate, p50, p99, cpu = np.median(told, axis=0).tolist()
    return rate, p50, p99, cpu


def _release(settings: Settings) -> None:
    """Train, convert and publish a model on made rows, as a retrain does, without a registry."""
    project, frame = made.project, made.features(_TRAINED_ON)
    estimator = build(project)
    estimator.fit(frame, encode_labels(project, made.labels(frame)))
    until = made.BEGIN + timedelta(days=made.DAYS)
    lineage = Lineage(
        recipe="made",
        snapshot_id="made",
        training_until=until,
        as_of=until,
        reason="a benchmark",
        commit="unknown",
        lock_hash="unknown",
        journal_positions={},
        metrics={},
    )
    converted = convert(project, estimator, frame)
    manifest = make_manifest(project, converted, frame, lineage, version=1)
    folder = settings.home / "bundle"
    digest = write_bundle(folder, converted.model, manifest)
    releases = settings.releases(project.name)
    publish(folder, digest, releases)
    move_pointer(releases, Pointer(digest, 1, 1))


def _requests(rows: int) -> list[bytes]:
    """Write whole requests of distinct rows."""
    count = 512 if rows == 1 else 32
    cells = made.cells(made.features(count * rows, seed=1))
    requests: list[bytes] = []
    for i in range(count):
        asked = [Row(row, f"reference-{i}-{j}") for j, row in enumerate(cells[i * rows : (i + 1) * rows])]
        body = msgspec.json.encode(PredictRequest(asked))
        head = "POST /v1/predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        requests.append(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    return requests


def _check_captured(ours: Served) -> None:
    counted = dict(line.rsplit(" ", 1) for line in ours.get("/metrics")[1].splitlines() if line[0] != "#")
    lost = sum(float(n) for name, n in counted.items() if name.startswith("keepfit_uncaptured_total"))
    rows = sum(float(n) for name, n in counted.items() if name.startswith("keepfit_rows_total"))
    if lost or not rows:
        raise SystemExit(f"of {rows:.0f} answered rows {lost:.0f} were not captured: no figure")

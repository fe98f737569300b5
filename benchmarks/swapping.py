"""Claim: 1,000 swaps under load fail no request, mix no two models, and stay unseen by callers and machine.

Two workers under a steady load of 70 % of their measured capacity, while the release pointer goes to and
fro between two versions of a model that tells its version in every row of its answer.
"""

import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.figures import Options, Table, cores
from benchmarks.handmade import PROJECT, asked, release, telling
from benchmarks.paced import MIXED, WRONG_ROW, Paced, Seen, failed, latencies_ms
from benchmarks.service import Footprint, Service, loading, service, until
from benchmarks.verdict import Verdict
from data.releases import Pointer, move_pointer
from keepfit.settings import Settings

_SWAPS = 1000
_ROUNDS = 10
"""Parts of the run: each is a time without swaps, then a tenth of the swaps."""
_EVERY_S = 0.5
"""A swap begins this often: longer than it takes, so that between two only one version is live."""
_SHARE = 0.7
_CONNECTIONS = 32
_WORKERS = 2
_SIZES = [400 if i == 200 else 16 if i % 8 == 0 else 1 for i in range(256)]
"""Rows of each request in turn; many rows are answered in a thread, beside the others."""
_LATEST_S = 2.0
_SLOWER = 1.5
_MORE_MEMORY = 1.05

Span = tuple[float, float]


@dataclass
class Run:
    """What happened and when, by time.monotonic."""

    versions: list[int] = field(default_factory=list[int])
    moved: list[float] = field(default_factory=list[float])
    """When the pointer moved to each version."""
    confirmed: list[float] = field(default_factory=list[float])
    """When the last worker's status file told it."""
    lags: list[float] = field(default_factory=list[float])
    """How long after the move, of each worker and swap."""
    quiet: list[Span] = field(default_factory=list[Span])
    swapping: list[Span] = field(default_factory=list[Span])
    held: list[list[Footprint]] = field(default_factory=list[list[Footprint]])


def measure(options: Options) -> Table:
    """Measure the capacity, then swap under a share of it."""
    swaps = 30 if options.quick else _SWAPS
    with tempfile.TemporaryDirectory(prefix="keepfit-bench-") as folder:
        settings = Settings(home=Path(folder), workers=_WORKERS)
        digests = {1: release(settings, telling(1), 1, promotion=1), 2: release(settings, telling(2), 2)}
        with service(settings, cores()[:-1] or cores()) as ours:
            requests, distances = asked(_SIZES)
            job = Paced(ours.settings.serving_port, requests, distances, _CONNECTIONS)
            seconds = 3.0 if options.quick else 10.0
            with loading(msgspec.structs.replace(job, seconds=seconds)) as seen:
                capacity = _rate(seen())
            paced = msgspec.structs.replace(job, rate=_SHARE * capacity, connections=8 * _CONNECTIONS)
            with loading(paced) as seen:
                run = _swap(ours, digests, swaps, 3 if options.quick else _ROUNDS)
                came = seen()
            return _told(run, came, capacity, settings)


def _swap(ours: Service, digests: dict[int, str], swaps: int, rounds: int) -> Run:
    """Move the pointer to and fro, round by round after a time without swaps that is half as long."""
    run = Run([1], [time.monotonic()], [time.monotonic()])
    each = swaps // rounds
    time.sleep(3)  # until the load is steady
    for _ in range(rounds):
        began = time.monotonic()
        time.sleep(each * _EVERY_S / 2)
        run.quiet.append((began, time.monotonic()))
        ours.discard_closed_journals()
        began = time.monotonic()
        for number in range(each):
            _swap_once(ours, run, digests)
            # Not in step with the workers' looks at the pointer.
            next_at = began + (number + 1 + random.uniform(-0.2, 0.2)) * _EVERY_S
            time.sleep(max(0.0, next_at - time.monotonic()))
        run.swapping.append((began, time.monotonic()))
    return run


def _swap_once(ours: Service, run: Run, digests: dict[int, str]) -> None:
    version = 3 - run.versions[-1]
    run.versions.append(version)
    run.moved.append(time.monotonic())
    if not move_pointer(
        ours.settings.releases(PROJECT), Pointer(digests[version], version, len(run.versions))
    ):
        raise SystemExit("the pointer did not move: no figure")
    told: dict[int, float] = {}

    def every_worker_told() -> bool:
        for status in ours.statuses():
            if status.digest == digests[version]:
                told.setdefault(status.pid, time.monotonic())
        return len(told) == _WORKERS

    if not until(every_worker_told, within_s=30, every_s=0.01):
        raise SystemExit(f"swap {len(run.moved) - 1}: a worker did not follow; workers: {ours.statuses()}")
    run.confirmed.append(time.monotonic())
    run.lags += [at - run.moved[-1] for at in told.values()]
    run.held.append(ours.footprints())


def _told(run: Run, came: Seen, capacity: float, settings: Settings) -> Table:
    swaps = len(run.versions) - 1
    verdict = Verdict(f"{swaps:,} swaps of two workers under a steady load")
    swapping = sum(len(_within(came, span)) for span in run.swapping)
    rate = swapping / sum(end - begin for begin, end in run.swapping)
    verdict.tell("requests during swaps", f"{swapping:,}")
    verdict.tell("a second, of the capacity", f"{rate:,.0f} of {capacity:,.0f}, {rate / capacity:.0%}")
    verdict.none("failed requests", *failed(came))
    dead, alone = not_live(run, came)
    verdict.none("answers by a version that was not live", dead)
    verdict.tell("answers while one version only was live", f"{alone:,}")
    verdict.none("answers that mix two versions", int((came["fault"] == MIXED).sum()))
    verdict.none("rows with the answer of another", int((came["fault"] == WRONG_ROW).sum()))
    _tell_latencies(verdict, run, came)
    p50, p99, most = np.quantile(run.lags, [0.5, 0.99, 1.0])
    verdict.goal(
        "a worker on the new version after: p50, p99, max",
        f"{p50:.2f} s, {p99:.2f} s, {most:.2f} s",
        f"<= {_LATEST_S:g} s",
        kept=most <= _LATEST_S,
    )
    _tell_footprints(verdict, run)
    verdict.note(f"workers on core {', '.join(map(str, cores()[:-1] or cores()))}, the load on the last")
    verdict.note(f"KEEPFIT_POLL_S={settings.poll_s:g}, a swap each {_EVERY_S:g} s; the model has 200 trees")
    verdict.note("requests of 1, 16 and 400 rows, arriving by chance (Poisson), whatever was answered")
    verdict.note("capacity: the same requests on 32 connections, each sent when the last is answered")
    verdict.note(
        f"latencies: medians of {len(run.quiet)} parts without swaps and {len(run.swapping)} with, in turns"
    )
    verdict.note("files: file descriptors that are no connections")
    verdict.note("live: from the pointer's move until every worker told the next version")
    return verdict.table()


def _tell_latencies(verdict: Verdict, run: Run, came: Seen) -> None:
    for name, at in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
        quiet, swapping = (
            np.array([np.quantile(latencies_ms(_within(came, span)), at) for span in spans])
            for spans in (run.quiet, run.swapping)
        )
        # Neighbours in time are compared: what else this machine does changes over the minutes.
        times = float(np.median(swapping / quiet))
        told = f"{np.median(swapping):.2f} ms, {times:.2f} of {np.median(quiet):.2f} ms"
        if name == "p99":
            verdict.goal(f"{name} to that without swaps", told, f"<= {_SLOWER:g}", kept=times <= _SLOWER)
        else:
            verdict.tell(f"{name} to that without swaps", told)


def _tell_footprints(verdict: Verdict, run: Run) -> None:
    tenth = max(1, len(run.held) // 10)
    parts = (run.held[:tenth], run.held[-tenth:])
    if len({f.pid for footprints in run.held for f in footprints}) != _WORKERS:
        verdict.none("workers that died", 1)
    for name, unit in (("memory", 2**20), ("threads", 1), ("files", 1)):
        first, last = (
            float(np.median([getattr(f, name) for held in part for f in held]) / unit) for part in parts
        )
        told, what = f"{first:.1f} -> {last:.1f}", f"{name} of a worker, first to last tenth"
        if name == "memory":
            kept, goal = last <= first * _MORE_MEMORY, f"<= {_MORE_MEMORY:.0%} of the first"
            verdict.goal(what, f"{told} MB", goal, kept=kept)
        else:
            verdict.goal(what, told, "as many", kept=last < first + 1)


def not_live(run: Run, came: Seen) -> tuple[int, int]:
    """Count the answers of a version that was live at no moment between send and answer, and those beside
    which no other version was live.
    """
    moved, confirmed = np.array(run.moved), np.array(run.confirmed)
    versions = np.array(run.versions)
    # The last swap that every worker had followed before the send, and the last that began before the answer:
    # those from the one to the other were live in between, and they alternate.
    first = np.searchsorted(confirmed, came["sent"], side="right") - 1
    last = np.searchsorted(moved, came["done"], side="right") - 1
    alone = (first == last) & (came["status"] == 200)
    return int((alone & (versions[first] != came["version"])).sum()), int(alone.sum())


def _rate(came: Seen) -> float:
    if failed(came)[0]:
        raise SystemExit(f"requests of callers who wait failed ({failed(came)[1]}): no figure")
    begin = came["sent"].min() + 1  # it warms up
    return float((came["done"] >= begin).sum() / (came["done"].max() - begin))


def _within(came: Seen, span: Span) -> Seen:
    return came[(came["due"] >= span[0]) & (came["due"] < span[1])]

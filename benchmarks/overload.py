"""Claim: at ten times its capacity a worker answers as much as it ever can, and refuses the rest at once.

One worker with a model that takes 20 ms for each row. Its peak is measured with callers who wait; then ten
times as much arrives as callers on the internet do: at its own pace, whatever is answered.
"""

import tempfile
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.figures import Options, Table, cores
from benchmarks.handmade import asked, release, slowed_to
from benchmarks.paced import MIXED, NO_RETRY_AFTER, WRONG_ROW, Paced, Seen, latencies_ms
from benchmarks.service import loading, pinned, service
from benchmarks.verdict import Verdict
from keepfit.settings import Settings

_ROW_S = 0.02
_TIMES = 10
_SECONDS = 60.0
_PEAK_AT = (1, 2, 4, 8)
"""Callers who wait for their answers, in turns; the best of them is the peak."""
_CONNECTIONS = 900
_GOODPUT = 0.9
_REFUSED_MS = 10.0
_OVER_S = 0.1
"""What an answer may take beyond the deadline: the row that was begun in time, and the way back."""


def measure(options: Options) -> Table:
    """Measure the peak, then offer ten times as much."""
    with tempfile.TemporaryDirectory(prefix="keepfit-bench-") as folder:
        settings = Settings(home=Path(folder), workers=1)
        with pinned(cores()[:1]):
            model, row_s = slowed_to(_ROW_S)
        release(settings, model, 1, promotion=1)
        with service(settings, cores()[:1]) as ours:
            requests, distances = asked([1] * 64)
            job = Paced(
                ours.settings.serving_port, requests, distances, 1, seconds=2.0 if options.quick else 10.0
            )
            peaks = {callers: _peak(job, callers) for callers in _PEAK_AT}
            peak = max(peaks.values())
            offered = msgspec.structs.replace(
                job,
                rate=_TIMES * peak,
                connections=_CONNECTIONS,
                seconds=15.0 if options.quick else _SECONDS,
                drain_s=settings.deadline_s + 5,
            )
            with loading(offered) as seen:
                came = seen()
            after = _peak(job, max(peaks, key=peaks.__getitem__))
    verdict = Verdict(f"One worker, {row_s * 1000:.0f} ms a row, {_TIMES} times its capacity")
    verdict.tell(
        "peak with 1, 2, 4, 8 callers who wait", " ".join(f"{p:.1f}" for p in peaks.values()) + " /s"
    )
    _tell(verdict, came, peak, settings.deadline_s)
    verdict.tell("the same callers after it", f"{after:.1f} /s, {after / peak:.0%} of the peak")
    verdict.note(f"worker on core {cores()[0]}, the load on core {cores()[-1]}; requests of one row")
    verdict.note("the model is a Scan over the rows: two rows take twice the time, no batch saves any")
    verdict.note("arrivals by chance (Poisson), on as many connections as it takes; times from the send")
    verdict.note(
        f"KEEPFIT_DEADLINE_S={settings.deadline_s:g}; goodput: right answers within it and {_OVER_S:g} s"
    )
    verdict.note("the first deadline, in which the line fills, is left out of the goodput")
    return verdict.table()


def _tell(verdict: Verdict, came: Seen, peak: float, deadline_s: float) -> None:
    began, ended = came["sent"].min(), came["sent"].max()
    seconds = ended - began
    answered, refused = came[came["status"] == 200], came[came["status"] == 429]
    took_s = latencies_ms(answered) / 1000
    good = answered[(took_s <= deadline_s + _OVER_S) & (answered["fault"] == 0)]
    # Once the line is full, what is answered is what the worker can.
    steady = (good["done"] >= began + deadline_s) & (good["done"] < ended)
    goodput = steady.sum() / (seconds - deadline_s)
    verdict.tell("offered", f"{len(came):,} requests, {len(came) / seconds:.0f} /s for {seconds:.0f} s")
    share = goodput / peak
    verdict.goal(
        "goodput, of the peak",
        f"{goodput:.1f} of {peak:.1f} /s, {share:.0%}",
        f">= {_GOODPUT:.0%}",
        kept=share >= _GOODPUT,
    )
    verdict.tell("refused with 429", f"{len(refused):,}")
    p50, p99, most = np.quantile(latencies_ms(refused), [0.5, 0.99, 1.0])
    verdict.goal(
        "refused after: p50, p99, max",
        f"{p50:.1f}, {p99:.1f}, {most:.1f} ms",
        f"p99 <= {_REFUSED_MS:g} ms",
        kept=p99 <= _REFUSED_MS,
    )
    verdict.tell("of them after a second and more", f"{(latencies_ms(refused) > 1000).sum():,}")
    p50, p99, most = np.quantile(took_s, [0.5, 0.99, 1.0])
    verdict.goal(
        "answered after: p50, p99, max",
        f"{p50:.2f}, {p99:.2f}, {most:.2f} s",
        f"p99 <= {deadline_s + _OVER_S:g} s",
        kept=p99 <= deadline_s + _OVER_S,
    )
    verdict.none("refusals without Retry-After", int((came["fault"] == NO_RETRY_AFTER).sum()))
    verdict.none("answers to another row", int(np.isin(came["fault"], [WRONG_ROW, MIXED]).sum()))
    verdict.none("neither answered nor refused", len(came) - len(answered) - len(refused))


def _peak(job: Paced, callers: int) -> float:
    with loading(msgspec.structs.replace(job, connections=callers)) as seen:
        came = seen()
    if (came["status"] != 200).any():
        raise SystemExit(f"{callers} callers who wait were not all answered: no figure")
    return float(len(came) / (came["done"].max() - came["sent"].min()))

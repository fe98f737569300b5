"""Claim: slow clients are cut when their time is over, and good callers beside them notice nothing.

Hundreds of connections that send a byte a second, nothing, or read no answer, beside 8 callers who wait for
each answer; then more connections than a worker keeps; then SIGTERM under load.
"""

import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.crowd import DEAF_ASK, KINDS, Crowd, Kind, refused_after
from benchmarks.figures import Options, Table, cores
from benchmarks.handmade import asked, release, telling
from benchmarks.paced import REFUSED, TORN, UNANSWERED, Paced, Seen, failed, latencies_ms
from benchmarks.service import Footprint, Service, loading, service, sockets_of, until
from benchmarks.verdict import Verdict
from keepfit.settings import Settings

_EACH, _EACH_QUICK = 100, 25
_GOOD = 8
_SLACK_S = 2.0
"""What a cut may come after its time: limits are looked at now and then."""
_SLOWER = 1.5
_MORE_MEMORY = 1.05
"""What a crowd needs at once stays with the allocator; the next crowd must not need more."""
_BEYOND = 100
_REFUSED_S = 0.5
_LOOK_S = 0.5

_CUT: dict[Kind, str] = {
    "head": "headers byte by byte: cut after",
    "silent": "nothing sent: cut after",
    "body": "body byte by byte: cut after",
    "deaf": "no answer read: cut after",
}

Span = tuple[float, float]


def measure(options: Options) -> Table:
    """Let the slow clients come, then too many, then end the service under load."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    with tempfile.TemporaryDirectory(prefix="keepfit-bench-") as folder:
        limits = {"header_s": 2.0, "body_s": 4.0} if options.quick else {}
        settings = Settings(home=Path(folder), workers=1, **limits)
        release(settings, telling(1), 1, promotion=1)
        each = _EACH_QUICK if options.quick else _EACH
        verdict = Verdict(f"{each} slow clients of each kind beside {_GOOD} good callers of one worker")
        with service(settings, cores()[:1]) as ours:
            _crowded(verdict, ours, each, 3.0 if options.quick else 10.0)
            _too_many(verdict, ours)
        _ended(verdict, Settings(home=Path(folder), workers=2), 2 if options.quick else 5)
    verdict.note(f"KEEPFIT_HEADER_S={settings.header_s:g}, KEEPFIT_BODY_S={settings.body_s:g}")
    verdict.note("no answer read: the time begins when the worker has answered what the buffers hold")
    verdict.note("cut: when the worker holds the connection no more, looked at twice a second")
    verdict.note(f"workers on core {cores()[0]}, all callers on core {cores()[-1]}")
    return verdict.table()


def _crowded(verdict: Verdict, ours: Service, each: int, seconds: float) -> None:
    requests, distances = asked([1] * 64)
    good = Paced(ours.settings.serving_port, requests, distances, _GOOD)
    limits = _limits(ours.settings)
    with loading(good) as seen:
        time.sleep(2)  # it has begun, and is warm
        held = ours.footprints()  # with the connections of the good callers
        quiet = [_span(seconds)]
        crowd, crowded, filled = _one_crowd(ours, each, max(limits.values()))
        gone = until(lambda: ours.footprints()[0].sockets <= held[0].sockets, 5)
        quiet.append(_span(seconds))
        held += ours.footprints()
        _one_crowd(ours, each, max(limits.values()))
        time.sleep(seconds)
        held += ours.footprints()
        came = seen()
    verdict.none("failed requests of the good callers", *failed(came))
    alone, beside = (_p99(came, spans) for spans in (quiet, [crowded]))
    told = f"{beside:.2f} ms, {beside / alone:.2f} of {alone:.2f} ms"
    verdict.goal(
        "their p99 to that without slow ones", told, f"<= {_SLOWER:g}", kept=beside <= _SLOWER * alone
    )
    longest = latencies_ms(_within(came, crowded)).max()
    verdict.tell("the longest wait of one beside them", f"{longest:.0f} ms")
    for kind, limit in limits.items():
        ages = crowd.ages(kind, filled if kind == "deaf" else 0.0)
        kept = len(ages) == each and max(ages) <= limit + _SLACK_S
        told = f"{np.median(ages):.1f} s, max {max(ages):.1f} s" if ages else "never"
        goal = f"all, <= {limit:g} s + {_SLACK_S:g}"
        verdict.goal(_CUT[kind], f"{told}, {len(ages)} of {each}", goal, kept=kept)
    _tell_footprints(verdict, held, gone=gone)


def _one_crowd(ours: Service, each: int, longest_s: float) -> tuple[Crowd, Span, float]:
    """Let a crowd come, wait until it is cut; give it, when all of it was there, when the deaf were full."""
    (worker,) = ours.footprints()
    crowd = Crowd(ours.settings.serving_port, worker.pid)
    crowd.join("deaf", each)
    filled = _filled(ours, crowd)
    began = time.monotonic()
    for kind in KINDS:
        if kind != "deaf":
            crowd.join(kind, each)
    end = began + longest_s + 2 * _SLACK_S
    while crowd.act() and time.monotonic() < end:
        time.sleep(_LOOK_S)
    crowd.leave()
    return crowd, (began, time.monotonic()), filled


def _filled(ours: Service, crowd: Crowd) -> float:
    """Wait until the deaf are answered as much as buffers hold, which is honest work; say when that was."""
    answered, at = 0.0, time.monotonic()
    while time.monotonic() - at < 2 * ours.settings.status_s:
        crowd.act()
        (status,) = ours.statuses()
        now = sum(count for name, count in status.counters.items() if DEAF_ASK in name)
        if now != answered:
            answered, at = now, time.monotonic()
        time.sleep(_LOOK_S)
    return at


def _limits(settings: Settings) -> dict[Kind, float]:
    return {
        "head": settings.header_s,
        "silent": settings.header_s,
        "body": settings.body_s,
        "deaf": settings.body_s,
    }


def _tell_footprints(verdict: Verdict, held: list[Footprint], *, gone: bool) -> None:
    sockets = [f"{f.sockets}" for f in held[:2]]
    verdict.goal("connections of the worker again", " -> ".join(sockets), "as many", kept=gone)
    memory = [f.memory / 2**20 for f in held]
    verdict.goal(
        "memory before, after one crowd, after another",
        " -> ".join(f"{each:.0f}" for each in memory) + " MB",
        f"the last <= {_MORE_MEMORY:.0%}",
        kept=memory[2] <= memory[1] * _MORE_MEMORY,
    )


def _too_many(verdict: Verdict, ours: Service) -> None:
    """Open more connections than a worker keeps, beside good callers who have theirs."""
    requests, distances = asked([1] * 64)
    good = Paced(ours.settings.serving_port, requests, distances, _GOOD)
    most = ours.settings.connections
    with loading(good) as seen:
        time.sleep(2)
        (worker,) = ours.footprints()
        ages, opened = refused_after(ours.settings.serving_port, most + _BEYOND, _REFUSED_S)
        held = sockets_of(worker.pid) - worker.sockets + _GOOD
        for one in opened:
            one.close()
        time.sleep(1)
        came = seen()
    beyond = _BEYOND + _GOOD
    told = f"{len(ages)} of {beyond}" + (f", within {max(ages) * 1000:.0f} ms" if ages else "")
    name = f"connections beyond {most} refused"
    verdict.goal(name, told, f"all, <= {_REFUSED_S * 1000:g} ms", kept=len(ages) >= beyond)
    verdict.goal("connections held then", f"{held}", f"<= {most}", kept=held <= most)
    verdict.none("failed requests of good callers beside them", *failed(came))


def _ended(verdict: Verdict, settings: Settings, times: int) -> None:
    """End the service under load, several times; what was sent before is answered whole."""
    requests, distances = asked([400 if i % 16 == 0 else 1 for i in range(64)])
    took: list[float] = []
    lost = torn = early = answered = 0
    for _ in range(times):
        with service(settings, cores()[:1]) as ours:
            job = Paced(ours.settings.serving_port, requests, distances, 2 * _GOOD, drain_s=5)
            with loading(job) as seen:
                time.sleep(2.5)
                at = time.monotonic()
                ours.process.terminate()
                ours.process.wait()
                took.append(time.monotonic() - at)
                time.sleep(0.2)
                came = seen()
        sent = came[came["fault"] != REFUSED]
        unanswered = sent["status"] == 0
        torn += int((sent["fault"] == TORN).sum())
        early += int((unanswered & (sent["sent"] < at)).sum())
        lost += int(((sent["fault"] == UNANSWERED) & (sent["sent"] >= at)).sum())
        answered += int((sent["status"] == 200).sum())
    verdict.tell(f"{times} times SIGTERM under load: ended after", f"max {max(took):.1f} s")
    verdict.tell("requests answered", f"{answered:,}")
    verdict.none("answers that were torn", torn)
    verdict.none("requests sent before SIGTERM and not answered", early)
    name = "sent after it on a connection in use, not answered"
    verdict.goal(name, f"{lost}", "0", kept=not lost)


def _span(seconds: float) -> Span:
    began = time.monotonic()
    time.sleep(seconds)
    return began, time.monotonic()


def _p99(came: Seen, spans: list[Span]) -> float:
    return float(np.mean([np.quantile(latencies_ms(_within(came, span)), 0.99) for span in spans]))


def _within(came: Seen, span: Span) -> Seen:
    return came[(came["due"] >= span[0]) & (came["due"] < span[1])]

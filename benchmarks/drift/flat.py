"""Claim: the time of a watch does not grow with the history, and a year of profiles is read in 0.3 s.

The steps of the flow `watch` on two stores whose last 60 days are the same rows: one has nothing before
them, the other ten times as many days. Without Prefect and the report's page, which would hide a growth.
"""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import made
from benchmarks.figures import Options, Stopwatch, Table
from benchmarks.releasing import publish_signed
from data.bundles import Lineage
from data.decisions import Decision, save_decision
from data.examples import query_examples
from data.matching import count_labels
from data.promotions import Promotion
from data.records import Label, Prediction, uuid7
from data.spans import read_profiles
from data.store import Batch, Store
from keepfit.settings import Settings
from tasks.assess import assess
from tasks.collect import drain_journals
from tasks.convert import convert, make_manifest
from tasks.loop import Loop
from tasks.screen import screen
from tasks.train import encode_labels

_DAYS, _TIMES = 60, 10
_A_DAY = 500
_AT_ONCE = 20
"""Days that are taken in together."""
_END = datetime(2026, 1, 1, tzinfo=UTC)
_TRAINED = _END - timedelta(days=14)
_DAY = timedelta(days=1)
_GOAL, _YEAR_GOAL_S = 1.1, 0.3
_SHORT, _LONG = f"{_DAYS} days", f"{_DAYS * _TIMES} days"


def measure(options: Options) -> Table:
    """Remember both histories, then watch each, in turns."""
    a_day = options.count(_A_DAY)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="keepfit-bench-") as folder:
        loops = {
            name: _remembered(Path(folder) / str(days), days, a_day)
            for name, days in ((_SHORT, _DAYS), (_LONG, _DAYS * _TIMES))
        }
        for turn in range(3 * options.rounds + 1):
            for name, loop in loops.items():
                for step, work in _STEPS.items():
                    # The first turn imports what the steps need, and is forgotten.
                    with watch.lap(f"{name} {step}" if turn else "first"):
                        work(loop)
        for loop in loops.values():
            loop.store.close()
    return _table(a_day, watch)


def _champion(loop: Loop) -> Promotion:
    champion = loop.ledger.champion()
    assert champion is not None
    return champion


def _windows(loop: Loop) -> None:
    for since, until in ((_TRAINED - 28 * _DAY, _TRAINED), (_TRAINED, _END)):
        query_examples(loop.store, loop.project, _END, since, until)


def _profiles(loop: Loop, days: int) -> None:
    read_profiles(loop.store, loop.project, _END - days * _DAY, _END, _END)


_WATCH: dict[str, Callable[[Loop], object]] = {
    "drain, nothing new": drain_journals,
    "champion": _champion,
    "screen": lambda loop: screen(loop, _END),
    "assess": lambda loop: assess(loop, _champion(loop), _END, {}),
}
_STEPS: dict[str, Callable[[Loop], object]] = _WATCH | {
    "of it: both windows": _windows,
    "of it: labels": lambda loop: count_labels(loop.store, loop.project, _TRAINED, _END),
    "profiles of 42 days": lambda loop: _profiles(loop, 42),
    "profiles of 365 days": lambda loop: _profiles(loop, 365),
}


def _table(a_day: int, watch: Stopwatch) -> Table:
    table = Table(
        f"A watch after {_SHORT} and after {_LONG} of {a_day:,} labelled rows of "
        f"{len(made.project.features)} columns",
        ("", f"CPU s, {_SHORT}", f"CPU s, {_LONG}", "ratio"),
        (
            "medians, both in turns; SQLite; the last 60 days of both are the same rows",
            "without Prefect and the report's page; a promotion and a decision a week of history",
            "the short history has no 365 days: there the figure is of what it has",
        ),
    )
    cpu = {step: [watch.cpu(f"{name} {step}") for name in (_SHORT, _LONG)] for step in _STEPS}
    whole = [sum(cpu[step][i] for step in _WATCH) for i in (0, 1)]
    for step, (short, long) in [*list(cpu.items())[: len(_WATCH)], ("the watch", whole)]:
        table.add(step, f"{short:.3f}", f"{long:.3f}", f"{long / short:.2f}")
    table.add(f"goal: ratio below {_GOAL:g}", "", "", "kept" if whole[1] < _GOAL * whole[0] else "MISSED")
    for step in list(_STEPS)[len(_WATCH) :]:
        short, long = cpu[step]
        table.add(step, f"{short:.3f}", f"{long:.3f}", f"{long / short:.2f}")
    year = cpu["profiles of 365 days"][1]
    table.add(f"goal: a year below {_YEAR_GOAL_S:g} s", "", "", "kept" if year < _YEAR_GOAL_S else "MISSED")
    return table


def _remembered(home: Path, days: int, a_day: int) -> Loop:
    """Fill a store up to the same end, and make a champion of what was known a fortnight before it."""
    settings = Settings(home=home, project_name=made.project.name)
    loop = Loop(made.project, settings, Store(settings.store_url))
    for oldest in range(days, 0, -_AT_ONCE):
        predictions: list[Prediction] = []
        labels: list[Label] = []
        for back in range(oldest, max(oldest - _AT_ONCE, 0), -1):
            told = _day(back, a_day)
            predictions += told[0]
            labels += told[1]
        loop.store.take_in(loop.project, Batch(predictions, labels))
    digest = _publish(loop)
    for week in range(days // 7):
        at = _TRAINED - timedelta(weeks=days // 7 - 1 - week)
        _promote(loop, digest, at)
    return loop


def _day(back: int, a_day: int) -> tuple[list[Prediction], list[Label]]:
    frame = made.features(a_day, seed=back)
    outcomes = made.labels(frame, seed=back).tolist()
    predictions: list[Prediction] = []
    labels: list[Label] = []
    for i, (row, outcome) in enumerate(zip(made.cells(frame), outcomes, strict=True)):
        at = _END - back * _DAY + i * _DAY / a_day
        each = uuid7(int(at.timestamp() * 1000), (back * a_day + i).to_bytes(10, "big"))
        predictions.append(Prediction(each, row, at, at, (0.25,), 1, f"reference-{back}-{i}"))
        later = min(at + timedelta(hours=5), _END)
        key = (each, None) if i % 2 else (None, f"reference-{back}-{i}")
        labels.append(Label(each, outcome, later, later, f"source-{i % 3}", *key))
    return predictions, labels


def _publish(loop: Loop) -> str:
    examples = query_examples(loop.store, loop.project, _TRAINED, _TRAINED - 28 * _DAY, _TRAINED)
    taught = examples.where(examples.labelled)
    labels = encode_labels(loop.project, taught.labels)
    assert loop.project.build is not None
    estimator = loop.project.build().fit(taught.features, labels)
    lineage = Lineage(
        recipe="none",
        snapshot_id="none",
        training_until=_TRAINED,
        as_of=_TRAINED,
        reason="a benchmark",
        commit="unknown",
        lock_hash="unknown",
        journal_positions={},
        metrics={},
    )
    converted = convert(loop.project, estimator, taught.features)
    manifest = make_manifest(loop.project, converted, taught.features, lineage, 1)
    return publish_signed(loop.settings, loop.settings.home / "bundle-1", converted.model, manifest)


def _promote(loop: Loop, digest: str, at: datetime) -> None:
    entry = Promotion(
        kind="retrain",
        version=1,
        digest=digest,
        reason="a benchmark",
        as_of=at,
        training_until=_TRAINED,
        snapshot_until=_TRAINED,
        score=-0.5,
    )
    loop.ledger.append(entry, loop.ledger.latest())
    decision = Decision(project=loop.name, as_of=at, promote=True, reason="a benchmark", version=1)
    save_decision(loop.store, decision, f"week of {at:%F}")

"""Claim: retraining on ripe labels is never worse in log loss than the frozen model, where labels come late.

Every two weeks a challenger learns from what was known then, by the functions of production, and its
estimator answers the bookings of the two weeks that follow, judged by their final labels. Beside it: the
same on the labels at hand, which are cancellations more often than bookings are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from benchmarks.drift.hotel import FIRST, LAST, PROJECT, bookings, examples_of
from benchmarks.figures import Options, Table
from data.examples import Examples
from data.splits import split
from keepfit.errors import SnapshotTooSmall
from monitoring.late.maturity import ripen
from monitoring.scoring import answers, score
from tasks.decide import decide
from tasks.evaluate import Evaluation, Parity, judge
from tasks.train import Estimator, answer, train

_BEGIN = FIRST + timedelta(days=120)
_EVERY = timedelta(days=14)

_Labels = Callable[[Examples, datetime], Examples]


@dataclass
class Policy:
    """One way to retrain: from which labels, and whether a challenger must prove its gain."""

    name: str
    labels: _Labels
    gated: bool
    retrains: bool = True
    live: Estimator | None = None
    trained_until: datetime | None = None
    promotions: int = 0
    refusals: int = 0
    scores: list[dict[str, float]] = field(default_factory=list)

    def turn(self, past: Examples, as_of: datetime) -> None:
        """Train a challenger on what is known, and let it live if it may."""
        if self.live is not None and not self.retrains:
            return
        try:
            parts = split(self.labels(past, as_of), PROJECT, as_of, self.trained_until)
            challenger = train(PROJECT, parts.train)
        except SnapshotTooSmall:
            self.refusals += 1
            return
        if not self.gated or _is_better(parts.holdout, challenger, self.live):
            self.live, self.trained_until = challenger, parts.holdout_since
            self.promotions += 1
        else:
            self.refusals += 1

    def answer(self, following: Examples) -> None:
        """Answer the bookings that follow, and score the answers by how they ended."""
        assert self.live is not None, f"{self.name}: the first model has too few labels"
        given = answers(PROJECT.target, answer(PROJECT, self.live, following.features))
        self.scores.append(score(PROJECT, following.labels, given))


def policies() -> list[Policy]:
    """Make the policies that are measured side by side; all but those at hand begin with one model."""
    return [
        Policy("frozen, of ripe labels", _ripe, gated=False, retrains=False),
        Policy("Keepfit: ripe labels, gain proven", _ripe, gated=True),
        Policy("ripe labels, every challenger lives", _ripe, gated=False),
        Policy("labels at hand, gain proven", _at_hand, gated=True),
        Policy("labels at hand, every challenger lives", _at_hand, gated=False),
    ]


def measure(options: Options) -> Table:
    """Drive the bookings of a year through each policy."""
    frame = bookings()
    raced, rows = policies(), list[int]()
    every = _EVERY * (4 if options.quick else 1)
    for as_of in pd.date_range(_BEGIN, LAST - _EVERY, freq=every):
        now = as_of.to_pydatetime()
        past = examples_of(frame[frame["predicted_at"] < now], now)
        following = frame[(frame["predicted_at"] >= now) & (frame["predicted_at"] < now + _EVERY)]
        rows.append(len(following))
        for policy in raced:
            policy.turn(past, now)
            policy.answer(examples_of(following))
    return _table(raced, rows)


def _is_better(holdout: Examples, challenger: Estimator, champion: Estimator | None) -> bool:
    ours = answer(PROJECT, challenger, holdout.features)
    theirs = None if champion is None else answer(PROJECT, champion, holdout.features)
    scores, others, gain = judge(PROJECT, holdout, ours, theirs)
    # No ONNX is made: the estimator's own answers are judged.
    return decide(PROJECT, Evaluation(scores, others, gain, Parity(1.0, 0.0), len(holdout))).promote


def _ripe(past: Examples, as_of: datetime) -> Examples:
    return ripen(PROJECT, past, as_of)[0]


def _at_hand(past: Examples, as_of: datetime) -> Examples:
    del as_of
    return past.for_training()


def _table(raced: Sequence[Policy], rows: Sequence[int]) -> Table:
    table = Table(
        f"Retraining every two weeks: {sum(rows):,} hotel bookings in {len(rows)} fortnights, final labels",
        ("", "log loss", "ROC AUC", "accuracy", "worse than frozen", "promotions", "refusals"),
        (
            "means over fortnights, each weighing its rows; worse: fortnights of a higher log loss",
            "Antonio, Almeida, Nunes, Data in Brief 22 (2019); known too late and left out: six columns",
        ),
    )
    frozen = [-each["neg_log_loss"] for each in raced[0].scores]
    for policy in raced:
        losses = [-each["neg_log_loss"] for each in policy.scores]
        worse = sum(ours > theirs + 1e-9 for ours, theirs in zip(losses, frozen, strict=True))
        means = (_mean(policy, name, rows) for name in ("neg_log_loss", "roc_auc", "accuracy"))
        loss, auc, accuracy = means
        told = (f"{-loss:.3f}", f"{auc:.3f}", f"{accuracy:.3f}", str(worse))
        table.add(policy.name, *told, str(policy.promotions), str(policy.refusals))
    kept = _mean(raced[1], "neg_log_loss", rows) >= _mean(raced[0], "neg_log_loss", rows)
    table.add("goal: Keepfit's log loss at most the frozen", "kept" if kept else "MISSED", *[""] * 5)
    return table


def _mean(policy: Policy, name: str, rows: Sequence[int]) -> float:
    return float(np.average([each[name] for each in policy.scores], weights=rows))

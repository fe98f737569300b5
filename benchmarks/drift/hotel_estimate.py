"""Claim: what a week's final accuracy will be is estimated twice as well as by calibration or labels so far.

A model of the bookings of four months, trained on the labels that had arrived two months later, answers
every later week; one week after the end of each its final accuracy is estimated. Beside
`estimate_performance`: accuracy on the labels so far, and CBPE without any correction for delays (isotonic
calibration on what is labelled by then: NannyML's documentation, "How CBPE works").
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.isotonic import IsotonicRegression

from benchmarks.drift.hotel import PROJECT, bookings, build, examples_of
from benchmarks.figures import Options, Table
from keepfit import Gate
from monitoring.late.estimate import estimate_performance

TRAINED_UNTIL, LABELS_UNTIL = datetime(2015, 11, 2, tzinfo=UTC), datetime(2016, 1, 4, tzinfo=UTC)
LAST_WEEK = datetime(2016, 8, 22, tzinfo=UTC)
WEEK = timedelta(days=7)
Numbers = NDArray[np.float64]


def measure(options: Options) -> Table:
    """Estimate each week (with --quick: each fourth) one week after its end, and look what came of it."""
    weeks = list(pd.date_range(LABELS_UNTIL, LAST_WEEK, freq=WEEK))[:: 4 if options.quick else 1]
    found = pd.DataFrame(_weeks(weeks))
    table = Table(
        f"Final accuracy of {len(weeks)} weeks of hotel bookings, estimated one week after the end of each",
        ("", "mean abs. error", "bias", "weeks developed on", "other weeks", "within the interval", "width"),
        (
            f"a model of bookings until {TRAINED_UNTIL:%F}, of labels until {LABELS_UNTIL:%F}; "
            f"{found['matured'].mean():.0%} of a week's labels are there when it is estimated",
            "developed on every other week, the first included: both halves are shown",
            f"within the interval: of {PROJECT.confidence:.0%}, with its share by Clopper-Pearson",
        ),
    )
    developed = np.isin(np.arange(len(found)) * (4 if options.quick else 1) % 2, 0)
    for name in ("labels so far", "CBPE", "estimate_performance"):
        off = found[name] - found["final"]
        halves = (f"{off[half].abs().mean():.4f}" for half in (developed, ~developed))
        covered = _covered(found) if name == "estimate_performance" else ("-", "-")
        table.add(name, f"{off.abs().mean():.4f}", f"{off.mean():+.4f}", *halves, *covered)
    return table


def _weeks(weeks: list[pd.Timestamp]) -> list[dict[str, float]]:
    frame = bookings()
    until = (frame["predicted_at"] < TRAINED_UNTIL).to_numpy()
    learned = examples_of(frame[until], LABELS_UNTIL).for_training()
    model = build().fit(learned.features, learned.labels)
    # What the model learned from has no answer, as imported history has none.
    chance = np.where(until, np.nan, model.predict_proba(examples_of(frame).features)[:, 1])
    return [_week(frame, chance, week) for week in weeks]


def _week(frame: pd.DataFrame, chance: Numbers, week: pd.Timestamp) -> dict[str, float]:
    as_of = (week + 2 * WEEK).to_pydatetime()
    there = (frame["predicted_at"] < week + WEEK).to_numpy()
    seen = replace(examples_of(frame[there], as_of), outputs=chance[there][:, None])
    now = (frame["predicted_at"][there] >= week).to_numpy()
    project = replace(PROJECT, metrics=["accuracy"], gates=[Gate("accuracy", at_least=0.5)])
    current, past = seen.where(now), seen.where(~now)
    found = estimate_performance(project, current, past, as_of)
    answer, truth = chance[there][now], frame["is_canceled"].to_numpy()[there][now]
    right = (answer >= 0.5) == truth
    known = past.labelled & np.isfinite(past.outputs[:, 0])
    calibrated = IsotonicRegression(out_of_bounds="clip").fit(past.outputs[known, 0], past.labels[known])
    p = calibrated.predict(answer)
    return {
        "final": float(right.mean()),
        "labels so far": float(right[current.labelled].mean()),
        "CBPE": float(np.where(answer >= 0.5, p, 1 - p).mean()),
        "estimate_performance": found.value,
        "low": found.low,
        "high": found.high,
        "matured": found.matured,
    }


def _covered(found: pd.DataFrame) -> tuple[str, str]:
    told = found[np.isfinite(found["low"])]
    hits, count = int(told["final"].between(told["low"], told["high"]).sum()), len(told)
    low = float(beta.ppf(0.025, hits, count - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, count - hits)) if hits < count else 1.0
    width = (told["high"] - told["low"]).mean()
    return f"{hits} of {count} [{low:.2f}, {high:.2f}]", f"{width:.3f}"

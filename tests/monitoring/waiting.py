"""Predictions whose labels take time, made without a store: what comes early is of one kind more often."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from data.examples import Examples
from tests.monitoring.windows_of import START, window

AS_OF = START + timedelta(days=98)


def stream(kind: str = "binary", rows: int = 7_000, seed: int = 0, took: Any = None) -> Examples:
    """Make 14 weeks of answers up to AS_OF and all of their labels; `took` [n] days, else by the label."""
    made = window(rows, kind, seed, span_days=98)
    return made if took is None else with_delays(made, took(made, np.random.default_rng(seed + 1)))


def with_delays(made: Examples, took: Any) -> Examples:
    """Let the label of each prediction be known so many days after it."""
    known = made.facts["predicted_at"] + np.asarray(took * 86_400e6, dtype="timedelta64[us]")
    return replace(made, facts=made.facts.assign(label_known_at=known, observed_at=known))


def known_at(made: Examples, as_of: datetime) -> Examples:
    """Take away the labels that were not known at `as_of`."""
    known = (made.facts["label_known_at"] <= as_of).to_numpy()
    gone: Any = None if made.labels.dtype == object else np.nan
    facts = made.facts.copy()
    facts.loc[~known, ["label_known_at", "observed_at"]] = None
    return replace(made, facts=facts, labels=np.where(known, made.labels, gone), labelled=known)


def yes_comes_early(made: Examples, rng: np.random.Generator) -> Any:
    """Let yes come within days and no within weeks."""
    return np.where(made.labels == 1, rng.exponential(3, len(made)), rng.uniform(8, 24, len(made)))


def alike(made: Examples, rng: np.random.Generator) -> Any:
    """Let all labels take as long, whatever they say."""
    return rng.exponential(5, len(made))


NEVER = datetime(2000, 1, 1, tzinfo=UTC)

"""Which labelled examples are a fair sample where labels wait, and what each of them stands for.

Where one class becomes known earlier than another, the labels at hand are a biased sample of the recent
past. An example is fair once a label of any value would probably have come: whether it is does not depend
on its own label, so what a model learns of p(label | features) is not bent by who is left out. Of those,
each stands for 1 / P(arrived by now | its label, features) of its kind: Horvitz and Thompson, JASA 47
(1952); with delayed labels: Chapelle, KDD 2014. No weight is above 1 / FAIR (truncated weights: Cole and
Hernan, American Journal of Epidemiology 168, 2008), because what would weigh more is left out.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from data.examples import Examples, Flags, Numbers
from keepfit.spec import Project
from monitoring.late.delay import Delays, ages, learn_delays

FAIR = 0.5
"""An example is left out while a label of any value would have come with a smaller probability."""
_AT_ONCE = 0.1
"""Labels that come within this share of the holdout's span do not wait."""
_MOST, _RARELY = 0.99, 0.2
_HALVINGS = 7
_DAY = 86_400.0


def ripen(project: Project, past: Examples, as_of: datetime) -> tuple[Examples, str | None]:
    """Keep what a model may fairly learn from, and say what was left out and what weighs more than one.

    `past` are all predictions that are known at `as_of`, labelled or not. Where labels do not wait, or
    wait no longer for one value than for another, this is `past.for_training()`, unchanged. Elsewhere
    `facts` has each example's weight multiplied, and `ripe_at`: since when it is fair.
    """
    if not _wait(project, past, as_of):
        return past.for_training(), None
    delays = learn_delays(project, past, as_of)
    if isinstance(delays, str):
        unknown = f"how long labels wait cannot be said, because {delays}"
        return past.for_training(), f"{unknown}: they are taken as they came, and may be a biased part"
    if not delays.informative:
        return past.for_training(), None
    age = ages(past, as_of)
    ripe_age = _ripe_age(delays, past.features, age)
    weight = np.ones(len(past))
    fair = np.isfinite(ripe_age)
    kind = delays.kind_of(past.labels)
    judged = np.flatnonzero(fair & (kind >= 0))
    chances = delays.at(past.features.iloc[judged], age[judged])
    # Rounded, so that a snapshot's id does not hang on the last digit of a machine.
    weight[judged] = np.round(1 / np.maximum(chances[np.arange(len(judged)), kind[judged]], FAIR), 2)
    kept, every = _marked(past, weight, ripe_age, fair)
    weights = kept.weights()
    words = (
        f"{every - len(kept):,} of {every:,} labelled examples are left out, for a label of another value "
        "would hardly have come yet"
    )
    if weights is not None:
        more = int((weights > 1).sum())
        words += f"; {more:,} weigh up to {weights.max():.1f}, for others like them are still out"
    return kept, f"{words}; {delays.sentence}"


def _wait(project: Project, past: Examples, as_of: datetime) -> bool:
    """Say whether labels wait at all: seldom later than soon, and hardly one of the older ones missing."""
    if not past.labelled.any():
        return False
    most = _took(past, _MOST)
    older = ages(past, as_of) > most
    missing = float((~past.labelled[older]).mean()) if older.any() else 1.0
    return most > _AT_ONCE * (project.holdout / timedelta(days=1)) or missing > _RARELY


def _took(past: Examples, share: float) -> float:
    """Say in days how long that share of the labels at hand took at most; one from before took nothing."""
    known = past.facts[past.labelled]
    took = (known["label_known_at"] - known["predicted_at"]).dt.total_seconds().to_numpy(dtype=np.float64)
    return max(float(np.quantile(took, share)) / _DAY, 0.0)


def _ripe_age(delays: Delays, features: pd.DataFrame, age: Numbers) -> Numbers:
    """Give the age in days from which each row is fair, by halving [n]; infinite where it is not yet."""

    def fair(at: Numbers) -> Flags:
        return delays.at(features, at).min(axis=1) >= FAIR

    low, high = np.zeros(len(age)), np.maximum(age, 0.0)
    ripe = fair(high)
    at_once = fair(low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        reached = fair(middle)
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return np.where(ripe, np.where(at_once, 0.0, high), np.inf)


def _marked(past: Examples, weight: Numbers, ripe_age: Numbers, fair: Flags) -> tuple[Examples, int]:
    """Note weights and times of ripeness; give the fair ones for training, and how many there were."""
    days = np.where(np.isfinite(ripe_age), ripe_age, 0.0)
    facts = past.facts.assign(
        weight=past.facts["weight"] * weight,
        ripe_at=past.facts["predicted_at"] + pd.to_timedelta(np.round(days * 24), unit="h"),
        fair=fair,
    )
    usable = replace(past, facts=facts).for_training()
    kept = usable.where(usable.facts["fair"].to_numpy(dtype=bool))
    return replace(kept, facts=kept.facts.drop(columns="fair")), len(usable)

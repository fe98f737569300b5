"""Earlier windows as they were at the age that the current one has now, and what their labels became.

Landmarking (van Houwelingen, Scandinavian Journal of Statistics 34, 2007): what is out now is compared
with what was out then, and with nothing that had come by then.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from keepfit.spec import Project
from monitoring.late.delay import Delays, ages
from monitoring.late.recalibration import Recalibration, Waiting, believed, recalibrate

if TYPE_CHECKING:
    from data.examples import Examples

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

HALF_LIFE = 1.0
"""After so many `current` spans an earlier window counts half (tried: 0.75 to 6, on hotel bookings)."""
_LIGHTEST = 0.005
_DAY = 86_400.0
_CANDIDATES = 20
_MOST = 1_000_000
_THIRDS = 3


@dataclass(frozen=True)
class Rows:
    """Answered predictions of the current window (number 0) and of earlier ones as long, n rows.

    `late` says whose label was out at the landmark, `known` whose label is known now, `expected` how
    probable that was.
    """

    examples: "Examples"
    window: NDArray[np.intp]
    late: Flags
    known: Flags
    expected: Numbers
    wait: Waiting

    @cached_property
    def lately(self) -> Recalibration:
        """What answers were worth in all windows before the current one."""
        return self.before(0)

    def before(self, window: int) -> Recalibration:
        """Learn what answers were worth before a window, the newest of them counting in full."""
        wait = self.wait.where(self.late & (self.window > window))
        weight = wait.weight / wait.weight.max(initial=0.0)
        kept = weight > _LIGHTEST
        return recalibrate(replace(wait, weight=weight).where(kept))


@dataclass(frozen=True)
class Filling:
    """Labels for the late rows of a window: candidates `value`, each with its `chance` [rows, candidates]."""

    value: NDArray[Any]
    chance: Numbers

    def seen(self, before: "Filling") -> float:
        """Say what share of the uncertainty of `before` is gone (Gini's variance of the candidates)."""
        left, was = ((1 - np.square(f.chance).sum(axis=1)).sum() for f in (self, before))
        return 1 - float(left / was) if was > 0 else 1.0

    def draw(self, rng: np.random.Generator) -> NDArray[Any]:
        """Draw a label for each row by chance [rows]."""
        reached = rng.random((len(self.chance), 1)) < self.chance.cumsum(axis=1) / self.chance.sum(
            axis=1, keepdims=True
        )
        return self.value[np.arange(len(self.value)), reached.argmax(axis=1)]


def see_as_then(
    project: Project, current: "Examples", before: "Examples", delays: Delays, as_of: datetime
) -> Rows:
    """Cut what was predicted before `current` into windows as long, each seen at the same ages."""
    examples = joined(before, current)
    age, own = ages(examples, as_of), ages(current, as_of)
    youngest = float(own.min())
    span = max(float(np.ceil(own.max() - youngest + 1e-9)), 1.0)
    window = np.floor((age - youngest) / span + 1e-9).astype(np.intp)
    window[len(before) :] = 0
    landmark = age - window * span
    took = (examples.facts["label_known_at"] - examples.facts["predicted_at"]).dt.total_seconds() / _DAY
    took = np.where(examples.labelled, took.to_numpy(dtype=np.float64), np.inf)
    then, now = delays.at(examples.features, landmark), delays.at(examples.features, age)
    still = np.divide(1 - now, 1 - then, out=np.ones_like(now), where=then < 1 - 1e-9)
    weight = 0.5 ** (window * span * _DAY / (HALF_LIFE * project.current.total_seconds()))
    heavy = examples.weights()
    wait = Waiting(
        _probabilities(project, examples.outputs),
        np.ones(len(age)) if delays.clock is None else delays.clock.due(examples.features),
        np.where(examples.labelled, delays.kind_of(examples.labels), -1),
        np.clip(still, 0.0, 1.0),
        np.asarray(weight if heavy is None else weight * heavy, dtype=np.float64),
    )
    expected = _expected(project, wait, now)
    return Rows(examples, window, took > landmark, wait.kind >= 0, expected, wait)


def fill(project: Project, rows: Rows, window: int) -> Filling:
    """Fill in what was out in a window by what was out at the same age in all windows before it."""
    here = rows.late & (rows.window == window)
    if project.target.kind == "regression":
        return _hot_deck(rows, here, rows.late & (rows.window > window) & rows.known)
    found = rows.lately if window == 0 else rows.before(window)
    out = rows.wait.where(here)
    chance = found.chances(out.answer, out.due)
    return Filling(_candidates(project, len(chance)), chance)


def reveal(project: Project, rows: Rows, window: int) -> Filling:
    """Fill in what was out in a window by its labels, and by all windows' experience where it still is."""
    here = rows.late & (rows.window == window)
    if project.target.kind == "regression":
        told = rows.known[here]
        labels = rows.examples.labels[here].astype(np.float64)
        guessed = fill(project, rows, window)
        value = np.where(told[:, None], labels[:, None], guessed.value)
        # What is told is one candidate only.
        first = np.eye(1, value.shape[1])
        return Filling(value, np.where(told[:, None], first, guessed.chance))
    out = rows.wait.where(here)
    chance = rows.lately.chances(out.answer, out.due)
    return Filling(_candidates(project, len(chance)), believed(out, chance))


def _hot_deck(rows: Rows, here: Flags, donors: Flags) -> Filling:
    """Give each answer the errors that answers like it (of the same third) had, as weighted quantiles.

    A donor stands for those like it that are still out: it weighs one by the probability that its
    label has come (inverse probability weighting: Horvitz and Thompson, JASA 47, 1952).
    """
    answer = rows.examples.outputs[:, 0]
    error = rows.examples.labels[donors].astype(np.float64) - answer[donors]
    kind = rows.wait.kind[donors]
    came = 1 - rows.wait.still[donors][np.arange(len(kind)), kind]
    weight = rows.wait.weight[donors] / np.maximum(came, 0.05)
    cuts = np.quantile(answer[donors], np.linspace(0, 1, _THIRDS + 1)[1:-1])
    many = int(np.clip(_MOST // max(int(here.sum()), 1), 1, _CANDIDATES))
    shares = (np.arange(many) + 0.5) / many
    third, of = np.searchsorted(cuts, answer[donors]), np.searchsorted(cuts, answer[here])
    errors = np.zeros((_THIRDS, many))
    for t in range(_THIRDS):
        like = third == t if (third == t).any() else np.ones(len(third), dtype=bool)
        order = np.argsort(error[like])
        reached = weight[like][order].cumsum()
        errors[t] = np.interp(shares * reached[-1], reached, error[like][order])
    value = answer[here][:, None] + errors[of]
    return Filling(value, np.full(value.shape, 1 / many))


def _candidates(project: Project, count: int) -> NDArray[Any]:
    of = project.target
    classes = np.array(of.classes, dtype=np.float64 if of.kind == "binary" else object)
    return np.tile(classes, (count, 1))


def _probabilities(project: Project, outputs: Numbers) -> Numbers:
    if project.target.kind == "regression":
        return np.ones((len(outputs), 1))
    if project.target.kind == "binary":
        return np.column_stack([1 - outputs[:, 0], outputs[:, 0]])
    return outputs / np.maximum(outputs.sum(axis=1, keepdims=True), 1e-12)


def _expected(project: Project, wait: Waiting, come: Numbers) -> Numbers:
    if project.target.kind == "regression":
        return come.mean(axis=1)
    # How often each class is said is wrong for many models; how often it was, among what is known, too.
    return (wait.answer * come).sum(axis=1)


def joined(before: "Examples", after: "Examples") -> "Examples":
    """Put two parts of the stream of predictions together."""
    if len(before) == 0:
        return after
    return type(after)(
        pd.concat([before.features, after.features], ignore_index=True),
        pd.concat([before.facts, after.facts], ignore_index=True),
        np.concatenate([before.outputs, after.outputs]),
        np.concatenate([before.labels, after.labels]),
        np.concatenate([before.labelled, after.labelled]),
    )

"""How long labels take: learned from the past, by what the label is and by a feature that foretells it.

A label is one of several ends of waiting: P(a label of class k has come by age t) is the cumulative
incidence of competing risks (Aalen and Johansen, Scandinavian Journal of Statistics 5, 1978), and what
is still out is censored at its age (Kaplan and Meier, JASA 53, 1958), so that young predictions count
without a bias towards labels that come early. Where one class comes earlier than another, the labelled
part of a window is no fair sample of it: delayed feedback (Chapelle, KDD 2014).

Often a feature says when a label is due (a booking's nights before arrival): then ages are told in
shares of that time (accelerated failure time: Wei, Statistics in Medicine 11, 1992), and what was seen of
short waits tells of long ones before any of these is over.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from keepfit.spec import Project
from monitoring.late.clock import Clock, find_clock
from monitoring.late.incidence import Waits, at_risk, incidences

if TYPE_CHECKING:
    from data.examples import Examples

Numbers = NDArray[np.float64]
Codes = NDArray[np.intp]

_BINS = 60
_STRATA = 5
_BINS_OF_NUMBERS = 5
_DAY = 86_400.0
_SMALL_V = 0.05
_STILL_COMING = 0.2
HALF_LIFE = 2.0
"""After so many `reference_span` a prediction counts half."""
_SHORTEST = 60.0 / _DAY  # a clock that says "due at once" still takes a minute


@dataclass(frozen=True)
class Delays:
    """P(label known by an age | label, features), on a grid of ages.

    `edges` [m] are ages in days, or in shares of when `clock` says the label is due. `incidence`
    [strata, kinds, m + 1] is P(arrived by the edge | the label is of this kind), from 0 to 1; strata are
    bins of the clock at `cuts`. A kind is a class of the target, or a bin of the numbers at `bounds`;
    all are alike where `informative` is false. `never` is the share of labels that never came.
    """

    classes: tuple[int | str, ...]
    bounds: Numbers
    clock: Clock | None
    cuts: Numbers
    edges: Numbers
    incidence: NDArray[np.float64]
    informative: bool
    never: float
    rows: int
    observed: tuple[Numbers, ...]

    @property
    def kinds(self) -> int:
        """How many kinds of labels are told apart."""
        return self.incidence.shape[1]

    def kind_of(self, labels: NDArray[Any]) -> Codes:
        """Number the kind of each label [n]; -1 of a missing one or of a class that is unknown."""
        return _kinds(self.classes, self.bounds, labels)

    def by_kind(self, examples: "Examples", as_of: datetime) -> Numbers:
        """Give P(known by `as_of` | a label of each kind, features) [n, kinds]."""
        return self.at(examples.features, ages(examples, as_of))

    def at(self, features: pd.DataFrame, age: Numbers) -> Numbers:
        """Give P(known by its age in days | a label of each kind, features) [n, kinds]."""
        due = np.ones(len(age)) if self.clock is None else self.clock.due(features)
        stratum = np.searchsorted(self.cuts, due)
        relative = np.maximum(age, 0.0) / due
        grid = np.concatenate([[0.0], self.edges])
        found = np.empty((len(age), self.kinds))
        for s in range(self.incidence.shape[0]):
            here = stratum == s
            for k in range(self.kinds):
                found[here, k] = np.interp(relative[here], grid, self.incidence[s, k])
        found[age < 0] = 0.0
        return found

    def arrived(self, examples: "Examples", labels: NDArray[Any], as_of: datetime) -> Numbers:
        """Give P(a label of this value is known by `as_of` | features) [n]; NaN of a missing label."""
        kind = self.kind_of(labels)
        found = self.by_kind(examples, as_of)[np.arange(len(kind)), np.maximum(kind, 0)]
        return np.where(kind < 0, np.nan, found)

    def quantile(self, share: float, kind: int | None = None) -> float:
        """Give the days after which this share of labels (of one kind) has come; NaN of none."""
        seen = np.concatenate(self.observed) if kind is None else self.observed[kind]
        return float(np.quantile(seen, share)) if len(seen) else float("nan")

    @property
    def sentence(self) -> str:
        """Say how long labels take for a person."""
        half, most = (told(self.quantile(share)) for share in (0.5, 0.95))
        words = f"of the labels that came, half had come after {half} and 95 % after {most}"
        if self.informative:
            named = self.classes or [f"label bin {k + 1}" for k in range(self.kinds)]
            each = [f"{name!r} {told(self.quantile(0.5, k))}" for k, name in enumerate(named)]
            words += f"; the delay depends on the label (median: {', '.join(each[:6])})"
        if self.clock is not None:
            words += f"; {' + '.join(self.clock.names)} says when a label is due"
        return words


def told(days: float) -> str:
    """Say a span in the unit that a person would choose."""
    if not np.isfinite(days):
        return "unknown"
    for unit, length in (("days", 1.0), ("hours", 1 / 24), ("minutes", 1 / 1440)):
        if days >= 2 * length or unit == "minutes":
            return f"{days / length:.0f} {unit}"
    raise AssertionError


def ages(examples: "Examples", as_of: datetime) -> Numbers:
    """Say how old each prediction is at `as_of`, in days [n]; negative before it."""
    return _days(as_of - examples.facts["predicted_at"])


def learn_delays(project: Project, past: "Examples", as_of: datetime) -> Delays | str:
    """Learn how long labels take from predictions and the labels known at `as_of`; else say why not.

    `past` should hold labelled and unlabelled predictions alike: what is still out says how long labels
    take, too. No answers are needed, so that imported history counts.
    """
    age = ages(past, as_of)
    past, age = past.where(age >= 0), age[age >= 0]
    bounds = _bounds(project, past)
    kind = _kinds(project.target.classes, bounds, past.labels)
    known = past.labelled & (kind >= 0)
    if int(known.sum()) < project.min_rows:
        return f"{int(known.sum())} labels have come, and min_rows asks for {project.min_rows}"
    took = np.maximum(_days(past.facts["label_known_at"] - past.facts["predicted_at"]), 0.0)
    waited = np.where(known, np.minimum(took, age), age)
    if float(age.max()) - float(age.min()) <= 0:
        return "all predictions of the past are of one time"
    clock = find_clock(past.features, waited, np.where(known, kind, -1))
    due = np.ones(len(past)) if clock is None else clock.due(past.features)
    relative = np.round(waited / due, 6)
    many = len(project.target.classes) or len(bounds) + 1
    kind = np.where(known, kind, -1)
    edges = np.unique(np.quantile(relative[known], np.linspace(0, 1, _BINS + 1)[1:]))
    edges = edges[edges > 0] if (edges > 0).any() else np.array([_SHORTEST])
    # A point just before where many labels come at one age: none of them comes on the way to it.
    heaps, count = np.unique(relative[known], return_counts=True)
    heaps = heaps[count * _BINS > known.sum()]
    edges = np.unique(np.concatenate([edges, heaps[heaps > 0] * (1 - 1e-3)]))
    if too_short := _too_short(relative, known, edges, None if clock else float(age.max())):
        return too_short
    informative = many > 1 and _informative(kind[known], np.searchsorted(edges, relative[known]), many)
    cuts = (
        np.array([]) if clock is None else np.unique(np.quantile(due, np.linspace(0, 1, _STRATA + 1)[1:-1]))
    )
    used = kind if informative else np.where(known, 0, -1)
    causes = many if informative else 1
    stratum = np.searchsorted(cuts, due)
    # Recent predictions count more: how fast labels come early changes, how late they may come hardly.
    recent = 0.5 ** ((age - age.min()) * _DAY / (HALF_LIFE * project.reference_span).total_seconds())
    waits = Waits(relative, used, recent)
    incidence, never = incidences(waits, stratum, edges, (len(cuts) + 1, causes))
    if not informative:
        incidence = np.repeat(incidence, many, axis=1)
    observed = tuple(waited[kind == k] for k in range(many))
    return Delays(
        project.target.classes,
        bounds,
        clock,
        cuts,
        edges,
        incidence,
        informative,
        never,
        len(past),
        observed,
    )


def _too_short(
    relative: Numbers, known: NDArray[np.bool_], edges: Numbers, seen_days: float | None
) -> str | None:
    """Say that labels still come where the past of `seen_days` ends, or None: what is later is guesswork.

    Where a clock says when labels are due, short waits show the whole of it: no past is too short.
    """
    if seen_days is None:
        return None
    every = Waits(relative, np.where(known, 0, -1), np.ones(len(relative)))
    risk, events = at_risk(every, edges, 1)
    came = 1 - np.cumprod(1 - events[:, 0] / np.maximum(risk, 1.0))
    late = int(np.searchsorted(edges, seen_days / 2))
    still = 1 - (float(came[late - 1]) if late else 0.0) / max(float(came[-1]), 1e-9)
    if still <= _STILL_COMING:
        return None
    return (
        f"the past is {seen_days:.0f} days long, and {still:.0%} of its labels came in the later half of "
        "that: a past of at least twice the longest usual delay is needed"
    )


def _informative(kind: Codes, bin_: Codes, many: int) -> bool:
    """Say whether early labels are of other kinds than late ones: chi-square and an effect that matters.

    Where the delay does not depend on the label, the kinds are mixed alike at every age, whatever is
    still out. The effect is Cramer's V (Mathematical Methods of Statistics, 1946).
    """
    tenth = np.searchsorted(np.quantile(bin_, np.linspace(0, 1, 6)[1:-1]), bin_)
    table = np.bincount(tenth * many + kind, minlength=(tenth.max() + 1) * many).reshape(-1, many)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0].astype(np.float64)
    if min(table.shape) < 2:
        return False
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    v = float(np.sqrt(statistic / (table.sum() * (min(table.shape) - 1))))
    return v >= _SMALL_V and float(chi2.sf(statistic, freedom)) < 0.001


def _bounds(project: Project, past: "Examples") -> Numbers:
    if project.target.kind != "regression" or not past.labelled.any():
        return np.array([])
    known = past.labels[past.labelled].astype(np.float64)
    return np.unique(np.quantile(known, np.linspace(0, 1, _BINS_OF_NUMBERS + 1)[1:-1]))


def _kinds(classes: tuple[int | str, ...], bounds: Numbers, labels: NDArray[Any]) -> Codes:
    if classes:
        wanted = pd.Index(np.array(classes, dtype=object))
        return wanted.get_indexer(pd.Index(np.asarray(labels, dtype=object)))
    values = np.asarray(labels, dtype=np.float64)
    return np.where(np.isfinite(values), np.searchsorted(bounds, values), -1)


def _days(spans: "pd.Series[Any]") -> Numbers:
    return np.asarray(spans.dt.total_seconds(), dtype=np.float64) / _DAY

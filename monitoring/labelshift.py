"""Do the labels of one source, given the score, differ from those of the others: how far, and how surely.

Rows of different sources are compared within a day of predictions and within a bin of the score only, so
neither a source's own customers nor a bad day make a difference. Sources of what is computed:

* the difference within strata: Mantel and Haenszel's weights n1 n2 / (n1 + n2), as in Greenland and Robins,
  Biometrics 41 (1985); what the model expects is taken off first, so that a bin may be wide;
* its p-value: a t-test over groups of whole days, valid whatever their variances are at levels up to 8 %:
  Ibragimov and Mueller, Journal of Business & Economic Statistics 28 (2010);
* all sources and facets at once: Holm, Scandinavian Journal of Statistics 6 (1979); then the source that is
  farthest from the answers is taken out, and the rest is judged anew: Goeman and Solari, Annals of
  Statistics 38 (2010).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from data.told import Told
from keepfit.spec import Target
from keepfit.suspicion import Suspicion

BINS = 10
"""Into so many parts of the same size are scores dealt."""
MIN_GROUPS = 6
"""Fewer groups of days allow no word."""
MIN_WEIGHT = 10.0
"""What a group of days must weigh: twenty rows beside twenty weigh ten."""
OUTVOTED = 1.5
"""A source that differs so many times as far as any other one is the one that is wrong."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Facet:
    """One thing that a label says about its row, from 0 to 1, and what the model expects of it.

    Of what it does not expect anything (`blind`), nobody can say which of two sources is right.
    """

    said: Numbers
    expected: Numbers
    words: Callable[[str, float, float], str]
    blind: bool = False


@dataclass(frozen=True)
class Difference:
    """How far the labels of a source are from those of the others at the same score, in one facet."""

    source: str
    words: str
    effect: float
    p_value: float


@dataclass(frozen=True)
class Shifts:
    """Whose labels are shifted, in the order in which it was found, and why others could not be judged.

    `disputed` are sources of which some are shifted, but which cannot be said; with what is known.
    """

    accused: tuple[Difference, ...]
    disputed: tuple[tuple[str, ...], str] | None
    unsaid: Mapping[str, str]


def judge_shifts(target: Target, told: Told, rule: Suspicion, min_rows: int) -> Shifts:
    """Find the sources whose labels are distributed otherwise than those of the others at the same score.

    One at a time: who is accused is no longer among the others. Of those that differ the one is accused that
    is farther from the model's own answers, or that differs much more than all others do; else nobody is.
    """
    bench = _Bench(told, _facets(target, told), _strata(target, told), min_rows)
    left = [str(name) for name in np.unique(told.source)]
    accused: list[Difference] = []
    while True:
        compared = {source: bench.compare(source, left) for source in left}
        unsaid = {source: why for source, why in compared.items() if isinstance(why, str)}
        found = {source: each for source, each in compared.items() if not isinstance(each, str)}
        # Of two sources the one differs from the other as the other does from it.
        counted = list(found.values())[: 1 if len(left) == 2 else None]
        suspects = _surely([difference for each in counted for difference in each], rule)
        if len(left) == 2 and suspects:
            suspects = set(left)
        if not suspects:
            return Shifts(tuple(accused), None, unsaid)
        farthest = {source: max(found[source], key=lambda each: abs(each.effect)) for source in suspects}
        first = bench.farther_off(suspects, rule) or _outvoted(list(farthest.values()))
        if first is None:
            strongest = max(farthest.values(), key=lambda each: abs(each.effect))
            return Shifts(tuple(accused), (tuple(sorted(suspects)), strongest.words), unsaid)
        accused.append(farthest[first])
        left.remove(first)


@dataclass(frozen=True)
class _Bench:
    """All labels of a time, ready to be compared."""

    told: Told
    facets: Sequence[Facet]
    strata: NDArray[np.int64]
    min_rows: int

    def compare(self, source: str, left: Sequence[str]) -> list[Difference] | str:
        """Compare a source with the others that are left, or say why that cannot be."""
        own = self.told.source == source
        others = np.isin(self.told.source, [name for name in left if name != source])
        for rows, whose in ((int(own.sum()), "it has"), (int(others.sum()), "the others have")):
            if rows < self.min_rows:
                return f"{whose} {rows} labels of captured answers, and min_rows asks for {self.min_rows}"
        judged = own | others
        days, day = np.unique(self.told.day[judged], return_inverse=True)
        bins, stratum = np.unique(self.strata[judged], return_inverse=True)
        cell, cells, mine = day * len(bins) + stratum, len(days) * len(bins), own[judged]
        counts = [np.bincount(cell[side], minlength=cells) for side in (mine, ~mine)]
        weight = counts[0] * counts[1] / np.maximum(counts[0] + counts[1], 1)
        groups = _groups(weight.reshape(len(days), -1).sum(axis=1))
        if groups is None:
            return "too few days have labels of it and of others at the same score"
        group = np.repeat(groups, len(bins))

        def means(value: Numbers) -> list[Numbers]:
            """Give the mean of the source and of the others in each cell."""
            return [
                np.bincount(cell[side], value[judged][side], minlength=cells) / np.maximum(count, 1)
                for side, count in zip((mine, ~mine), counts, strict=True)
            ]

        found: list[Difference] = []
        for facet in self.facets:
            # What the model expects is taken off: a source may have other rows within a bin.
            own_off, others_off = means(facet.said - facet.expected)
            sums = np.bincount(group, weight * (own_off - others_off))
            effect = float(sums.sum() / weight.sum())
            there = float((weight * means(facet.said)[1]).sum() / weight.sum())
            p_value = t_test(sums / np.bincount(group, weight))
            found.append(Difference(source, facet.words(source, there + effect, there), effect, p_value))
        return found

    def farther_off(self, suspects: Collection[str], rule: Suspicion) -> str | None:
        """Name the one whose labels are farthest from what the model expects, or None where it is unclear."""
        gaps = sorted(((self._gap(source), source) for source in suspects), reverse=True)
        if len(gaps) == 1:
            return gaps[0][1]
        (most, first), (least, second) = gaps[:2]
        rows = [int((self.told.source == source).sum()) for source in (first, second)]
        luck = sqrt(sum(0.25 / count for count in rows))  # at most: of a share of one half
        return first if most - least >= max(rule.shift / 2, 3 * luck) else None

    def _gap(self, source: str) -> float:
        own = self.told.source == source
        off = [abs(float((f.said - f.expected)[own].mean())) for f in self.facets if not f.blind]
        return max(off)


def _outvoted(found: Sequence[Difference]) -> str | None:
    """Name the one who differs much more from all the others than they do from it and each other."""
    first, second = sorted(found, key=lambda each: (-abs(each.effect), each.source))[:2]
    return first.source if abs(first.effect) >= OUTVOTED * abs(second.effect) else None


def _groups(weight: Numbers) -> NDArray[np.int64] | None:
    """Deal days in their order into groups that weigh enough; None where there are too few."""
    group, number, held = np.empty(len(weight), np.int64), 0, 0.0
    for day, here in enumerate(weight.tolist()):
        group[day] = number
        held += here
        if held >= MIN_WEIGHT:
            number, held = number + 1, 0.0
    if number < MIN_GROUPS:
        return None
    # What is left over at the end goes to the last group.
    return np.minimum(group, number - 1)


def _surely(found: Sequence[Difference], rule: Suspicion) -> set[str]:
    """Name the sources that differ surely, by Holm over all that was compared, and far enough."""
    wrong = set[str]()
    for place, each in enumerate(sorted(found, key=lambda difference: difference.p_value)):
        if each.p_value * (len(found) - place) >= rule.p_value:
            break
        if abs(each.effect) >= rule.shift:
            wrong.add(each.source)
    return wrong


def t_test(values: Numbers) -> float:
    """Give the two-sided p-value of Student's test that the mean is 0."""
    # A spread of 0 is no reason to warn: the p-value is then 0, or 1 where all values are 0.
    if not values.any():
        return 1.0
    with np.errstate(divide="ignore"):
        t = values.mean() / (values.std(ddof=1) / sqrt(len(values)))
    return float(2 * stdtr(len(values) - 1, -abs(t)))


def _strata(target: Target, told: Told) -> NDArray[np.int64]:
    if target.kind != "multiclass":
        return _binned(told.outputs[:, 0], BINS)
    quarter = _binned(told.outputs.max(axis=1), 4)
    return told.outputs.argmax(axis=1) * 4 + quarter


def _binned(score: Numbers, bins: int) -> NDArray[np.int64]:
    if not len(score):
        return np.zeros(0, np.int64)
    edges = np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, score, side="right")


def _facets(target: Target, told: Told) -> list[Facet]:
    if target.kind == "regression":
        return _of_numbers(told)
    if target.kind == "binary":
        chance = np.clip(told.outputs[:, 0], 0, 1)
        high = chance > (np.median(chance) if len(chance) else 0.5)
        agrees = np.where(high, told.labels, 1 - told.labels)
        positive = Facet(told.labels, chance, _words("are positive"))
        return [positive, Facet(agrees, np.where(high, chance, 1 - chance), _words("agree with the answer"))]
    agrees = (told.outputs.argmax(axis=1) == told.labels).astype(np.float64)
    classes = [
        Facet((told.labels == place).astype(np.float64), told.outputs[:, place], _words(f"say {name!r}"))
        for place, name in enumerate(target.classes)
    ]
    return [*classes, Facet(agrees, told.outputs.max(axis=1), _words("agree with the answer"))]


def _of_numbers(told: Told) -> list[Facet]:
    off = told.labels - told.outputs[:, 0]
    half = np.full(len(off), 0.5)
    far = _ranked(np.abs(off))
    above = (off > 0) + 0.5 * (off == 0)
    return [
        Facet(above, half, _words("lie above the answer")),
        Facet(far, half, _words("lie far from the answer, at rank"), blind=True),
    ]


def _ranked(values: Numbers) -> Numbers:
    """Give each value the share of all that lie below it, a tie being half."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return below / max(2 * len(values), 1)


def _words(what: str) -> Callable[[str, float, float], str]:
    def say(source: str, own: float, others: float) -> str:
        shares = (f"{100 * min(max(share, 0.0), 1.0):.0f} %" for share in (own, others))
        return "labels of {} {} in {}, those of the others at the same score in {}".format(
            source, what, *shares
        )

    return say

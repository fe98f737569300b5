"""Small drawings of columns, reference against current; `multiple.html` draws them, and escapes all text."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from monitoring.console.figures.axes import value_ticks
from monitoring.console.phrases import p_value, percent
from monitoring.console.reading.watches import Moved
from monitoring.histograms import Histogram

_WIDTH, _TOP, _PLOT, _FOOT = 300, 14, 86, 20
_ROW, _NAMES, _ROOM = 19, 92, 160
_RARELY = 0.0005
"""A value that is missing less often is not worth a word."""
_LETTERS = 14
"""So many letters of a category stand beside its bar; all of them stand in its title and in the table."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is written under the bars of numbers; `side` keeps it within the drawing."""

    x: float
    text: str
    side: str


@dataclass(frozen=True, slots=True)
class Row:
    """The bars of one category; widths are of the drawing."""

    y: float
    name: str
    whole: str
    before: float
    after: float
    share: str


@dataclass(frozen=True)
class Multiple:
    """One column: what was found about it and how its values lie; either may be missing.

    `key` is its name in the page, which no text of the data is. `notes` are sentences for below.
    """

    key: str
    column: str
    histogram: Histogram | None = None
    found: Moved | None = None
    notes: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        """Whether it moved surely and far enough."""
        return self.found is not None and self.found.drift is True

    @property
    def effect(self) -> float:
        """The share of rows that moved; 0 where it is not known."""
        return (self.found.effect if self.found else None) or 0.0

    @property
    def measured(self) -> str:
        """Say how far and how surely it moved."""
        found = self.found
        if found is None or found.effect is None:
            return ""
        told = f"{percent(found.effect)} of rows moved"
        return told if found.p_value is None else f"{told}, p {p_value(found.p_value)}"

    @property
    def facts(self) -> str:
        """Say the medians, and what is missing, before and now."""
        return "; ".join(filter(None, [_middles(self.drawn), _lost(self.drawn)]))

    @property
    def more(self) -> str:
        """Say of the facts what the words of the finding do not."""
        told = self.found.words if self.found else ""
        return _lost(self.drawn) if told.startswith("median of ") else self.facts

    @property
    def drawn(self) -> Histogram:
        """Its bars; none where there is nothing to draw."""
        return self.histogram or Histogram(self.column, "number")

    @property
    def says(self) -> str:
        """Say in words what is drawn, for those who do not see it."""
        labels = bar_names(self.drawn)
        most = [
            f"{when} mostly {labels[max(range(len(bars)), key=bars.__getitem__)]} ({percent(max(bars))})"
            for when, bars in (("before", self.drawn.reference), ("now", self.drawn.current))
            if sum(bars) > 0
        ]
        return "; ".join([f"{self.column} in {len(labels)} bars", *most, *filter(None, [self.facts])])

    @property
    def table(self) -> list[tuple[str, str, str]]:
        """Every bar with its shares before and now, and what is missing."""
        bars = zip(bar_names(self.drawn), self.drawn.reference, self.drawn.current, strict=True)
        rows = [(name, percent(before), percent(after)) for name, before, after in bars]
        before, after = self.drawn.missing
        return [*rows, ("missing", percent(before), percent(after))] if before or after else rows

    @property
    def numbers(self) -> bool:
        """Whether the bars stand side by side, along an axis."""
        return len(self.drawn.edges) > 1

    @cached_property
    def most(self) -> float:
        """The share of the highest bar."""
        return max([*self.drawn.reference, *self.drawn.current], default=0.0) or 1.0

    @property
    def height(self) -> float:
        """How high the drawing is."""
        return _TOP + _PLOT + _FOOT if self.numbers else _ROW * len(self.drawn.names) + 4

    @property
    def ground(self) -> float:
        """Where bars of numbers stand."""
        return _TOP + _PLOT

    @property
    def filled(self) -> str:
        """The `d` of the filled bars: now."""
        return f"{self._steps(self.drawn.current)}Z"

    @property
    def outline(self) -> str:
        """The `d` of the outline: before."""
        return self._steps(self.drawn.reference)

    @property
    def labels(self) -> list[Label]:
        """What stands under the bars of numbers."""
        return [_label(share, text) for share, text in _ticks(self.drawn)] if self.numbers else []

    @property
    def rows(self) -> list[Row]:
        """The bars of the categories."""
        bars = zip(bar_names(self.drawn), self.drawn.reference, self.drawn.current, strict=True)
        return [
            Row(
                2 + place * _ROW,
                name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…",
                f"{name}: before {percent(before)}, now {percent(after)}",
                round(_ROOM * before / self.most, 1),
                round(_ROOM * after / self.most, 1),
                percent(after),
            )
            for place, (name, before, after) in enumerate(bars)
        ]

    def _steps(self, shares: Sequence[float]) -> str:
        """Draw a staircase from the ground to the ground."""
        wide = _WIDTH / max(len(shares), 1)
        path = [f"M0 {self.ground:g}"]
        for place, share in enumerate(shares):
            path.append(f"V{self.ground - _PLOT * share / self.most:.4g}H{(place + 1) * wide:.4g}")
        return "".join([*path, f"V{self.ground:g}"])


def multiples(
    drawn: Sequence[Histogram], found: Sequence[Moved], notes: Mapping[str, Sequence[str]] | None = None
) -> list[Multiple]:
    """Put together what is known of each column: those that drifted first, then by how far they moved."""
    bars = {each.column: each for each in drawn}
    told = {each.column: each for each in found if each.what != "together"}
    names = list(dict.fromkeys([*told, *bars]))
    said = notes or {}
    made = [
        Multiple(f"column-{n}", name, bars.get(name), told.get(name), tuple(said.get(name, ())))
        for n, name in enumerate(names)
    ]
    return sorted(made, key=lambda each: (not each.drifted, -each.effect))


def bar_names(drawn: Histogram) -> list[str]:
    """Name each bar as its row of a table does."""
    if drawn.names:
        names = list(drawn.names)
        if drawn.others:
            names[-1] = f"all {drawn.others:,} others"
        return names
    if drawn.scale == "each":
        names = [plain((low + high) / 2) for low, high in pairwise(drawn.edges)]
    else:
        names = [f"{plain(low)} to {plain(high)}" for low, high in pairwise(drawn.edges)]
    each = drawn.scale == "each"
    if drawn.open[0]:
        names[0] = f"{names[0]} and less" if each else f"below {plain(drawn.edges[1])}"
    if drawn.open[1]:
        names[-1] = f"{names[-1] if each else plain(drawn.edges[-2])} and more"
    return names


def plain(value: float) -> str:
    """Write a number as it stands at an axis: no more digits than it has."""
    return f"{value:,.7g}" if value == 0 or 1e-4 <= abs(value) < 1e7 else f"{value:.4g}"


def _middles(drawn: Histogram) -> str:
    before, after = drawn.quartiles or (None, None)
    if before is None or after is None:
        return ""
    same = before[1] == after[1]
    ends = [f"{middle:,.0f}" if abs(middle) >= 1000 else f"{middle:.4g}" for _, middle, _ in (before, after)]
    return f"median {ends[0]} before and now" if same else f"median from {ends[0]} to {ends[1]}"


def _lost(drawn: Histogram) -> str:
    if max(drawn.missing) < _RARELY:
        return ""
    before, after = (percent(share) for share in drawn.missing)
    return f"missing {before} before and now" if before == after else f"missing from {before} to {after}"


def _ticks(drawn: Histogram) -> list[tuple[float, str]]:
    """Say at which share of the axis a number is written."""
    edges, bars = drawn.edges, len(drawn.edges) - 1
    if drawn.scale in ("each", "values"):
        names = bar_names(drawn)
        return [((place + 0.5) / bars, names[place]) for place in range(0, bars, math.ceil(bars / 6))]
    if drawn.scale == "log":
        tens = [place for place, edge in enumerate(edges) if edge > 0 and math.log10(edge) % 1 == 0]
        shown = tens[:: max(1, math.ceil(len(tens) / 5))] or [0, bars]
        return [(place / bars, plain(edges[place])) for place in shown]
    span = edges[-1] - edges[0]
    # Too little room between the ends for a number of 64 bits.
    if not span > abs(edges[-1]) * 1e-12:
        return [(0.5, plain(edges[0]))]
    found = [(tick.at, edges[0] + tick.at * span) for tick in value_ticks(edges[0], edges[-1], 4)]
    return [(at, plain(float(f"{value:.9g}"))) for at, value in found]


def _label(share: float, text: str) -> Label:
    return Label(
        round(_WIDTH * share, 1), text, "start" if share < 0.06 else "end" if share > 0.94 else "middle"
    )

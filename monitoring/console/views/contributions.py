"""What each feature added to an answer, the most first, as bars and in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.lookup import Feature
from data.reasons import Reasons
from monitoring.console.phrases import signed
from monitoring.console.views.hindsight import shown_value

SHOWN = 12
"""So many features have a bar of their own; what the others add is summed."""
_HALF = 100.0
_THINNEST = 0.6


@dataclass(frozen=True, slots=True)
class Bar:
    """One feature: to the right of the middle what pushed the answer up, to its left what pulled it down."""

    name: str
    value: str | None
    adds: float
    error: float | None
    x: float
    width: float

    @property
    def up(self) -> bool:
        """Whether it pushed the answer up."""
        return self.adds >= 0


@dataclass(frozen=True)
class Bars:
    """The features by what they added; the baseline, all of `shown` and `rest` together are the answer."""

    shown: Sequence[Bar]
    others: Sequence[Bar]
    rest: Bar | None
    answer: float

    def words(self, what: str) -> str:
        """Say which features moved the answer most; `what` is the number that they moved."""
        moved = [bar for bar in self.shown if bar.adds]
        up, down = [b for b in moved if b.adds > 0][:3], [b for b in moved if b.adds < 0][:3]
        told = [f"{what}: {_listed(some)}" for what, some in (("up", up), ("down", down)) if some]
        if not told:
            return f"No feature moved {what}: the model says the same of its golden rows."
        return f"What pushed {what} {'; what pushed it '.join(told)}."


def bars(reasons: Reasons, features: Sequence[Feature]) -> Bars:
    """Lay out the contributions; the longest bar fills its half."""
    values = {each.name: shown_value(each) for each in features}
    errors = reasons.standard_errors or {}
    order = sorted(reasons.contributions.items(), key=lambda each: -abs(each[1]))
    # One feature too many has its bar: a rest of one would say less in as much room.
    cut = SHOWN if len(order) > SHOWN + 1 else len(order)
    rest = sum(adds for _, adds in order[cut:])
    longest = max((abs(adds) for adds in (*(adds for _, adds in order[:cut]), rest)), default=0.0)

    def bar(name: str, adds: float) -> Bar:
        width = max(_HALF * abs(adds) / longest, _THINNEST) if longest and adds else 0.0
        x = _HALF if adds >= 0 else _HALF - width
        return Bar(name, values.get(name), adds, errors.get(name), round(x, 2), round(width, 2))

    every = [bar(*each) for each in order]
    answer = reasons.baseline + sum(reasons.contributions.values())
    return Bars(every[:cut], every[cut:], bar("", rest) if order[cut:] else None, answer)


def _listed(some: Sequence[Bar]) -> str:
    told = (
        f"{bar.name} {'missing' if bar.value is None else bar.value} ({signed(bar.adds)})" for bar in some
    )
    return ", ".join(told)

"""One answer in words: what it was, whether its label proved it right, and what else was said of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from data.lookup import Feature, Said
from keepfit.spec import Target
from monitoring.console.phrases import number

_LEAST = 2.220446049250313e-16
"""Less counts as so much, as in scikit-learn's log_loss: the logarithm of 0 is no number."""

Standing = Literal["counts", "the same again", "says something else", "held"]


@dataclass(frozen=True, slots=True)
class Given:
    """What was answered: the class or the value, and how probable each class was."""

    output: int | str | float
    probabilities: tuple[tuple[int | str, float], ...] = ()

    @property
    def words(self) -> str:
        """Say it in short."""
        if not self.probabilities:
            return number(self.output) if isinstance(self.output, float) else str(self.output)
        best = max(self.probabilities, key=lambda each: each[1])
        return f"{self.output} at {100 * best[1]:.1f} %"


@dataclass(frozen=True, slots=True)
class Judged:
    """How an answer did beside its label; None: that is no matter of right or wrong, or cannot be said."""

    right: bool | None
    words: str


def given(output: Sequence[float], target: Target | None) -> Given | None:
    """Say what a model's output means; None where no model answered, or nobody knows what it answers."""
    if target is None or len(output) != target.outputs:
        return None
    if target.kind == "regression":
        return Given(float(output[0]))
    shares = (1 - output[0], output[0]) if target.kind == "binary" else tuple(output)
    # As serving says it: of two equal ones the first.
    best = max(range(len(shares)), key=shares.__getitem__)
    return Given(target.classes[best], tuple(zip(target.classes, shares, strict=True)))


def judged(told: Given, label: Said) -> Judged:
    """Hold an answer to its label: right or wrong and its log loss, or how far off the value was."""
    if not told.probabilities:
        if isinstance(label.value, str) or isinstance(told.output, str):
            return Judged(None, "the label is no number")
        off = told.output - label.value
        side = "above" if off > 0 else "below"
        far = f"{number(abs(off))} {side}" if off else "exactly"
        return Judged(None, f"the answer is {far} the label")
    truth = next((pair for pair in told.probabilities if shown_label(label) == str(pair[0])), None)
    if truth is None:
        return Judged(None, "the model knows no such class")
    loss = -math.log(max(truth[1], _LEAST))
    return Judged(truth[0] == told.output, f"the log loss of this answer is {number(loss)}")


def shown_label(label: Said) -> str:
    """Write a label as callers send it: a class, or a number."""
    return label.value if isinstance(label.value, str) else f"{label.value:.15g}"


def shown_value(feature: Feature) -> str | None:
    """Write a value as it was sent; None where it was missing."""
    value = feature.value
    if value is None or value == "":
        return None
    if feature.kind == "flag":
        return "true" if value else "false"
    return value if isinstance(value, str) else f"{float(value):.15g}"


def standings(labels: Sequence[Said]) -> list[tuple[Said, Standing]]:
    """Say of each label of a prediction, the one that counts first, what it is beside that one."""
    counts = next((label for label in labels if not label.held), None)

    def standing(label: Said) -> Standing:
        if label.held or counts is None:
            return "held"
        if label is counts:
            return "counts"
        return "the same again" if label.value == counts.value else "says something else"

    return [(label, standing(label)) for label in labels]


def same(before: Sequence[float], now: Sequence[float]) -> bool:
    """Tell whether two outputs are one: within what golden rows may differ by, from machine to machine."""
    pairs = zip(before, now, strict=False)
    return len(before) == len(now) and all(math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-8) for a, b in pairs)

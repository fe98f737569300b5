"""A gate: one promise that a challenger must keep before it may go live."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from keepfit.scores import metric_words, said

Scores = Mapping[str, float]
"""Metric name -> score on one holdout; higher is better."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One promise that a challenger must keep, on one metric where higher is better.

    `at_least` is a floor; `no_worse_by` allows at most that much less than the champion's
    score on the same holdout (and asks nothing while there is no champion).
    """

    metric: str
    at_least: float | None = None
    no_worse_by: float | None = None

    def __post_init__(self) -> None:
        if self.at_least is None and self.no_worse_by is None:
            msg = f"Gate({self.metric!r}) promises nothing: give at_least= or no_worse_by="
            raise ValueError(msg)
        if math.isnan(self.at_least or 0) or math.isnan(self.no_worse_by or 0):
            msg = f"Gate({self.metric!r}) promises NaN, which no score is above or below: give a number"
            raise ValueError(msg)

    def objection(self, challenger: Scores, champion: Scores | None) -> str | None:
        """Say why the challenger fails this gate, or return None if it passes."""
        score, name = challenger[self.metric], metric_words(self.metric)
        if math.isnan(score):  # NaN is below nothing, so it would pass every test that follows
            return f"{name} is not a number"
        if self.at_least is not None and score < self.at_least:
            promised = said(self.metric, self.at_least)
            return f"{name} is {said(self.metric, score)}, worse than the promised {promised}"
        if self.no_worse_by is not None and champion is not None:
            floor = champion[self.metric] - self.no_worse_by
            if not score >= floor:
                return (
                    f"{name} is {said(self.metric, score)}, more than {self.no_worse_by:.4f} worse than "
                    f"the champion's {said(self.metric, champion[self.metric])}"
                )
        return None

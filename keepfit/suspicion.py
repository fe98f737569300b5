"""Suspicion: when a source of labels looks wrong, and whether it is then held."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """When a source of labels is suspected; with `hold`, what it said then waits for a person.

    Shares are of a source's labels in the window `current`, from 0 to 1. Without `hold` a suspicion is
    said, in every decision too, and changes nothing.
    """

    hold: bool = False
    labels_per_hour: float | None = None
    """The most labels in an hour; None asks only that an hour is like those of the source's own past."""
    times_its_past: float = 10.0
    """How many times the busiest hour of its own past an hour may be."""
    repeated: float = 0.5
    """The largest share that says again what the source itself had said of the same prediction."""
    unmatched: float = 0.5
    """The largest share that names a prediction which does not exist."""
    contradicting: float = 0.05
    """The largest share that contradicts what another source had said before of the same prediction."""
    shift: float = 0.05
    """The smallest difference from the labels of the other sources at the same score, as a share."""
    p_value: float = 0.01
    """Of all sources together: how often one may be suspected of a shift where there is none."""

    def __post_init__(self) -> None:
        for name in ("repeated", "unmatched", "contradicting", "shift", "p_value"):
            if not 0 < getattr(self, name) <= 1:
                msg = f"Suspicion({name}={getattr(self, name)!r}): give a share above 0 and up to 1"
                raise ValueError(msg)
        if not self.times_its_past > 1:
            msg = f"Suspicion(times_its_past={self.times_its_past!r}): give a number above 1"
            raise ValueError(msg)
        if self.labels_per_hour is not None and not self.labels_per_hour > 0:
            msg = f"Suspicion(labels_per_hour={self.labels_per_hour!r}): give a number above 0, or None"
            raise ValueError(msg)

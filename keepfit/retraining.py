"""Retraining: what is a reason to train a challenger without being asked, and when to ask a person."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraining:
    """When `watch` asks for a retrain: always for harm, and for what is named here.

    A person may retrain at any time, whatever is said here.
    """

    every: timedelta | None = timedelta(days=28)
    """The age of what the champion learned from that is by itself a reason, if as long none was tried."""
    new_labels: int | None = None
    """So many labels that the champion did not learn from are by themselves a reason; None: never."""
    on_drift: bool = False
    """Whether drift is a reason where no harm of it is estimated; otherwise it is only reported."""
    cool_down: timedelta = timedelta(days=7)
    """How long after a retrain, promoted or refused, `watch` asks for no other."""
    stop_after: int | None = 6
    """So many refused challengers in a row, and a person is asked instead; None: never."""

    def __post_init__(self) -> None:
        for name in ("every", "cool_down"):
            span = getattr(self, name)
            if span is None and name == "every":
                continue
            if not isinstance(span, timedelta) or span < timedelta():
                msg = f"Retraining({name}={span!r}): write such as timedelta(days=28)"
                raise ValueError(msg)
        if self.every == timedelta():
            msg = "Retraining(every=timedelta(0)): must be longer than nothing; None asks for no age"
            raise ValueError(msg)
        for name in ("new_labels", "stop_after"):
            count = getattr(self, name)
            if count is not None and (not isinstance(count, int) or count < 1):
                msg = f"Retraining({name}={count!r}): give a whole number from 1, or None"
                raise ValueError(msg)

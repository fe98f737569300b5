"""What a replay has done so far, on disk: an interrupted one goes on from there."""

import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
from msgspec import Struct

from data.decisions import Decision
from data.durable import replace_file

Scores = Mapping[str, float | None]


class Policy(Struct, frozen=True):
    """A version that would have answered from a time on."""

    since: datetime
    version: int


class Step(Struct, frozen=True, kw_only=True):
    """One step of a replay: what was found at its end, what was decided, and how each policy did in it.

    `version` is the champion's afterwards. `scores` has those of `loop`, `frozen` and `always`, on the
    same `rows`: those that were answered in the replay and whose label became known in this step.
    """

    as_of: datetime
    rows: int
    drift: bool | None
    reason: str | None
    """Why a retrain was asked for; without one, `withheld` says why not where something moved."""
    withheld: str | None = None
    decision: Mapping[str, Any] | None
    promoted: bool
    version: int | None
    scores: Mapping[str, Scores]
    report: str | None = None


class Checkpoint(Struct, kw_only=True):
    """One replay: what it is of, and how far it came. Saved whenever something need not be done again."""

    file: str
    since: datetime
    until: datetime
    every_s: float
    frozen: int
    """The version that was champion when it began."""
    promotions_before: int
    """The ledger's last entry then."""
    sent_until: datetime
    requests: int = 0
    failed_requests: int = 0
    labels: int = 0
    uncaptured: int = 0
    refused_rows: int = 0
    quarantined: int = 0
    always: list[Policy] = []
    steps: list[Step] = []
    seconds: dict[str, float] = {}

    @property
    def done_until(self) -> datetime:
        """The end of the last step that is over."""
        return self.steps[-1].as_of if self.steps else self.since

    @contextmanager
    def timed(self, part: str) -> Generator[None]:
        """Add the time of a part."""
        began = monotonic()
        try:
            yield
        finally:
            self.seconds[part] = round(self.seconds.get(part, 0.0) + monotonic() - began, 2)

    def totals(self, policy: str) -> dict[str, float]:
        """Average each metric over the steps, weighted by their rows; a step without a score counts not."""
        names = {name: None for step in self.steps for name in step.scores.get(policy, {})}
        means = {name: _mean(self.steps, policy, name) for name in names}
        return {name: mean for name, mean in means.items() if math.isfinite(mean)}


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Read how far a replay came; None when it has not begun."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except FileNotFoundError:
        return None


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace what is known of a replay, at once and durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, msgspec.json.encode(checkpoint))


def told(decision: Decision) -> dict[str, Any]:
    """Say a decision as JSON has it: what is not a number is null."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(decision))
    return {**found, "sentence": decision.sentence}


def _mean(steps: Sequence[Step], policy: str, metric: str) -> float:
    scored = [(step.scores.get(policy, {}).get(metric), step.rows) for step in steps]
    weighed = [(score, rows) for score, rows in scored if score is not None and math.isfinite(score)]
    rows = sum(rows for _, rows in weighed)
    return sum(score * rows for score, rows in weighed) / rows if rows else math.nan

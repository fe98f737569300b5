"""What Prefect says of a run, of what starts runs, and of what one logged."""

from datetime import UTC, datetime
from typing import Any

import msgspec

_OVER = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
_WORDS = {
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "CRASHED": "crashed",
    "CANCELLED": "was cancelled",
    "CANCELLING": "is being cancelled",
    "RUNNING": "is running",
    "PENDING": "is about to start",
    "SCHEDULED": "waits to start",
    "PAUSED": "is paused",
}


class State(msgspec.Struct, frozen=True):
    """What Prefect says of a run."""

    type: str
    name: str = ""
    message: str | None = None


class FlowRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a flow."""

    id: str
    name: str = ""
    flow: str = ""
    flow_id: str | None = None
    deployment_id: str | None = None
    state: State | None = None
    parameters: dict[str, Any] = {}
    expected_start_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None

    @property
    def began(self) -> datetime | None:
        """When it started, or when it is due."""
        return self.start_time or self.expected_start_time

    @property
    def reason(self) -> str:
        """Who or what asked for it, where that was said."""
        return str(self.parameters.get("reason") or "")

    @property
    def as_of(self) -> datetime | None:
        """The time whose knowledge it used, where one was given."""
        try:
            told = datetime.fromisoformat(str(self.parameters.get("as_of")))
        except ValueError:
            return None
        return told if told.tzinfo else told.replace(tzinfo=UTC)

    @property
    def kind(self) -> str:
        """The kind of its state."""
        return "SCHEDULED" if self.state is None else self.state.type

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.kind in _OVER

    @property
    def failed(self) -> bool:
        """Whether it ended badly."""
        return self.kind in ("FAILED", "CRASHED")

    @property
    def late(self) -> bool:
        """Whether it should have started: then no runner takes it."""
        return self.state is not None and self.state.name == "Late"

    @property
    def words(self) -> str:
        """Say its state."""
        if self.late:
            return "is late: no runner has taken it yet"
        if self.state is not None and self.state.name == "AwaitingConcurrencySlot":
            return "waits for the run before it"
        return _WORDS.get(self.kind, self.kind.lower())

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        if self.start_time is None or self.end_time is None:
            return None
        return (self.end_time - self.start_time).total_seconds()


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """What starts a flow: a paused one has its schedules held, and still runs what is started by hand."""

    id: str
    name: str
    paused: bool = False
    parameters: dict[str, Any] = {}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a run's log; a level of 40 is an error."""

    name: str
    """Of the logger: Prefect's own begin with its name."""
    timestamp: datetime
    level: int
    message: str

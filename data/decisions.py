"""What was decided about each challenger, and why: kept for people, never read by the loop."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from sqlalchemy import select

from data.records import now
from data.store import Store
from data.tables import decisions, microseconds


@dataclass(frozen=True, kw_only=True)
class Decision:
    """All gates over one challenger: whether it goes live, and the reasons.

    `rehearsal` says that it could not have gone live whatever its scores: its snapshot ends before the
    champion's. `objections` are why it was refused; `reasons` is what speaks for it.
    """

    project: str
    as_of: datetime
    promote: bool
    reason: str
    """What asked for the retrain."""
    reasons: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()
    rehearsal: bool = False
    version: int | None = None
    champion: int | None = None
    snapshot_id: str | None = None
    rows_train: int = 0
    rows_holdout: int = 0
    challenger_scores: Mapping[str, float] = field(default_factory=dict[str, float])
    champion_scores: Mapping[str, float] | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    parity: float | None = None
    workers: int | None = None
    """How many workers confirmed the swap."""

    @property
    def sentence(self) -> str:
        """Say the decision in a line."""
        if self.rehearsal:
            return f"rehearsal: {'; '.join(self.objections)}"
        if self.promote:
            return f"version {self.version} promoted: {'; '.join(self.reasons)}"
        if self.version is not None and self.version == self.champion:
            return f"nothing to do: {'; '.join(self.objections)}"
        challenger = "the challenger" if self.version is None else f"version {self.version}"
        return f"{challenger} refused: {'; '.join(self.objections)}"


def save_decision(store: Store, decision: Decision, key: str) -> None:
    """Keep a decision under the key of its retrain; a retrain that is run again replaces its own."""
    row = {
        "project": decision.project,
        "key": key,
        "as_of": microseconds(decision.as_of),
        "recorded_at": microseconds(now()),
        "promoted": int(decision.promote),
        "content": msgspec.json.encode(decision).decode(),
    }
    with store.transaction() as connection:
        connection.execute(
            decisions.delete().where(decisions.c.project == decision.project, decisions.c.key == key)
        )
        connection.execute(decisions.insert().values(row))


def read_decisions(store: Store, project: str, limit: int = 100) -> list[Decision]:
    """Return the last decisions, newest first."""
    query = (
        select(decisions.c.content)
        .where(decisions.c.project == project)
        .order_by(decisions.c.recorded_at.desc())
        .limit(limit)
    )
    with store.reading() as connection:
        return [_decision(row.content) for row in connection.execute(query)]


def _decision(content: str) -> Decision:
    told = msgspec.json.decode(content)
    for scores in ("challenger_scores", "champion_scores"):
        # JSON has no NaN: a score that is not a number was written as null.
        found = told[scores] or {}
        told[scores] = told[scores] and {n: float("nan") if s is None else s for n, s in found.items()}
    return msgspec.convert(told, Decision)

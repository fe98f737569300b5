"""What was decided about each challenger, and why: kept for people, and for the triggers to hold back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import Any, Literal

import msgspec
from sqlalchemy import Row, Select, select

from data.dialects import insert
from data.holds import SourceFound
from data.records import now
from data.store import Store
from data.tables import as_time, decisions, microseconds

AskedBy = Literal["person", "watch", "schedule"]

Asks = Literal["parity", "requests", "at least", "no worse", "gain"]
"""What a gate asks: agree with the estimator, answer every request, and three that are about scores."""

_ENOUGH = 200
"""So many decisions back are looked at."""


@dataclass(frozen=True, slots=True)
class GateFound:
    """How a challenger stood before one gate; `kept` None: it asked nothing, for there was no champion.

    `value` is kept where it is not below `bound`, and above it for a gain: of scores, of which more is
    better, or of shares. None where there is no number.
    """

    name: Asks
    kept: bool | None
    words: str
    value: float | None = None
    bound: float | None = None
    metric: str | None = None


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """What a challenger learned from and was judged on, and what it is made of.

    It learned from what was predicted from `trained_since` until `holdout_since`, and was judged on what
    came from then until the decision's as_of; where labels wait, it is when they became ripe that counts.
    """

    trained_since: datetime
    holdout_since: datetime
    holdout_days: int
    recipe: str
    commit: str
    lock_hash: str
    confidence: float
    """That of the interval of the gain."""
    parity_largest: float | None = None
    """The largest difference from the estimator; in regression in standard deviations of the target."""


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
    """Why the retrain was asked for."""
    asked_by: AskedBy = "person"
    reasons: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()
    rehearsal: bool = False
    version: int | None = None
    champion: int | None = None
    snapshot_id: str | None = None
    rows_train: int = 0
    rows_holdout: int = 0
    maturity: str | None = None
    """What was left out or weighs more, because labels wait; None where they do not."""
    challenger_scores: Mapping[str, float] = field(default_factory=dict[str, float])
    champion_scores: Mapping[str, float] | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    parity: float | None = None
    workers: int | None = None
    """How many workers confirmed the swap."""
    sources: tuple[SourceFound, ...] = ()
    """Who said the labels of the last time, and which of them look wrong or are held."""
    who: str | None = None
    """In whose name it ran, for the audit log. An older Keepfit wrote down nothing from here on."""
    run: str | None = None
    gates: tuple[GateFound, ...] = ()
    grounds: Grounds | None = None
    digest: str | None = None
    champion_digest: str | None = None

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


@dataclass(frozen=True)
class KeptDecision:
    """A decision under the key of its retrain, which never changes, and when it was written down."""

    key: str
    recorded_at: datetime
    decision: Decision


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
        kept = insert(connection, decisions).values(row)
        connection.execute(kept.on_conflict_do_update(index_elements=["project", "key"], set_=row))


def read_decisions(store: Store, project: str, limit: int = 100) -> list[Decision]:
    """Return the last decisions, newest first."""
    return [kept.decision for kept in kept_decisions(store, project, limit)]


def kept_decisions(store: Store, project: str, limit: int = 100) -> list[KeptDecision]:
    """Return the last decisions with their keys, newest first."""
    with store.reading() as connection:
        return [_kept(row) for row in connection.execute(_newest(project).limit(limit))]


def kept_decision(store: Store, project: str, key: str) -> KeptDecision | None:
    """Return the decision that is kept under a key, or None."""
    with store.reading() as connection:
        row = connection.execute(_newest(project).where(decisions.c.key == key)).first()
        return None if row is None else _kept(row)


def refused_in_a_row(store: Store, project: str, as_of: datetime) -> tuple[datetime | None, int]:
    """Say of when the last retrain known at `as_of` was, and how many in a row were refused up to it.

    A promotion ends the row, and so does one that a person asked for. What changed nothing because there
    was nothing to do, and rehearsals, are no retrains.
    """
    known = _newest(project).where(decisions.c.as_of <= microseconds(as_of)).limit(_ENOUGH)
    with store.reading() as connection:
        found = [_kept(row).decision for row in connection.execute(known)]
    found.sort(key=lambda decision: decision.as_of, reverse=True)
    tried = [d for d in found if not d.rehearsal and (d.version is None or d.version != d.champion)]
    refused = list(takewhile(lambda d: not d.promote and d.asked_by != "person", tried))
    return max((d.as_of for d in tried), default=None), len(refused)


def is_decided_later(store: Store, project: str, as_of: datetime) -> bool:
    """Say whether something was decided on what was known after an as_of."""
    later = select(decisions.c.key).where(
        decisions.c.project == project, decisions.c.as_of > microseconds(as_of)
    )
    with store.reading() as connection:
        return connection.execute(later.limit(1)).first() is not None


def _newest(project: str) -> Select[Any]:
    return (
        select(decisions.c.key, decisions.c.recorded_at, decisions.c.content)
        .where(decisions.c.project == project)
        .order_by(decisions.c.recorded_at.desc())
    )


def _kept(row: Row[Any]) -> KeptDecision:
    return KeptDecision(row.key, as_time(row.recorded_at), _decision(row.content))


_decoder = msgspec.json.Decoder(Decision)


def _decision(content: str) -> Decision:
    try:
        return _decoder.decode(content)
    except msgspec.ValidationError:
        told = msgspec.json.decode(content)
    # Seldom, so that all others are read at once.
    for scores in ("challenger_scores", "champion_scores"):
        # JSON has no NaN: a score that is not a number was written as null.
        found = told[scores] or {}
        told[scores] = told[scores] and {n: float("nan") if s is None else s for n, s in found.items()}
    return msgspec.convert(told, Decision)

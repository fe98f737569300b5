"""One retrain: what asked for it, what was known, the challenger, and what the decision says of all that."""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from data.bundles import sha256
from data.decisions import AskedBy, Decision, Grounds
from data.holds import SourceFound
from data.promotions import Promotion
from data.snapshots import Snapshot
from data.splits import Split
from tasks.decide import Verdict
from tasks.evaluate import Evaluation
from tasks.loop import Loop
from tasks.register import Candidate, recipe


@dataclass(frozen=True)
class Turn:
    """One retrain from its beginning: what asked for it, what was known, and who is to be beaten."""

    loop: Loop
    reason: str
    asked_by: AskedBy
    as_of: datetime
    positions: dict[str, int]
    snapshot: Snapshot
    expected: Promotion | None
    sources: tuple[SourceFound, ...]
    run: str | None = None
    """The run of the flow."""

    @property
    def champion(self) -> Promotion | None:
        """The entry of the ledger whose model is to be beaten."""
        return self.expected if self.expected is not None and self.expected.version is not None else None

    @property
    def rehearsal(self) -> bool:
        """Whether the snapshot ends before the champion's: then nothing is published."""
        return self.champion is not None and self.as_of < (self.champion.snapshot_until or self.as_of)

    @cached_property
    def recipe(self) -> str:
        """What the challenger is made of."""
        return recipe(self.loop.project, self.snapshot.snapshot_id)

    @cached_property
    def key(self) -> str:
        """Name this retrain: what it is made of, known when, and against whom; run again, it has the same."""
        against = self.expected.number if self.expected else 0
        return sha256(f"{self.recipe}\n{self.as_of.timestamp()}\n{against}".encode())

    def decision(self, **told: object) -> Decision:
        """Begin a decision with what is known of this turn."""
        return replace(
            Decision(
                project=self.loop.name,
                as_of=self.as_of,
                promote=False,
                reason=self.reason,
                asked_by=self.asked_by,
                champion=self.champion.version if self.champion else None,
                champion_digest=self.champion.digest if self.champion else None,
                who=self.loop.who,
                run=self.run,
                snapshot_id=self.snapshot.snapshot_id,
                sources=self.sources,
                maturity=self.snapshot.maturity,
            ),
            **told,  # pyright: ignore[reportArgumentType]
        )


@dataclass(frozen=True)
class Challenge:
    """A challenger that was judged: its bundle-to-be, the numbers, and the verdict."""

    candidate: Candidate
    parts: Split
    evaluation: Evaluation
    verdict: Verdict
    drawn: bool
    """Whether its estimator takes no weights, and learned from rows that were drawn by them."""


def told(turn: Turn, challenge: Challenge) -> Decision:
    """Begin a decision with what was found of a challenger."""
    evaluation, gain = challenge.evaluation, challenge.evaluation.gain
    drawn = "the estimator takes no weights and learned from rows drawn by them" if challenge.drawn else None
    return turn.decision(
        maturity="; ".join(filter(None, (turn.snapshot.maturity, drawn))) or None,
        reasons=challenge.verdict.reasons,
        objections=challenge.verdict.objections,
        rows_train=len(challenge.parts.train),
        rows_holdout=len(challenge.parts.holdout),
        challenger_scores=dict(evaluation.challenger),
        champion_scores=None if evaluation.champion is None else dict(evaluation.champion),
        gain=None if gain is None else gain.value,
        gain_low=None if gain is None else gain.low,
        gain_high=None if gain is None else gain.high,
        parity=evaluation.parity.share,
        gates=challenge.verdict.gates,
        grounds=_grounds(turn, challenge),
    )


def _grounds(turn: Turn, challenge: Challenge) -> Grounds:
    lineage, parts = challenge.candidate.lineage, challenge.parts
    largest = challenge.evaluation.parity.largest
    return Grounds(
        trained_since=parts.train.facts["predicted_at"].min().to_pydatetime(),
        holdout_since=parts.holdout_since,
        holdout_days=len(set(parts.holdout.days().tolist())),
        recipe=lineage.recipe,
        commit=lineage.commit,
        lock_hash=lineage.lock_hash,
        confidence=turn.loop.project.confidence,
        parity_largest=largest if math.isfinite(largest) else None,
    )

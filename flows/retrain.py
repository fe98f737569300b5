"""Retrain: one turn of the loop, learn from what was known, and go live only if every gate agrees."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from prefect import flow

from data.audit import head
from data.bundles import Bundle, Lineage, sha256
from data.decisions import AskedBy, Decision, save_decision
from data.holds import SourceFound
from data.promotions import Promotion
from data.records import now
from data.snapshots import Snapshot
from data.splits import Split, split
from data.statements import Judgement
from flows.steps import leave_page, plain, started_by, step
from keepfit.errors import (
    BundleError,
    ChampionChanged,
    ConversionError,
    ProjectError,
    RegistryUnavailable,
    SnapshotTooSmall,
)
from keepfit.settings import code_commit
from tasks.assemble import assemble_snapshot
from tasks.collect import drain_journals
from tasks.convert import convert
from tasks.decide import Verdict, decide
from tasks.evaluate import Evaluation, evaluate
from tasks.loop import Loop, open_loop
from tasks.reconcile import settle_latest
from tasks.register import Candidate, fetch, lock_hash, recipe, register, release
from tasks.screen import screen
from tasks.swap import Swap, promote
from tasks.train import takes_weights, train

_log = logging.getLogger(__name__)


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


@flow(name="retrain", validate_parameters=True)
def retrain(
    project: str, reason: str = "by hand", as_of: datetime | None = None, asked_by: AskedBy = "person"
) -> Decision:
    """Train a challenger on what was known, judge it beside the champion, and swap it in if it is better.

    Args:
        project: The project: a file, a folder or an import path.
        reason: Why, for the ledger and the registry.
        as_of: Learn from what was known at this time; now when left empty.
        asked_by: Who asked. What a person asked for also ends a row of refused challengers.
    """
    loop = open_loop(project, who=started_by())
    known_at = as_of or now()
    step(settle_latest)(loop)
    collected = step(drain_journals)(loop)
    sources = step(screen)(loop, known_at)
    snapshot = step(assemble_snapshot)(loop, known_at)
    turn = Turn(
        loop, reason, asked_by, known_at, collected.positions, snapshot, loop.ledger.latest(), sources
    )
    try:
        decision = _decided(turn)
    except (SnapshotTooSmall, ConversionError, ProjectError, BundleError) as refusal:
        decision = turn.decision(objections=(str(refusal),), rehearsal=turn.rehearsal)
    _keep(turn, decision)
    leave_page(f"{loop.name}-decision", page(decision), decision.sentence)
    return decision


def _keep(turn: Turn, decision: Decision) -> None:
    # With what was decided: one that was overtaken by its equal does not stand in its place.
    save_decision(turn.loop.store, decision, sha256(f"{turn.key}\n{decision.sentence}".encode()))
    _log.info("%s", decision.sentence)


def _decided(turn: Turn) -> Decision:
    champion = None
    if turn.champion is not None:
        champion = fetch(turn.loop, turn.champion.version or 0, turn.champion.digest)
        if champion.manifest.lineage.recipe == turn.recipe:
            same = f"version {turn.champion.version} was made from this snapshot by this code already"
            return turn.decision(objections=(same,), version=turn.champion.version)
    challenge = _challenge(turn, champion)
    decision = _told(turn, challenge)
    if turn.champion is not None and turn.rehearsal:
        judged = f"its snapshot ends before that of version {turn.champion.version}"
        return replace(decision, rehearsal=True, objections=(judged, *challenge.verdict.objections))
    judgement = _stated(turn.loop, decision, challenge.verdict)
    try:
        bundle = step(register)(turn.loop, challenge.candidate, turn.key, judgement)
    except RegistryUnavailable as away:
        # The flow fails, for somebody must look; what was found is kept, and a later retrain goes on.
        _keep(turn, replace(decision, objections=(f"it could not be registered: {away}",)))
        raise
    decision = replace(decision, version=bundle.manifest.version)
    return _swapped(turn, bundle, decision) if challenge.verdict.promote else decision


def _challenge(turn: Turn, champion: Bundle | None) -> Challenge:
    project = turn.loop.project
    trained_until = turn.champion.training_until if turn.champion else None
    parts = split(turn.snapshot.examples, project, turn.as_of, trained_until)
    estimator = step(train)(project, parts.train)
    converted = step(convert)(project, estimator, parts.train.features)
    lineage = Lineage(
        recipe=turn.recipe,
        snapshot_id=turn.snapshot.snapshot_id,
        training_until=parts.holdout_since,
        as_of=turn.as_of,
        reason=turn.reason,
        commit=code_commit(),
        lock_hash=lock_hash(),
        journal_positions=turn.positions,
        metrics={},
    )
    candidate = Candidate(converted, parts.train.features, lineage)
    evaluation = step(evaluate)(project, parts.holdout, estimator, candidate.bundle(turn.loop, 0), champion)
    verdict = decide(project, evaluation, turn.sources)
    drawn = parts.train.weights() is not None and takes_weights(estimator) is None
    return Challenge(candidate.scored(evaluation.challenger), parts, evaluation, verdict, drawn)


def _swapped(turn: Turn, bundle: Bundle, decision: Decision) -> Decision:
    step(release)(turn.loop, bundle)
    promotion = Promotion(
        kind="retrain",
        version=bundle.manifest.version,
        digest=bundle.digest,
        reason=turn.reason,
        as_of=turn.as_of,
        snapshot_id=turn.snapshot.snapshot_id,
        training_until=bundle.manifest.lineage.training_until,
        snapshot_until=turn.as_of,
        score=decision.challenger_scores.get(turn.loop.project.primary),
    )
    try:
        swap: Swap = step(promote)(turn.loop, promotion, turn.expected)
    except ChampionChanged as overtaken:
        return replace(decision, objections=(str(overtaken),))
    if swap.objection is not None:
        return replace(decision, objections=(f"taken back: {swap.objection}",))
    return replace(decision, promote=True, workers=swap.workers)


def _told(turn: Turn, challenge: Challenge) -> Decision:
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
    )


def _stated(loop: Loop, decision: Decision, verdict: Verdict) -> Judgement:
    with loop.store.reading() as connection:
        audited = head(connection)
    return Judgement(
        promote=verdict.promote,
        asked_by=decision.reason,
        reasons=decision.reasons,
        objections=decision.objections,
        champion=decision.champion,
        challenger_scores=dict(decision.challenger_scores),
        champion_scores=None if decision.champion_scores is None else dict(decision.champion_scores),
        gain=decision.gain,
        gain_low=decision.gain_low,
        gain_high=decision.gain_high,
        parity=decision.parity,
        audit_head=audited.hash,
    )


def page(decision: Decision) -> str:
    """Show a decision as a page for Prefect's artifacts."""
    lines = [
        f"## {plain(decision.sentence)}",
        "",
        f"Asked for by: {plain(decision.reason)}. Known at {decision.as_of}.",
        "",
    ]
    if decision.challenger_scores:
        lines += ["| metric | challenger | champion |", "|---|---|---|"]
        beside = decision.champion_scores or {}
        for name, score in decision.challenger_scores.items():
            champion = f"{beside[name]:.4f}" if name in beside else "none yet"
            lines.append(f"| {plain(name)} | {score:.4f} | {champion} |")
    lines += ["", f"Learned from {decision.rows_train} examples, judged on {decision.rows_holdout}."]
    if decision.maturity is not None:
        lines += ["", f"Labels wait: {plain(decision.maturity)}."]
    return "\n".join(lines)

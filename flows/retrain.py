"""Retrain: one turn of the loop, learn from what was known, and go live only if every gate agrees."""

import logging
from dataclasses import replace
from datetime import datetime

from prefect import flow
from prefect.context import FlowRunContext

from data.audit import head
from data.bundles import Bundle, Lineage, sha256
from data.decisions import AskedBy, Decision, save_decision
from data.promotions import Promotion
from data.records import now
from data.splits import split
from data.statements import Judgement
from flows.news import link, tell
from flows.steps import leave_page, plain, started_by, step
from flows.turns import Challenge, Turn, told
from keepfit.errors import (
    BundleError,
    ChampionChanged,
    ConversionError,
    ProjectError,
    RegistryUnavailable,
    SnapshotTooSmall,
)
from keepfit.settings import code_commit
from monitoring.notices import of_retrain
from tasks.assemble import assemble_snapshot
from tasks.collect import drain_journals
from tasks.convert import convert
from tasks.decide import Verdict, decide
from tasks.evaluate import evaluate
from tasks.loop import Loop, open_loop
from tasks.reconcile import settle_latest
from tasks.register import Candidate, fetch, lock_hash, register, release
from tasks.screen import screen
from tasks.swap import Swap, promote
from tasks.train import takes_weights, train

_log = logging.getLogger(__name__)


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
        loop, reason, asked_by, known_at, collected.positions, snapshot, loop.ledger.latest(), sources, _run()
    )
    try:
        decision = _decided(turn)
    except (SnapshotTooSmall, ConversionError, ProjectError, BundleError) as refusal:
        decision = turn.decision(objections=(str(refusal),), rehearsal=turn.rehearsal)
    path = f"/decisions/{_keep(turn, decision)}"
    links = [link(loop, "The decision", path)]
    if decision.version is not None:
        links.append(link(loop, "The model", f"/models/{decision.version}"))
    left = f"{page(decision)}\n\n{', '.join(links)}"
    leave_page(f"{loop.name}-decision", left, decision.sentence)
    tell(loop, of_retrain(decision, path), known_at)
    return decision


def _run() -> str | None:
    context = FlowRunContext.get()
    return str(context.flow_run.id) if context is not None and context.flow_run is not None else None


def _keep(turn: Turn, decision: Decision) -> str:
    # With what was decided: one that was overtaken by its equal does not stand in its place.
    key = sha256(f"{turn.key}\n{decision.sentence}".encode())
    save_decision(turn.loop.store, decision, key)
    _log.info("%s", decision.sentence)
    return key


def _decided(turn: Turn) -> Decision:
    champion = None
    if turn.champion is not None:
        champion = fetch(turn.loop, turn.champion.version or 0, turn.champion.digest)
        if champion.manifest.lineage.recipe == turn.recipe:
            same = f"version {turn.champion.version} was made from this snapshot by this code already"
            return turn.decision(objections=(same,), version=turn.champion.version)
    challenge = _challenge(turn, champion)
    decision = told(turn, challenge)
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
    decision = replace(decision, version=bundle.manifest.version, digest=bundle.digest)
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

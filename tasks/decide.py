"""Decide: numbers in, verdict and reasons out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from data.holds import SourceFound
from keepfit.gates import Gate
from keepfit.spec import Project
from tasks.evaluate import Evaluation, Parity

PARITY_SHARE = 0.999
"""The share of holdout rows on which the bundle must agree with the estimator."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the challenger may go live: what speaks for it, and every objection."""

    promote: bool
    reasons: tuple[str, ...]
    objections: tuple[str, ...]


def decide(project: Project, evaluation: Evaluation, sources: Sequence[SourceFound] = ()) -> Verdict:
    """Let a challenger live when it agrees with its estimator, passes every gate, and its gain is proven.

    While there is no champion there is nothing to gain on: parity and the gates decide. Sources of labels
    that are held or look wrong are named; they decide nothing here.
    """
    objections = [
        *_parity_objections(project, evaluation.parity),
        *([evaluation.unanswered] if evaluation.unanswered is not None else []),
        *_gate_objections(project.gates, evaluation),
        *_gain_objections(project.primary, evaluation),
    ]
    reasons = [f"{name} {score:.4f}" for name, score in evaluation.challenger.items()]
    reasons.insert(
        0, "the first model of this target" if evaluation.gain is None else evaluation.gain.sentence
    )
    reasons += [sentence for found in sources if (sentence := found.sentence) is not None]
    # A gate may object to the primary metric in the same words.
    return Verdict(not objections, tuple(reasons), tuple(dict.fromkeys(objections)))


def _gate_objections(gates: Sequence[Gate], evaluation: Evaluation) -> list[str]:
    found = (gate.objection(evaluation.challenger, evaluation.champion) for gate in gates)
    return [objection for objection in found if objection is not None]


def _gain_objections(primary: str, evaluation: Evaluation) -> list[str]:
    gain = evaluation.gain
    if gain is None:
        return [f"{primary} is not a number"] if math.isnan(evaluation.challenger[primary]) else []
    if gain.proven:
        return []
    if gain.unknown is None and gain.high < 0:
        return [f"{gain.sentence}: it is worse than the champion"]
    return [f"{gain.sentence}: no proof that it is better than the champion"]


def _parity_objections(project: Project, parity: Parity) -> list[str]:
    if parity.share >= PARITY_SHARE:
        return []
    return [
        f"the ONNX model agrees with the estimator on {parity.share:.1%} of the holdout rows, and "
        f"{PARITY_SHARE:.1%} are asked for (largest difference {parity.largest:.3g}): {parity_cure(project)}"
    ]


def parity_cure(project: Project) -> str:
    """Say what to do about a model that does not answer as its estimator does."""
    if project.export is not None:
        return "let export= compute what the estimator computes, in float32 and with the same columns"
    return (
        "encode categories as one-hot or ordinal columns instead of `categorical_features`, or bring export="
    )

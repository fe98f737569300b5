"""Decide: numbers in, verdict and reasons out."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from data.decisions import GateFound
from data.holds import SourceFound
from keepfit.gates import Gate
from keepfit.scores import metric_words, said
from keepfit.spec import Project
from tasks.evaluate import Evaluation, Parity

PARITY_SHARE = 0.999
"""The share of holdout rows on which the bundle must agree with the estimator."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the challenger may go live: what speaks for it, every objection, and each gate in order."""

    promote: bool
    reasons: tuple[str, ...]
    objections: tuple[str, ...]
    gates: tuple[GateFound, ...] = ()


def decide(project: Project, evaluation: Evaluation, sources: Sequence[SourceFound] = ()) -> Verdict:
    """Let a challenger live when it agrees with its estimator, passes every gate, and its gain is proven.

    While there is no champion there is nothing to gain on: parity and the gates decide. Sources of labels
    that are held or look wrong are named; they decide nothing here.
    """
    gates = (
        _parity_found(project, evaluation.parity),
        _requests_found(evaluation.unanswered),
        *(found for gate in project.gates for found in _gate_found(gate, evaluation)),
        _gain_found(project.primary, evaluation),
    )
    reasons = [f"{metric_words(name)} {said(name, score)}" for name, score in evaluation.challenger.items()]
    reasons.insert(
        0, "the first model of this target" if evaluation.gain is None else evaluation.gain.sentence
    )
    reasons += [sentence for found in sources if (sentence := found.sentence) is not None]
    # Two gates may object to one metric in the same words.
    objections = tuple(dict.fromkeys(found.words for found in gates if found.kept is False))
    return Verdict(not objections, tuple(reasons), objections, gates)


def _gate_found(gate: Gate, evaluation: Evaluation) -> Iterator[GateFound]:
    """Ask for each of a gate's promises by itself."""
    metric, ours = gate.metric, evaluation.challenger
    name = metric_words(metric)
    value, champion = ours[metric], evaluation.champion
    if gate.at_least is not None:
        objection = Gate(metric, at_least=gate.at_least).objection(ours, champion)
        words = (
            objection
            or f"{name} is {said(metric, value)}, no worse than the promised {said(metric, gate.at_least)}"
        )
        yield GateFound("at least", objection is None, words, _number(value), gate.at_least, metric)
    if gate.no_worse_by is not None:
        objection = Gate(metric, no_worse_by=gate.no_worse_by).objection(ours, champion)
        if champion is None and objection is None:
            words = f"{name} is compared with no champion, for there is none"
            yield GateFound("no worse", None, words, _number(value), None, metric)
            return
        floor = math.nan if champion is None else champion[metric] - gate.no_worse_by
        bound = f"{said(metric, floor)}, the champion's with {gate.no_worse_by:.4f} to spare"
        words = objection or f"{name} is {said(metric, value)}, no worse than {bound}"
        yield GateFound("no worse", objection is None, words, _number(value), _number(floor), metric)


def _gain_found(primary: str, evaluation: Evaluation) -> GateFound:
    gain = evaluation.gain
    if gain is None:
        if math.isnan(evaluation.challenger[primary]):
            return GateFound("gain", False, f"{metric_words(primary)} is not a number", metric=primary)
        return GateFound("gain", None, "there is no champion to be better than", metric=primary)
    if gain.proven:
        said = "it is better than the champion"
    elif gain.unknown is None and gain.high < 0:
        said = "it is worse than the champion"
    else:
        said = "no proof that it is better than the champion"
    return GateFound("gain", gain.proven, f"{gain.sentence}: {said}", _number(gain.low), 0.0, primary)


def _parity_found(project: Project, parity: Parity) -> GateFound:
    kept = parity.share >= PARITY_SHARE
    agrees = f"the ONNX model agrees with the estimator on {parity.share:.1%} of the holdout rows, and "
    asked = f"{PARITY_SHARE:.1%} are asked for (largest difference {parity.largest:.3g})"
    words = f"{agrees}{asked}" if kept else f"{agrees}{asked}: {parity_cure(project)}"
    return GateFound("parity", kept, words, _number(parity.share), PARITY_SHARE)


def _requests_found(unanswered: str | None) -> GateFound:
    fine = "it answers categories that it has not seen and missing values, wherever callers may send them"
    return GateFound("requests", unanswered is None, unanswered or fine)


def _number(value: float) -> float | None:
    """Leave out what JSON has no number for."""
    return value if math.isfinite(value) else None


def parity_cure(project: Project) -> str:
    """Say what to do about a model that does not answer as its estimator does."""
    if project.export is not None:
        return "let export= compute what the estimator computes, in float32 and with the same columns"
    return (
        "encode categories as one-hot or ordinal columns instead of `categorical_features`, or bring export="
    )

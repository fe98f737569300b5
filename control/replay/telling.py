"""What a replay says to a person, step by step and at its end."""

import sys
from typing import TYPE_CHECKING, Any

from control.replay.checkpoint import Step
from data.decisions import Decision
from keepfit.scores import metric_words, said

if TYPE_CHECKING:
    from flows.feedback import Feedback


def collected_line(taken: "Feedback") -> str:
    """Say what the feedback flow took in."""
    collected, labels = taken.collected, taken.labels
    median_s = labels.delay_median_s
    delay = "" if median_s is None else f", known after {_roughly(median_s)} (median)"
    return (
        f"took in {collected.predictions} predictions and {collected.labels} labels, set aside "
        f"{collected.quarantined}; of the last labels {labels.matched} matched, {labels.unmatched} not{delay}"
    )


def _roughly(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"


def decided_line(decision: Decision) -> str:
    """Say what was decided, and who serves it."""
    return decision.sentence + (f"; {decision.workers} workers serve it" if decision.promote else "")


def scores_line(metric: str, step: Step) -> str:
    """Say how the policies did in a step."""
    if not step.rows:
        return "no label became known"
    told = ", ".join(
        f"{name} {said(metric, score)}"
        for name, scores in step.scores.items()
        if (score := scores.get(metric)) is not None
    )
    return f"{metric_words(metric)} on {step.rows} rows: {told}"


def told_to_person(summary: dict[str, Any]) -> list[str]:
    """Say a replay's summary to a person."""
    counts = (
        f"{_count(summary['requests'], 'request')}, {summary['failed_requests']} failed; "
        f"{_count(summary['retrainings'], 'retraining')}, {_count(summary['promotions'], 'promotion')}, "
        f"{_count(summary['refusals'], 'refusal')}, {_count(summary['swaps'], 'swap')} of a worker"
    )
    avoided = (
        f"{_count(summary['retrainings_avoided'], 'retraining')} avoided: of {len(summary['steps'])} windows "
        f"{summary['drifts']} had drifted, {summary['drifts_without_retraining']} of them without a reason "
        "to retrain"
    )
    why = [
        f"  {step['as_of'][:10]} {'promoted' if step['promoted'] else 'refused'}: {step['reason']}"
        for step in summary["steps"]
        if step["decision"] is not None
    ]
    scores = [
        f"{policy:>7}: "
        + ", ".join(f"{metric_words(name)} {said(name, score)}" for name, score in summary[policy].items())
        for policy in ("frozen", "loop", "always")
    ]
    spent = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in summary["seconds"].items())
    return [counts, avoided, "why each was asked for:", *why, *scores, f"({spent})"]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def say(line: str) -> None:
    """Tell the story on standard error, so that --json has standard output to itself."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()

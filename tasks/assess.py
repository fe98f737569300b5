"""Assess: compare what comes in now with what the champion learned from, and say whether to retrain."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from data.bundles import Bundle
from data.examples import Examples, query_examples
from data.promotions import Promotion
from monitoring.drift import cannot_say, judge_examples
from monitoring.performance import Performance, measure
from monitoring.reports import Judged, Report, write_report
from monitoring.triggers import ChampionFacts, reason_to_retrain
from monitoring.windows import choose_windows, no_verdict_because
from serving.predictor import Predictor
from tasks.loop import Loop
from tasks.register import fetch


@dataclass(frozen=True)
class Assessment:
    """What was judged, and the windows it was judged on."""

    judged: Judged
    reference: Examples
    current: Examples


def assess(loop: Loop, champion: Promotion, as_of: datetime, positions: Mapping[str, int]) -> Assessment:
    """Judge the current window against the champion's reference: drift, performance, a reason to retrain.

    `positions` say how far the journals were read. The champion answers both windows again, so that a
    change of its scores is a change of the rows.
    """
    project = loop.project
    bundle = fetch(loop, champion.version or 0, champion.digest)
    trained_until = bundle.manifest.lineage.training_until
    windows = choose_windows(project, trained_until, as_of)
    reference, current = (
        _answered(bundle, query_examples(loop.store, project, as_of, since=window.since, until=window.until))
        for window in (windows.reference, windows.current)
    )
    refusal = no_verdict_because(project, windows, reference, current)
    if refusal is not None:
        verdict = cannot_say(refusal, len(reference), len(current))
    else:
        answers = (reference.outputs, current.outputs)
        known = all(np.isfinite(answer).all() for answer in answers)
        verdict = judge_examples(project, reference, current, answers if known else None)
    performance: Performance | None = measure(project, current) if len(current) else None
    facts = ChampionFacts(champion.version or 0, trained_until, champion.score)
    reason = reason_to_retrain(project, verdict, performance, facts, as_of)
    judged = Judged(project.name, as_of, champion.version, windows, verdict, performance, reason, positions)
    return Assessment(judged, reference, current)


def report(loop: Loop, assessment: Assessment) -> Report:
    """Write the page and the verdict of an assessment, in a folder named by its as_of and version."""
    judged = assessment.judged
    return write_report(
        report_folder(loop, judged.as_of), loop.project, judged, assessment.reference, assessment.current
    )


def report_folder(loop: Loop, as_of: datetime) -> Path:
    """Say where the report of an as_of is."""
    return loop.settings.reports(loop.name) / as_of.strftime("%Y-%m-%dT%H%M%SZ")


def _answered(bundle: Bundle, window: Examples) -> Examples:
    """Answer a window by one model, in place of what was answered then; not where it lacks a feature."""
    if not set(bundle.manifest.columns) <= set(window.features.columns):
        return window
    return replace(window, outputs=Predictor(bundle).predict_columns(window.columns()))

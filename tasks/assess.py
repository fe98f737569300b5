"""Assess: compare what comes in now with what the champion learned from, and say whether to retrain."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from data.bundles import Bundle
from data.decisions import refused_in_a_row
from data.examples import Examples, Numbers, query_examples
from data.health import arrivals, read_health
from data.matching import count_labels
from data.promotions import Promotion
from data.spans import read_profiles
from keepfit.errors import ServiceUnavailable, VersionNotFound
from keepfit.settings import report_name
from keepfit.spec import Project
from monitoring.drift import DriftVerdict, cannot_say, judge_examples
from monitoring.harm import harm_of_drift
from monitoring.late.estimate import estimate_performance
from monitoring.performance import measure, score
from monitoring.quality import Quality, judge_quality
from monitoring.reports import Judged, Report, Standing, write_report
from monitoring.scoring import answers
from monitoring.slices import measure_slices
from monitoring.triggers import ChampionFacts, Evidence, Past, judge_triggers
from monitoring.windows import Window, Windows, choose_windows, no_verdict_because
from tasks.loop import Loop
from tasks.register import fetch
from tasks.rescore import rescore

MOST_ROWS = 200_000
"""Of a window with more rows a part is drawn; features are then judged by what was counted of each day."""
PAST = timedelta(days=400)
PAST_ROWS = 40_000
"""How far back delays are learned from at most, and from how many rows: more would be no surer."""
_TIMES = 4


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
    given, before = (
        query_examples(loop.store, project, as_of, window.since, window.until, MOST_ROWS)
        for window in (windows.current, windows.reference)
    )
    reference, current = _answered(bundle, before), _answered(bundle, given)
    verdict = _drift(loop, windows, reference, current)
    labels = count_labels(loop.store, project, windows.current.since, as_of)
    past = _past(loop, bundle, windows.current, labels.delay_95_s)
    moved = [found.column for found in verdict.findings if found.drift and found.what != "together"]
    evidence = Evidence(
        verdict,
        measure(project, current) if len(current) else None,
        estimate_performance(project, current, past, as_of) if len(current) else None,
        harm_of_drift(project, reference, current, moved) if moved else (),
        _new_labels(loop, champion, as_of),
    )
    facts = ChampionFacts(champion.version or 0, trained_until, champion.score)
    tried = Past(*refused_in_a_row(loop.store, loop.name, as_of))
    asked = judge_triggers(project, evidence, facts, tried, as_of)
    judged = Judged(
        project=project.name,
        as_of=as_of,
        version=champion.version,
        windows=windows,
        verdict=verdict,
        performance=evidence.performance,
        estimate=evidence.estimate,
        harms=evidence.harms,
        # Beside what it did not learn from: on its own training rows every model is too good.
        slices=measure_slices(project, current, reference=past.between(trained_until, None))
        if len(current)
        else (),
        quality=_quality(loop, windows, reference, current),
        reason=asked.reason,
        withheld=asked.withheld,
        person=asked.person,
        journal_positions=positions,
        labels=labels,
        served=standing(project, given, None, given.outputs),
        frozen=_frozen(loop, given),
    )
    return Assessment(judged, reference, current)


def _drift(loop: Loop, windows: Windows, reference: Examples, current: Examples) -> DriftVerdict:
    project = loop.project
    refusal = no_verdict_because(project, windows, reference, current)
    if refusal is not None:
        return cannot_say(refusal, len(reference), len(current))
    answers = (reference.outputs, current.outputs)
    known = all(np.isfinite(answer).all() for answer in answers)
    counts = None
    # What is drawn of more rows is about as many; counts of no more rows than there are change nothing.
    if max(len(reference), len(current)) >= MOST_ROWS * 9 // 10:
        as_of = windows.current.until
        counts = (
            read_profiles(loop.store, project, windows.reference.since, windows.reference.until, as_of),
            read_profiles(loop.store, project, windows.current.since, as_of, as_of),
        )
    return judge_examples(project, reference, current, answers if known else None, counts)


def _past(loop: Loop, bundle: Bundle, current: Window, delay_s: float | None) -> Examples:
    """What came before the current window, answered by the champion where it did not learn from it.

    It goes back some times as far as labels are late, so that no more is read where they are not.
    """
    project = loop.project
    late = PAST if delay_s is None else min(PAST, _TIMES * timedelta(seconds=delay_s))
    since = current.since - max(late, _TIMES * project.current, project.reference_span)
    found = query_examples(loop.store, project, current.until, since, current.since, PAST_ROWS)
    found = _answered(bundle, found)
    learned = (found.facts["predicted_at"] < bundle.manifest.lineage.training_until).to_numpy(dtype=bool)
    return replace(found, outputs=np.where(learned[:, None], np.nan, found.outputs))


def _quality(loop: Loop, windows: Windows, reference: Examples, current: Examples) -> Quality:
    since, as_of = windows.current.since, windows.current.until
    before = since - (as_of - since)
    healths = (
        read_health(loop.store, loop.project, before, since),
        read_health(loop.store, loop.project, since, as_of),
    )
    heard = arrivals(loop.store, loop.project, since - loop.project.reference_span, as_of)
    return judge_quality(loop.project, *healths, heard, (reference.features, current.features))


def standing(project: Project, given: Examples, version: int | None, outputs: Numbers) -> Standing:
    """Score answers on the rows whose label is known and which were answered when they came in."""
    mask = given.labelled & np.isfinite(given.outputs).all(axis=1)
    scores = score(project, given.labels[mask], answers(project.target, outputs[mask]))
    return Standing(version, scores, int(mask.sum()))


def _new_labels(loop: Loop, champion: Promotion, as_of: datetime) -> int:
    """Count what the champion did not learn from; only where the project asks for it."""
    if loop.project.retraining.new_labels is None or champion.snapshot_until is None:
        return 0
    return count_labels(loop.store, loop.project, champion.snapshot_until, as_of).matched


def _frozen(loop: Loop, given: Examples) -> Standing | None:
    """What the first champion would have been worth; None where its answers cannot be compared any more."""
    first = next((entry for entry in loop.ledger.history() if entry.version is not None), None)
    if first is None:
        return None
    try:
        bundle = fetch(loop, first.version or 0, first.digest)
    except (VersionNotFound, ServiceUnavailable):
        return None  # a page for people lacks a line: no reason to fail the watch
    if bundle.manifest.target != loop.project.target:
        return None
    return standing(loop.project, given, first.version, rescore(bundle, given))


def report(loop: Loop, assessment: Assessment) -> Report:
    """Write the page and the verdict of an assessment, in a folder named by its as_of and version."""
    judged = assessment.judged
    return write_report(
        report_folder(loop, judged.as_of), loop.project, judged, assessment.reference, assessment.current
    )


def report_folder(loop: Loop, as_of: datetime) -> Path:
    """Say where the report of an as_of is; the same moment in another zone is the same report."""
    return loop.settings.reports(loop.name) / report_name(as_of)


def _answered(bundle: Bundle, window: Examples) -> Examples:
    """Answer a window by one model, in place of what was answered then; not where it lacks a feature."""
    if not set(bundle.manifest.columns) <= set(window.features.columns):
        return window
    return replace(window, outputs=rescore(bundle, window))

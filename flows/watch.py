"""Watch: has the world moved, does it matter, and is that a reason to retrain."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect import flow
from prefect.events import emit_event

from data.records import now
from flows.news import link, news_of_watch, tell
from flows.steps import leave_page, plain, step
from monitoring.reports import Judged, Report
from tasks.assess import assess, report
from tasks.collect import drain_journals
from tasks.loop import open_loop
from tasks.screen import screen

_log = logging.getLogger(__name__)

RETRAIN_WANTED = "keepfit.retrain.wanted"
"""The event that starts the retrain deployment, as prefect.yaml declares."""


@dataclass(frozen=True)
class Watched:
    """What one watch found; nothing was judged while there is no champion."""

    judged: Judged | None
    report: Report | None
    sentence: str


@flow(name="watch", validate_parameters=True)
def watch(project: str, as_of: datetime | None = None) -> Watched:
    """Compare the current window with what the champion learned from, and ask for a retrain if need be.

    Args:
        project: The project: a file, a folder or an import path.
        as_of: Judge what was known at this time; now when left empty.
    """
    loop = open_loop(project)
    known_at = as_of or now()
    collected = step(drain_journals)(loop)
    champion = loop.ledger.champion()
    if champion is None:
        return Watched(None, None, f"{loop.name} has no champion yet: import history, then retrain")
    sources = step(screen)(loop, known_at)
    assessment = step(assess)(loop, champion, known_at, collected.positions)
    written = step(report)(loop, assessment)
    folder = written.verdict.parent
    suspected = [sentence for each in sources if (sentence := each.sentence) is not None]
    sentence = "; ".join([say(assessment.judged), *suspected])
    _log.info("%s", sentence)
    leave_page(
        f"{loop.name}-watch",
        f"{plain(sentence)}\n\n{link(loop, 'The report', f'/reports/{folder.name}')}",
        sentence,
    )
    if assessment.judged.reason is not None:
        _ask_for_retrain(loop.name, project, assessment.judged.reason.evidence, known_at)
    tell(loop, news_of_watch(assessment.judged, sources, folder), known_at)
    return Watched(assessment.judged, written, sentence)


def say(judged: Judged) -> str:
    """Say what a watch found in a sentence."""
    verdict = {True: "drift", False: "no drift", None: "cannot say"}[judged.verdict.drift]
    first = judged.verdict.reasons[0] if judged.verdict.reasons else verdict
    return f"{verdict}: {first.removeprefix('cannot say: ')}; {judged.asks}"


def _ask_for_retrain(name: str, project: str, evidence: str, as_of: datetime) -> None:
    # Only strings: a trigger's template keeps the payload's type, and a wrong one fails unseen.
    payload = {"project": project, "reason": evidence, "as_of": as_of.astimezone(UTC).isoformat()}
    about = {"prefect.resource.id": f"keepfit.project.{name}", "prefect.resource.name": name}
    emit_event(RETRAIN_WANTED, resource=about, payload=payload)

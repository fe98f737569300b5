"""What is worth a notice: what nobody has been told of yet, in words that may leave the house.

A notice goes to a chat or a mailbox that others keep. So it names columns, classes, versions and metrics, and
never a value of a row, a category, a source of labels or what a person typed: those are behind its link.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from data.decisions import Decision
from data.holds import SourceFound
from keepfit.scores import metric_words
from monitoring.console.phrases import sentence as begun

if TYPE_CHECKING:
    from monitoring.reports import Judged

NOTICE = "keepfit.notice"
"""The event that a notice travels as; `bin/keepfit notify` makes what sends it on."""
MEMORY = 7
"""What one of so many watches before found is not told again: it lasts, or comes and goes."""
SENT, NOT_SENT = "prefect.automation.action.executed", "prefect.automation.action.failed"
"""What Prefect notes of each sending."""
RECENT = timedelta(days=1)
"""What was known longer ago is no news: a replay or a look back tells nobody."""
_LONGEST, _FEW = 500, 3

_KINDS = {
    "performance": "the model is worse than at its promotion",
    "drift": "the drift is a reason",
    "labels": "enough labels are new",
    "age": "what the model learned from is old",
}
_QUALITY = {
    "matched": "labels that match no prediction",
    "delay": "labels that come later than before",
    "doubled": "labels that come twice",
    "contradicting": "labels that contradict each other",
    "quarantined": "rows that are set aside",
    "schema": "columns that look otherwise than before",
    "silent": "a source that is silent",
}

_READ = re.compile(
    # All that chat and mail programs read as elements, mentions, emphasis or code, and what nobody sees;
    r"[^\w .,;:()'%+=-]+"
    # of the rest what makes an address, the name of a site, a picture or emphasis.
    r"|:(?! )|(?<=\w)\.(?=[^\W\d])|(?<![^\W_])_|_(?![^\W_])"
)
_UNREAD = "\u00b7"


@dataclass(frozen=True, slots=True)
class Notice:
    """What somebody is told: a subject, a sentence, and where in the console it stands.

    `path` begins with a slash. Both texts are inert: no chat or mail program reads more than text in them.
    """

    subject: str
    sentence: str
    path: str

    def body(self, console: str) -> str:
        """Write the sentence, and the link below it; `console` is where the console is."""
        return f"{self.sentence}\n\n{console}{self.path}"


def automations(project: str) -> tuple[str, str]:
    """Name the two automations of Prefect that send: what flows tell, and flows that fail."""
    return f"{project}: notices", f"{project}: failed flows"


def is_recent(as_of: datetime, now: datetime) -> bool:
    """Say whether what was known at `as_of` is news."""
    return abs(now - as_of) <= RECENT


def standing(judged: "Judged", sources: Iterable[SourceFound] = ()) -> dict[str, tuple[str, str]]:
    """Name each thing that somebody should know, the most pressing first, with two or three words and more.

    The name stays the same from watch to watch while the thing lasts.
    """
    found: dict[str, tuple[str, str]] = {}
    if judged.person:
        asked = (
            "no retrain will be asked for until somebody has looked: challenger after challenger was refused"
        )
        found["person"] = ("a person is needed", asked)
    for source in sources:
        if source.held_since is not None:
            found[f"held {source.source}"] = (
                "labels are held",
                "the labels of a source wait, for they look wrong",
            )
        elif source.wrong:
            found[f"source {source.source}"] = (
                "labels look wrong",
                "the labels of a source look wrong, and count",
            )
    if judged.verdict.drift:
        found["drift"] = ("drift", _drift(judged))
    if judged.reason is not None:
        kind = judged.reason.kind
        found[f"retrain {kind}"] = (
            "a retrain is asked for",
            f"a retrain is asked for: {_KINDS[kind]}",
        )
    for each in judged.slices:
        if each.alarm:
            part = "a part of the rows" if each.column is None else f"a part of the rows, by {each.column},"
            found[f"slice {each.slice}"] = ("a slice fell behind", f"{part} fell behind the others")
    for finding in judged.quality.alarms if judged.quality else ():
        found[f"quality {finding.what}"] = ("data quality", f"look at {_QUALITY[finding.what]}")
    return found


def of_watch(
    project: str, standing: Mapping[str, tuple[str, str]], before: Sequence[Collection[str]], path: str
) -> Notice | None:
    """Tell what is `standing` and stood in none of the last watches; `before` is of them, newest first."""
    known = {name for names in before[:MEMORY] for name in names}
    fresh = [words for name, words in standing.items() if name not in known]
    if not fresh:
        return None
    subjects = list(dict.fromkeys(short for short, _ in fresh))
    return _notice(project, ", ".join(subjects[:2]), _listed([said for _, said in fresh]), path)


def of_retrain(decision: Decision, path: str) -> Notice | None:
    """Tell what became of a retrain; a rehearsal and one with nothing to do changed nothing."""
    if decision.rehearsal or (decision.version is not None and decision.version == decision.champion):
        return None
    of = "" if decision.champion is None else f" in place of version {decision.champion}"
    if decision.promote:
        gain = _gain(decision)
        return _notice(
            decision.project, f"version {decision.version} promoted", f"it serves from now on{of}{gain}", path
        )
    kept = "" if decision.champion is None else f"; version {decision.champion} goes on serving"
    return _notice(decision.project, "challenger refused", f"{_why(decision)}{kept}", path)


def of_rollback(project: str, replaced: int | None, version: int, objection: str | None, path: str) -> Notice:
    """Tell that an earlier version is champion again, or that it was tried and taken back."""
    if objection is not None:
        # A worker's words about a bundle that it does not take; they may be long.
        return _notice(project, "rollback taken back", f"no worker serves version {version}", path)
    of = "" if replaced is None else f" in place of version {replaced}"
    return _notice(project, f"back to version {version}", f"it serves from now on{of}", path)


def inert(text: str) -> str:
    """Write a text so that no chat and no mail program reads a mention, a link or markup in it.

    A dot in the middle of the line stands for each; an escape that all of them know is none.
    """
    said = " ".join(_READ.sub(_UNREAD, text).split())
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]} ..."


def _notice(project: str, subject: str, sentence: str, path: str) -> Notice:
    said = begun(inert(sentence)).rstrip(".")
    return Notice(f"{inert(project)}: {inert(subject)}", f"{said}.", path)


def _drift(judged: "Judged") -> str:
    columns = [found for found in judged.verdict.findings if found.what != "together"]
    moved = [found.column for found in columns if found.drift]
    if not moved:
        return "columns drifted together, and none alone"
    return f"{len(moved)} of {len(columns)} columns drifted: {', '.join(moved[:_FEW])}" + _more(len(moved))


def _why(decision: Decision) -> str:
    """Say which gates refused; what else stops a retrain may quote rows of the data."""
    said = [
        "it does not answer all that callers may send" if found.name == "requests" else found.words
        for found in decision.gates
        if found.kept is False
    ]
    return _listed(said) if said else "it did not come to be judged, or could not be swapped in"


def _gain(decision: Decision) -> str:
    if decision.gain is None or decision.gain_low is None or decision.gain_high is None:
        return ""
    metric = next((found.metric for found in decision.gates if found.name == "gain"), None)
    on = f" in {metric_words(metric)}" if metric else ""
    return f"; the gain{on} is {decision.gain:.4f} ({decision.gain_low:.4f} to {decision.gain_high:.4f})"


def _listed(said: list[str]) -> str:
    return "; ".join(list(dict.fromkeys(said))[:_FEW]) + _more(len(dict.fromkeys(said)))


def _more(count: int) -> str:
    return f" and {count - _FEW} more" if count > _FEW else ""

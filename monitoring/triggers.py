"""What was judged -> a reason to retrain with its evidence, none, or a person to be asked."""

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from keepfit.scores import said
from keepfit.spec import Project

if TYPE_CHECKING:
    from monitoring.drift import DriftVerdict
    from monitoring.harm import Harm
    from monitoring.late.estimate import Estimate
    from monitoring.performance import Performance

Kind = Literal["performance", "drift", "labels", "age"]


@dataclass(frozen=True, slots=True)
class ChampionFacts:
    """What a trigger must know of the champion: its version, what it learned from, how good it was.

    `score` is that on the primary metric at its promotion, None where nothing was measured.
    """

    version: int
    training_until: datetime
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a watch found out; None and empty where it was not judged."""

    verdict: "DriftVerdict | None" = None
    performance: "Performance | None" = None
    """On the labels so far."""
    estimate: "Estimate | None" = None
    """On all rows of the window, once every label is there."""
    harms: tuple["Harm", ...] = ()
    new_labels: int = 0
    """Labels that came to be known after what the champion learned from."""


@dataclass(frozen=True, slots=True)
class Past:
    """The retrains before: when the last one was, and how many challengers in a row were refused.

    A promotion ends a row of refusals, and so does a retrain that a person asked for, whatever came of it.
    """

    last: datetime | None = None
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why to retrain: the strongest kind, and the evidence of every kind that holds."""

    kind: Kind
    evidence: str


@dataclass(frozen=True, slots=True)
class Triggers:
    """Whether a retrain is asked for, and why not where something speaks for it.

    `reason` asks for one. `withheld` says why none is asked for although something moved or is due;
    with `person` somebody has to look, for nothing will be asked for until then.
    """

    reason: Reason | None = None
    withheld: str | None = None
    person: bool = False
    reasons: tuple[Reason, ...] = field(default=())
    """All that speak for a retrain, the strongest first, asked for or not."""

    @property
    def sentence(self) -> str:
        """Say it for a person."""
        if self.reason is not None:
            return f"retrain, because {self.reason.evidence}"
        return f"no retrain: {self.withheld}" if self.withheld else "no reason to retrain"


def judge_triggers(
    project: Project, evidence: Evidence, champion: ChampionFacts, past: Past, as_of: datetime
) -> Triggers:
    """Say whether the champion should be challenged now.

    Harm comes before drift, drift before labels, labels before age. What is unknown is no reason: labels
    and age are what then retrain. Drift is one where it is estimated to do harm, or where the project asks
    for it. A retrain that was a moment ago, or too many refused ones, withhold the next.
    """
    kinds: tuple[tuple[Kind, str | None], ...] = (
        ("performance", _harm(project, evidence, champion)),
        ("drift", _drift(project, evidence)),
        ("labels", _labels(project, evidence, champion)),
        ("age", _age(project, champion, past, as_of)),
    )
    found = tuple(Reason(kind, said) for kind, said in kinds if said is not None)
    if not found:
        return Triggers(withheld=_harmless(evidence))
    stopped, resting = _stopped(project, past), _resting(project, past, as_of)
    if stopped is not None or resting is not None:
        spoke = "; ".join(reason.evidence for reason in found)
        why = stopped or resting
        return Triggers(None, f"{why}; what speaks for it: {spoke}", stopped is not None, found)
    return Triggers(Reason(found[0].kind, "; ".join(r.evidence for r in found)), reasons=found)


def _harm(project: Project, evidence: Evidence, champion: ChampionFacts) -> str | None:
    high, sentence = _at_best(evidence)
    # Not below also where either is NaN.
    if champion.score is None or not high < champion.score:
        return None
    promised = f"the {said(project.primary, champion.score)} of version {champion.version} at its promotion"
    return f"{sentence}: worse than {promised}"


def _at_best(evidence: Evidence) -> tuple[float, str]:
    """How good the champion may be at best: by the estimate while labels are out, for they are a part.

    An estimate is of these very rows; that other rows would have scored otherwise is what the interval of
    the measured score tells. Errors of the two are independent, so their squares add up.
    """
    measured, foretold = evidence.performance, evidence.estimate
    if foretold is None or math.isnan(foretold.high) or foretold.low == foretold.high:
        return (math.nan, "") if measured is None else (measured.high, measured.sentence)
    chance = 0.0 if measured is None or math.isnan(measured.high) else measured.high - measured.value
    return foretold.value + math.hypot(foretold.high - foretold.value, chance), foretold.sentence


def _drift(project: Project, evidence: Evidence) -> str | None:
    moved = _moved(evidence)
    if not moved:
        return None
    harmful = [harm.words for harm in evidence.harms if harm.harmful]
    if harmful:
        return f"drift that does harm: {_listed(harmful)}"
    return f"the data drifted: {_listed(moved)}" if project.retraining.on_drift else None


def _labels(project: Project, evidence: Evidence, champion: ChampionFacts) -> str | None:
    wanted = project.retraining.new_labels
    if wanted is None or evidence.new_labels < wanted:
        return None
    since = f"since version {champion.version} learned, until {champion.training_until:%F}"
    return f"{evidence.new_labels} labels are new {since}; the project asks for a retrain after {wanted}"


def _age(project: Project, champion: ChampionFacts, past: Past, as_of: datetime) -> str | None:
    """A challenger that was refused since has shown that the champion is not too old yet."""
    age, every = as_of - champion.training_until, project.retraining.every
    tried = champion.training_until if past.last is None else max(past.last, champion.training_until)
    # Both: the first retrain may have been long after the end of what it learned from.
    if every is None or age < every or as_of - tried < every:
        return None
    learned = f"version {champion.version} learned from data until {champion.training_until:%F}"
    return f"{learned}, {age.days} days ago; the project asks for a retrain after {every.days}"


def _harmless(evidence: Evidence) -> str | None:
    """What moved is said, with what is known of its harm."""
    moved = _moved(evidence)
    if not moved:
        return None
    unknown = [harm.words for harm in evidence.harms if harm.harmful is None]
    if unknown:
        return f"the data drifted ({_listed(moved)}), and of its harm nothing sure is known: {unknown[0]}"
    return f"the data drifted ({_listed(moved)}), without estimated harm to the model"


def _stopped(project: Project, past: Past) -> str | None:
    limit = project.retraining.stop_after
    if limit is None or past.refused < limit:
        return None
    return (
        f"{past.refused} challengers in a row were refused, so a person is asked: see why, mend the project "
        "or the data, and retrain by hand"
    )


def _resting(project: Project, past: Past, as_of: datetime) -> str | None:
    if past.last is None or not past.last <= as_of < past.last + project.retraining.cool_down:
        return None
    until = past.last + project.retraining.cool_down
    return f"the last retrain was on {past.last:%F %R}, and none is asked for before {until:%F %R}"


def _moved(evidence: Evidence) -> list[str]:
    if evidence.verdict is None or not evidence.verdict.drift:
        return []
    return [finding.words for finding in evidence.verdict.findings if finding.drift]


def _listed(said: list[str]) -> str:
    others = f" and {len(said) - 3} more" if len(said) > 3 else ""
    return ", ".join(said[:3]) + others

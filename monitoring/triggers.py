"""What was judged -> a reason to retrain with its evidence, or none."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from keepfit.spec import Project

if TYPE_CHECKING:
    from monitoring.drift import DriftVerdict
    from monitoring.performance import Performance

Kind = Literal["performance", "drift", "age"]


@dataclass(frozen=True, slots=True)
class ChampionFacts:
    """What a trigger must know of the champion: its version, what it learned from, how good it was.

    `score` is that on the primary metric at its promotion, None where nothing was measured.
    """

    version: int
    training_until: datetime
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why to retrain: the strongest kind, and the evidence of every kind that holds."""

    kind: Kind
    evidence: str


def reason_to_retrain(
    project: Project,
    verdict: "DriftVerdict | None",
    performance: "Performance | None",
    champion: ChampionFacts,
    as_of: datetime,
) -> Reason | None:
    """Say why the champion should be challenged, or return None.

    Harm comes before drift, drift before age. A verdict or a performance that is unknown is no reason:
    age is what then retrains.
    """
    kinds: tuple[tuple[Kind, str | None], ...] = (
        ("performance", _harm(performance, champion)),
        ("drift", _drift(verdict)),
        ("age", _age(project, champion, as_of)),
    )
    found = [Reason(kind, evidence) for kind, evidence in kinds if evidence is not None]
    return Reason(found[0].kind, "; ".join(reason.evidence for reason in found)) if found else None


def _harm(performance: "Performance | None", champion: ChampionFacts) -> str | None:
    # Not below also where either is NaN.
    if performance is None or champion.score is None or not performance.high < champion.score:
        return None
    promised = f"the {champion.score:.4f} of version {champion.version} at its promotion"
    return f"{performance.sentence}: below {promised}"


def _drift(verdict: "DriftVerdict | None") -> str | None:
    if verdict is None or not verdict.drift:
        return None
    moved = [finding.words for finding in verdict.findings if finding.drift]
    others = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
    return f"the data drifted: {', '.join(moved[:3])}{others} (p = {verdict.p_value:.3g})"


def _age(project: Project, champion: ChampionFacts, as_of: datetime) -> str | None:
    age, every = as_of - champion.training_until, project.retraining.every
    if every is None or age < every:
        return None
    learned = f"version {champion.version} learned from data until {champion.training_until:%F}"
    return f"{learned}, {age.days} days ago; the project asks for a retrain after {every.days}"

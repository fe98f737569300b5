"""All that is known of one prediction, gathered for its page; and a line of each for a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from data.bundles import read_claims
from data.lookup import Answered, Said
from data.reasons import Asked, Reasons
from keepfit.errors import BundleError
from keepfit.spec import Target, Value
from monitoring.console.reading.sources import Sources
from monitoring.console.views.contributions import Bars, bars
from monitoring.console.views.hindsight import Given, Judged, Standing, given, judged, same, standings

_LABELS, _BESIDE = 20, 10


@dataclass(frozen=True)
class Single:
    """One prediction, its labels and the others of its reference id; `bundle` is the one that answered."""

    prediction: Answered
    target: Target | None
    bundle: str | None
    labels: Sequence[Said]
    beside: Sequence["Line"]

    @cached_property
    def given(self) -> Given | None:
        """What was answered."""
        return given(self.prediction.output, self.target)

    @property
    def label(self) -> Said | None:
        """The label that counts."""
        return next((label for label in self.labels if not label.held), None)

    @property
    def standings(self) -> list[tuple[Said, Standing]]:
        """Each label, and what it is beside the one that counts."""
        return standings(self.labels)

    @property
    def judged(self) -> Judged | None:
        """How the answer did."""
        return None if self.label is None or self.given is None else judged(self.given, self.label)

    @property
    def told(self) -> dict[str, object]:
        """The same for a program."""
        return {
            "prediction": self.prediction,
            "target": None if self.target is None else self.target.name,
            "answer": self.given,
            "bundle": self.bundle,
            "judged": self.judged,
            "labels": [{"label": label, "standing": word} for label, word in self.standings],
            "same_reference": [line.prediction.prediction_id for line in self.beside],
        }


@dataclass(frozen=True, slots=True)
class Line:
    """One prediction in a list: what was answered, its label, and how it did."""

    prediction: Answered
    given: Given | None
    label: Said | None
    judged: Judged | None


@dataclass(frozen=True)
class Why:
    """What made an answer: `reasons`, drawn as `bars` where they are known."""

    reasons: Reasons
    bars: Bars | None = None
    now: Given | None = None
    agrees: bool = True
    """Whether the bundle gives the answer that it gave then; `now` is what it gives."""


def single(sources: Sources, prediction_id: str, at: datetime) -> Single | None:
    """Gather what is known of one prediction."""
    found = sources.lookup.prediction(prediction_id)
    if found is None:
        return None
    bundle = _bundles(sources).get(found.version)
    target = _target(sources, bundle)
    held = sources.holds.in_force(at)
    labels = sources.lookup.labels(found.prediction_id, found.reference_id, held, _LABELS)
    return Single(found, target, bundle, labels, _beside(sources, found, at))


def listed(sources: Sources, predictions: Sequence[Answered], at: datetime) -> list[Line]:
    """Put each prediction's answer and label beside it."""
    if not predictions:
        return []
    bundles = _bundles(sources)
    targets = {
        version: _target(sources, bundles.get(version)) for version in {each.version for each in predictions}
    }
    labels = sources.lookup.last_labels(predictions, sources.holds.in_force(at))
    lines: list[Line] = []
    for each in predictions:
        answer, label = given(each.output, targets[each.version]), labels.get(each.prediction_id)
        did = None if answer is None or label is None else judged(answer, label)
        lines.append(Line(each, answer, label, did))
    return lines


def why(sources: Sources, found: Single) -> Why:
    """Have the bundle that answered explain its answer: no other model says why it was given."""
    prediction = found.prediction
    if prediction.version is None:
        return Why(Reasons(unknown="no model answered this row: it was imported"))
    if found.bundle is None:
        version = f"version {prediction.version}"
        return Why(Reasons(unknown=f"the ledger knows no bundle of {version}, and no other model says why"))
    features: dict[str, Value] = {each.name: each.value for each in prediction.features}
    releases = sources.settings.releases(sources.project)
    if not (releases / found.bundle).is_dir():
        gone = f"the bundle of version {prediction.version} is not in the release directory"
        return Why(Reasons(unknown=f"{gone}; the registry may have it"))
    reasons = sources.asking.why(Asked(str(releases), found.bundle, features))
    if reasons.unknown is not None:
        return Why(reasons)
    agrees, now = same(prediction.output, reasons.output), given(reasons.output, found.target)
    return Why(reasons, bars(reasons, prediction.features), now, agrees)


def _beside(sources: Sources, found: Answered, at: datetime) -> list[Line]:
    """The others of the same reference id, the newest first."""
    if found.reference_id is None:
        return []
    every = sources.lookup.of_reference(found.reference_id, _BESIDE + 1)
    others = [each for each in every if each.prediction_id != found.prediction_id]
    return listed(sources, others[:_BESIDE], at)


def _bundles(sources: Sources) -> dict[int | None, str]:
    """Say which bundle each version is, as the ledger has it."""
    return {each.version: each.digest for each in sources.ledger.history() if each.digest is not None}


def _target(sources: Sources, bundle: str | None) -> Target | None:
    """Say what a bundle's answers mean, as the manifest says that its digest names."""
    if bundle is None:
        return None
    try:
        manifest, _ = read_claims(sources.settings.releases(sources.project) / bundle, bundle)
    except BundleError:
        return None
    return manifest.target

"""What callers were told beside what the store has: lost, doubled, wrong version, or none."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import select

from data import tables
from data.promotions import Ledger, Promotion
from data.store import Store
from keepfit.spec import Project
from tests.chaos.callers import Visit
from tests.chaos.world import IMPORTED

_STALE_S = 40.0
"""How long after a promotion an older version may answer: a worker may be stopped meanwhile."""


@dataclass(frozen=True)
class Kept:
    """What is in the store, by the ids that callers know."""

    predictions: Sequence[Any]
    labels: Sequence[Any]
    set_aside: Counter[str]
    """Ids of predictions and labels in the quarantine, and how often each is there."""
    torn: int
    ledger: Sequence[Promotion]


@dataclass(frozen=True, slots=True)
class Pointed:
    """What the release pointer was seen to name from a time on; `fault` is why that bundle did not open."""

    at: float
    promotion: int
    version: int | None
    digest: str | None
    fault: str | None = None


@dataclass
class Verdict:
    """What is wrong, in words; a clean run has none of it."""

    lost: list[str] = field(default_factory=list[str])
    doubled: list[str] = field(default_factory=list[str])
    wrong_version: list[str] = field(default_factory=list[str])
    broken: list[str] = field(default_factory=list[str])
    """Laws of the ledger, the pointer and the folders that were not kept."""
    counts: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong_version or self.broken)

    def text(self) -> str:
        lines = [f"{name} {value:g}" for name, value in self.counts.items()]
        for name in ("lost", "doubled", "wrong_version", "broken"):
            found = getattr(self, name)
            lines.append(f"{len(found)} {name.replace('_', ' ')}")
            lines += [f"    {one}" for one in found[:8]]
        return "\n".join(lines)


def read_kept(store: Store, project: Project) -> Kept:
    """Read all that a run left in the store."""
    table = store.predictions(project)
    distance = table.c[f"f{store.feature_numbers(project)['distance']}"]
    columns = (table.c.prediction_id, table.c.reference_id, table.c.version, table.c.output_0)
    with store.reading() as connection:
        predictions = connection.execute(select(*columns, distance.label("distance"))).all()
        labels = connection.execute(
            select(tables.labels).where(tables.labels.c.project == project.name)
        ).all()
        aside = connection.execute(select(tables.quarantine.c.kind, tables.quarantine.c.content)).all()
    named: Counter[str] = Counter()
    torn = 0
    for row in aside:
        if row.kind == "journal line":
            torn += 1
        else:
            content = msgspec.json.decode(row.content)
            named[content.get("label_id") or content["prediction_id"]] += 1
    return Kept(predictions, labels, named, torn, Ledger(store, project.name).history())


def check(
    history: Sequence[Visit],
    kept: Kept,
    pointed: Sequence[Pointed],
    outputs: Mapping[int, Mapping[float, float]],
) -> Verdict:
    """Judge a run; `outputs` has each version's answer to a distance, computed from its bundle."""
    verdict = Verdict()
    _check_predictions(history, kept, verdict)
    _check_labels(history, kept, verdict)
    _check_versions(history, kept, outputs, verdict)
    _check_times(history, pointed, verdict)
    _check_ledger(kept.ledger, pointed, verdict)
    acknowledged = sum(visit.label_outcome == "acknowledged" for visit in history)
    verdict.counts = {
        "predictions answered": sum(visit.outcome == "acknowledged" for visit in history),
        "of them captured": sum(visit.captured for visit in history),
        "labels acknowledged": acknowledged,
        "predictions unknown": sum(visit.outcome == "unknown" for visit in history),
        "predictions refused": sum(visit.outcome == "refused" for visit in history),
        "labels unknown": sum(visit.label_outcome == "unknown" for visit in history),
        "labels refused": sum(visit.label_outcome == "refused" for visit in history),
        "sent again": sum(visit.tries > 1 for visit in history),
        "in the store, predictions": len(kept.predictions),
        "in the store, labels": len(kept.labels),
        "set aside": sum(kept.set_aside.values()),
        "torn lines": kept.torn,
        "promotions": len(kept.ledger),
    }
    return verdict


def _check_predictions(history: Sequence[Visit], kept: Kept, verdict: Verdict) -> None:
    there = Counter(row.reference_id for row in kept.predictions)
    ids = {row.prediction_id: row for row in kept.predictions}
    for visit in history:
        if there[visit.reference] > 1:
            verdict.doubled.append(f"{visit.reference}: {there[visit.reference]} predictions for one key")
        found = visit.prediction_id in ids
        aside = kept.set_aside[visit.prediction_id] if visit.prediction_id else 0
        if visit.outcome == "acknowledged" and visit.captured and not found:
            verdict.lost.append(f"{visit.reference}: the prediction {visit.prediction_id} was captured")
        if visit.contradiction_captured and visit.captured and found + aside != 2:
            verdict.lost.append(
                f"{visit.reference}: its contradiction was captured, and is {aside} times set aside"
            )
        if aside > (visit.contradicted in ("acknowledged", "unknown")):
            verdict.doubled.append(f"{visit.reference}: set aside {aside} times")
        if found and not visit.contradicted and ids[visit.prediction_id].distance != visit.distance:
            verdict.wrong_version.append(f"{visit.reference}: another row was kept under its id")
    known = {visit.reference for visit in history}
    strange = [name for name in there if name not in known and not name.startswith(IMPORTED)]
    verdict.doubled += [f"{name}: in the store, and nobody asked" for name in strange]


def _check_labels(history: Sequence[Visit], kept: Kept, verdict: Verdict) -> None:
    ids = {row.label_id: row for row in kept.labels}
    of = Counter(row.reference_id or row.prediction_id for row in kept.labels)
    for visit in history:
        name = visit.prediction_id if visit.number % 2 else visit.reference
        if visit.label_outcome == "acknowledged":
            row = ids.get(visit.label_id)
            if row is None:
                verdict.lost.append(f"{visit.reference}: the label {visit.label_id} was acknowledged")
            elif row.label_number != visit.label:
                verdict.wrong_version.append(f"{visit.reference}: the store has another label")
        if name and of[name] > 1:
            verdict.doubled.append(f"{visit.reference}: {of[name]} labels for one key")


def _check_versions(
    history: Sequence[Visit], kept: Kept, outputs: Mapping[int, Mapping[float, float]], verdict: Verdict
) -> None:
    stored = {row.prediction_id: row for row in kept.predictions}
    for visit in history:
        if visit.outcome != "acknowledged":
            continue
        if visit.version not in outputs:
            verdict.wrong_version.append(f"{visit.reference}: version {visit.version} was never promoted")
            continue
        expected = outputs[visit.version][visit.distance]
        if abs(expected - visit.output) > 1e-5 * max(1.0, abs(expected)):
            verdict.wrong_version.append(
                f"{visit.reference}: version {visit.version} gives {expected}, not {visit.output}"
            )
        row = stored.get(visit.prediction_id)
        # What is sent again may be answered by another version than the first time, which the store keeps.
        once = visit.tries == 1 and not visit.contradicted
        if row is not None and once and (row.version, row.output_0) != (visit.version, visit.output):
            verdict.wrong_version.append(f"{visit.reference}: the store has version {row.version}")


def _check_times(history: Sequence[Visit], pointed: Sequence[Pointed], verdict: Verdict) -> None:
    """An answer's version was pointed to before it came, and not replaced long before it was asked for."""
    spans: dict[int, list[tuple[float, float]]] = {}
    for place, seen in enumerate(pointed):
        until = pointed[place + 1].at if place + 1 < len(pointed) else float("inf")
        if seen.version is not None:
            spans.setdefault(seen.version, []).append((seen.at, until))
    late = 0.0
    for visit in history:
        if visit.outcome != "acknowledged":
            continue
        begun = [until for since, until in spans.get(visit.version, []) if since <= visit.ended + 0.5]
        if not begun:
            verdict.wrong_version.append(f"{visit.reference}: version {visit.version} was not live yet")
            continue
        late = max(late, visit.began - max(begun))
    if late > _STALE_S:
        verdict.wrong_version.append(f"a version answered {late:.0f} s after it was replaced")


def _check_ledger(ledger: Sequence[Promotion], pointed: Sequence[Pointed], verdict: Verdict) -> None:
    if [entry.number for entry in ledger] != list(range(1, len(ledger) + 1)):
        verdict.broken.append("the ledger's numbers have a gap")
    for entry in ledger:
        # Whoever promotes in a run says in the reason which entry it was judged against.
        told = entry.reason.rpartition("against ")[2]
        if told.isdigit() and int(told) != entry.number - 1:
            verdict.broken.append(f"promotion {entry.number} was judged against {told}")
    highest = 0
    for seen in pointed:
        if seen.promotion < highest:
            verdict.broken.append(f"the pointer went from promotion {highest} back to {seen.promotion}")
        highest = max(highest, seen.promotion)
        if seen.fault:
            verdict.broken.append(f"the pointer named what cannot be served: {seen.fault}")
    digests = {entry.number: entry.digest for entry in ledger}
    verdict.broken += [
        f"the pointer named {seen.digest} for promotion {seen.promotion}, the ledger another"
        for seen in pointed
        if digests.get(seen.promotion, "") != seen.digest
    ]
    if (
        ledger
        and pointed
        and (pointed[-1].promotion, pointed[-1].digest) != (ledger[-1].number, ledger[-1].digest)
    ):
        verdict.broken.append("in the end the pointer is not where the ledger is")

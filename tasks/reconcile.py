"""Reconcile: put the release pointer and the registry's alias right by the ledger, the one truth."""

from datetime import datetime

from data.bundles import Bundle
from data.leftovers import clear_away
from data.promotions import Kind, Promotion
from data.records import now
from data.releases import Pointer, move_pointer, read_pointer, released
from keepfit.errors import BundleError, RegistryUnavailable, StateError, VersionNotFound
from tasks.loop import Loop
from tasks.register import fetch, release
from tasks.swap import promote, settle


def reconcile(loop: Loop, as_of: datetime) -> list[str]:
    """Make the projections agree with the ledger, and say what was changed.

    A promotion that nobody confirmed, because its flow died, is brought to its end. An alias that a
    person moved becomes a promotion "by hand" when that version has a verified bundle; otherwise it is
    moved back. A registry that is away leaves the rest to the next time.
    """
    said: list[str] = []
    try:
        said += settle_latest(loop)
        said += _put_alias_right(loop, as_of)
    except RegistryUnavailable as fault:
        said.append(f"what needs the registry was left as it is: {fault}")
    where = loop.settings
    folders = (loop.releases, loop.journal, where.snapshots(loop.name), where.reports(loop.name))
    # By the clock, as the files are: what is left over is left over for every as_of.
    if removed := clear_away(folders, now()):
        said.append(f"{removed} files that a killed process left half-written were removed")
    return said


def settle_latest(loop: Loop) -> list[str]:
    """Bring the last entry of the ledger into effect, where a flow died before it had; say what was done."""
    latest = loop.ledger.latest()
    if latest is None:
        return []
    return _put_pointer_right(loop, latest) + _finish(loop, latest)


def _put_pointer_right(loop: Loop, latest: Promotion) -> list[str]:
    said: list[str] = []
    if latest.version is not None and latest.digest is not None:
        try:
            released(loop.releases, latest.digest, loop.trust)
        except BundleError:
            release(loop, fetch(loop, latest.version, latest.digest))
            said.append(f"the bundle of version {latest.version} was fetched from the registry")
    wanted = Pointer(latest.digest, latest.version, latest.number)
    try:
        present = read_pointer(loop.releases)
    except StateError:
        present = None
    if present != wanted and move_pointer(loop.releases, wanted):
        said.append(f"the release pointer was put right: version {latest.version}")
    return said


def _finish(loop: Loop, latest: Promotion) -> list[str]:
    if latest.workers is not None or latest.kind == "withdrawal":
        return []
    history = loop.ledger.history()
    swap = settle(loop, latest, history[-2] if len(history) > 1 else None)
    if swap.objection is not None:
        return [f"version {latest.version} was taken back: {swap.objection}"]
    return [f"version {latest.version}, which its flow left unconfirmed, is served by {swap.workers} workers"]


def _put_alias_right(loop: Loop, as_of: datetime) -> list[str]:
    latest = loop.ledger.latest()
    named, projected = loop.registry.champion(), loop.registry.projected()
    version = latest.version if latest else None
    number = latest.number if latest else 0
    if named == version:
        if projected != number:
            loop.registry.name_champion(version, number)
        return []
    if projected != number or named is None:
        loop.registry.name_champion(version, number)
        return [f"the registry's alias was put right: version {version}"]
    return _by_hand(loop, named, latest, as_of)


def _by_hand(loop: Loop, named: int, latest: Promotion | None, as_of: datetime) -> list[str]:
    try:
        bundle = fetch(loop, named)
        release(loop, bundle)
    except (VersionNotFound, BundleError) as refusal:
        loop.registry.name_champion(latest.version if latest else None, latest.number if latest else 0)
        return [f"the registry's alias was moved back from version {named} by hand: {refusal}"]
    entry = promotion_of(loop, bundle, "by hand", "a person moved the registry's alias", as_of)
    swap = promote(loop, entry, latest)
    if swap.objection is not None:
        return [f"version {named}, chosen by hand, was taken back: {swap.objection}"]
    return [f"version {named} was made champion by hand, {swap.workers} workers serve it"]


def promotion_of(loop: Loop, bundle: Bundle, kind: Kind, reason: str, as_of: datetime) -> Promotion:
    """Describe the promotion of a version that was judged before."""
    lineage = bundle.manifest.lineage
    return Promotion(
        kind=kind,
        version=bundle.manifest.version,
        digest=bundle.digest,
        reason=reason,
        as_of=as_of,
        snapshot_id=lineage.snapshot_id,
        training_until=lineage.training_until,
        snapshot_until=lineage.as_of,
        score=lineage.metrics.get(loop.project.primary),
    )

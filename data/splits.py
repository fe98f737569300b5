"""Train and holdout in time order: what a model learns from, and the newest part, on which it is judged.

An example's time is when it was predicted; where labels wait, when it became ripe. Long waits are then
in the holdout as often as among predictions, and neither part is cut off from its late labels.
"""

from dataclasses import dataclass
from datetime import datetime

from data.examples import Examples
from keepfit.errors import SnapshotTooSmall
from keepfit.spec import Project

_FIRST_SHARE = 5
"""The first model's holdout is at most a fifth of the history: there is no champion to be fair to."""


@dataclass(frozen=True)
class Split:
    """A partition of examples: everything before `holdout_since`, and everything from then on."""

    train: Examples
    holdout: Examples
    holdout_since: datetime


def split(
    examples: Examples, project: Project, snapshot_until: datetime, champion_trained_until: datetime | None
) -> Split:
    """Cut examples in time order; the holdout begins after the champion's training end.

    Neither model has then seen the holdout. Raises SnapshotTooSmall when either part has fewer than
    `project.min_rows` rows.
    """
    if len(examples) == 0:
        raise SnapshotTooSmall(_advice(project, "nothing is labelled", 0))
    oldest = examples.facts["predicted_at"].iloc[0].to_pydatetime()
    since = snapshot_until - project.holdout
    if champion_trained_until is None:
        since = max(since, snapshot_until - (snapshot_until - oldest) / _FIRST_SHARE)
    else:
        since = max(since, champion_trained_until)
    newest = (
        examples.facts["ripe_at" if "ripe_at" in examples.facts else "predicted_at"] >= since
    ).to_numpy()
    parts = Split(examples.where(~newest), examples.where(newest), since)
    for name, part in (("train", parts.train), ("holdout", parts.holdout)):
        if len(part) < project.min_rows:
            raise SnapshotTooSmall(
                _advice(project, f"the {name} part has {len(part)} labelled rows", len(part))
            )
    return parts


def _advice(project: Project, what: str, rows: int) -> str:
    return (
        f"{project.name}: {what}, and min_rows asks for {project.min_rows}; "
        f"{'import history' if rows == 0 else 'wait for more labels, import history'} or lower min_rows"
    )

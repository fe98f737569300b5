"""What whole UTC days of a project hold, by its name alone: for who looks and has no project file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from data import daily, shape
from data.profiling import DAY
from data.spans import DayCounts, Kind, add_up
from data.store import Store


@dataclass(frozen=True)
class KeptDays:
    """What was counted of the days of some spans when it came in, each span with the same features.

    Features that no row of any span holds are left out. `whole_since` is the first day (since 1970) from
    which on all rows are counted, None where none are.
    """

    spans: tuple[DayCounts, ...]
    whole_since: int | None


def read_days(store: Store, project: str, spans: Sequence[tuple[int, int]]) -> KeptDays:
    """Sum all that is known now of the UTC days of each span: its first and its last one, since 1970.

    Nothing is written: what came in before days were counted is counted by `data.spans`, which knows the
    project.
    """
    with store.reading() as connection:
        whole = daily.whole_since(connection, project)
        # Days of another format cannot be read at all.
        found = [
            [] if whole is None else daily.read_segments(connection, project, (a * DAY, (b + 1) * DAY))
            for a, b in spans
        ]
        named = shape.named_features(connection, project)
    held = {n for segments in found for s in segments for n, each in s.columns.items() if len(each.cells)}
    features: dict[str, tuple[int, Kind]] = {
        name: (number, cast("Kind", kind)) for name, (number, kind) in named.items() if number in held
    }
    return KeptDays(tuple(add_up(features, segments) for segments in found), whole)

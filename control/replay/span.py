"""The event time that a replay takes: which part of a file, and the ends of its steps."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from control.replay.traffic import Traffic
from data.promotions import Promotion
from keepfit.errors import StateError


@dataclass(frozen=True)
class Span:
    """The event time of a replay: from `since` until `until`, the flows run at each step's end."""

    since: datetime
    until: datetime
    every: timedelta

    def steps(self) -> list[datetime]:
        """List the ends of the steps, the last one included."""
        ends: list[datetime] = []
        since = self.since
        while since < self.until:
            since = min(since + self.every, self.until)
            ends.append(since)
        return ends


def choose_span(
    traffic: Traffic, champion: Promotion, since: datetime | None, until: datetime | None, every: timedelta
) -> Span:
    """Choose what of a file is replayed: by default what the champion did not learn from, to the last label.

    Raises StateError where that is nothing, or where it begins before what the champion has seen.
    """
    learned = champion.snapshot_until or champion.as_of
    chosen = since or max(traffic.predictions[0].predicted_at, learned)
    if chosen < learned:
        msg = (
            f"--from {chosen:%FT%RZ} lies before {learned:%FT%RZ}, until when version {champion.version} has "
            "seen everything; begin there or later"
        )
        raise StateError(msg)
    last = max(traffic.predictions[-1].predicted_at, traffic.labels[-1].known_at)
    end = until or last + timedelta(seconds=1)
    if not traffic.between(chosen, end).predictions:
        ends = traffic.predictions[0].predicted_at, traffic.predictions[-1].predicted_at
        msg = (
            f"no row falls due from {chosen:%FT%RZ} until {end:%FT%RZ}: the file's are of {ends[0]:%FT%RZ} "
            f"to {ends[1]:%FT%RZ}, and version {champion.version} has seen all until {learned:%FT%RZ}; "
            "choose another --from and --until, or a file of later rows"
        )
        raise StateError(msg)
    return Span(chosen, end, every)

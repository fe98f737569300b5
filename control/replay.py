"""Replay: a labelled file driven through the running service in event time."""

from bisect import bisect_left
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TypeVar

from data.files import read_file
from data.intake import Origin, take_rows
from data.records import Label, Prediction
from keepfit.errors import ServiceUnavailable
from keepfit.spec import Project
from serving.client import Client
from serving.contract import LabelRow, Row

T = TypeVar("T")

_TOGETHER = timedelta(hours=1)
"""What falls due within an hour may be sent in any order; every record has its own time."""
_CALLERS = 8


@dataclass
class Traffic:
    """The predictions and labels of a file, each list in the order of its time."""

    predictions: list[Prediction]
    labels: list[Label]

    def until(self, time: datetime) -> "Traffic":
        """Take away and return what falls due before `time`."""
        predictions = bisect_left(self.predictions, time, key=lambda p: p.predicted_at)
        labels = bisect_left(self.labels, time, key=lambda label: label.known_at)
        due = Traffic(self.predictions[:predictions], self.labels[:labels])
        self.predictions, self.labels = self.predictions[predictions:], self.labels[labels:]
        return due

    def hours(self) -> Generator["Traffic"]:
        """Take the traffic away hour by hour, in order, leaving out hours in which nothing is due."""
        while self.predictions or self.labels:
            first = min(
                [p.predicted_at for p in self.predictions[:1]] + [x.known_at for x in self.labels[:1]]
            )
            hour = first.replace(minute=0, second=0, microsecond=0)
            yield self.until(hour + _TOGETHER)


@dataclass
class Sent:
    """What the callers saw; `failed` are first attempts that were not answered, each then tried again."""

    requests: int = 0
    failed: int = 0
    labels: int = 0
    uncaptured: int = 0
    versions: set[int] = field(default_factory=set[int])


def read_traffic(project: Project, path: Path) -> Traffic:
    """Read a labelled file as what callers will send."""
    _, rows = read_file(path)
    records = take_rows(project, rows, Origin(path.name))
    return Traffic(
        sorted(records.predictions, key=lambda p: p.predicted_at),
        sorted(records.row_labels, key=lambda x: x.known_at),
    )


class Callers:
    """Some callers that send traffic side by side, each row and each label in a request of its own.

    `clock` is told to the server with every request: it must have been started to replay the past.
    """

    def __init__(self, url: str) -> None:
        self.sent = Sent()
        self._first = Client(url, retries=0)
        self._again = Client(url)
        self._pool = ThreadPoolExecutor(_CALLERS)
        self._counting = Lock()
        self._ids: dict[str, str] = {}

    def close(self) -> None:
        """End the callers and their connections."""
        self._pool.shutdown()
        self._first.close()
        self._again.close()

    def send(self, traffic: Traffic) -> None:
        """Send traffic hour by hour: what is due in one hour is answered before the next begins."""
        for due in traffic.hours():
            self._all(self._predict, _portions(due.predictions))
            self._all(self._tell, _portions(due.labels))

    def _all(self, work: Callable[[list[T]], None], portions: list[list[T]]) -> None:
        for done in [self._pool.submit(work, portion) for portion in portions]:
            done.result()

    def _predict(self, predictions: Sequence[Prediction]) -> None:
        for prediction in predictions:
            row = Row(
                {name: value for name, value in prediction.features.items() if value is not None},
                prediction.reference_id,
                prediction.predicted_at,
            )
            answer = self._sent(lambda client, row=row: client.predict([row], row.predicted_at))
            with self._counting:
                self._ids[prediction.prediction_id] = answer.predictions[0].prediction_id
                self.sent.versions.add(answer.version)
                self.sent.uncaptured += not answer.captured

    def _tell(self, labels: Sequence[Label]) -> None:
        for label in labels:
            given = self._ids.get(label.prediction_id or "")
            if given is None:
                continue  # its prediction was made before the replay began
            row = LabelRow(label.label, prediction_id=given, observed_at=label.observed_at)
            self._sent(lambda client, row=row, at=label.known_at: client.feedback([row], at))
            with self._counting:
                self.sent.labels += 1

    def _sent(self, ask: Callable[[Client], T]) -> T:
        with self._counting:
            self.sent.requests += 1
        try:
            return ask(self._first)
        except ServiceUnavailable:
            with self._counting:
                self.sent.failed += 1
            return ask(self._again)


def steps(since: datetime, until: datetime, every: timedelta) -> list[datetime]:
    """List the ends of the steps from `since` to `until`, the last one included."""
    ends: list[datetime] = []
    while since < until:
        since = min(since + every, until)
        ends.append(since)
    return ends


def day(year: int, month: int, number: int) -> datetime:
    """Name a day's beginning in UTC."""
    return datetime(year, month, number, tzinfo=UTC)


@contextmanager
def callers(url: str) -> Generator[Callers]:
    """Open callers, and end them."""
    made = Callers(url)
    try:
        yield made
    finally:
        made.close()


def _portions(items: list[T]) -> list[list[T]]:
    return [part for part in (items[i::_CALLERS] for i in range(_CALLERS)) if part]

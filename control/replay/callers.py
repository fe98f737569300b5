"""Callers that send traffic to the prediction service, each row and each label in a request of its own."""

import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Self, TypeVar

from control.replay.traffic import Traffic
from data.records import Label, Prediction, ids_of
from keepfit.errors import RequestRefused, ServiceUnavailable
from keepfit.spec import Value
from serving.client import Client
from serving.contract import LabelRow, Row

T = TypeVar("T")

_CALLERS = 8
_RETRIES = 10
"""Half a minute and more: a service that was killed is started again meanwhile."""


@dataclass
class Sent:
    """What the callers saw.

    `failed` are first attempts that were not answered, each then tried again; `refused` are rows and
    labels that the service refused for good, by the reason.
    """

    requests: int = 0
    failed: int = 0
    labels: int = 0
    uncaptured: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])

    def __iadd__(self, other: "Sent") -> Self:
        self.requests += other.requests
        self.failed += other.failed
        self.labels += other.labels
        self.uncaptured += other.uncaptured
        self.refused.update(other.refused)
        return self


class Callers:
    """Some callers side by side; use it in `with`.

    Every request tells the server the time it is made at: it must have been started to replay the past.
    Every request carries a key made of its row, so that sending a file again changes nothing.
    """

    def __init__(self, url: str, key: str | None = None, trusted: ssl.SSLContext | None = None) -> None:
        self._first = Client(url, retries=0, key=key, trusted=trusted)
        self._again = Client(url, retries=_RETRIES, key=key, trusted=trusted)
        self._pool = ThreadPoolExecutor(_CALLERS, thread_name_prefix="caller")
        self._stopping = threading.Event()
        self._ids: dict[str, str] = {}
        """The id that the service gave to each prediction of the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._pool.shutdown()
        self._first.close()
        self._again.close()

    def remember(self, predictions: Iterable[Prediction]) -> None:
        """Know what was sent before, by other callers: their labels are still to come."""
        for prediction in predictions:
            key = prediction.prediction_id
            self._ids[key] = ids_of(key, 1)[0]

    def send(self, traffic: Traffic) -> Sent:
        """Send traffic, each caller its part in order of time; return when all is answered."""
        working = [self._pool.submit(self._send, part) for part in traffic.shared_out(_CALLERS)]
        try:
            wait(working)
        except BaseException:
            self._stopping.set()
            raise
        total = Sent()
        for done in working:
            total += done.result()
        return total

    def _send(self, traffic: Traffic) -> Sent:
        sent = Sent()
        try:
            for event in traffic.in_order():
                if self._stopping.is_set():
                    break
                if isinstance(event, Prediction):
                    self._predict(event, sent)
                else:
                    self._tell(event, sent)
        except BaseException:
            self._stopping.set()  # one that cannot go on ends the others: the step is sent again whole
            raise
        return sent

    def _predict(self, prediction: Prediction, sent: Sent) -> None:
        row, key, at = _row(prediction), prediction.prediction_id, prediction.predicted_at
        answer = self._asked(sent, lambda client: client.predict([row], at, key))
        if answer is not None:
            self._ids[key] = answer.predictions[0].prediction_id
            sent.uncaptured += not answer.captured

    def _tell(self, label: Label, sent: Sent) -> None:
        given = self._ids.get(label.prediction_id or "")
        if given is None:
            return  # its row was refused
        row = LabelRow(label.label, prediction_id=given, observed_at=label.observed_at)
        answer = self._asked(sent, lambda client: client.feedback([row], label.known_at, label.label_id))
        if answer is not None:
            sent.labels += 1

    def _asked(self, sent: Sent, ask: Callable[[Client], T]) -> T | None:
        sent.requests += 1
        try:
            try:
                return ask(self._first)
            except ServiceUnavailable:
                sent.failed += 1
                return ask(self._again)
        except RequestRefused as refusal:
            sent.refused[str(refusal)] += 1
            return None


def _row(prediction: Prediction) -> Row:
    given: dict[str, Value] = {n: value for n, value in prediction.features.items() if value is not None}
    return Row(given, prediction.reference_id, prediction.predicted_at)

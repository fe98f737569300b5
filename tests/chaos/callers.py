"""Callers who write down what they asked and what they were told: acknowledged, refused, or unknown."""

import http.client
import json
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from data.records import new_id

Outcome = Literal["", "acknowledged", "refused", "unknown"]
"""Unknown: no answer came, and it may have been done or not."""

_TRIES = 6
_LABELLED = 0.75
_CONTRADICTED = 0.01


@dataclass(slots=True)
class Visit:
    """One row that a caller asked about, and its outcome, which the caller told later."""

    number: int
    reference: str = ""
    key: str = field(default_factory=new_id)
    began: float = 0.0
    ended: float = 0.0
    tries: int = 0
    outcome: Outcome = ""
    prediction_id: str = ""
    version: int = 0
    output: float = 0.0
    captured: bool = False
    label_key: str = field(default_factory=new_id)
    label: float = 0.0
    label_outcome: Outcome = ""
    label_id: str = ""
    contradicted: Outcome = ""
    contradiction_captured: bool = False

    @property
    def distance(self) -> float:
        """The row: a number that float32 has exactly."""
        return float(self.number % 4_096)


class Callers:
    """Threads that ask `per_s` times a second in all; `history` is all that they know."""

    def __init__(self, port: int, per_s: float, seed: int, threads: int = 12) -> None:
        self.history: list[Visit] = []
        self.asked = 0
        self._turns = 0
        self._port, self._per_s = port, per_s
        self._random = random.Random(seed)
        self._numbers = iter(range(1 << 60))
        self._taking = threading.Lock()
        self._began = time.monotonic()
        self._late: deque[tuple[float, Visit]] = deque()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        """Begin to ask."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what was begun, and ask nothing more."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        line = _Line(self._port)
        while not self._ended.is_set():
            with self._taking:
                due = self._began + self._turns / self._per_s
                # Whoever was held up asks faster afterwards, but not for more than was missed in a moment.
                if time.monotonic() - due > 3:
                    self._began += time.monotonic() - due - 3
                self._turns += 1
                labelling = self._late[0][1] if self._late and self._late[0][0] < time.monotonic() else None
                if labelling is not None:
                    self._late.popleft()
                number = next(self._numbers) if labelling is None else 0
                chance = self._random.random()
            if (wait := due - time.monotonic()) > 0:
                self._ended.wait(wait)
            if labelling is not None:
                self._label(line, labelling)
            else:
                self._visit(line, Visit(number), chance)
        line.close()

    def _visit(self, line: "_Line", visit: Visit, chance: float) -> None:
        visit.reference = f"visit-{visit.number}"
        self.history.append(visit)
        visit.outcome, told = self._until_told(line, "/v1/predict", _row(visit), visit.key, visit)
        if told is not None:
            (made,) = told["predictions"]
            visit.prediction_id, visit.output = made["prediction_id"], made["output"]
            visit.version, visit.captured = told["version"], told["captured"]
            if chance < _CONTRADICTED:
                other = _row(visit, visit.distance + 1)
                visit.contradicted, said = self._until_told(line, "/v1/predict", other, visit.key)
                visit.contradiction_captured = said is not None and said["captured"]
            if chance < _LABELLED:
                self._late.append((time.monotonic() + 4 * chance, visit))

    def _label(self, line: "_Line", visit: Visit) -> None:
        visit.label = visit.distance / 2
        named = (
            {"prediction_id": visit.prediction_id} if visit.number % 2 else {"reference_id": visit.reference}
        )
        body = {"labels": [{"label": visit.label, **named}]}
        visit.label_outcome, told = self._until_told(line, "/v1/feedback", body, visit.label_key)
        if told is not None:
            (visit.label_id,) = told["label_ids"]

    def _until_told(
        self, line: "_Line", path: str, body: Any, key: str, visit: Visit | None = None
    ) -> tuple[Outcome, Any]:
        """Ask under one key until it is known what became of it, or patience ends."""
        outcome: Outcome = "refused"
        for attempt in range(_TRIES):
            began = time.time()
            status, told = line.ask(path, body, key)
            self.asked += 1
            if visit is not None:
                visit.began, visit.ended, visit.tries = visit.began or began, time.time(), attempt + 1
            if status == 200:
                return "acknowledged", told
            if status == 0:
                outcome = "unknown"
            elif status not in (429, 503, 507):
                return outcome, None
            self._ended.wait(0.1 * 2**attempt)
        return outcome, None


class _Line:
    """One connection, opened again after it broke."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, path: str, body: Any, key: str) -> tuple[int, Any]:
        """Return the status and what was told; 0 where no whole answer came."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=8)
            self._connection.request(
                "POST",
                path,
                json.dumps(body),
                {"Content-Type": "application/json", "Idempotency-Key": key},
            )
            response = self._connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as fault:
            refused = isinstance(fault, ConnectionRefusedError)
            self.close()
            return (503 if refused else 0), None  # nobody was there to do anything

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _row(visit: Visit, distance: float | None = None) -> Any:
    features = {
        "distance": visit.distance if distance is None else distance,
        "carrier": "AA",
        "holiday": False,
    }
    return {"rows": [{"features": features, "reference_id": visit.reference}]}

"""The flows in a process that is warm: each call runs one in a fork, and may end it at a place it reaches.

A place is a fault point, or a file below the home that gets its name: what has no point is hit between two
of its files. Prefect's part, which makes a task of each step, is left out: what makes a flow safe to repeat
is its own.
"""

import os
import re
import signal
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import evidently.metrics
import great_expectations
import mlflow.tracking.request_header.registry
import model_signing.signing
import onnxruntime
import skl2onnx
import sklearn.compose
import sklearn.linear_model
from tqdm import tqdm

import data.registry
import data.signing
import flows.steps
import flows.watch
import tasks.convert
from flows.feedback import feedback
from flows.retrain import retrain
from flows.rollback import rollback
from flows.watch import watch
from keepfit import faults

tqdm.monitor_interval = 0  # a thread would not be there in the fork
LOADED = (
    *(evidently.metrics, great_expectations, mlflow, model_signing, onnxruntime, skl2onnx, sklearn),
    *(data.registry, data.signing, tasks.convert),
)
"""What the flows import when they need it: here once for all."""

FLOWS = {"feedback": feedback, "watch": watch, "retrain": retrain, "rollback": rollback}
_NAMED = re.compile(r"[0-9a-f]{64}|[0-9a-f]{8}-[0-9a-f-]{27}")


def run(flow: str, given: dict[str, Any], place: str = "", ends_with: int = signal.SIGKILL) -> list[str]:
    """Run a flow, and send itself a signal where it reaches a place; return each place that it reached."""
    flows.steps.task = lambda **_: lambda work: work
    flows.steps.create_markdown_artifact = lambda *_, **__: None
    flows.watch.emit_event = lambda *_, **__: None
    reached = _Places(place, ends_with)
    faults.arm(reached.point)
    sys.addaudithook(reached.event)
    as_of = datetime.fromisoformat(given["as_of"])
    FLOWS[flow].fn(**{**given, "as_of": as_of})
    return reached.places


class _Places:
    """Counts what is reached by name: the second of a name is `name 2`."""

    def __init__(self, place: str, ends_with: int) -> None:
        self.places: list[str] = []
        self._place, self._ends_with = place, ends_with
        self._seen = Counter[str]()
        self._home = os.environ["KEEPFIT_HOME"]

    def point(self, point: str, *_told: object) -> None:
        self._seen[point] += 1
        place = point if self._seen[point] == 1 else f"{point} {self._seen[point]}"
        self.places.append(place)
        if place == self._place:
            os.kill(os.getpid(), self._ends_with)

    def event(self, event: str, told: tuple[Any, ...]) -> None:
        if event == "os.rename" and str(told[1]).startswith(self._home):
            self.point(f"naming {_NAMED.sub('*', Path(told[1]).name)}")

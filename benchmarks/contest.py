"""The servers of one contest: each is started, its answers are compared, and it rests until its turn."""

import subprocess
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.models import Model, Rows
from benchmarks.rivals.catalogue import RIVALS, Rival
from benchmarks.rivals.environments import variables
from benchmarks.servers import Command, NotServed, Served, free_port, running, serving
from keepfit.settings import Settings
from serving.contract import PredictRequest, Row

OURS, EMPTY = "Keepfit, capture on", "empty function"
COMPARED = 100
ONNX, _SAME = 1e-4, 1e-9
"""How far an answer may be from the pipeline's own: float32 in ONNX, and the same code."""


@dataclass(frozen=True)
class Contestant:
    """A server in the contest: what it is asked, and where its answers stand."""

    server: Served
    path: str
    body: Callable[[Rows], object]
    probabilities: Callable[[Any], list[float]] | None
    tolerance: float = _SAME
    batching: bool = False
    """It joins requests because it was told to; by itself it would not."""

    @property
    def name(self) -> str:
        """What the tables call it."""
        return self.server.name

    def request(self, rows: Rows) -> bytes:
        """Write one whole request."""
        body = msgspec.json.encode(self.body(rows))
        head = f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    def check(self, model: Model) -> None:
        """Refuse a server whose answers are not the pipeline's: it would be measured at something else."""
        if self.probabilities is None:
            return
        for rows in (model.rows[:COMPARED], *([row] for row in model.rows[:5])):
            far = max(abs(t - p) for t, p in zip(self._answers(rows), model.answers(rows), strict=True))
            if not far <= self.tolerance:  # NaN is not far from anything
                raise NotServed(f"{self.name} is {far:g} away from the pipeline's own answer")

    def _answers(self, rows: Rows) -> list[float]:
        assert self.probabilities is not None
        try:
            status, body = self.server.ask("POST", self.path, msgspec.json.encode(self.body(rows)))
        except OSError as fault:
            raise NotServed(f"{self.name} did not answer {len(rows)} rows: {fault}") from fault
        try:
            told = self.probabilities(msgspec.json.decode(body))
        except (ValueError, LookupError, TypeError) as fault:
            raise NotServed(f"{self.name} answered {status}: {body[:300]}") from fault
        if len(told) != len(rows):
            raise NotServed(f"{self.name} answered {len(told)} times for {len(rows)} rows")
        return told


@dataclass(frozen=True)
class Contest:
    """All who take part, and why the others do not."""

    started: Sequence[Contestant]
    missing: dict[str, str]
    """Whose answers are wrong, and who drops out on the way."""

    @property
    def contestants(self) -> list[Contestant]:
        """List those that are still in it."""
        return [c for c in self.started if c.name not in self.missing]

    def named(self, name: str) -> Contestant:
        """Find one by its name."""
        return next(c for c in self.contestants if c.name == name)


@contextmanager
def contest(model: Model, home: Path, installed: Mapping[str, Path]) -> Generator[Contest]:
    """Start every server on one model, one after another; each rests when its answers were found right.

    `installed` are the environments by the rivals' names; a rival without one does not take part.
    """
    settings = Settings(home=home, project_name=model.project.name)
    model.release(settings)
    folder = model.save(home / f"pipeline-{model.project.name}")
    present: list[Contestant] = []
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        present += _ours(stack, settings)
        for contestant in present:
            contestant.check(model)
        for rival in [rival for rival in RIVALS if rival.name in installed]:
            for batching in (False, True) if rival.batches else (False,):
                name = f"{rival.name}, batching" if batching else rival.name
                try:
                    one = _started(stack, rival, name, installed[rival.name], folder)
                    present.append(one)
                    with one.server.awake():
                        one.check(model)
                except NotServed as fault:
                    missing[name] = str(fault)
        yield Contest(present, missing)


def _ours(stack: ExitStack, settings: Settings) -> Iterator[Contestant]:
    ours = stack.enter_context(serving("serving", settings))
    yield Contestant(replace(ours, name=OURS), "/v1/predict", _asked, _second, ONNX)
    empty = stack.enter_context(serving("benchmarks.empty", settings))
    yield Contestant(replace(empty, name=EMPTY), "/v1/predict", _asked, None)


def _started(stack: ExitStack, rival: Rival, name: str, place: Path, folder: Path) -> Contestant:
    batching = name != rival.name
    if rival.saves:
        _save(rival, place, folder)
    port = free_port()
    words = (place / "bin" / "python", rival.file, folder, str(port), *(["--batch"] if batching else []))
    log = folder / f"{port}.log"
    command = Command(name, port, words, rival.ready, log, variables(place), folder)
    server = stack.enter_context(running(command))
    return Contestant(server, rival.path, rival.body, rival.probabilities, batching=batching)


def _save(rival: Rival, place: Path, folder: Path) -> None:
    command = [str(place / "bin" / "python"), str(rival.file), str(folder)]
    done = subprocess.run(command, env=variables(place), capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotServed(f"{rival.name} could not save the pipeline: {done.stderr[-500:]}")


def _asked(rows: Rows) -> PredictRequest:
    return PredictRequest([Row(row, f"reference-{number}") for number, row in enumerate(rows)])


def _second(told: Any) -> list[float]:  # noqa: ANN401 - what JSON holds
    return [answer["probabilities"][1] for answer in told["predictions"]]

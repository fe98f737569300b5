"""What was acknowledged is in the store exactly once, whoever dies, in whatever order."""

import errno
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from sqlalchemy import select

import tasks.collect
from data import tables
from data.journal import SUFFIX, Journal, encode_line, journal_files
from data.records import AcknowledgedLabels, CapturedPredictions, Entry, Label, Prediction
from data.store import Store
from keepfit import Project, faults
from keepfit.errors import CaptureFailed
from keepfit.settings import Settings
from tasks.collect import drain_journals
from tasks.loop import Loop
from tests.making import ROW, label, prediction, project
from tests.properties.dying import Died, armed, dying

OUTSIDE = ("drain.read", "drain.committed", "drain.deleted")
"""Points of a drain at which it holds no transaction, so that others go on."""
INSIDE = ("drain.moved", "drain.commit")
WORKERS = 2

Record = Prediction | Label
_numbers = count()
_on_disk: dict[Path, int] = {}
_dropped: set[Path] = set()
"""Files whose sync failed once: the kernel dropped what was not on disk, and says nothing of it later."""


@dataclass
class Written:
    """One journal file as the model knows it: what each append brought, to which byte, and what must stay."""

    path: Path
    appends: list[tuple[int, list[Record]]] = field(default_factory=list[tuple[int, list[Record]]])
    acknowledged: int = 0


@dataclass
class Worker:
    """A worker's journal, and the files that it wrote."""

    journal: Journal
    present: Written | None = None


@pytest.fixture(autouse=True)
def on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Note how much of each file the kernel is told to put on disk, which need not be waited for here."""

    def synced(number: int) -> None:
        path = Path(f"/proc/self/fd/{number}").readlink()
        if path not in _dropped:
            _on_disk[path] = os.fstat(number).st_size

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "fdatasync", synced)


@pytest.fixture(autouse=True)
def quick_objections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the columns object by themselves: Great Expectations says the same and takes half a second."""

    def objections(of: Project, predictions: Sequence[Prediction]) -> list[str | None]:
        found = [
            [f"{name}: {o}" for name, c in of.features.items() if (o := c.objection(p.features.get(name)))]
            for p in predictions
        ]
        return ["; ".join(told) or None for told in found]

    monkeypatch.setattr(tasks.collect, "objections", objections)


def refused(record: Record) -> bool:
    """Say whether a record belongs into quarantine."""
    if isinstance(record, Label):
        return record.label is not True
    return record.features["distance"] != ROW["distance"]


def descriptor(of: Path) -> int | None:
    """Find the descriptor under which this process has a file open."""
    for number in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            if number.readlink() == of:
                return int(number.name)
    return None


class JournalAndDrain(RuleBasedStateMachine):
    """Workers that write, sync, rotate and die, drains that die and meet, and cuts of the power.

    The model: `kept` was acknowledged and must come to the store; `perhaps` was written and may.
    """

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.project = project(name=f"made-{next(_numbers)}")
        settings = Settings(home=Path(self.home.name))
        self.loop = Loop(self.project, settings, self.store)
        self.workers: list[Worker | None] = [None] * WORKERS
        self.kept: Counter[str] = Counter()
        self.perhaps: Counter[str] = Counter()
        self.sent: list[Record] = []
        self.lines: list[str] = []
        self.files: list[Written] = []
        self.tears = 0
        self.torn: list[str] = []

    def worker(self, number: int) -> Worker:
        if (there := self.workers[number]) is None:
            there = self.workers[number] = Worker(Journal(self.loop.journal, max_bytes=900))
        return there

    def records(self, shape: Sequence[str]) -> list[Record]:
        made: list[Record] = []
        for what in shape:
            name = f"r{next(_numbers)}"
            match what:
                case "prediction":
                    made.append(prediction(name))
                case "prediction out of range":
                    made.append(prediction(name, features={**ROW, "distance": 9999.0}))
                case "label":
                    made.append(label(name))
                case "label of no class":
                    made.append(label(name, "perhaps"))
                case _:
                    made += self.sent[-1:]  # its caller did not hear the answer
        return made

    def writes_to(self, worker: Worker) -> Written:
        """Find the file that a worker writes to; one that it left was synced as it was closed."""
        path = self.loop.journal / worker.journal.name
        if worker.present is None or worker.present.path != path:
            self.is_synced(worker)  # the file that was left was closed
            worker.present = Written(path)
            self.files.append(worker.present)
        return worker.present

    def is_synced(self, worker: Worker) -> None:
        """Acknowledge what a worker wrote, as `Capture` does: but for what is in a file that is lost."""
        file = worker.present
        if file is not None and file.appends and file.path.name not in worker.journal.lost:
            file.acknowledged = file.appends[-1][0]

    def append(self, number: int, records: list[Record]) -> None:
        worker = self.worker(number)
        entries: list[Entry] = [
            CapturedPredictions((r,)) if isinstance(r, Prediction) else AcknowledgedLabels((r,))
            for r in records
        ]
        lines = [encode_line(entry) for entry in entries]
        self.lines += [line.decode() for line in lines]
        try:
            worker.journal.append_lines(b"".join(lines))
        except CaptureFailed:
            self.perhaps.update(map(content, records))
            self.writes_to(worker)
        else:
            self.kept.update(map(content, records))
            file = self.writes_to(worker)
            file.appends.append((file.path.stat().st_size, records))
        self.sent += records

    @rule(
        number=st.integers(0, WORKERS - 1),
        shape=st.lists(
            st.sampled_from(
                ["prediction", "prediction out of range", "label", "label of no class", "the last one again"]
            ),
            min_size=1,
            max_size=3,
        ),
    )
    def writes(self, number: int, shape: list[str]) -> None:
        self.append(number, self.records(shape))

    @rule(number=st.integers(0, WORKERS - 1), part=st.floats(0, 1))
    def has_no_room(self, number: int, part: float) -> None:
        def handler(point: str, *told: Any) -> None:
            if point == "journal.write":
                os.write(told[0], told[1][: int(part * len(told[1]))])
                raise OSError(errno.ENOSPC, "no space")

        with armed(handler):
            self.append(number, self.records(["label", "prediction"]))

    @rule(number=st.integers(0, WORKERS - 1))
    def syncs(self, number: int) -> None:
        worker = self.worker(number)
        worker.journal.sync()
        self.is_synced(worker)

    @rule(number=st.integers(0, WORKERS - 1), power_goes=st.booleans())
    def cannot_sync(self, number: int, power_goes: bool) -> None:
        def handler(point: str, *_: object) -> None:
            if point == "journal.sync":
                raise OSError(errno.EIO, "no disk")

        worker = self.worker(number)
        with armed(handler):
            try:
                worker.journal.sync()
            except CaptureFailed:
                _dropped.add(self.loop.journal / worker.journal.name)
        self.syncs(number)  # the next one goes well, and says nothing of what was dropped
        if power_goes:
            self.loses_its_power(0.0, zeros=False)

    @rule(number=st.integers(0, WORKERS - 1))
    def ends(self, number: int) -> None:
        if (worker := self.workers[number]) is not None:
            worker.journal.close()
            self.is_synced(worker)
            self.workers[number] = None

    @rule(number=st.integers(0, WORKERS - 1), torn=st.integers(0, 200))
    def dies(self, number: int, torn: int) -> None:
        """Die, perhaps in the middle of a line: the kernel closes the file, and nobody syncs it."""
        worker, self.workers[number] = self.workers[number], None
        if worker is None or (file := descriptor(self.loop.journal / worker.journal.name)) is None:
            return
        line = encode_line(AcknowledgedLabels((label(f"half-{next(_numbers)}"),)))
        os.write(file, line[:torn][:-1])
        self.lines.append(line.decode())
        self.tears += 1
        self.torn += [line[:torn][:-1].decode()] * (torn > 1)
        os.close(file)

    @rule(part=st.sampled_from([0.0, 0.3, 0.8]), zeros=st.booleans())
    def loses_its_power(self, part: float, zeros: bool) -> None:
        """Take from every file what was not synced, or but for a part; zeros may stand in its place."""
        for number in range(WORKERS):
            self.dies(number, 0)
        for file in self.files:
            for end, records in file.appends:
                if end > file.acknowledged:
                    self.kept.subtract(map(content, records))
                    self.perhaps.update(map(content, records))
            if file.path.exists():
                self.tears += 1
                size, synced = file.path.stat().st_size, _on_disk.get(file.path, 0)
                os.truncate(file.path, synced + int(part * (size - synced)))
                os.truncate(file.path, size if zeros else file.path.stat().st_size)
        self.files.clear()
        self.torn.clear()

    @rule()
    def drains(self) -> None:
        drain_journals(self.loop)

    @rule(point=st.sampled_from([*OUTSIDE, *INSIDE]), time=st.sampled_from([1, 1, 2, 3]))
    def dies_draining(self, point: str, time: int) -> None:
        with dying(point, time):
            drain_journals(self.loop)

    @rule(
        point=st.sampled_from(OUTSIDE),
        time=st.sampled_from([1, 1, 2]),
        meanwhile=st.lists(
            st.sampled_from(["writes", "drains", "dies", "all is drained"]), min_size=1, max_size=3
        ),
        dying=st.booleans(),
    )
    def is_overtaken_draining(self, point: str, time: int, meanwhile: list[str], dying: bool) -> None:
        """Others go on while a drain stands still; then it goes on too, or dies."""
        times = count(1)

        def handler(reached: str, *_: object) -> None:
            if reached != point or next(times) != time:
                return
            faults.arm(None)
            for what in meanwhile:
                match what:
                    case "writes":
                        self.append(0, self.records(["label", "prediction out of range"]))
                    case "drains":
                        drain_journals(self.loop)
                    case "dies":
                        self.dies(0, 30)
                    case _:
                        self.all_is_drained()
            if dying:
                raise Died

        with armed(handler), suppress(Died):
            drain_journals(self.loop)

    def all_is_drained(self) -> None:
        for number in range(WORKERS):
            self.ends(number)
        drain_journals(self.loop)

    def teardown(self) -> None:
        try:
            self.all_is_drained()
            self.is_as_the_model_says()
        finally:
            self.home.cleanup()

    def is_as_the_model_says(self) -> None:
        assert journal_files(self.loop.journal) == []
        assert list(self.loop.journal.glob(f".*{SUFFIX}")) == []
        assert self.store.journal_positions(self.project.name) == {}
        accepted, rejected, torn = self.stored()
        good = {content(record) for record in self.sent if not refused(record)}
        bad = {content(record) for record in self.sent if refused(record)}
        kept = +self.kept
        # What came again under its id is kept once; what was refused has no id: it is kept as often as it
        # came.
        assert {c for c in kept if c in good} <= set(accepted) <= good
        assert set(accepted.values()) <= {1}
        assert set(rejected) <= bad
        assert {c: n for c, n in kept.items() if c in bad and not n <= rejected[c]} == {}
        assert {c: n for c, n in rejected.items() if n > kept[c] + self.perhaps[c]} == {}
        assert [t for t in torn if not any(line.startswith(t) for line in self.lines)] == []
        assert len(torn) <= self.tears
        assert Counter(self.torn) <= Counter(torn)

    def stored(self) -> tuple[Counter[str], Counter[str], list[str]]:
        """Read what was accepted, what was set aside, and what was no line, to where zeros begin."""
        predictions, quarantine = self.store.predictions(self.project), tables.quarantine
        with self.store.reading() as connection:
            ids = [
                *connection.execute(select(predictions.c.prediction_id)).scalars(),
                *connection.execute(
                    select(tables.labels.c.label_id).where(tables.labels.c.project == self.project.name)
                ).scalars(),
            ]
            aside = connection.execute(
                select(quarantine.c.kind, quarantine.c.content).where(
                    quarantine.c.project == self.project.name
                )
            ).all()
        torn = [row.content.partition("\\x00")[0] for row in aside if row.kind == "journal line"]
        return Counter(ids), Counter(row.content for row in aside if row.kind != "journal line"), torn


def content(record: Record) -> str:
    """Name a record as the store does: by its id, or by what it says where it is set aside."""
    if refused(record):
        return msgspec.json.encode(record).decode()
    return record.label_id if isinstance(record, Label) else record.prediction_id


def test_what_was_acknowledged_is_in_the_store_exactly_once(open_store: Callable[[], Store]) -> None:
    class OnStore(JournalAndDrain):
        store = open_store()

    run_state_machine_as_test(
        OnStore, settings=hypothesis(max_examples=100, stateful_step_count=30, deadline=None)
    )

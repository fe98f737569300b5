"""A disk that fails a worker at its n-th write, sync or file, for every n; and what the worker then says."""

import asyncio
import errno
import fcntl
import json
import os
import resource
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from sqlalchemy import select

from data import tables
from keepfit import faults
from keepfit.settings import Settings
from serving.app import App
from tasks.collect import drain_journals
from tests.builders import COLUMNS, ROW, TARGETS, published
from tests.keys import SETTINGS
from tests.making import loop, project

pytestmark = pytest.mark.long

Kind = Literal["full", "short", "torn", "unsynced", "closed"]

POINT: dict[Kind, str] = {"unsynced": "journal.sync", "closed": "journal.open"}
UNLIMITED = resource.getrlimit(resource.RLIMIT_FSIZE)


@pytest.fixture(autouse=True)
def well(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Great Expectations has nothing to say of these rows, and would take most of the time.
    monkeypatch.setattr("tasks.collect.objections", lambda _, rows: [None] * len(rows))
    yield
    faults.arm(None)
    no_limit()


def no_limit() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, UNLIMITED)


@dataclass
class Disk:
    """Fails a kind of step at its n-th time, or from then on until `over`."""

    kind: Kind
    nth: int
    lasting: bool = False
    over: bool = False
    reached: int = 0
    failed: int = 0

    def __call__(self, point: str, *told: Any) -> None:
        no_limit()
        if point != POINT.get(self.kind, "journal.write") or self.over:
            return
        self.reached += 1
        if self.reached == self.nth or (self.lasting and self.reached > self.nth):
            self.failed += 1
            self._fail(*told)

    def _fail(self, *told: Any) -> None:
        match self.kind:
            case "full" | "closed":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            case "unsynced":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            case "short":  # the kernel writes the half of it, and then no more
                descriptor, lines = told
                room = os.fstat(descriptor).st_size + len(lines) // 2
                resource.setrlimit(resource.RLIMIT_FSIZE, (room, UNLIMITED[1]))
            case "torn":  # half a line, on a disk that from now on can only be read
                descriptor, lines = told
                os.write(descriptor, lines[: lines.index(b"\n") // 2])
                read_only = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY)
                os.dup2(read_only, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                os.close(read_only)


@dataclass
class Served:
    """One worker's application, asked in this process, and what it said of each row and label by its name."""

    settings: Settings
    captured: set[str] = field(default_factory=set[str])
    uncaptured: set[str] = field(default_factory=set[str])
    acknowledged: set[str] = field(default_factory=set[str])
    refused: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    headers: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    """Those of the last answer."""
    app: App = field(init=False)

    def __post_init__(self) -> None:
        self.app = App(self.settings)

    async def start(self) -> None:
        await self.app._worker.start()

    async def stop(self) -> None:
        await self.app._worker.stop()

    async def predict(self, name: str, rows: int = 1) -> int:
        names = [f"{name}.{row}" for row in range(rows)]
        body = {"rows": [{"features": ROW, "reference_id": each} for each in names]}
        status, told = await self.post("/v1/predict", body, name)
        if status == 200:
            (self.captured if told["captured"] else self.uncaptured).update(names)
        return status

    async def label(self, name: str) -> int:
        status, _ = await self.post("/v1/feedback", {"labels": [{"label": 1.5, "reference_id": name}]}, name)
        if status == 200:
            self.acknowledged.add(name)
        return status

    async def post(self, path: str, body: object, key: str) -> tuple[int, Any]:
        answers: list[Any] = []
        content = json.dumps(body).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content}

        async def send(message: Any) -> None:
            answers.append(message)

        headers = [(b"content-type", b"application/json"), (b"idempotency-key", key.encode())]
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
        await self.app(scope, receive, send)
        status: int = answers[0]["status"]
        self.headers = list(answers[0]["headers"])
        if status >= 400:
            self.refused.add((path, status))
        return status, json.loads(answers[1]["body"])

    async def many(self, run: str, disk: Disk) -> None:
        """Send some 30 requests; those of a wave come at once, and what is refused is sent again later."""
        failed: list[tuple[bool, str]] = []
        for wave in range(6):
            name = f"{run}.{wave}"
            asked = [(True, f"{name}.{n}") for n in range(3)] + [(False, f"{name}.{n}") for n in "ab"]
            told = await asyncio.gather(*(self._send(*each) for each in asked))
            failed += [each for each, status in zip(asked, told, strict=True) if status != 200]
        disk.over = True
        assert [await self._send(*each) for each in failed] == [200] * len(failed)
        assert await self._send(True, f"{run}.after") == 200
        assert f"{run}.after.0" in self.captured, "it did not recover"

    async def _send(self, predicts: bool, name: str) -> int:
        return await (self.predict(name, rows=1 + (name[-1] == "1")) if predicts else self.label(name))


def served(home: Path, **changed: Any) -> Served:
    still = {"poll_s": 3600.0, "status_s": 3600.0, "journal_bytes": 4000}
    settings = replace(Settings(home=home), **(still | SETTINGS | changed))
    published(home / "made", settings.releases("flights"), kind="regression")
    return Served(settings)


@dataclass(frozen=True)
class Kept:
    """What a drain finds, by the callers' names for it, in their order."""

    predictions: list[str]
    labels: list[str]
    torn: int


def drained(settings: Settings) -> Kept:
    of = project("regression", name="flights", features=COLUMNS, target=TARGETS["regression"])
    made = loop(settings.home, of)
    drain_journals(made)
    table = made.store.predictions(of)
    with made.store.reading() as connection:
        predictions = connection.execute(select(table.c.reference_id)).scalars().all()
        labels = connection.execute(select(tables.labels.c.reference_id)).scalars().all()
    torn = made.quarantine.count()
    made.store.close()
    return Kept(sorted(predictions), sorted(labels), torn)


MODES = {"process": {}, "fsync": {"durability": "fsync", "capture": "required"}}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("kind", "lasting"),
    [
        *(("full", False), ("full", True), ("short", False), ("short", True), ("torn", False)),
        *(("unsynced", False), ("unsynced", True), ("closed", False), ("closed", True)),
    ],
)
def test_whichever_write_sync_or_file_fails_nothing_acknowledged_is_lost_and_no_refusal_is_hidden(
    tmp_path: Path, kind: Kind, lasting: bool, mode: str
) -> None:
    ours = served(tmp_path, **MODES[mode])
    torn = 0

    async def sweep() -> int:
        nonlocal torn
        await ours.start()
        nth, failed = 0, True
        while failed:
            nth += 1
            disk = Disk(kind, nth, lasting)
            faults.arm(disk)
            await ours.many(f"{nth}", disk)
            failed = disk.failed > 0
            torn += disk.failed if kind == "torn" else 0
        faults.arm(None)
        await ours.stop()
        return nth

    runs = asyncio.run(sweep())
    kept = drained(ours.settings)
    assert runs > 2, "no fault was reached"
    assert len(set(kept.predictions)) == len(kept.predictions)
    assert len(set(kept.labels)) == len(kept.labels)
    assert ours.acknowledged <= set(kept.labels)
    assert ours.captured <= set(kept.predictions)
    assert ours.captured.isdisjoint(ours.uncaptured)
    if mode == "process":  # a line that is there is captured; with fsync, its sync may have failed
        assert ours.captured == set(kept.predictions)
    else:
        assert ours.uncaptured == set()
    assert kept.torn == torn
    statuses = {"/v1/feedback": 507, "/v1/predict": 503}
    assert ours.refused <= set(statuses.items())


def asked(ours: Served, *steps: Any) -> list[Any]:
    """Start a worker, do each step, end it; give what each step gave."""

    async def all_of_it() -> list[Any]:
        await ours.start()
        try:
            return [await step() for step in steps]
        finally:
            faults.arm(None)
            await ours.stop()

    return asyncio.run(all_of_it())


def counted(ours: Served) -> dict[str, float]:
    return ours.app._worker.status().counters


def test_where_capture_is_required_rows_that_are_left_out_on_purpose_are_answered_all_the_same(
    tmp_path: Path,
) -> None:
    ours = served(tmp_path, capture="required", capture_share=0.5)
    faults.arm(Disk("full", 1, lasting=True))
    statuses = asked(ours, *(lambda n=n: ours.predict(f"{n}", rows=2) for n in range(40)))
    refused = statuses.count(503)
    assert set(statuses) == {200, 503}
    assert len(ours.uncaptured) == 2 * statuses.count(200)
    assert counted(ours)["keepfit_uncaptured_total"] == 2 * refused
    assert counted(ours)['keepfit_refusals_total{reason="not captured"}'] == refused
    assert counted(ours)['keepfit_refusals_total{reason="no model"}'] == 0


@pytest.mark.parametrize(("durability", "captured"), [("process", True), ("fsync", False)])
def test_a_prediction_that_is_not_on_disk_is_captured_only_where_it_need_not_outlive_the_machine(
    tmp_path: Path, durability: str, captured: bool
) -> None:
    ours = served(tmp_path, durability=durability)
    faults.arm(Disk("unsynced", 1))
    asked(ours, lambda: ours.predict("a"))
    assert (ours.captured == {"a.0"}) == captured
    assert (ours.uncaptured == {"a.0"}) != captured


def test_a_line_that_fits_into_the_rest_of_a_full_disk_does_not_make_it_well(tmp_path: Path) -> None:
    ours = served(tmp_path)
    capture = ours.app._worker.capture

    async def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, UNLIMITED[1]))

    async def failing() -> bool:
        return capture.failing

    async def empty() -> None:
        no_limit()

    many = lambda: ours.predict("many", rows=20)  # noqa: E731
    steps = (fill, many, lambda: ours.label("few"), failing, capture.try_again, failing)
    found = asked(ours, *steps, empty, lambda: ours.label("again"), failing, capture.try_again, failing)
    assert [found[n] for n in (1, 2, 7)] == [200, 200, 200]
    assert len(ours.uncaptured) == 20
    assert [found[n] for n in (3, 5, 8, 10)] == [True, True, True, False]
    assert drained(ours.settings) == Kept([], ["again", "few"], 0)


def test_a_refusal_for_want_of_capture_says_when_to_come_again(tmp_path: Path) -> None:
    ours = served(tmp_path, capture="required")
    faults.arm(Disk("full", 1))
    body = {"rows": [{"features": ROW}]}
    ((status, told),) = asked(ours, lambda: ours.post("/v1/predict", body, "a"))
    assert status == 503
    assert "KEEPFIT_CAPTURE=required" in told["error"]["reason"]
    assert (b"retry-after", b"1") in ours.headers


def test_labels_that_were_refused_may_be_sent_again_under_their_key_and_others_not(tmp_path: Path) -> None:
    ours = served(tmp_path)
    faults.arm(Disk("unsynced", 1))

    async def others() -> int:
        status, _ = await ours.post("/v1/feedback", {"labels": [{"label": 2, "reference_id": "b"}]}, "a")
        return status

    assert asked(ours, lambda: ours.label("a"), others, lambda: ours.label("a")) == [507, 409, 200]
    assert drained(ours.settings).labels == ["a"]


@pytest.mark.parametrize("kind", ["full", "unsynced", "closed"])
def test_a_journal_that_fails_is_told_until_it_is_well_and_nobody_need_come_to_find_it_so(
    tmp_path: Path, kind: Kind
) -> None:
    ours = served(tmp_path)
    capture = ours.app._worker.capture
    disk = Disk(kind, 1, lasting=True)
    faults.arm(disk)

    async def failing() -> float:
        return counted(ours)["keepfit_capture_failing"]

    async def mended() -> None:
        disk.over = True

    steps = (failing, lambda: ours.label("a"), failing, capture.try_again, failing)
    found = asked(ours, *steps, mended, failing, capture.try_again, failing)
    assert found == [0, 507, 1, None, 1, None, 1, None, 0]
    assert counted(ours)["keepfit_labels_lost_total"] == 1
    assert drained(ours.settings).torn == 0


@pytest.mark.parametrize("leave", ["nothing", "a file"])
def test_a_journal_folder_that_is_removed_costs_nothing_that_comes_after(tmp_path: Path, leave: str) -> None:
    ours = served(tmp_path)
    folder = ours.settings.journal("flights")

    async def remove() -> None:
        shutil.rmtree(folder)
        if leave == "a file":
            folder.touch()

    async def put_right() -> None:
        if leave == "a file":
            folder.unlink()

    steps = [lambda n=n: ours.predict(n) for n in ("before", "meanwhile", "after")]
    labels = [lambda n=n: ours.label(n) for n in ("meanwhile", "after")]
    found = asked(ours, steps[0], remove, steps[1], labels[0], put_right, steps[2], labels[1])
    kept = drained(ours.settings)
    assert [found[n] for n in (0, 2, 5)] == [200] * 3
    assert ours.captured - {"before.0"} == set(kept.predictions)
    assert ours.acknowledged == set(kept.labels)
    assert {"after", "after.0"} <= ours.captured | ours.acknowledged
    assert ("meanwhile" in ours.acknowledged) == ("meanwhile.0" in ours.captured) == (leave == "nothing")


def test_labels_whose_file_is_removed_before_their_sync_are_not_acknowledged(tmp_path: Path) -> None:
    ours = served(tmp_path)

    def removed(point: str, *_: object) -> None:
        if point == "journal.sync":
            faults.arm(None)
            shutil.rmtree(ours.settings.journal("flights"))

    faults.arm(removed)
    assert asked(ours, lambda: ours.label("a"), lambda: ours.label("a")) == [507, 200]
    assert drained(ours.settings).labels == ["a"]

"""The time of day jumps by a day, in either direction, at real workers and beside a real swap."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.examples import query_examples
from data.promotions import Promotion
from data.records import now
from data.releases import publish
from keepfit.settings import ROOT
from serving.contract import LabelRow, Row
from tasks.collect import drain_journals
from tasks.swap import Swap, promote
from tests.builders import COLUMNS, ROW, TARGETS, opened
from tests.keys import TRUST
from tests.making import DAY, NOON, loop, project
from tests.properties.dying import armed
from tests.serving.running import Server, eventually

SHIFTING = Path(__file__).parent / "shifting"
BACK, ON = -86_400, 86_400


class Shifted:
    """Two workers whose clock a test sets, and a loop whose clock is right."""

    def __init__(self, home: Path) -> None:
        home.mkdir()
        self._clock = home / "clock"
        self.set(0)
        self.server = Server(home)
        self.server.start(CLOCK=str(self._clock), PYTHONPATH=f"{SHIFTING}:{ROOT}")
        of = project("regression", name="flights", features=COLUMNS, target=TARGETS["regression"])
        self.loop = loop(home, of, confirm_s=20, status_s=self.server.settings.status_s)
        self._version = 0

    def set(self, off_s: int) -> None:
        """Set the workers' clock so many seconds off."""
        coming = self._clock.with_suffix(".coming")
        coming.write_text(str(off_s))
        coming.replace(self._clock)  # a worker may read it at any time

    def promote(self) -> Swap:
        """Promote the next version, as a retrain does."""
        self._version += 1
        bundle = opened(self.server.settings.home, version=self._version, kind="regression")
        publish(bundle, self.loop.releases, TRUST)
        version = self.loop.registry.version(f"key-{self._version}")
        entry = Promotion(kind="retrain", version=version, digest=bundle.digest, reason="drift", as_of=NOON)
        return promote(self.loop, entry, self.loop.ledger.latest())

    def close(self) -> None:
        self.loop.store.close()
        assert self.server.stop() == 0


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shifted]:
    made = Shifted(tmp_path_factory.mktemp("shifted") / "home")
    assert made.promote().workers == 2
    yield made
    made.close()


@pytest.mark.parametrize("off_s", [BACK, ON])
def test_a_promotion_is_confirmed_by_workers_whose_clock_is_a_day_off(shifted: Shifted, off_s: int) -> None:
    shifted.set(off_s)
    swap = shifted.promote()
    assert (swap.workers, swap.objection) == (2, None)


@pytest.mark.parametrize("off_s", [BACK, ON])
@pytest.mark.parametrize("point", ["ledger.append", "pointer.moved"])
def test_a_promotion_is_confirmed_though_the_clock_jumps_meanwhile(
    shifted: Shifted, off_s: int, point: str
) -> None:
    shifted.set(0)
    with armed(lambda reached, *_: shifted.set(off_s) if reached == point else None):
        swap = shifted.promote()
    assert (swap.workers, swap.objection) == (2, None)


def test_a_worker_that_was_killed_before_the_clock_went_back_holds_up_no_promotion(
    shifted: Shifted,
) -> None:
    shifted.set(ON)
    eventually(lambda: all(status.at > now() + DAY / 2 for status in shifted.server.statuses()))
    dead = shifted.server.statuses()[0].pid
    os.kill(dead, signal.SIGKILL)
    shifted.set(0)
    swap = shifted.promote()
    assert swap.objection is None
    eventually(lambda: len(shifted.server.statuses()) == 2)


@pytest.mark.parametrize("off_s", [BACK, ON])
def test_a_request_that_is_sent_again_after_the_clock_jumped_is_one_prediction_and_one_label(
    shifted: Shifted, off_s: int
) -> None:
    answered: list[str] = []
    for at_s in (0, off_s):
        shifted.set(at_s)
        (told,) = shifted.server.client.predict([Row(ROW)], key=f"predicted {off_s}").predictions
        label = LabelRow(5.0, prediction_id=told.prediction_id)
        shifted.server.client.feedback([label], key=f"labelled {off_s}")
        answered.append(told.prediction_id)
    drain_journals(shifted.loop)
    examples = query_examples(shifted.loop.store, shifted.loop.project, now() + 2 * DAY)
    kept = examples.facts["prediction_id"].tolist()
    assert [kept.count(name) for name in answered] == [1, 1]
    assert (len(set(answered)), shifted.loop.quarantine.count()) == (1, 0)

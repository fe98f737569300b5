import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from data.examples import query_examples
from data.releases import Pointer, read_pointer
from flows.retrain import retrain
from keepfit.settings import ROOT
from tasks.collect import drain_journals
from tests.e2e.worlds import LATER, MOVED, World

pytestmark = [pytest.mark.e2e, pytest.mark.long]

_RUNS = """
import sys
from datetime import datetime

from flows.feedback import feedback
from flows.retrain import retrain

place, as_of = sys.argv[1], datetime.fromisoformat(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
feedback(place, as_of)
decision = retrain(place, "two at once", as_of)
feedback(place, as_of)
print("promoted" if decision.promote else decision.sentence)
"""


@contextmanager
def runners(world: World, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Run feedback, retrain and feedback in so many processes at once."""
    command = [sys.executable, "-c", _RUNS, world.place, LATER.isoformat()]
    with (world.folder / "runners.log").open("ab") as log:
        made = [
            subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
            for _ in range(count)
        ]
        try:
            for each in made:
                assert each.stdout is not None
                assert each.stdout.readline() == "ready\n"
            yield made
        finally:
            for each in made:
                each.kill()
                each.communicate()


def test_two_runners_at_once_on_one_home_take_everything_in_and_promote_once(world: World) -> None:
    world.remember()
    assert retrain(world.place, "the first model", MOVED).promote
    sent = world.live(MOVED, LATER)
    with runners(world, 2) as running:
        with world.held(2) as begun:
            for each in running:
                assert each.stdin is not None
                each.stdin.write("go\n")
                each.stdin.flush()
            begun()  # each has drained, and judges against the first version
        said = sorted(each.communicate(timeout=240)[0].strip().splitlines()[-1] for each in running)
    assert said[0] == "promoted"
    assert "another promotion" in said[1]
    latest = world.loop.ledger.latest()
    assert latest is not None
    assert [(e.kind, e.version, e.workers) for e in world.loop.ledger.history()] == [
        ("retrain", 1, 2),
        ("retrain", 2, 2),
    ]
    assert read_pointer(world.loop.releases) == Pointer(latest.digest, 2, 2)
    assert (world.loop.registry.champion(), world.versions()) == (2, [2, 2])
    left = drain_journals(world.loop)
    assert (left.predictions, left.labels, left.quarantined) == (0, 0, 0)
    examples = query_examples(world.loop.store, world.loop.project, LATER, since=MOVED)
    assert (len(examples), world.loop.quarantine.count()) == (sent, 0)

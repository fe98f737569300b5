"""Processes that turn the loop without Prefect: drain, settle, promote, again and again, until they die.

`python -m tests.chaos.turner SEED` forks some that drain and some that promote, and another for each that
ends: importing what they need takes seconds, and they are killed every few.
"""

import os
import random
import signal
import sys
import time
import traceback

from data.expectations import objections
from data.promotions import Promotion
from data.records import now
from data.store import Store
from keepfit.errors import KeepfitError
from keepfit.settings import Settings
from tasks.collect import drain_journals
from tasks.reconcile import settle_latest
from tasks.register import release
from tests.chaos.prepared import prepared
from tests.chaos.world import project
from tests.making import ROW, LoopOnFakes, prediction

DRAINING, PROMOTING = 2, 2


def turn(seed: int, *, drains: bool) -> None:
    """Drain or promote for good; what is refused is said, and tried again."""
    settings = Settings.from_env()
    loop = LoopOnFakes(project, settings, Store(settings.store_url))
    bundles = prepared(settings)
    chance = random.Random(seed)
    while True:
        try:
            if drains:
                drain_journals(loop)
            else:
                settle_latest(loop)
                _promote(loop, chance.choice(bundles))
        except KeepfitError as refusal:
            print(refusal, file=sys.stderr, flush=True)  # noqa: T201 - its log
        time.sleep(chance.uniform(0, 0.3))


def _promote(loop: LoopOnFakes, bundle: object) -> None:
    from tasks.swap import promote

    latest = loop.ledger.latest()
    release(loop, bundle)  # pyright: ignore[reportArgumentType]
    promotion = Promotion(
        kind="by hand",
        version=bundle.manifest.version,  # pyright: ignore[reportAttributeAccessIssue]
        digest=bundle.digest,  # pyright: ignore[reportAttributeAccessIssue]
        reason=f"chaos, against {latest.number if latest else 0}",
        as_of=now(),
    )
    promote(loop, promotion, latest)


def main() -> None:
    """Keep so many children turning."""
    seed = int(sys.argv[1])
    objections(project, [prediction("to warm up", features=ROW)])
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    roles: dict[int, bool] = {}
    wanted = [True] * DRAINING + [False] * PROMOTING
    while True:
        for drains in wanted:
            seed += 1
            child = os.fork()
            if child == 0:
                try:
                    turn(seed, drains=drains)
                finally:
                    traceback.print_exc()
                    os._exit(1)
            roles[child] = drains
        ended, _ = os.wait()
        wanted = [roles.pop(ended)]


if __name__ == "__main__":
    main()

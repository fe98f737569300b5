"""Kill everything for minutes, and say what was lost, doubled or wrong."""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.arena import POINTS, Plan, Run, run
from tests.chaos.bugs import BUGS
from tests.chaos.little import Little
from tests.chaos.whole import Whole

_LABELS, _SWAPS = 10_000, 20
_LITTLE_S = 20.0
_SEEDS = 4
"""How often a planted bug is looked for, each time from another seed, before it counts as missed."""


def main() -> None:
    """Run what was asked for; exit with 1 when anything was wrong, with 2 when the run does not count."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (%(default)s)")
    parser.add_argument("--every", type=float, default=4.0, help="seconds between two events (%(default)s)")
    parser.add_argument("--per-s", type=float, default=240.0, help="requests a second (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is left to chance (%(default)s)")
    parser.add_argument(
        "--bugs",
        nargs="*",
        choices=["none", *BUGS],
        help="plant bugs, all or those named, one in each short run without Prefect and MLflow",
    )
    given = parser.parse_args()
    if given.bugs is not None:
        sys.exit(_hunt(given.bugs or ["none", *BUGS], given.seed))
    with tempfile.TemporaryDirectory(prefix="keepfit-chaos-", ignore_cleanup_errors=True) as folder:
        _say(f"the run's home is {folder}, its seed {given.seed}")
        stage = Whole(Path(folder))
        found = run(stage, Plan(given.minutes * 60, given.every, given.per_s, given.seed, planned=0.16), _say)
        _say(found.text())
        _say("flows: " + ", ".join(f"{name} {count}" for name, count in sorted(stage.flows.items())))
        sys.exit(_judged(found, Path(folder)))


def _judged(found: Run, home: Path) -> int:
    if not found.verdict.clean:
        kept = Path(tempfile.mkdtemp(prefix="keepfit-chaos-kept-"))
        shutil.copytree(home, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".s.*"))
        _say(f"BROKEN: look at {kept}")
        return 1
    counts = found.verdict.counts
    missing = [
        f"{counts['labels acknowledged']:g} of {_LABELS} labels" * (counts["labels acknowledged"] < _LABELS),
        f"{counts['swaps']:g} of {_SWAPS} swaps" * (counts["swaps"] < _SWAPS),
        f"{len(found.reached)} of {len(POINTS)} fault points" * (len(found.reached) < len(POINTS)),
    ]
    if any(missing):
        _say(f"nothing was lost, and the run was too short to count: {', '.join(filter(None, missing))}")
        return 2
    _say("KEPT: nothing lost, nothing doubled, no wrong version")
    return 0


def _hunt(names: list[str], seed: int) -> int:
    """Plant each bug, and see that it is caught; without one, that nothing is."""
    wrong = 0
    for name in names:
        began, said = time.monotonic(), ""
        for attempt in range(1 if name == "none" else _SEEDS):
            with tempfile.TemporaryDirectory(prefix="keepfit-chaos-", ignore_cleanup_errors=True) as folder:
                stage = Little(Path(folder), None if name == "none" else name)
                verdict = run(stage, Plan(_LITTLE_S, 0.35, 150, seed + attempt, planned=0.5)).verdict
            if not verdict.clean:
                (first, *_) = [*verdict.lost, *verdict.doubled, *verdict.wrong_version, *verdict.broken]
                said = f"caught from seed {seed + attempt}: {first}"
                break
        wrong += bool(said) == (name == "none")
        _say(f"{name:<40} {said or 'clean':<60} {time.monotonic() - began:3.0f} s")
    return int(wrong > 0)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

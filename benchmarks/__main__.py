"""`python -m benchmarks`: print every figure that README may claim, each measured side by side in one run."""

import argparse
import importlib
import signal
import sys
import time
from types import FrameType

from benchmarks.figures import Options, machine

NAMES = (
    *("serving", "collect", "retrain", "fuzz", "parsers", "poisoning"),
    *("swapping", "overload", "slow_clients"),
    *("drift.speed", "drift.flat", "drift.calibration", "drift.power", "drift.delay"),
    *("drift.hotel_estimate", "drift.hotel_retrain"),
    "console.pages",
)
GROUPS = ("drift", "console")


def main() -> None:
    """Run the benchmarks in their order, one of them, or a group."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure; print tables.")
    parser.add_argument("--only", choices=(*NAMES, *GROUPS), help="run this one, or all of a group")
    parser.add_argument("--rows", type=int, help="rows to measure on (serving has none)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, one round, one second")
    given = parser.parse_args()
    if given.rows is not None and given.rows < 1000:
        parser.error("--rows: at least 1000")
    signal.signal(signal.SIGTERM, _end)  # as Ctrl-C does: what was started is ended
    print(f"{machine()}, Python {sys.version.split()[0]}", flush=True)
    for name in NAMES if given.only is None else _chosen(given.only):
        began = time.perf_counter()
        # Each imports the libraries that it measures: one alone waits for no other's.
        table = importlib.import_module(f"benchmarks.{name}").measure(Options(given.quick, given.rows))
        took = time.perf_counter() - began
        command = " ".join(["python -m benchmarks --only", name, *_given(given)])
        print(f"\n{command}  ({took:.0f} s)\n{table.text()}", flush=True)


def _chosen(only: str) -> list[str]:
    return [name for name in NAMES if only in (name, name.split(".")[0])]


def _given(given: argparse.Namespace) -> list[str]:
    rows = [] if given.rows is None else ["--rows", str(given.rows)]
    return [*rows, *(["--quick"] if given.quick else [])]


def _end(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(143)


if __name__ == "__main__":
    main()

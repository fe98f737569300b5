"""Claim: at the same rate of false alarms, a shift is told in fewer windows.

Windows of 500 rows follow each other, one column of 20 moves in the middle of one. Each tool's own strength
(for ours the smallest p-value, for the others how far the farthest column is beyond its threshold) alarms at
the quantile that lets one window in 20 through where nothing moved: so all cry wolf alike.
"""

from collections.abc import Sequence

import numpy as np

from benchmarks.drift.crew import nannyml, work
from benchmarks.drift.rivals import evidently
from benchmarks.drift.shifts import base
from benchmarks.figures import Options, Table
from monitoring.drift import judge

ROWS, MULTIPLE, RATE, LONGEST = 500, 20, 0.05, 8
_SIZES = (0.1, 0.25, 0.5)
_OURS, _NAMES = "Keepfit", ("Keepfit", "Evidently", "NannyML")

Strengths = list[tuple[float, ...]]
"""Of each window, how loud each tool is."""


def measure(options: Options) -> Table:
    """Measure windows until the alarm."""
    quiet, streams = (20, 3) if options.quick else (120, 12)
    jobs = [(0.0, seed, 20) for seed in range(quiet // 20)]
    jobs += [(by, 1_000 + seed, LONGEST) for by in _SIZES for seed in range(streams)]
    told: dict[float, list[Strengths]] = {}
    for (by, *_), strengths in work(listen, jobs):
        told.setdefault(by, []).append(strengths)
    still = np.concatenate([np.array(stream) for stream in told[0.0]])
    # The strength that this share of the quiet windows does not reach.
    limits = np.quantile(still, 1 - RATE, axis=0, method="higher")
    table = Table(
        f"Windows until the alarm when a column of 20 moves, one false alarm in {round(1 / RATE)} windows",
        ("mean moves by", *(f"{name}: mean" for name in _NAMES), *(f"{n}: within {LONGEST}" for n in _NAMES)),
        (
            f"windows of {ROWS} rows, reference {ROWS * MULTIPLE:,}; the move is in the middle of the first",
            f"{streams} streams of each; thresholds from {len(still)} windows without a change",
            f"a stream without an alarm within {LONGEST} windows counts as {LONGEST + 1}",
        ),
    )
    for by in _SIZES:
        delays = np.array([_delays(np.array(stream), limits) for stream in told[by]])
        means = [f"{mean:.1f}" for mean in delays.mean(axis=0)]
        heard = [f"{100 * share:.0f} %" for share in (delays <= LONGEST).mean(axis=0)]
        table.add(f"{by:g} sd", *means, *heard)
    return table


def listen(by: float, seed: int, windows: int) -> Strengths:
    """Judge windows one after another; the first moves from its middle on, the others whole."""
    rng = np.random.default_rng([ROWS, seed])
    reference = base(ROWS * MULTIPLE, rng)
    strengths: Strengths = []
    for number in range(windows):
        current = base(ROWS, rng)
        current.loc[ROWS // 2 if number == 0 else 0 :, "n0"] += by
        verdict = judge(reference, current, p_value=RATE, seed=number)
        ours = 0.0 if verdict.p_value is None else 1 - verdict.p_value
        other = nannyml().opinion(reference, current)
        strengths.append(
            (ours, evidently(reference, current).loudest, float("nan") if other is None else other.loudest)
        )
    return strengths


def _delays(stream: np.ndarray, limits: Sequence[float]) -> list[int]:
    """Count windows up to the first louder than its limit, which is 1 for the one of the change."""
    louder = stream > np.asarray(limits)
    return [int(np.argmax(one)) + 1 if one.any() else len(one) + 1 for one in louder.T]

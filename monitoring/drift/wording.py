"""What moved in a column, in words that a person understands; text from the data is shown as it is."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitoring.drift.profiles import Counts, Profile

What = Literal["values", "missing", "unseen", "together"]


def describe_counts(name: str, what: What, counted: Profile, reference_blocks: int) -> str:
    """Say how the windows differ: the first `reference_blocks` of the profile against the others."""
    windows = (slice(0, reference_blocks), slice(reference_blocks, None))
    reference, current = (counted.counts[w].sum(axis=0) for w in windows)
    gone_r, gone_c = (float(counted.missing[w].sum()) for w in windows)
    if what == "missing":
        lost = [gone / max(gone + held.sum(), 1) for gone, held in ((gone_r, reference), (gone_c, current))]
        return f"{name} missing from {share(lost[0])} to {share(lost[1])}"
    if reference.sum() == 0 or current.sum() == 0:
        empty = [w for w, held in (("reference", reference), ("current", current)) if held.sum() == 0]
        return f"{name} holds no value in the {' and the '.join(empty)} window"
    if what == "unseen":
        return _unseen(name, counted, reference, current)
    if counted.quantiles is not None and counted.kind == "number":
        return describe_numbers(name, *counted.quantiles)
    return _mix(name, counted, reference, current)


def describe_numbers(name: str, before: NDArray[np.float64], after: NDArray[np.float64]) -> str:
    """Say how two windows of numbers differ: by the median, or by their spread where the median stays.

    Both are the quantiles .05, .25, .5, .75 and .95.
    """
    with np.errstate(invalid="ignore"):
        moved = np.nan_to_num(np.abs(after - before), nan=0.0)
    if moved[2] > 0 and moved[2] >= max(moved[1], moved[3]) / 2:
        return f"median of {name}{_ratio(before, after)} {before[2]:.4g} -> {after[2]:.4g}"
    for low, high, part in ((1, 3, "middle half"), (0, 4, "middle nine tenths")):
        if max(moved[low], moved[high]) > 0:
            ends = [f"{v[low]:.4g} to {v[high]:.4g}" for v in (before, after)]
            return f"{part} of {name} {ends[0]} -> {ends[1]}"
    return f"median of {name} stays {before[2]:.4g}"


def describe_together(by: tuple[str, ...], auc: float, *, told_apart: bool) -> str:
    """Say whether a classifier tells two windows apart, and by what columns do together."""
    if not told_apart:
        return f"a classifier tells the windows apart no better than chance might (AUC {auc:.2f})"
    named = f", mostly by {' with '.join(by)}" if by else ""
    return f"a classifier tells the windows apart (AUC {auc:.2f}){named}"


def _ratio(before: NDArray[np.float64], after: NDArray[np.float64]) -> str:
    """Say by how many percent the median moved, where zero means none of it: not of a temperature."""
    if min(before[0], after[0]) < 0 or not 0 < before[2] < np.inf or not 0 < after[2] < np.inf:
        return ""
    times = after[2] / before[2]
    if times >= 10:
        return f" {times:,.0f} times as high,"
    if abs(times - 1) < 0.005:  # of a year or a pressure: what it moved by is no share of it
        return ""
    return f" {abs(times - 1):.0%}".replace("%", f" % {'higher' if times > 1 else 'lower'},")


def share(part: float) -> str:
    """Write a share of the rows as percent."""
    percent = 100 * part
    return f"{percent:.0f} %" if percent >= 9.95 or percent == 0 else f"{percent:.1f} %"


def _mix(name: str, counted: Profile, reference: Counts, current: Counts) -> str:
    before, after = reference / reference.sum(), current / current.sum()
    if counted.kind == "flag":
        return f"{name} true from {share(before[1])} to {share(after[1])}"
    if counted.hashed:
        return f"{name} mixes its {counted.hashed:,} categories otherwise"
    most = int(np.argmax(np.abs(after - before)))
    return f"{name} {_shown(counted.categories[most])} from {share(before[most])} to {share(after[most])}"


def _unseen(name: str, counted: Profile, reference: Counts, current: Counts) -> str:
    new = np.where(reference == 0, current, 0)
    part = share(float(new.sum() / current.sum()))
    named = (
        ""
        if counted.hashed or not new.any()
        else f", such as {_shown(counted.categories[int(new.argmax())])}"
    )
    return f"{name} new to the reference in {part} of rows{named}"


def _shown(category: str) -> str:
    return repr(category if len(category) <= 40 else f"{category[:37]}...")

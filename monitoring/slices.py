"""How good the answers are on each part of the rows: where they are worse than elsewhere, or have become so.

Two questions, for a part that is hard by nature is no news: is it worse than the rest of the window
(`worse`), and has it fallen behind the rest since the reference window (`alarm`). Where all parts fall
alike, that is what `performance` says. Each question is asked of all slices at once: where nothing differs,
at most 1 - `confidence` of the windows have any slice that is called so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keepfit.scores import metric_words
from keepfit.spec import Project
from monitoring.contrasts import Sliced, differs, moved, p_values, slice_window
from monitoring.resampling import MIN_DAYS
from monitoring.scoring import Numbers, answers, score_metric
from monitoring.slicing import Cut, cut_rows
from monitoring.tallies import (
    Codes,
    answered_and_labelled,
    half_width,
    margin_of,
    spoken,
    sum_metric,
)

if TYPE_CHECKING:
    from data.examples import Examples

LEAST_ROWS = 50
"""A slice with fewer labelled rows is not judged."""
MARGIN = 0.1
"""A tenth more loss, or a tenth less of what a metric lacks to its best. On flights a retrain that pays gains
5 to 10 % of the loss, so less than that is nothing that a retrain could mend."""


@dataclass(frozen=True, slots=True)
class SliceFinding:
    """One part of the rows beside the rest of its window, on the primary metric (higher is better).

    `rows` are those of the current window, `labelled` those of them that can be scored. `difference` is the
    slice minus the rest, `change` how far the difference moved since the reference window, where the slice
    had the value `before`; below zero is worse. The intervals are of this slice alone, at
    `project.confidence`, NaN where there is none. `worse` and `alarm` are of all slices together and None
    where that cannot be said, and `unknown` says why.
    """

    slice: str
    column: str | None
    rows: int
    labelled: int
    words: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    rest: float = math.nan
    difference: float = math.nan
    difference_low: float = math.nan
    difference_high: float = math.nan
    worse: bool | None = None
    before: float = math.nan
    change: float = math.nan
    change_low: float = math.nan
    change_high: float = math.nan
    alarm: bool | None = None
    unknown: str | None = None


def measure_slices(
    project: Project,
    current: "Examples",
    outputs: Numbers | None = None,
    reference: "Examples | None" = None,
) -> tuple[SliceFinding, ...]:
    """Measure each category, quarter of the numbers, flag, what is missing, and what `project.slices` names.

    Without `outputs` [n, target.outputs] the stored answers are scored; those of `reference` must be of
    the same model. Rare categories of a column are one slice. Alarms come first, then what is worse, each
    by difference, and last what cannot be judged.
    """
    whole = current if outputs is None else replace(current, outputs=outputs)
    judged = whole.labelled & np.isfinite(whole.outputs).all(axis=1)
    given = [whole.where(judged), *(answered_and_labelled(each) for each in (reference,) if each is not None)]
    cuts = cut_rows(project, [whole.features, *(each.features for each in given[1:])], judged, LEAST_ROWS)
    if not cuts:
        return ()
    counted = np.concatenate([_count(cut.codes[0], len(cut.names)) for cut in cuts])
    cuts = [replace(cut, codes=(cut.codes[0][judged], *cut.codes[1:])) for cut in cuts]
    metrics = [sum_metric(project, each) for each in given]
    now = metrics[0]
    if isinstance(now, str):
        return _ordered(_unjudged(project, cuts, counted, given[0], now))
    sliced = [slice_window(now, cuts, 0)]
    if len(metrics) == 2 and not isinstance(metrics[1], str):
        sliced.append(slice_window(metrics[1], cuts, 1))
    return _ordered(_judged(project, cuts, counted, sliced))


def _judged(
    project: Project, cuts: Sequence[Cut], counted: Codes, sliced: list[Sliced]
) -> list[SliceFinding]:
    now, level = sliced[0], 1 - project.confidence
    unknown = [_unknown(now, i, "", level) for i in range(len(now.value))]
    judged = np.array([why is None for why in unknown]) & np.isfinite(now.gap)
    p_worse = p_values(differs(now), judged, project.seed)
    worse = (p_worse <= level) & (-now.gap >= margin_of(project, now.rest, MARGIN))
    ends = half_width([now.influence], project.confidence), half_width([now.of_gap], project.confidence)
    fallen = _fallen(project, sliced, judged)
    found: list[SliceFinding] = []
    for place, (cut, name) in enumerate((each, name) for each in cuts for name in each.names):
        value, gap = float(now.value[place]), float(now.gap[place])
        wide = [float(end[place]) if judged[place] else math.nan for end in ends]
        finding = SliceFinding(
            slice=name,
            column=cut.column,
            rows=int(counted[place]),
            labelled=int(now.rows[place]),
            words=_words(project, name, now, place) if cut.fault is None else f"{name}: {cut.fault}",
            value=value,
            low=value - wide[0],
            high=value + wide[0],
            rest=float(now.rest[place]),
            difference=gap,
            difference_low=gap - wide[1],
            difference_high=gap + wide[1],
            worse=bool(worse[place]) if judged[place] else None,
            unknown=cut.fault or unknown[place],
        )
        found.append(fallen.told(project, finding, place))
    return [each for each in found if each.rows or each.unknown != _NO_ROWS]


@dataclass(frozen=True)
class _Fallen:
    """What changed since the reference window, or why that cannot be said: of all, or of each slice."""

    unknown: list[str | None]
    before: Sliced | None = None
    change: Numbers | None = None
    wide: Numbers | None = None
    alarm: NDArray[np.bool_] | None = None

    def told(self, project: Project, finding: SliceFinding, place: int) -> SliceFinding:
        if self.before is None or self.change is None or self.wide is None or self.alarm is None:
            return replace(finding, unknown=finding.unknown or self.unknown[place])
        before, change = float(self.before.value[place]), float(self.change[place])
        why = self.unknown[place]
        wide = float(self.wide[place]) if why is None else math.nan
        elsewhere = spoken(project, float(self.before.rest[place]))
        was = "" if math.isnan(before) else f"; {spoken(project, before)} and {elsewhere} in the reference"
        return replace(
            finding,
            before=before,
            change=change,
            change_low=change - wide,
            change_high=change + wide,
            alarm=bool(self.alarm[place]) if why is None else None,
            words=finding.words + was,
            unknown=finding.unknown or why,
        )


def _fallen(project: Project, sliced: list[Sliced], judged: NDArray[np.bool_]) -> _Fallen:
    if len(sliced) == 1:
        why = "cannot say whether it changed: the reference window has no labelled answers"
        return _Fallen([why] * len(judged))
    now, before = sliced
    level, unknown = 1 - project.confidence, list[str | None]()
    for place, known in enumerate(judged):
        why = _unknown(before, place, " in the reference window", level)
        unknown.append(why if why is not None or known else "it cannot be judged now")
    both = np.array([why is None for why in unknown]) & np.isfinite(before.gap)
    change = now.gap - before.gap
    p = p_values(moved(now, before), both, project.seed + 1)
    worse = np.minimum(-change, before.value - now.value)  # not where only the rest became better
    alarm = (p <= level) & (worse >= margin_of(project, before.value, MARGIN))
    return _Fallen(
        unknown, before, change, half_width([now.of_gap, before.of_gap], project.confidence), alarm
    )


_NO_ROWS = "no labelled row"


def _unknown(window: Sliced, place: int, where: str, level: float) -> str | None:
    rows, days = int(window.rows[place]), int(window.days[place])
    if rows == 0:
        return f"{_NO_ROWS}{where}"
    if rows < LEAST_ROWS:
        return f"{rows} labelled rows{where}, fewer than {LEAST_ROWS}"
    if days < MIN_DAYS or 2.0**-days > level:
        return f"labelled rows of {days} days{where}, too few for a verdict"
    if not math.isfinite(window.gap[place]):
        return f"there is no rest, or the metric is not defined on it{where}"
    return None


def _words(project: Project, name: str, now: Sliced, place: int) -> str:
    rows = f"{int(now.rows[place]):,} labelled rows"
    if math.isnan(now.value[place]):
        return f"no {metric_words(project.primary)} where {name} ({rows})"
    said = f"{metric_words(project.primary)} {spoken(project, float(now.value[place]))} where {name} ({rows})"
    return (
        said
        if math.isnan(now.rest[place])
        else f"{said}, {spoken(project, float(now.rest[place]))} elsewhere"
    )


def _unjudged(
    project: Project, cuts: Sequence[Cut], counted: Codes, now: "Examples", why: str
) -> list[SliceFinding]:
    """Only values, each computed from its rows."""
    answer = answers(project.target, now.outputs)
    found: list[SliceFinding] = []
    for place, (cut, i, name) in enumerate((c, i, name) for c in cuts for i, name in enumerate(c.names)):
        mask = cut.codes[0] == i
        value = score_metric(project, project.metrics[0], now.labels[mask], answer[mask])
        rows = f"{int(mask.sum()):,} labelled rows"
        said = "" if math.isnan(value) else f" {spoken(project, value)}"
        words = f"{metric_words(project.primary)}{said} where {name} ({rows})"
        words = words if cut.fault is None else f"{name}: {cut.fault}"
        known = int(mask.sum()), words, value
        finding = SliceFinding(name, cut.column, int(counted[place]), *known, unknown=cut.fault or why)
        found.append(finding)
    return [each for each in found if each.rows or each.column is None]


def _count(codes: Codes, bins: int) -> Codes:
    return np.bincount(codes[codes >= 0], minlength=bins)


def _ordered(found: list[SliceFinding]) -> tuple[SliceFinding, ...]:
    def rank(each: SliceFinding) -> tuple[bool, bool, bool, float]:
        known = not math.isnan(each.difference)
        return each.alarm is not True, each.worse is not True, not known, each.difference if known else 0.0

    return tuple(sorted(found, key=rank))

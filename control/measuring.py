"""`performance`: how good the answers of the current window are, and will be when its labels are there."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from control.options import AsOfOption, JsonOption, ProjectOption, answer, begin
from keepfit.loading import DEFAULT

if TYPE_CHECKING:
    from keepfit.spec import Project
    from monitoring.late.delay import Delays
    from monitoring.late.estimate import Estimate
    from monitoring.performance import Performance

_SPANS = 26
"""So many windows before the current one tell how long labels take and what the answers were worth."""


@dataclass(frozen=True)
class Told:
    """Performance on the labels so far and the estimate for all rows, said in text or as JSON."""

    project: str
    as_of: datetime
    measured: "Performance"
    estimate: "Estimate"
    delays: "Delays | str"

    def json(self) -> dict[str, Any]:
        """Give what a program reads; what cannot be said is null, and `unknown` says why."""
        found, measured = self.estimate, self.measured
        return {
            "project": self.project,
            "as_of": self.as_of.isoformat(),
            "metric": found.metric,
            "so_far": {
                **_scored(measured),
                "rows": measured.rows,
                "labelled": measured.labelled,
                "matured": _number(measured.matured),
            },
            "estimate": {**_scored(found), "windows": found.windows, "how": found.how},
            "delays": self._delays(),
        }

    def text(self) -> str:
        """Say what is known, what is estimated, and how long labels take."""
        delays = self.delays if isinstance(self.delays, str) else self.delays.sentence
        prefix = "how long labels take: cannot say, because " if isinstance(self.delays, str) else ""
        return "\n".join(
            [
                f"so far   {self.measured.sentence}",
                f"in all   {self.estimate.sentence}",
                f"delay    {prefix}{delays}",
            ]
        )

    def _delays(self) -> dict[str, Any]:
        if isinstance(self.delays, str):
            return {"unknown": self.delays}
        learned = self.delays
        named = [str(name) for name in learned.classes]
        return {
            "unknown": None,
            "days": {"median": _number(learned.quantile(0.5)), "p95": _number(learned.quantile(0.95))},
            "depends_on_label": learned.informative,
            "median_days_by_class": {
                name: _number(learned.quantile(0.5, kind)) for kind, name in enumerate(named)
            },
            "clock": [] if learned.clock is None else list(learned.clock.names),
            "never": learned.never,
        }


def performance(
    project: ProjectOption = DEFAULT, as_of: AsOfOption = None, as_json: JsonOption = False
) -> None:
    """Say how good the answers of the current window are, and will be when all labels are there."""
    begin(f"measuring {project}")
    answer(looked_at(project, as_of), as_json)


def looked_at(project: str, as_of: datetime | None) -> Told:
    """Read the current window and what came before it, and estimate; the store is only read."""
    from data.records import now
    from keepfit.loading import load_project
    from keepfit.settings import Settings

    return _measured(load_project(project), Settings.from_env(), as_of or now())


def _measured(project: "Project", settings: Any, as_of: datetime) -> Told:  # noqa: ANN401 - imported late
    from data.examples import query_examples
    from data.store import Store
    from monitoring.late.delay import learn_delays
    from monitoring.late.estimate import estimate_performance
    from monitoring.late.landmarks import joined
    from monitoring.performance import measure

    store = Store(settings.store_url)
    try:
        since = as_of - project.current
        every = query_examples(store, project, as_of, since - _SPANS * project.current, as_of)
    finally:
        store.close()
    current, past = every.between(since, None), every.between(None, since)
    delays = learn_delays(project, joined(past, current), as_of)
    found = estimate_performance(project, current, past, as_of, delays)
    return Told(project.name, as_of, measure(project, current), found, delays)


def _scored(found: "Performance | Estimate") -> dict[str, Any]:
    return {
        "value": _number(found.value),
        "low": _number(found.low),
        "high": _number(found.high),
        "confidence": found.confidence,
        "scores": {name: _number(score) for name, score in found.scores.items()},
        "scored": found.scored,
        "unknown": found.unknown,
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

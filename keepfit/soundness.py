"""What of a project cannot be: arguments of the right type that make no sense, alone or together."""

import math
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from keepfit.spec import Project

_METRIC = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
NAME_RULE = "use 1 to 63 lower-case letters, digits, - and _, beginning with a letter"
"""What a project may be called: its name is part of paths, addresses and tables."""


def is_name(text: str) -> bool:
    """Say whether a project may be called so."""
    return _NAME.fullmatch(text) is not None


def unsound(project: "Project") -> str | None:
    """Say what of a project cannot be, or return None."""
    if not is_name(project.name):
        return f"name: {NAME_RULE}"
    if not project.features:
        return "features: name at least one Column"
    if not project.metrics:
        return "metrics: name at least one, the first is the one a challenger must gain on"
    if not project.gates:
        return "gates: a project without a Gate would promote anything; promise at least one"
    unnamed = [name for name in project.metric_names if not _METRIC.fullmatch(name)]
    if unnamed or len(set(project.metric_names)) < len(project.metrics):
        return f"metrics: {list(project.metric_names)}: each needs a name of its own; write it as a def"
    unknown = [g.metric for g in project.gates if g.metric not in project.metric_names]
    if unknown:
        return f"gates: {unknown[0]!r} is not among metrics {list(project.metric_names)}"
    return _columns_refusal(project) or _target_refusal(project) or _settings_refusal(project)


def _columns_refusal(project: "Project") -> str | None:
    for name, column in project.features.items():
        if not name or len(name) > 200 or not name.isprintable() or set(name) & {'"', "\\"}:
            # Quotes and backslashes: the field of a message cannot be called so.
            return f'features: {name!r} is no name for a column; use printable text without " and \\'
        if column.between is not None and not column.between[0] < column.between[1]:
            return f"features.{name}: between={column.between} holds no number; the lower end comes first"
        if column.among is not None and (not column.among or len(set(column.among)) < len(column.among)):
            return f"features.{name}: among= must name each category once"
    taken = {project.time, project.label_time, project.reference, project.target.name}
    if clash := taken & set(project.features):
        return f"features.{min(map(str, clash))}: this column is already a time, the reference or the target"
    return None


def _target_refusal(project: "Project") -> str | None:
    target = project.target
    if target.name in {project.time, project.label_time, project.reference}:
        return f"target: the column {target.name!r} is already a time or the reference"
    if target.kind != "multiclass":
        return None
    if len(target.classes) < 2 or len(set(target.classes)) < len(target.classes):
        return "target: name at least two classes, each once"
    if {type(c) for c in target.classes} not in ({int}, {str}):
        return "target: classes must be all text or all whole numbers"
    return None


def _settings_refusal(project: "Project") -> str | None:
    if project.timezone is not None:
        try:
            ZoneInfo(project.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # "Europe" is a folder of the database
            return f"timezone: {project.timezone!r} is not in the IANA time zone database"
    for name in ("holdout", "training", "current", "reference_span"):
        span: timedelta | None = getattr(project, name)
        if span is not None and span <= timedelta():
            return f"{name}: must be longer than nothing, got {span}"
    if not 0 < project.confidence < 1:
        return "confidence: must lie between 0 and 1"
    if not project.windows_per_false_alarm > 1:
        return f"windows_per_false_alarm: must be above 1, got {project.windows_per_false_alarm}"
    if clash := {*project.slices} & {*project.features}:
        return f"slices: {min(clash)!r} is a column, whose categories or quantiles are slices anyway"
    if not 0 <= project.drift_effect < 1 or project.min_rows < 1 or math.isnan(project.drift_effect):
        return "drift_effect must lie between 0 and 1, min_rows must be at least 1"
    return None

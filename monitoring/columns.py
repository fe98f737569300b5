"""The columns of two data frames, read as what they are declared to be, or the reason why not."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from keepfit.spec import Column, Project
from monitoring.profiles import Values

_NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal", "empty")


class WindowValues(NamedTuple):
    """The values of one column in the two windows."""

    reference: Values
    current: Values


def answer_names(project: Project) -> list[str]:
    """Name a model's outputs as columns beside the features."""
    target = project.target
    if target.kind == "multiclass":
        return [_beside(project, f"predicted chance of {target.name} {c}") for c in target.classes]
    return [_beside(project, f"predicted {'chance of ' if target.kind == 'binary' else ''}{target.name}")]


def label_name(project: Project) -> str:
    """Name the label as a column beside the features."""
    return _beside(project, f"label {project.target.name}")


def _beside(project: Project, name: str) -> str:
    return _beside(project, f"{name}*") if name in project.features else name


def infer_columns(reference: pd.DataFrame, current: pd.DataFrame) -> tuple[dict[str, Column], list[str]]:
    """Guess a schema from what two frames hold; also say which columns are left out."""
    columns: dict[str, Column] = {}
    left: list[str] = []
    for name in dict.fromkeys([*reference.columns, *current.columns]):
        held = [f[name] for f in (reference, current) if list(f.columns).count(name) == 1]
        known = [series for series in held if series.notna().any()]
        guesses = [_infer_column(series) for series in known]
        kept = [guess for guess in guesses if guess is not None]
        if guesses and not kept:
            left.append(f"not judged, as it holds times: {name}")
        else:
            columns[name] = kept[0] if kept else Column.number(optional=True)
    return columns, left


def read_windows(
    reference: pd.DataFrame, current: pd.DataFrame, name: str, column: Column
) -> WindowValues | str:
    """Take one column of both windows, or say why it cannot be taken."""
    before, after = _read_column(reference, name, column), _read_column(current, name, column)
    if isinstance(before, str):
        return f"{before} in the reference window"
    if isinstance(after, str):
        return f"{after} in the current window"
    return WindowValues(before, after)


def _read_column(frame: pd.DataFrame, name: str, column: Column) -> Values | str:
    """Take a column as numbers (missing: NaN) or text (missing: None), or say why it cannot be taken."""
    if name not in frame.columns:
        return "is missing"
    values = frame[name]
    if isinstance(values, pd.DataFrame):
        return "is there twice"
    return _as_text(values) if column.kind == "category" else _as_numbers(values, flag=column.kind == "flag")


def _as_text(values: pd.Series) -> Values | str:
    held = _held(values)
    if held not in ("string", "empty") and values.notna().any():
        return f"has {_named(held)} where text is expected"
    text = values.astype(object).to_numpy(copy=True)
    text[np.asarray(pd.isna(text) | (text == ""), dtype=bool)] = None
    return text


def _as_numbers(values: pd.Series, *, flag: bool) -> Values | str:
    if not values.notna().any():  # of whatever type: an all-null column may come as any
        return np.full(len(values), np.nan)
    held, expected = _held(values), "true or false is" if flag else "numbers are"
    allowed = (*_NUMBERS, "boolean") if flag else _NUMBERS
    if held not in allowed:
        return f"has {_named(held)} where {expected} expected"
    try:
        numbers = values.to_numpy(np.float64, na_value=np.nan)
    except OverflowError:
        return "has a number too large to compute with"
    if flag and not np.isin(numbers[~np.isnan(numbers)], (0, 1)).all():
        return "has other numbers than 0 and 1 where true or false is expected"
    return numbers


def _infer_column(values: pd.Series) -> Column | None:
    """Guess the kind of a column from what it holds; None for times, which always move."""
    held = _held(values)
    if held in _NUMBERS:
        return Column.number(optional=True)
    if held == "boolean":
        return Column.flag(optional=True)
    return None if held.startswith(("date", "time", "period")) else Column.category(optional=True)


def _held(values: pd.Series) -> str:
    """Name what a column holds, in the words of `pandas.api.types.infer_dtype`."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.cat.categories.to_series()
    # What the type says already need not be looked for in a million rows.
    return (
        "string"
        if isinstance(values.dtype, pd.StringDtype)
        else pd.api.types.infer_dtype(values, skipna=True)
    )


def _named(held: str) -> str:
    return {
        "string": "text",
        "integer": "numbers",
        "floating": "numbers",
        "boolean": "true or false",
        "datetime64": "times",
        "datetime": "times",
    }.get(held, "values of several kinds" if held.startswith("mixed") else f"{held} values")

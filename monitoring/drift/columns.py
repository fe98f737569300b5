"""The columns of two data frames, read as what they are declared to be, or the reason why not."""

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from keepfit.spec import Column, Project
from monitoring.drift.values import Texts, Values, WindowValues

_NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal", "empty")


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
    """Take a column as numbers (missing: NaN) or text, or say why it cannot be taken."""
    if name not in frame.columns:
        return "is missing"
    values = frame[name]
    if isinstance(values, pd.DataFrame):
        return "is there twice"
    return _as_texts(values) if column.kind == "category" else _as_numbers(values, flag=column.kind == "flag")


def _as_texts(values: pd.Series) -> Texts | str:
    try:
        places, found = _numbered(values)
    except TypeError:  # lists and the like, which are equal to nothing
        return "has values of several kinds where text is expected"
    if len(found) == 0:
        return Texts(places, ())
    held = pd.api.types.infer_dtype(found, skipna=True)
    if held not in ("string", "empty"):
        return f"has {_named(held)} where text is expected"
    names = tuple(found.tolist())
    if "" in names:  # how a missing category reaches a model
        places = np.where(places == names.index(""), np.int32(-1), places)
    return Texts(places, names)


def _numbered(values: pd.Series) -> tuple[NDArray[np.int32], NDArray[np.object_]]:
    """Number the distinct values in the order in which they come, -1 where missing."""
    if isinstance(values.dtype, pd.StringDtype):
        # Arrow counts text without Python's objects, and lets another thread work meanwhile.
        chunks = pa.chunked_array(pa.array(values)).dictionary_encode().combine_chunks()
        coded = chunks.chunk(0) if isinstance(chunks, pa.ChunkedArray) else chunks
        places = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return places.astype(np.int32, copy=False), np.array(coded.dictionary.to_pylist(), dtype=object)
    if isinstance(values.dtype, pd.CategoricalDtype):
        # Categories that no row holds are none of the column's.
        held, places = np.unique(values.cat.codes.to_numpy(), return_inverse=True)
        lost = int((held < 0).any())
        names = values.cat.categories.to_numpy(dtype=object)[held[lost:]]
        return (places - lost).astype(np.int32), names
    places, found = pd.factorize(values.astype(object).to_numpy())
    return places.astype(np.int32), np.asarray(found, dtype=object)


def _as_numbers(values: pd.Series, *, flag: bool) -> NDArray[np.floating] | str:
    if not values.notna().any():  # of whatever type: an all-null column may come as any
        return np.full(len(values), np.nan)
    held, expected = _held(values), "true or false is" if flag else "numbers are"
    allowed = (*_NUMBERS, "boolean") if flag else _NUMBERS
    if held not in allowed:
        return f"has {_named(held)} where {expected} expected"
    if values.dtype.kind == "f" and isinstance(values.dtype, np.dtype):
        numbers = values.to_numpy()
    else:
        try:
            numbers = values.to_numpy(np.float64, na_value=np.nan)
        except OverflowError:
            return "has a number too large to compute with"
        except (TypeError, ValueError):
            return f"has values where {expected} expected"
    if flag and not ((numbers == 0) | (numbers == 1) | np.isnan(numbers)).all():
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
    if isinstance(values.dtype, pd.StringDtype):
        return "string"
    if values.dtype.kind in "fiub":
        return {"f": "floating", "b": "boolean"}.get(values.dtype.kind, "integer")
    return pd.api.types.infer_dtype(values, skipna=True)


def _named(held: str) -> str:
    return {
        "string": "text",
        "integer": "numbers",
        "floating": "numbers",
        "boolean": "true or false",
        "datetime64": "times",
        "datetime": "times",
    }.get(held, "values of several kinds" if held.startswith("mixed") else f"{held} values")

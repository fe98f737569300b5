"""Evidently's page of two windows; the one doorway to Evidently."""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from keepfit.spec import Project
from monitoring.drift import DriftVerdict
from monitoring.drift.columns import answer_names, label_name
from monitoring.sealing import neutral, sealed

if TYPE_CHECKING:
    from data.examples import Examples

ROWS = 20_000
"""Of a window with more rows a random part of this size is drawn."""

COLUMNS = 12
"""The columns that moved most are drawn: each takes time, and nobody reads 200."""

CATEGORIES = 40
"""The most frequent categories are drawn; all others together are one more."""

# Evidently raises these on columns that it cannot draw; the verdict must not be lost with the page.
UNDRAWABLE = (ValueError, KeyError, TypeError, IndexError, ArithmeticError)


def draw_page(project: Project, verdict: DriftVerdict, reference: "Examples", current: "Examples") -> str:
    """Let Evidently draw the two windows; raises one of `UNDRAWABLE` where it cannot.

    Of a window with more than 20,000 rows a part is drawn, and the 12 columns that moved most. No script
    runs in the page but Evidently's, and it makes no request to any other address.
    """
    before, after = (_frame(project, _sample(window, project.seed)) for window in (reference, current))
    # Evidently raises on a column without a value, and finds drift in a single row.
    held = [c for c in before.columns if before[c].notna().sum() > 1 and after[c].notna().sum() > 1]
    if not held:
        msg = "no column has two values in both windows"
        raise ValueError(msg)
    held = sorted(held, key=place_in(verdict))[:COLUMNS]
    before, after = before[held], after[held]
    numbers = {c for c in held if before[c].dtype == np.float64}
    for name in held:
        if name not in numbers:
            before[name], after[name] = _plain_categories(before[name], after[name])
    before.columns = after.columns = pd.Index(neutral(held))
    plain = [c for c, name in zip(before.columns, held, strict=True) if name in numbers]
    return sealed(_evidently(before, after, plain))


def place_in(verdict: DriftVerdict) -> Callable[[str], int]:
    """Order columns as their findings are, and behind them those that have none."""
    places = {finding.column: place for place, finding in reversed([*enumerate(verdict.findings)])}
    return lambda name: places.get(name, len(places))


def _evidently(before: pd.DataFrame, after: pd.DataFrame, numbers: list[str]) -> str:
    with warnings.catch_warnings():
        # Evidently 0.7 warns about its own use of numpy, pandas and litestar, and divides by empty bins.
        for category in (DeprecationWarning, FutureWarning, RuntimeWarning):
            warnings.simplefilter("ignore", category)
        from evidently import DataDefinition, Dataset
        from evidently import Report as Page
        from evidently.metrics import ValueDrift

        texts = [name for name in before.columns if name not in numbers]
        definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
        after_set, before_set = (
            Dataset.from_pandas(frame, data_definition=definition) for frame in (after, before)
        )
        # Each with its method named, so that small windows are measured like large ones instead of tested.
        # Not the preset: it draws every column twice, and says "drift" of the whole by a rule of its own.
        drawn = [
            ValueDrift(column=c, method="wasserstein" if c in numbers else "jensenshannon", threshold=0.1)
            for c in before.columns
        ]
        return Page(drawn).run(after_set, before_set).get_html_str(as_iframe=False)


def _sample(examples: "Examples", seed: int) -> "Examples":
    if len(examples) <= ROWS:
        return examples
    mask = np.zeros(len(examples), dtype=bool)
    mask[np.random.default_rng(seed).choice(len(examples), ROWS, replace=False)] = True
    return examples.where(mask)


def _names(project: Project) -> list[str]:
    return [*project.features, *answer_names(project), label_name(project)]


def _frame(project: Project, examples: "Examples") -> pd.DataFrame:
    """Lay features, answers and labels side by side: numbers as float64, all else as text or None."""
    columns: list[pd.Series] = []
    for name, column in project.features.items():
        values = examples.features[name]
        if column.kind == "number":
            columns.append(values.astype(np.float64).replace([np.inf, -np.inf], np.nan))
        elif column.kind == "flag":
            columns.append(_text(values.map({0.0: "false", 1.0: "true"})))
        else:
            columns.append(_text(values.where(values != "", None)))
    columns += [pd.Series(output) for output in examples.outputs.T]
    labels = pd.Series(examples.labels)
    columns.append(labels.astype(np.float64) if project.target.kind == "regression" else _text(labels))
    return pd.DataFrame({name: c.to_numpy() for name, c in zip(_names(project), columns, strict=True)})


def _text(values: pd.Series) -> pd.Series:
    """Write what is there as text (a label 1.0 as 1), what is not as None."""
    texts = [None if pd.isna(v) else f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    return pd.Series(texts, dtype=object)


def _plain_categories(before: pd.Series, after: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Keep the most frequent categories of both windows together, under names that are safe to draw."""
    counts = pd.concat([before, after]).value_counts()
    top = [str(category) for category in counts.index[:CATEGORIES]]
    *plain, other = neutral([*top, "all others"])
    known = dict(zip(top, plain, strict=True))

    def rename(values: pd.Series) -> pd.Series:
        return pd.Series([None if v is None else known.get(v, other) for v in values], dtype=object)

    return rename(before), rename(after)

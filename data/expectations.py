"""Project -> suite -> verdict: the doorway to Great Expectations."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from data.records import Prediction
from keepfit.spec import Column, Project

# Read when the library is imported: nothing is sent anywhere.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")


def objections(project: Project, predictions: Sequence[Prediction]) -> list[str | None]:
    """Validate rows against the project's suite: say of each why it must be set aside, or None.

    Of two rows under one id, each is told its own.
    """
    found: list[str | None] = [None] * len(predictions)
    if not predictions:
        return found
    frame = pd.DataFrame(
        {name: _cells(column, name, predictions) for name, column in project.features.items()}
    )
    for index, name in _failures(project, frame):
        objection = project.features[name].objection(predictions[index].features.get(name))
        # What the library refuses and the column would take is refused: the stricter word counts.
        reason = f"{name}: {objection or 'fails the suite'}"
        known = found[index]
        found[index] = reason if known is None else f"{known}; {reason}"
    return found


def _cells(column: Column, name: str, predictions: Sequence[Prediction]) -> "pd.Series[Any]":
    values = [prediction.features.get(name) for prediction in predictions]
    return pd.Series(values, dtype="object" if column.kind == "category" else "float64")


def _failures(project: Project, frame: pd.DataFrame) -> list[tuple[int, str]]:
    # 4-8 s: only when there is something to validate.
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    # Whole at once: a suite that the context has is stored anew with each expectation added.
    suite = context.suites.add(
        gx.ExpectationSuite(name=project.name, expectations=_expectations(project.features))
    )
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("batch")
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch(
        batch_parameters={"dataframe": frame}
    )
    verdict = batch.validate(suite, result_format={"result_format": "COMPLETE"})
    failures: list[tuple[int, str]] = []
    for result in verdict.results:
        if result.exception_info and result.exception_info.get("raised_exception"):
            message = result.exception_info.get("exception_message")
            raise RuntimeError(f"an expectation on {project.name} could not be evaluated: {message}")
        config = result.expectation_config
        assert config is not None
        column = str(config.kwargs["column"])
        failures += [(int(i), column) for i in result.result.get("unexpected_index_list") or []]
    return sorted(set(failures))


def _expectations(columns: Mapping[str, Column]) -> list[Any]:
    from great_expectations import expectations as gxe

    suite: list[Any] = []
    for name, column in columns.items():
        if not column.optional:
            suite.append(gxe.ExpectColumnValuesToNotBeNull(column=name))
        if column.between is not None:
            low, high = column.between
            suite.append(gxe.ExpectColumnValuesToBeBetween(column=name, min_value=low, max_value=high))
        if column.among is not None:
            suite.append(gxe.ExpectColumnValuesToBeInSet(column=name, value_set=list(column.among)))
        if column.kind == "flag":
            suite.append(gxe.ExpectColumnValuesToBeInSet(column=name, value_set=[0.0, 1.0]))
    return suite

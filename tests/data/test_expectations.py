import math
from typing import Any

import pytest

from data.expectations import objections
from keepfit import Column
from tests.making import FEATURES, ROW, prediction, project

PROJECT = project(
    features={
        **FEATURES,
        "origin": Column.category(among=["EWR", "JFK"], optional=True),
        "age": Column.number(between=(0, math.inf), optional=True),
    }
)


def found(*rows: dict[str, Any]) -> list[str | None]:
    made = [prediction(f"{i}", features={**ROW, **row}) for i, row in enumerate(rows)]
    return objections(PROJECT, made)


def test_nothing_is_validated_without_a_word() -> None:
    assert objections(PROJECT, []) == []


def test_each_row_that_fails_is_told_with_its_column_and_the_others_pass() -> None:
    assert found(
        {}, {"distance": 5001}, {"carrier": None}, {"origin": "LGA"}, {"holiday": None}, {"age": -1}
    ) == [
        None,
        "distance: expected a number between 0 and 5000, got 5001",
        "carrier: expected text, got nothing",
        "origin: expected one of 'EWR', 'JFK', got 'LGA'",
        "holiday: expected true or false, got nothing",
        "age: expected a number between 0 and inf, got -1",
    ]


def test_a_row_that_fails_twice_tells_both() -> None:
    (told,) = found({"distance": -1, "carrier": None})
    assert told is not None
    assert "distance: " in told
    assert "; " in told
    assert "carrier: " in told


def test_rows_of_one_id_are_told_each_its_own() -> None:
    rows = [prediction("p", features={**ROW, "distance": distance}) for distance in (-1, 733, -1)]
    far = "distance: expected a number between 0 and 5000, got -1"
    assert objections(PROJECT, rows) == [far, None, far]


@pytest.mark.parametrize("rows", [1, 3])
def test_columns_of_nothing_are_no_fault_where_they_are_optional(rows: int) -> None:
    assert found(*[{"origin": None, "wind": None, "age": None}] * rows) == [None] * rows


def test_a_suite_finds_what_each_column_objects_to() -> None:
    values: list[dict[str, Any]] = [
        {"distance": 0},
        {"distance": 5000.0001},
        {"distance": None},
        {"carrier": "new"},
        {"holiday": True},
        {"origin": "EWR"},
        {"origin": "ewr"},
        {"age": 1e30},
    ]
    expected = [
        [f"{n}: {o}" for n, c in PROJECT.features.items() if (o := c.objection({**ROW, **v}.get(n)))]
        for v in values
    ]
    assert found(*values) == ["; ".join(told) or None for told in expected]

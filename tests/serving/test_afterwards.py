"""Answers that are explained long after they were given, by the bundle that gave them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.reasons import Asked
from keepfit.settings import Settings
from serving.explaining.afterwards import reasons
from tests.builders import ROW, published
from tests.keys import SETTINGS

GOLDEN_DISTANCE = (733 + 5000) / 2
"""The mean distance of the golden rows of `tests.builders`."""


def settings(home: Path, **changed: Any) -> Settings:
    return replace(Settings(home=home), **(SETTINGS | changed))


def asked(home: Path, kind: Any = "regression", **changed: Any) -> Asked:
    digest = published(home, settings(home).releases("flights"), version=3, kind=kind)
    return Asked(str(settings(home).releases("flights")), digest, {**ROW, **changed})


def test_the_answer_is_given_again_and_shared_out_among_its_features(tmp_path: Path) -> None:
    found = reasons(asked(tmp_path, distance=2000.0), settings(tmp_path))
    assert found.unknown is None
    assert found.output == (32_000.0,)
    assert found.baseline == pytest.approx(30_000 + GOLDEN_DISTANCE)
    assert found.contributions == pytest.approx(
        {**dict.fromkeys(ROW, 0.0), "distance": 2000 - GOLDEN_DISTANCE}, abs=0.01
    )


def test_of_a_class_its_probability_is_explained(tmp_path: Path) -> None:
    found = reasons(asked(tmp_path, "binary"), settings(tmp_path))
    assert (found.of, found.output) == (1, pytest.approx((0.003,)))


def test_a_flag_as_the_store_has_it_is_the_flag_that_was_sent(tmp_path: Path) -> None:
    was, stored = (asked(tmp_path / name, holiday=value) for name, value in (("a", True), ("b", 1.0)))
    here = settings(tmp_path)
    assert reasons(was, here).contributions == reasons(stored, here).contributions


def test_a_bundle_that_is_gone_explains_nothing(tmp_path: Path) -> None:
    told = asked(tmp_path)
    gone = Asked(told.releases, "0" * 64, told.features)
    assert "no readable bundle" in str(reasons(gone, settings(tmp_path)).unknown)


def test_a_bundle_of_nobody_that_is_trusted_explains_nothing(tmp_path: Path) -> None:
    told = asked(tmp_path)
    nobody = settings(tmp_path, trusted_keys=str(tmp_path / "none"))
    assert "no key is trusted" in str(reasons(told, nobody).unknown)


def test_a_row_that_the_columns_do_not_take_is_not_explained(tmp_path: Path) -> None:
    found = reasons(asked(tmp_path, distance="far"), settings(tmp_path))
    assert str(found.unknown).startswith("the row is none that the columns of version 3")


def test_where_no_time_is_left_that_is_said_beside_the_answer(tmp_path: Path) -> None:
    found = reasons(asked(tmp_path), settings(tmp_path, explain_s=0.0))
    assert found.output == (30_733.0,)
    assert "KEEPFIT_EXPLAIN_S" in str(found.unknown)

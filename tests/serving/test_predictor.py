from pathlib import Path

import numpy as np
import pytest

from data.bundles import Bundle
from keepfit import Column
from keepfit.errors import BundleDisagrees, BundleUnusable
from serving.predictor import Predictor, check_golden
from tests.builders import COLUMNS, ROW, TARGETS, Kind, checked, manifest, model, opened


def predictor(tmp_path: Path, kind: Kind = "regression", version: int = 7, **changed: object) -> Predictor:
    return Predictor(opened(tmp_path, version=version, kind=kind, **changed))


@pytest.mark.parametrize("kind", list(TARGETS))
def test_the_models_of_these_tests_are_onnx(kind: Kind) -> None:
    checked(model(kind, 3))


@pytest.mark.parametrize(
    ("kind", "answer"), [("binary", [0.007]), ("multiclass", [0.5, 0.007, 0.493]), ("regression", [70_733])]
)
def test_an_answer_has_the_numbers_that_its_target_asks_for(
    tmp_path: Path, kind: Kind, answer: list[float]
) -> None:
    found = predictor(tmp_path, kind).predict([ROW])
    assert found.dtype == np.float64
    assert found[0] == pytest.approx(answer)


def test_one_row_is_answered_as_among_many(tmp_path: Path) -> None:
    made = predictor(tmp_path)
    rows = [{**ROW, "distance": distance} for distance in range(50)]
    assert np.array_equal(made.predict(rows), np.concatenate([made.predict([row]) for row in rows]))


def test_columns_are_answered_as_the_same_rows(tmp_path: Path) -> None:
    made = predictor(tmp_path)
    rows = [{**ROW, "distance": distance, "season": None, "wind": None} for distance in range(9000)]
    columns = {
        "distance": np.arange(9000),
        "carrier": np.array(["AA"] * 9000),
        "season": np.array([None, "", np.nan] * 3000, dtype=object),
        "wind": np.full(9000, np.nan),
        "holiday": np.zeros(9000, dtype=bool),
    }
    assert np.array_equal(made.predict_columns(columns), made.predict(rows))


def test_no_rows_have_no_answers(tmp_path: Path) -> None:
    none = {name: np.array([]) for name in COLUMNS}
    assert predictor(tmp_path, "multiclass").predict_columns(none).shape == (0, 3)


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleUnusable, match="lack the column 'carrier'"):
        predictor(tmp_path).predict_columns({name: np.zeros(1) for name in COLUMNS if name != "carrier"})


def test_bytes_that_are_no_model_cannot_be_loaded() -> None:
    with pytest.raises(BundleUnusable, match="ONNX Runtime cannot load it"):
        Predictor(Bundle("0" * 64, manifest(b"no model", version=1), b"no model"))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"columns": {**COLUMNS, "humidity": Column.number()}}, "input 'humidity': the model takes nothing"),
        (
            {"columns": {**COLUMNS, "wind": Column.category()}},
            r"input 'wind': the model takes tensor\(float\)",
        ),
        ({"output": "nothing"}, "has no output 'nothing'"),
    ],
)
def test_a_model_that_is_not_what_its_manifest_says_cannot_be_loaded(
    changed: dict[str, object], reason: str
) -> None:
    made = model("regression", 1)
    described = manifest(made, version=1, kind="regression", golden_outputs=[[1.0], [1.0]], **changed)
    with pytest.raises(BundleUnusable, match=reason):
        Predictor(Bundle("0" * 64, described, made))


def test_a_model_that_answers_in_another_shape_cannot_be_used() -> None:
    made = model("regression", 1)
    described = manifest(made, version=1, kind="multiclass", golden_outputs=[])
    with pytest.raises(BundleUnusable, match=r"'answer' is float32\[1, 1\], not numbers \[1, 3\]"):
        Predictor(Bundle("0" * 64, described, made)).predict([ROW])


@pytest.mark.parametrize("kind", list(TARGETS))
def test_a_bundle_agrees_with_its_own_golden_rows(tmp_path: Path, kind: Kind) -> None:
    made = predictor(tmp_path, kind)
    check_golden(made)
    assert len(made.manifest.golden_outputs) == len(made.manifest.golden_rows)


@pytest.mark.parametrize("outputs", [[[10_733.0], [15_001.0]], [[10_733.0]], [], [[1.0, 2.0], [1.0, 2.0]]])
def test_a_bundle_that_disagrees_with_its_golden_rows_is_found_out(
    tmp_path: Path, outputs: list[list[float]]
) -> None:
    with pytest.raises(BundleDisagrees):
        check_golden(predictor(tmp_path, version=1, golden_outputs=outputs))


def test_a_bundle_without_golden_rows_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BundleDisagrees, match="golden"):
        check_golden(predictor(tmp_path, golden_rows=[], golden_outputs=[]))

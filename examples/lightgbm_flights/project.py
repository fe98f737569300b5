"""The flights again, learned by LightGBM, which splits on categories itself; `export=` writes the ONNX."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from examples.flights.project import CATEGORIES
from examples.flights.project import project as flights

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline


def build() -> "Pipeline":
    """Return LightGBM's trees on numbers and on numbered categories, told which columns are categories."""
    from lightgbm import LGBMClassifier
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    trees: dict[str, Any] = {
        "n_estimators": 100,
        "learning_rate": 0.05,
        "num_leaves": 15,
        "min_child_samples": 100,
        # `categorical_feature` means the same and warns that it is ignored, which it is not.
        "cat_feature": list(range(len(CATEGORIES))),
        "random_state": 0,
        "n_jobs": 1,
        "verbose": -1,
    }
    return make_pipeline(
        make_column_transformer((encoder, CATEGORIES), remainder="passthrough"), LGBMClassifier(**trees)
    )


def export(estimator: Any, sample: "pd.DataFrame") -> bytes:  # noqa: ANN401, ARG001 - its contract
    """Convert the pipeline with skl2onnx, and the trees in it with onnxmltools: exact, categories too."""
    from lightgbm import LGBMClassifier
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from skl2onnx import to_onnx, update_registered_converter
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    update_registered_converter(
        LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        convert_lightgbm,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    inputs: list[Any] = [
        (name, StringTensorType([None, 1]) if column.kind == "category" else FloatTensorType([None, 1]))
        for name, column in flights.features.items()
    ]
    # The trees are written as version 3 of ai.onnx.ml has them.
    opsets = {"": 18, "ai.onnx.ml": 3}
    made: Any = to_onnx(estimator, initial_types=inputs, options={"zipmap": False}, target_opset=opsets)
    return made.SerializeToString()


project = replace(flights, name="lightgbm-flights", build=build, export=export)

"""Convert a fitted estimator into ONNX, with golden rows: the doorway to skl2onnx."""

import copy
import warnings
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType, NoneType
from typing import Any, cast

import msgspec
import numpy as np
import onnx
import pandas as pd

from data.bundles import Bundle, Lineage, Manifest, sha256
from keepfit.errors import ConversionError
from keepfit.spec import Project, Value
from serving.predictor import Predictor
from tasks.export import Converted, bring

_GOLDEN_ROWS = 100
_FAULTS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ImportError)
"""What skl2onnx's converters raise when they meet what they do not know."""
_BARE = (type, ModuleType, FunctionType, NoneType, str, bytes, int, float)
"""What an estimator holds and no estimator is in."""


def convert(project: Project, estimator: object, sample: pd.DataFrame) -> Converted:
    """Turn an estimator into ONNX with one input per feature; raise ConversionError when it cannot be.

    A project that brings `export=` does it itself: its model must have one input [n, 1] per feature,
    float32 or text, and one output, or one called `probabilities` or `variable`.
    """
    if project.export is not None:
        return bring(project, estimator, sample)
    converted = _skl2onnx(project, estimator)
    _name_inputs(converted, list(project.features))
    # By place: a feature may be called `probabilities`, and the output is then called otherwise.
    return Converted(converted.SerializeToString(), converted.graph.output[-1].name)


def golden_rows(sample: pd.DataFrame, seed: int) -> list[dict[str, Value]]:
    """Draw rows whose columns are shuffled independently, so that no real person is in them."""
    rng = np.random.default_rng(seed)
    drawn = {name: rng.permutation(sample[name].to_numpy())[:_GOLDEN_ROWS] for name in sample.columns}
    count = min(_GOLDEN_ROWS, len(sample))
    return [{name: _cell(values[i]) for name, values in drawn.items()} for i in range(count)]


def make_manifest(
    project: Project, converted: Converted, sample: pd.DataFrame, lineage: Lineage, version: int
) -> Manifest:
    """Describe a model: its golden outputs are ONNX's own on the golden rows."""
    manifest = Manifest(
        project=project.name,
        version=version,
        model_sha256=sha256(converted.model),
        columns=dict(project.features),
        target=project.target,
        output=converted.output,
        golden_rows=golden_rows(sample, project.seed),
        golden_outputs=[],
        lineage=lineage,
    )
    predictor = Predictor(Bundle("unpublished", manifest, converted.model))
    outputs = predictor.predict(manifest.golden_rows).tolist()
    return msgspec.structs.replace(manifest, golden_outputs=outputs)


def _skl2onnx(project: Project, estimator: Any) -> onnx.ModelProto:  # noqa: ANN401 - any estimator
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    _refuse_native_categories(project, estimator)
    # Double inputs are wrong on more rows than float32 ones: models are trained on float32 too.
    inputs: list[Any] = [
        (name, StringTensorType([None, 1]) if column.kind == "category" else FloatTensorType([None, 1]))
        for name, column in project.features.items()
    ]
    options = None if project.target.kind == "regression" else {"zipmap": False}
    try:
        with warnings.catch_warnings():
            # Protobuf's, about skl2onnx's own habits.
            warnings.simplefilter("ignore", DeprecationWarning)
            exact = with_float32_thresholds(estimator)
            # Outputs of names that no feature has: skl2onnx would call two tensors `label` without a word.
            outputs: list[Any] = [(name, None) for name in _output_names(project)]
            return cast(
                onnx.ModelProto,
                to_onnx(exact, initial_types=inputs, options=options, final_types=outputs),
            )
    except _FAULTS as fault:
        first = str(fault).strip().splitlines()[0][:300] if str(fault).strip() else type(fault).__name__
        msg = (
            f"project {project.name!r}: {_step_of(estimator, str(fault))} does not convert to ONNX: {first}; "
            "replace that step, or bring export="
        )
        raise ConversionError(msg) from fault


def _output_names(project: Project) -> list[str]:
    names = ["value"] if project.target.kind == "regression" else ["class", "probabilities"]
    while set(names) & set(project.features):
        names = [f"{name}_" for name in names]
    return names


def _name_inputs(model: onnx.ModelProto, names: list[str]) -> None:
    """Call the inputs as the features are: skl2onnx writes an underscore for each other character.

    No other tensor bears a name with such a character, so none is named twice.
    """
    renamed = {
        given.name: name for given, name in zip(model.graph.input, names, strict=True) if given.name != name
    }
    for given in model.graph.input:
        given.name = renamed.get(given.name, given.name)
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]


def _refuse_native_categories(project: Project, estimator: object) -> None:
    """Refuse trees that split on categories: skl2onnx takes their numbers for thresholds, without a word."""
    for part in _parts(estimator):
        if np.any(_attributes(part).get("is_categorical_")):
            msg = (
                f"project {project.name!r}: {type(part).__name__} splits on categories, which do not "
                "convert to ONNX: encode categories as one-hot or ordinal columns instead of "
                "`categorical_features`, or bring export="
            )
            raise ConversionError(msg)


def with_float32_thresholds(estimator: Any) -> Any:  # noqa: ANN401 - any estimator
    """Return the estimator with the thresholds of its boosted trees rounded down to float32.

    skl2onnx rounds a float64 threshold to the nearest float32, which may lie above a value that went
    right. For float32 inputs `x <= t` is the same as `x <= floor32(t)`, so nothing else changes.
    """
    if not any("_predictors" in _attributes(part) for part in _parts(estimator)):
        return estimator
    exact = copy.deepcopy(estimator)
    # Private in scikit-learn 1.9, and what skl2onnx itself reads; parity would tell if it moved.
    boosted = [_attributes(part).get("_predictors", []) for part in _parts(exact)]
    for tree in (tree for predictors in boosted for trees in predictors for tree in trees):
        thresholds = tree.nodes["num_threshold"]
        nearest = thresholds.astype(np.float32)
        below = np.nextafter(nearest, np.float32(-np.inf))
        tree.nodes["num_threshold"] = np.where(nearest > thresholds, below, nearest)
    return exact


def _step_of(estimator: object, message: str) -> str:
    for part in _parts(estimator):
        name = type(part).__name__
        if part is not estimator and hasattr(part, "fit") and name in message:
            return f"the step {name}"
    return f"the estimator {type(estimator).__name__}"


def _parts(estimator: object) -> Iterator[object]:
    """Yield an estimator and every object in it, however deep: what wraps another keeps it where it likes."""
    seen: dict[int, object] = {}  # kept alive, so that no other gets their ids
    waiting: list[object] = [estimator]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, _BARE):
            continue
        seen[id(part)] = part
        if isinstance(part, Mapping):
            waiting += part.values()
        elif isinstance(part, list | tuple | set | frozenset):
            waiting += part
        elif isinstance(part, np.ndarray):
            waiting += part.ravel().tolist() if part.dtype == object else []
        elif held := _attributes(part):
            yield part
            waiting += held.values()


def _attributes(part: object) -> dict[str, Any]:
    slots = {name for kind in type(part).__mro__ for name in _named(getattr(kind, "__slots__", ()))}
    held = {name: getattr(part, name) for name in slots if hasattr(part, name)}
    return held | getattr(part, "__dict__", {})


def _named(slots: Any) -> tuple[str, ...]:  # noqa: ANN401 - a name or names
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _cell(value: Any) -> Value:  # noqa: ANN401 - numpy's scalars
    if isinstance(value, str):
        return value or None
    return None if np.isnan(value) else float(value)

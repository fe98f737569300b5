"""What can be wrong with a project's own ONNX, each said in a sentence with the next step."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from keepfit import Column
from keepfit.errors import ConversionError
from keepfit.spec import Project
from serving.predictor import Predictor
from tasks.check import Trial, check_project, made_examples
from tasks.convert import convert
from tasks.export import unpublished
from tests.making import project

COLUMNS = {"distance": Column.number(between=(0, 5000)), "carrier": Column.category()}
Shapes = dict[str, list[int | str]]


class Steady:
    """An estimator that has learned nothing: half for everything."""

    def fit(self, X: Any, y: Any) -> "Steady":  # noqa: ARG002, N803
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return np.full(len(X), 0.5)

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        return np.full((len(X), 2), 0.5)


def exporting(export: Callable[[object, Any], Any], kind: str = "binary") -> Project:
    return project(kind, features=COLUMNS, build=Steady, export=export)


def giving(model: object, kind: str = "binary") -> Project:
    given = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
    return exporting(lambda fitted, sample: given, kind)  # noqa: ARG005 - its contract


def made(
    *nodes: onnx.NodeProto, shapes: Shapes | None = None, outputs: Sequence[str] = ("answer",), **weights: Any
) -> onnx.ModelProto:
    """Make a model of one input per feature; without nodes it answers a half, as `Steady` does."""
    shapes = shapes or {name: ["n", 1] for name in COLUMNS}
    given = [
        helper.make_tensor_value_info(
            name, TensorProto.STRING if name == "carrier" else TensorProto.FLOAT, shape
        )
        for name, shape in shapes.items()
    ]
    weights = {"none": [[0.0]], "half": [[0.5]]} | weights
    graph = helper.make_graph(
        list(nodes or half(["answer"])),
        "made",
        given,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(cells, np.float32), name) for name, cells in weights.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def half(answer: list[str], columns: int = 2, **concat: Any) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Mul", ["distance", "none"], ["nothing"]),
        helper.make_node("Add", ["nothing", "half"], ["halves"]),
        helper.make_node("Concat", ["halves"] * columns, answer, **({"axis": 1} | concat)),
    ]


def refusal(of: Project) -> str:
    with pytest.raises(ConversionError) as refused:
        convert(of, Steady(), made_examples(of, 5, seed=0).features)
    said = str(refused.value)
    assert said.startswith("project 'made': export= ")
    assert "\n" not in said
    return said.removeprefix("project 'made': export= ")


def test_a_model_of_ones_own_passes_every_trial() -> None:
    assert check_project(giving(made()))[-1] == Trial("its ONNX agrees with it")


@pytest.mark.parametrize("columns", [1, 2])
def test_of_several_outputs_the_one_that_bears_the_name_is_the_answer(columns: int) -> None:
    kind, name = ("regression", "variable") if columns == 1 else ("binary", "probabilities")
    mine = giving(made(*half([name], columns), outputs=["halves", name]), kind)
    found = convert(mine, Steady(), made_examples(mine, 5, seed=0).features)
    assert found.output == name
    rows = made_examples(mine, 5, seed=0).columns()
    assert Predictor(unpublished(mine, found)).predict_columns(rows).tolist() == [[0.5]] * 5


def test_weights_that_an_old_model_lists_among_its_inputs_are_no_features() -> None:
    model = made()
    model.ir_version = 3
    model.graph.input.append(helper.make_tensor_value_info("half", TensorProto.FLOAT, [1, 1]))
    mine = giving(model)
    assert convert(mine, Steady(), made_examples(mine, 5, seed=0).features).output == "answer"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "gave NoneType, not bytes; return the ONNX model itself, as model.SerializeToString()"),
        ("model.onnx", "gave str, not bytes; return the ONNX model itself"),
        (Path("model.onnx"), "gave PosixPath, not bytes; return the ONNX model itself"),
        (bytearray(b"model"), "gave bytearray, not bytes"),
        (b"no model", "gave bytes that are no ONNX model"),
        (b"", "gave bytes that are no ONNX model"),
    ],
)
def test_what_is_no_model_is_refused(given: object, told: str) -> None:
    assert refusal(giving(given)).startswith(told)


def test_a_model_that_is_not_serialized_is_told_how() -> None:
    model = made()
    said = refusal(exporting(lambda fitted, sample: model))  # noqa: ARG005 - its contract
    assert said == "gave ModelProto, not bytes; return model.SerializeToString()"


@pytest.mark.parametrize(
    "fault",
    [
        KeyError("no such\nthing"),
        ImportError("no torch"),
        OSError("no file"),
        onnx.checker.ValidationError("x"),
    ],
)
def test_an_export_that_fails_is_told_in_a_line(fault: Exception) -> None:
    def export(fitted: object, sample: object) -> bytes:  # noqa: ARG001 - its contract
        raise fault

    assert refusal(exporting(export)).startswith(f"failed: {type(fault).__name__}: ")


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        ({"X": ["n", 2]}, "lacks the input 'distance', 'carrier' and takes 'X', which no feature is called"),
        ({"distance": ["n", 1]}, "lacks the input 'carrier'; give it one input [n, 1] per feature"),
        ({"distance": ["n", 1], "carrier": ["n", 1], "wind": ["n", 1]}, "takes 'wind', which no feature"),
        (
            {"distance": ["n", 2], "carrier": ["n", 1]},
            "input 'distance' has the shape [n, 2]; make it [n, 1]",
        ),
        ({"distance": ["n"], "carrier": ["n", 1]}, "input 'distance' has the shape [n]; make it [n, 1]"),
        ({"distance": ["n", 1], "carrier": [1, 1]}, "input 'carrier' takes 1 rows and no other number"),
        ({"distance": [64, 1], "carrier": ["n", 1]}, "input 'distance' takes 64 rows and no other number"),
    ],
)
def test_inputs_that_are_not_the_features_are_refused(shapes: Shapes, told: str) -> None:
    assert told in refusal(giving(made(shapes=shapes)))


@pytest.mark.parametrize(
    ("name", "type_", "told"),
    [
        ("distance", TensorProto.DOUBLE, "input 'distance' is double, and a number reaches it as float32"),
        ("carrier", TensorProto.INT64, "input 'carrier' is int64, and a category reaches it as text"),
    ],
)
def test_an_input_of_another_type_is_refused(name: str, type_: int, told: str) -> None:
    model = made()
    for given in model.graph.input:
        if given.name == name:
            given.type.tensor_type.elem_type = type_
    assert told in refusal(giving(model))


def test_an_input_that_is_no_tensor_is_refused() -> None:
    model = made()
    model.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = TensorProto.FLOAT
    assert "input 'distance' is undefined" in refusal(giving(model))


@pytest.mark.parametrize(("kind", "wanted"), [("binary", "probabilities"), ("regression", "variable")])
def test_outputs_of_which_none_is_the_answer_are_refused(kind: str, wanted: str) -> None:
    model = made(*half(["answer"]), outputs=["halves", "answer"])
    said = refusal(giving(model, kind))
    assert said == f"gave a model with the outputs halves, answer; call the answer {wanted!r}"


@pytest.mark.parametrize(
    ("kind", "columns", "told"),
    [
        ("binary", 1, "it must give the probabilities [n, 2] of no and of yes"),
        ("multiclass", 2, "it must give the probabilities [n, 3] in the order of target.classes"),
        ("regression", 2, "it must give the values [n, 1]"),
    ],
)
def test_an_answer_of_another_shape_is_refused(kind: str, columns: int, told: str) -> None:
    said = refusal(giving(made(*half(["answer"], columns)), kind))
    assert re.search(r"cannot answer 1 row: 'answer' is float32\[1, \d\], not numbers", said)
    assert said.endswith(told)


def test_probabilities_one_below_the_other_are_refused() -> None:
    assert "cannot answer 1 row" in refusal(giving(made(*half(["answer"], axis=0))))


def test_a_batch_that_is_fixed_inside_is_refused() -> None:
    nodes = half(["wide"])
    shape = helper.make_node("Constant", [], ["shape"], value_ints=[1, 2])
    nodes += [shape, helper.make_node("Reshape", ["wide", "shape"], ["answer"])]
    said = refusal(giving(made(*nodes)))
    assert "cannot answer 3 rows, though it can 1: let no shape inside hold a number of rows" in said


def test_a_model_that_computes_over_the_batch_is_refused() -> None:
    nodes = [
        helper.make_node("ReduceMax", ["distance"], ["largest"], keepdims=1),
        helper.make_node("Div", ["distance", "largest"], ["answer"]),
    ]
    said = refusal(giving(made(*nodes), "regression"))
    assert said == "gave a model whose answer to a row changes among others; call eval() before exporting"


def test_logits_are_no_probabilities() -> None:
    node = helper.make_node("Concat", ["distance", "distance"], ["answer"], axis=1)
    said = refusal(giving(made(node)))
    assert re.fullmatch(r"gave a model that answers [\d.e+]+, no probability; let it end with Sigmoid", said)


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(made(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    said = refusal(giving(path.read_bytes()))
    assert "in another file, 'weights.bin'; keep the weights inside: save_as_external_data=False" in said


def test_weights_in_another_file_are_seen_in_a_branch_too() -> None:
    inside = numpy_helper.from_array(np.zeros((1, 1), np.float32), "inside")
    inside.data_location = TensorProto.EXTERNAL
    branch = helper.make_graph(
        [helper.make_node("Identity", ["inside"], ["out"])], "branch", [], [], [inside]
    )
    node = helper.make_node("If", ["yes"], ["answer"], then_branch=branch, else_branch=branch)
    assert "keeps 'inside' in another file" in refusal(giving(made(node)))


def test_an_operator_that_the_server_does_not_have_is_named() -> None:
    model = made(*half(["wide"]), helper.make_node("Guess", ["wide"], ["answer"], domain="my.own"))
    model.opset_import.append(helper.make_opsetid("my.own", 1))
    said = refusal(giving(model))
    assert said == (
        "gave a model with the operator my.own.Guess, which ONNX Runtime does not have; "
        "write it with the operators of ONNX"
    )


def test_an_operator_that_the_model_defines_itself_is_taken() -> None:
    model = made(*half(["wide"]), helper.make_node("Same", ["wide"], ["answer"], domain="my.own"))
    model.opset_import.append(helper.make_opsetid("my.own", 1))
    body = [helper.make_node("Identity", ["x"], ["y"])]
    model.functions.append(
        helper.make_function("my.own", "Same", ["x"], ["y"], body, [helper.make_opsetid("", 18)])
    )
    assert check_project(giving(model))[-1] == Trial("its ONNX agrees with it")


def test_a_model_that_does_not_load_is_refused_with_what_shows_why() -> None:
    said = refusal(giving(made(helper.make_node("Identity", ["nowhere"], ["answer"]))))
    assert said.startswith("gave a model that cannot be loaded: ")
    assert said.endswith("; see onnx.checker.check_model")


def test_a_model_that_answers_otherwise_than_its_estimator_is_refused_by_check() -> None:
    failed = check_project(giving(made(half=[[0.75]])))[-1]
    assert failed.objection == (
        "the ONNX model differs on 100.0% of the rows, by up to 0.25; let export= compute what the "
        "estimator computes, in float32 and with the same columns"
    )

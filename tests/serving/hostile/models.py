"""Hostile by its model, signed by a key that is trusted: an insider's, or what a fault made of a good one.

Each is the good model, whose answer has something added to it; where that were harmless, the bundle would
be served, for its golden outputs are those of the good one.
"""

import io
import pickle
import random
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from keepfit.settings import ROOT
from tests.builders import model
from tests.serving.hostile.bundles import Scene, Spoil

_ENDLESS = 2**63 - 1
Node = helper.make_node


class Runs:
    """What runs code where it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._canary,))


def kinds() -> Iterator[tuple[str, Spoil]]:
    """Name each kind."""
    for what, content in _NO_MODELS.items():
        yield f"model: {what}", lambda scene, c=content: _signed(scene, c(scene))
    for what, location in _LOCATIONS.items():
        for how, where in (("an initializer", _initializer), ("a constant", _constant)):
            yield (
                f"model: {how} in {what}",
                lambda scene, p=where, at=location: _signed(scene, p(scene, at(scene))),
            )
    for what, parts in _PARTS.items():
        yield f"model: {what}", lambda scene, p=parts: _signed(scene, added(scene.version, *p()))
    for what, change in _GRAPHS.items():
        yield f"model: {what}", lambda scene, c=change: _signed(scene, _changed(scene.version, c))
    yield (
        "model: of nothing",
        lambda scene: scene.good(scene.folder, _changed(scene.version, _of_nothing), columns={}),
    )
    for what, weights in _ANSWERS.items():
        yield f"model: answers {what}", lambda scene, w=weights: _answers(scene, w)


def mutants(count: int) -> Iterator[tuple[str, Spoil]]:
    """Name models with random bytes changed: one may by chance be as good as it was, and be served."""
    for seed in range(count):
        yield f"model: mutant {seed}", lambda scene, s=seed: _signed(scene, _mutated(scene.version, s))


def _signed(scene: Scene, content: bytes) -> None:
    scene.good(scene.folder, content)


def _good(version: int) -> onnx.ModelProto:
    return onnx.load_from_string(model("regression", version))


def added(
    version: int,
    nodes: Iterable[NodeProto],
    tensors: Iterable[TensorProto] = (),
    functions: Iterable[onnx.FunctionProto] = (),
) -> bytes:
    """Add `x`, which nodes or tensors make, to the answer of the good model."""
    made = _good(version)
    del made.graph.node[-1]
    made.graph.node.extend([*nodes, Node("Add", ["first", "x"], ["answer"])])
    made.graph.initializer.extend(tensors)
    made.functions.extend(functions)
    made.opset_import.extend(helper.make_opsetid(domain, 1) for domain in ("evil", "com.microsoft"))
    return made.SerializeToString()


def _ints(name: str, *values: int) -> TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def _floats(name: str, *shape: int) -> TensorProto:
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def _scalar(name: str, value: int | float | bool) -> TensorProto:
    dtype = np.float32 if isinstance(value, float) else None
    return numpy_helper.from_array(np.array(value, dtype=dtype), name)


# --- no ONNX at all ------------------------------------------------------------------------------------

_PLAIN = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00" + bytes(100)


def _zipped(scene: Scene) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as made:
        made.writestr("model.onnx", model("regression", scene.version))
        made.writestr("../../evil.py", f"open({str(scene.canary)!r}, 'w')")
    return body.getvalue()


_NO_MODELS: dict[str, Callable[[Scene], bytes]] = {
    **{
        f"a pickle of protocol {protocol}": lambda scene, p=protocol: pickle.dumps(Runs(scene.canary), p)
        for protocol in range(6)
    },
    "a pickle behind a model": lambda s: model("regression", s.version) + pickle.dumps(Runs(s.canary)),
    "a zip": _zipped,
    "an ELF": lambda _: _PLAIN,
    "a script": lambda s: f"#!/bin/sh\ntouch {s.canary}\n".encode(),
    "Python": lambda s: f"open({str(s.canary)!r}, 'w').close()\n".encode(),
    "an .npy of objects": lambda s: _npy(s),
    "an HDF5": lambda _: b"\x89HDF\r\n\x1a\n" + bytes(500),
    "empty": lambda _: b"",
    "zeros": lambda _: bytes(1000),
    "ones": lambda _: b"\xff" * 1000,
    "a number without an end": lambda _: b"\x80" * 1000,
    "ONNX Runtime's own format": lambda _: b"\x08\0\0\0ORTM" + bytes(64),
    "ONNX Runtime's own format, broken": lambda _: b"\x20\0\0\0ORTM" + b"\xff" * 200,
    "a model without a graph": lambda _: onnx.ModelProto(ir_version=9).SerializeToString(),
    "nested too deeply": lambda s: _deep(s.version, 300),
    "nested far too deeply": lambda s: _deep(s.version, 4000),
}


def _npy(scene: Scene) -> bytes:
    body = io.BytesIO()
    np.save(body, np.array([Runs(scene.canary)], dtype=object), allow_pickle=True)
    return body.getvalue()


def _field(number: int, body: bytes) -> bytes:
    def varint(value: int) -> bytes:
        return (bytes([value & 127 | 128]) + varint(value >> 7)) if value > 127 else bytes([value])

    return varint(number << 3 | 2) + varint(len(body)) + body


def _deep(version: int, depth: int) -> bytes:
    """Nest If in If, as bytes: Python's protobuf makes no such message."""
    graph = _field(1, Node("Identity", ["first"], ["o"]).SerializeToString())
    for _ in range(depth):
        branch = _field(5, _field(1, b"then_branch") + _field(6, graph) + b"\xa0\x01\x05")
        graph = _field(1, _field(1, b"cond") + _field(2, b"o") + _field(4, b"If") + branch)
    return model("regression", version) + _field(7, graph)


# --- data outside of the model -------------------------------------------------------------------------

_LOCATIONS: dict[str, Callable[[Scene], str]] = {
    "a file where the server runs": lambda _: "LICENSE",
    "a file beside the model": lambda _: "manifest.json",
    "a file above": lambda _: "../LICENSE",
    "/etc/passwd": lambda _: "/etc/passwd",
    "/etc/passwd from here": lambda _: "/".join([".."] * len(ROOT.parts)) + "/etc/passwd",
    "/dev/zero": lambda _: "/dev/zero",
    "/proc/self/mem": lambda _: "/proc/self/mem",
    "a pipe": lambda scene: str(scene.outside / "pipe"),
    "a folder": lambda _: ".",
    "no file": lambda _: "",
    "a file with NUL in its name": lambda _: "LICENSE\0.bin",
    "memory": lambda _: "*/_ORT_MEM_ADDR_/*",
}


def _external(location: str) -> TensorProto:
    made = TensorProto(name="x", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": "0", "length": "4"}.items():
        made.external_data.add(key=key, value=value)
    return made


def _initializer(scene: Scene, location: str) -> bytes:
    return added(scene.version, [], [_external(location)])


def _constant(scene: Scene, location: str) -> bytes:
    return added(scene.version, [Node("Constant", [], ["x"], value=_external(location))])


# --- parts that no model should have --------------------------------------------------------------------

Parts = tuple[Iterable[NodeProto], Iterable[TensorProto], Iterable[onnx.FunctionProto]]


def _of(*nodes: NodeProto, tensors: Iterable[TensorProto] = (), functions=()) -> Callable[[], Parts]:
    return lambda: (nodes, tensors, functions)


def _custom(op: str, domain: str, **attributes: Any) -> Callable[[], Parts]:
    return _of(Node(op, ["first"], ["x"], domain=domain, **attributes))


def _huge(op: str, *inputs: str, tensors: Iterable[TensorProto], **attributes: Any) -> Callable[[], Parts]:
    """Make something huge of constants, and its smallest value of that: it may be folded at loading."""
    return _of(
        Node(op, list(inputs), ["huge"], **attributes),
        Node("ReduceMin", ["huge"], ["x"], keepdims=0),
        tensors=[_scalar("one", 1.0), *tensors],
    )


def _huge_at_run(op: str, *inputs: str, shape: Iterable[int]) -> Callable[[], Parts]:
    """The same of a shape that depends on the row, so that nothing is huge before it is run."""
    nothing = [
        Node("Cast", ["first"], ["whole"], to=TensorProto.INT64),
        Node("ReduceMin", ["whole"], ["least"], keepdims=0),
        Node("Min", ["least", "none"], ["nothing"]),
        Node("Add", ["nothing", "sizes"], ["shape"]),
    ]
    return _of(
        *nothing,
        Node(op, list(inputs), ["huge"]),
        Node("ReduceMin", ["huge"], ["x"], keepdims=0),
        tensors=[_scalar("none", 0), _scalar("one", 1.0), _ints("sizes", *shape)],
    )


def _loop(
    rounds: int, body: list[NodeProto], *, start: str = "first", kept: bool = False
) -> Callable[[], Parts]:
    floats, whole, flag = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
    value = helper.make_tensor_value_info
    inputs = [value("round", whole, []), value("go", flag, []), value("in", floats, None)]
    results = [value("on", flag, []), value("out", floats, None)]
    if kept:
        body = [*body, Node("Identity", ["in"], ["kept"])]
        results.append(value("kept", floats, None))
    graph = helper.make_graph([Node("Identity", ["go"], ["on"]), *body], "body", inputs, results)
    return _of(
        Node("Loop", ["rounds", "yes", start], ["last", "all"][: 1 + kept], body=graph),
        Node("ReduceMin", ["last"], ["x"], keepdims=0),
        tensors=[_scalar("rounds", rounds), _scalar("yes", True), _scalar("one", 1.0)],
    )


def _function(name: str, *nodes: NodeProto) -> onnx.FunctionProto:
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("evil", 1)]
    return helper.make_function("evil", name, ["a"], ["b"], list(nodes), opsets)


def _calls(name: str) -> NodeProto:
    return Node(name, ["a"], ["b"], domain="evil")


def _tree(**changed: Any) -> Callable[[], Parts]:
    fields: dict[str, Any] = {
        "n_targets": 1,
        "nodes_featureids": [0, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_nodeids": [0, 1, 2],
        "nodes_treeids": [0, 0, 0],
        "nodes_values": [1.0, 0.0, 0.0],
        "target_ids": [0, 0],
        "target_nodeids": [1, 2],
        "target_treeids": [0, 0],
        "target_weights": [0.0, 0.0],
    }
    return _of(Node("TreeEnsembleRegressor", ["distance"], ["x"], **_ml, **(fields | changed)))


def _tensor(
    data_type: int = TensorProto.FLOAT, dims: Iterable[int] = (1,), raw: bytes = b"1234"
) -> Callable[[], Parts]:
    return _of(tensors=[TensorProto(name="x", data_type=data_type, dims=dims, raw_data=raw)])


_call = Node("f", ["first"], ["x"], domain="evil")
_pair = numpy_helper.from_array(np.array([[10**9], [0]]), "i")
_ml = {"domain": "ai.onnx.ml"}
_words = {
    "max_gram_length": 1,
    "max_skip_count": 0,
    "min_gram_length": 1,
    "mode": "TF",
    "ngram_counts": [0],
    "ngram_indexes": [10**9],
    "pool_strings": ["AA"],
}
_vectors = {"coefficients": [1.0], "support_vectors": [1.0], "rho": [0.0], "kernel_type": "LINEAR"}
_PARTS: dict[str, Callable[[], Parts]] = {
    "an operator of its own": _custom("Evil", "evil"),
    "an operator of no domain": _custom("Evil", ""),
    "an operator of a domain that is not declared": _custom("Evil", "unheard.of"),
    "Python in ONNX Runtime's extensions": _custom("PyOp", "ai.onnx.contrib", module="os", func="system"),
    "Python in ONNX Runtime's training": _custom("PythonOp", "com.microsoft", func_name="os.system"),
    "a compiled part in a file": _custom(
        "EPContext", "com.microsoft", embed_mode=0, ep_cache_context="/etc/passwd"
    ),
    "a function that calls itself": _of(_call, functions=[_function("f", _calls("f"))]),
    "two functions that call each other": _of(
        _call, functions=[_function("f", _calls("g")), _function("g", _calls("f"))]
    ),
    "a function that is not there": _of(_call, functions=[_function("f", _calls("g"))]),
    "a constant of 1e12 numbers": _huge("ConstantOfShape", "s", tensors=[_ints("s", 10**12)]),
    "a constant of 3e9 numbers": _huge("ConstantOfShape", "s", tensors=[_ints("s", 3 * 10**9)]),
    "a constant of 2^64 numbers": _huge("ConstantOfShape", "s", tensors=[_ints("s", 2**32, 2**32)]),
    "a constant of 2^64 + 4 numbers": _huge("ConstantOfShape", "s", tensors=[_ints("s", 2**62 + 1, 4)]),
    "a constant of fewer than no numbers": _huge("ConstantOfShape", "s", tensors=[_ints("s", -5)]),
    "20 GB by Expand": _huge("Expand", "one", "s", tensors=[_ints("s", 5 * 10**9)]),
    "20 GB by Resize": _huge("Resize", "v", "", "", "s", tensors=[_ints("s", 5 * 10**9), _floats("v", 1)]),
    "20 GB by OneHot": _huge(
        "OneHot", "i", "d", "v", tensors=[_ints("i", 0), _ints("d", 5 * 10**9), _floats("v", 2)]
    ),
    "20 GB by Pad": _huge("Pad", "v", "s", tensors=[_ints("s", 0, 5 * 10**9), _floats("v", 1)]),
    "20 GB by Tile": _huge("Tile", "v", "s", tensors=[_ints("s", 5 * 10**9), _floats("v", 1)]),
    "a range without an end": _huge("Range", "one", "end", "one", tensors=[_scalar("end", float("inf"))]),
    "a range of no steps": _huge(
        "Range", "one", "end", "step", tensors=[_scalar("end", 9.0), _scalar("step", 0.0)]
    ),
    "8 TB when it is run": _huge_at_run("ConstantOfShape", "shape", shape=[2 * 10**12]),
    "12 GB when it is run": _huge_at_run("ConstantOfShape", "shape", shape=[3 * 10**9]),
    "20 GB by Expand when it is run": _huge_at_run("Expand", "one", "shape", shape=[5 * 10**9]),
    "a loop without an end": _loop(_ENDLESS, [Node("Neg", ["in"], ["out"])]),
    "a loop without an end, of constants": _loop(_ENDLESS, [Node("Neg", ["in"], ["out"])], start="one"),
    "a loop that keeps all it saw": _loop(_ENDLESS, [Node("Neg", ["in"], ["out"])], kept=True),
    "a loop that doubles what it has": _loop(_ENDLESS, [Node("Concat", ["in", "in"], ["out"], axis=0)]),
    "a node that needs itself": _of(Node("Neg", ["y"], ["x"]), Node("Neg", ["x"], ["y"])),
    "a name twice": _of(Node("Neg", ["first"], ["x"]), Node("Abs", ["first"], ["x"])),
    "a node that needs what nobody makes": _of(Node("Neg", ["nowhere"], ["x"])),
    "a tensor of 4 TB that has no data": _tensor(dims=[10**12], raw=b""),
    "a tensor with too little data": _tensor(dims=[4]),
    "a tensor of fewer than no numbers": _tensor(dims=[-1]),
    "a tensor of 2^64 numbers": _tensor(dims=[2**62, 4]),
    "a tensor of 2^93 numbers": _tensor(dims=[2**31, 2**31, 2**31]),
    "a tensor of an unknown type": _tensor(99),
    "a tree that is its own branch": _tree(nodes_falsenodeids=[0, 0, 0], nodes_truenodeids=[0, 0, 0]),
    "a tree with a circle": _tree(
        nodes_modes=["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"], nodes_falsenodeids=[1, 0, 0]
    ),
    "a tree of the millionth feature": _tree(nodes_featureids=[10**6, 0, 0]),
    "a tree of the two billionth feature": _tree(nodes_featureids=[2 * 10**9, 0, 0]),
    "a tree of a feature below the first": _tree(nodes_featureids=[-(10**9), 0, 0]),
    "a tree for the millionth target": _tree(target_ids=[10**6, 10**6]),
    "a tree for a target below the first": _tree(target_ids=[-(10**6), 0]),
    "a tree of 1e12 targets": _tree(n_targets=10**12),
    "a tree with too few values": _tree(nodes_values=[1.0]),
    "a tree with too few branches": _tree(nodes_truenodeids=[1]),
    "a tree with a branch to nowhere": _tree(nodes_truenodeids=[77, 0, 0]),
    "a tree with leaves of no node": _tree(target_nodeids=[55, 66]),
    "a tree of an unknown mode": _tree(nodes_modes=["EVIL", "LEAF", "LEAF"]),
    "a tree of one node thrice": _tree(nodes_nodeids=[0, 0, 0]),
    "too few coefficients": _of(
        Node("LinearRegressor", ["distance"], ["x"], **_ml, coefficients=[0.0], targets=1000)
    ),
    "a support vector machine of a million vectors": _of(
        Node("SVMRegressor", ["distance"], ["x"], n_supports=10**6, **_vectors, **_ml)
    ),
    "more keys than values": _of(
        Node("LabelEncoder", ["carrier"], ["x"], **_ml, keys_strings=["A", "B"], values_floats=[0.0])
    ),
    "an index beyond the end": _of(
        Node("Gather", ["distance", "i"], ["x"], axis=1), tensors=[_ints("i", 10**9)]
    ),
    "an element beyond the end": _of(
        Node("GatherElements", ["distance", "i"], ["x"], axis=1), tensors=[_pair]
    ),
    "words beyond the end": _huge("TfIdfVectorizer", "carrier", tensors=[], **_words),
    "a fold of a million": _huge(
        "Conv",
        "i",
        "w",
        tensors=[_floats("i", 1, 1, 2, 2), _floats("w", 1, 1, 1, 1)],
        pads=[10**6] * 4,
        kernel_shape=[1, 1],
    ),
    "a division by nothing": _of(
        Node("Div", ["i", "n"], ["d"]),
        Node("Cast", ["d"], ["x"], to=1),
        tensors=[_ints("i", 1), _ints("n", 0)],
    ),
}


# --- the good model, with one thing changed -------------------------------------------------------------


def _changed(version: int, change: Callable[[onnx.ModelProto], object]) -> bytes:
    made = _good(version)
    change(made)
    return made.SerializeToString()


def _of_nothing(made: onnx.ModelProto) -> None:
    made.graph.ClearField("input")
    made.graph.ClearField("node")
    made.graph.node.append(Node("Identity", ["slope"], ["answer"]))


_TEXT, _DOUBLE = TensorProto.STRING, TensorProto.DOUBLE
_GRAPHS: dict[str, Callable[[onnx.ModelProto], object]] = {
    "an input of another name": lambda m: setattr(m.graph.input[3], "name", "windy"),
    "an input less": lambda m: m.graph.input.pop(3),
    "an input more": lambda m: m.graph.input.append(helper.make_tensor_value_info("more", 1, [None, 1])),
    "an input twice": lambda m: m.graph.input.append(m.graph.input[3]),
    "an input of another type": lambda m: setattr(m.graph.input[3].type.tensor_type, "elem_type", _TEXT),
    "an input of double numbers": lambda m: setattr(m.graph.input[3].type.tensor_type, "elem_type", _DOUBLE),
    "an input of no type": lambda m: m.graph.input[3].ClearField("type"),
    "an input of a list": lambda m: m.graph.input[3].type.sequence_type.elem_type.tensor_type.SetInParent(),
    "an input of an unknown type": lambda m: setattr(m.graph.input[3].type.tensor_type, "elem_type", 99),
    "an input whose name is no text": lambda m: setattr(m.graph.input[3], "name", "wind\ue000" * 100_000),
    "an output of another name": lambda m: setattr(m.graph.output[0], "name", "question"),
    "no output": lambda m: m.graph.output.pop(),
    "no node": lambda m: m.graph.ClearField("node"),
    "no inputs": lambda m: m.graph.ClearField("input"),
    "an opset of the future": lambda m: setattr(m.opset_import[0], "version", 10**9),
    "an opset below the first": lambda m: setattr(m.opset_import[0], "version", -1),
    "no opset": lambda m: m.ClearField("opset_import"),
    "a version of the format of the future": lambda m: setattr(m, "ir_version", 10**6),
}
_FIRST, _NONE = "first", np.zeros(0, np.float32)
_ANSWERS: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "not a number": ("Mul", [_FIRST, "nan"], {}),
    "infinity": ("Mul", [_FIRST, "inf"], {}),
    "one number for all rows": ("ReduceSum", [_FIRST], {"keepdims": 0}),
    "three numbers a row": ("Concat", [_FIRST] * 3, {"axis": 1}),
    "twice as many rows": ("Concat", [_FIRST] * 2, {"axis": 0}),
    "a constant": ("Identity", ["slope"], {}),
    "text": ("Identity", ["carrier"], {}),
    "whole numbers": ("Cast", [_FIRST], {"to": TensorProto.INT64}),
    "yes or no": ("Cast", [_FIRST], {"to": TensorProto.BOOL}),
    "complex numbers": ("Cast", [_FIRST], {"to": TensorProto.COMPLEX64}),
    "a list": ("SequenceConstruct", [_FIRST], {}),
    "chance": ("RandomNormalLike", [_FIRST], {}),
    "something else": ("Neg", [_FIRST], {}),
}


def _answers(scene: Scene, how: tuple[str, list[str], dict[str, Any]]) -> None:
    made = _good(scene.version)
    op, inputs, attributes = how
    made.graph.node[-1].CopyFrom(Node(op, inputs, ["answer"], **attributes))
    made.graph.initializer.extend([_scalar("nan", float("nan")), _scalar("inf", float("inf"))])
    _signed(scene, made.SerializeToString())


def _mutated(version: int, seed: int) -> bytes:
    made, dice = bytearray(model("regression", version)), random.Random(seed)
    for _ in range(1 + seed % 16):
        made[dice.randrange(len(made))] = dice.randrange(256)
    return bytes(made)

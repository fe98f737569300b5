"""Take in the ONNX that a project brings itself, and say what is wrong with it before it meets a holdout."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import onnx
import pandas as pd
from google.protobuf.message import DecodeError
from onnx import checker

from data.bundles import Bundle, Lineage, Manifest, sha256
from data.examples import Numbers
from data.tables import EPOCH
from keepfit.errors import BundleUnusable, ConversionError
from keepfit.spec import Column, Project
from serving.predictor import Predictor
from tasks.train import FAULTS

_STANDARD = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
"""The domains whose operators ONNX Runtime has."""
_TRIED = 3
_ROUNDED = 1e-5


@dataclass(frozen=True)
class Converted:
    """A model as bytes, and the name of the output that is its answer."""

    model: bytes
    output: str


def bring(project: Project, estimator: object, sample: pd.DataFrame) -> Converted:
    """Ask the project's `export=` for its model, and try it on a few rows of the sample.

    Raises ConversionError with one sentence that says what to change.
    """
    model = _exported(project, estimator, sample)
    try:
        parsed = onnx.load_from_string(model)
    except DecodeError as fault:
        raise _refusal(project, "gave bytes that are no ONNX model; see onnx.ModelProto") from fault
    if not parsed.graph.node or not parsed.graph.output:
        raise _refusal(project, "gave bytes that are no ONNX model: no node or no output is in them")
    wrong = _files_objection(parsed) or _inputs_objection(project, parsed)
    if wrong is not None:
        raise _refusal(project, wrong)
    converted = Converted(model, _answer_output(project, parsed))
    try:
        predictor = Predictor(unpublished(project, converted))
    except BundleUnusable as fault:
        raise _refusal(project, _why_not_loaded(parsed, fault)) from fault
    _try(project, predictor, sample.head(_TRIED))
    return converted


def unpublished(project: Project, converted: Converted) -> Bundle:
    """Make a bundle of a model only to ask it: it has no version, no golden rows and no lineage."""
    lineage = Lineage(
        recipe="",
        snapshot_id="",
        training_until=EPOCH,
        as_of=EPOCH,
        reason="check",
        commit="",
        lock_hash="",
        journal_positions={},
        metrics={},
    )
    manifest = Manifest(
        project=project.name,
        version=0,
        model_sha256=sha256(converted.model),
        columns=dict(project.features),
        target=project.target,
        output=converted.output,
        golden_rows=[],
        golden_outputs=[],
        lineage=lineage,
    )
    return Bundle("unpublished", manifest, converted.model)


def _refusal(project: Project, reason: str) -> ConversionError:
    return ConversionError(f"project {project.name!r}: export= {reason}")


def _exported(project: Project, estimator: object, sample: pd.DataFrame) -> bytes:
    assert project.export is not None
    try:
        given = cast("object", project.export(estimator, sample))  # whatever its type says
    except (*FAULTS, ImportError, OSError, checker.ValidationError) as fault:
        said = _first_line(fault)
        raise _refusal(project, f"failed: {type(fault).__name__}: {said}") from fault
    if isinstance(given, bytes):
        return given
    cure = "return model.SerializeToString()"
    if not isinstance(given, onnx.ModelProto):
        cure = "return the ONNX model itself, as model.SerializeToString() or Path.read_bytes() gives it"
    raise _refusal(project, f"gave {type(given).__name__}, not bytes; {cure}")


def _files_objection(model: onnx.ModelProto) -> str | None:
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            place = next((e.value for e in tensor.external_data if e.key == "location"), "a file")
            return (
                f"gave a model that keeps {tensor.name!r} in another file, {place!r}; keep the weights "
                "inside: save_as_external_data=False of onnx.save, external_data=False of torch.onnx.export"
            )
    return None


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def _inputs_objection(project: Project, model: onnx.ModelProto) -> str | None:
    weights = {tensor.name for tensor in model.graph.initializer}  # old models list them as inputs too
    found = {given.name: given for given in model.graph.input if given.name not in weights}
    if found.keys() != project.features.keys():
        lacks = [repr(name) for name in project.features if name not in found]
        has = [repr(name) for name in found if name not in project.features]
        said = [f"lacks the input {', '.join(lacks)}"] if lacks else []
        said += [f"takes {', '.join(has)}, which no feature is called"] if has else []
        return f"gave a model that {' and '.join(said)}; give it one input [n, 1] per feature, by its name"
    wrong = (_input_objection(found[name], column) for name, column in project.features.items())
    return next((objection for objection in wrong if objection is not None), None)


def _input_objection(given: onnx.ValueInfoProto, column: Column) -> str | None:
    tensor = given.type.tensor_type
    category = column.kind == "category"
    wanted = onnx.TensorProto.STRING if category else onnx.TensorProto.FLOAT
    if tensor.elem_type != wanted:
        got = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        reaches = "a category reaches it as text" if category else f"a {column.kind} reaches it as float32"
        return f"gave a model whose input {given.name!r} is {got}, and {reaches}: make it " + (
            "a string tensor" if category else "a float tensor"
        )
    if not tensor.HasField("shape"):
        return None
    shape = [d.dim_value if d.HasField("dim_value") else "n" for d in tensor.shape.dim]
    if len(shape) != 2 or shape[1] not in ("n", 1):
        return f"gave a model whose input {given.name!r} has the shape {_shown(shape)}; make it [n, 1]"
    if shape[0] != "n":
        return (
            f"gave a model whose input {given.name!r} takes {shape[0]} rows and no other number; leave its "
            "first dimension open, as dynamic_shapes= or dynamic_axes= of torch.onnx.export do"
        )
    return None


def _answer_output(project: Project, model: onnx.ModelProto) -> str:
    names = [output.name for output in model.graph.output]
    if len(names) == 1:
        return names[0]
    wanted = "variable" if project.target.kind == "regression" else "probabilities"
    if wanted in names:
        return wanted
    raise _refusal(project, f"gave a model with the outputs {', '.join(names)}; call the answer {wanted!r}")


def _why_not_loaded(model: onnx.ModelProto, fault: BundleUnusable) -> str:
    own = {(function.domain, function.name) for function in model.functions}
    foreign = [
        f"{node.domain}.{node.op_type}"
        for node in model.graph.node
        if node.domain not in _STANDARD and (node.domain, node.op_type) not in own
    ]
    if foreign:
        return (
            f"gave a model with the operator {foreign[0]}, which ONNX Runtime does not have; "
            "write it with the operators of ONNX"
        )
    return f"gave a model that cannot be loaded: {_reason(fault)}; see onnx.checker.check_model"


def _try(project: Project, predictor: Predictor, rows: pd.DataFrame) -> None:
    """Ask row by row and all at once: a fixed batch, logits and a net in training mode show here."""
    # One row first: a model that cannot answer it is no question of the batch.
    alone = np.concatenate([_asked(project, predictor, rows.iloc[[i]]) for i in range(len(rows))])
    together = _asked(project, predictor, rows)
    if not np.allclose(together, alone, rtol=1e-4, atol=1e-5, equal_nan=True):
        reason = "gave a model whose answer to a row changes among others; call eval() before exporting"
        raise _refusal(project, reason)
    outside = together[(together < -_ROUNDED) | (together > 1 + _ROUNDED)]
    if project.target.kind != "regression" and outside.size:
        last = "Sigmoid" if project.target.kind == "binary" else "Softmax"
        reason = f"gave a model that answers {outside[0]:.3g}, no probability; let it end with {last}"
        raise _refusal(project, reason)


def _asked(project: Project, predictor: Predictor, rows: pd.DataFrame) -> Numbers:
    try:
        return predictor.predict_columns({str(name): rows[name].to_numpy() for name in rows})
    except BundleUnusable as fault:
        answer = {
            "binary": "the probabilities [n, 2] of no and of yes",
            "multiclass": f"the probabilities [n, {project.target.outputs}] in the order of target.classes",
            "regression": "the values [n, 1]",
        }[project.target.kind]
        batch = "" if len(rows) == 1 else ", though it can 1: let no shape inside hold a number of rows"
        count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
        reason = f"gave a model that cannot answer {count}{batch}: {_reason(fault)}; it must give {answer}"
        raise _refusal(project, reason) from fault


def _reason(fault: BundleUnusable) -> str:
    return _first_line(str(fault).partition(": ")[2])


def _first_line(said: object) -> str:
    return next(iter(str(said).strip().splitlines()), "")[:300]


def _shown(shape: list[int | str]) -> str:
    return f"[{', '.join(map(str, shape))}]"

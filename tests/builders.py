"""Real bundles for tests: small ONNX models whose answers tell their version and their row."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from data.bundles import Bundle, Lineage, Manifest, open_bundle, sha256, write_unsigned
from data.releases import Pointer, move_pointer, publish
from keepfit import Column, Target
from keepfit.spec import Value
from serving.predictor import Predictor
from tests.keys import TRUST, seal

Kind = Literal["binary", "multiclass", "regression"]

COLUMNS = {
    "distance": Column.number(between=(0, 5000)),
    "carrier": Column.category(),
    "season": Column.category(among=["winter", "summer"], optional=True),
    "wind": Column.number(optional=True),
    "holiday": Column.flag(),
}
TARGETS = {
    "binary": Target.binary("late"),
    "multiclass": Target.multiclass("way", ["air", "rail", "road"]),
    "regression": Target.regression("delay"),
}
ROW: dict[str, Value] = {"distance": 733, "carrier": "AA", "season": "winter", "wind": 3.5, "holiday": False}


def told_version(output: float, kind: Kind = "regression") -> int:
    """Read the version out of an answer of `model`: of the value, or of P(positive)."""
    return int(output // 10_000) if kind == "regression" else round(output * 1000)


def model(kind: Kind, version: int) -> bytes:
    """Make an ONNX model: the value is version * 10,000 + distance, P(positive) is version / 1,000."""
    inputs = [
        helper.make_tensor_value_info(
            name, TensorProto.STRING if column.kind == "category" else TensorProto.FLOAT, [None, 1]
        )
        for name, column in COLUMNS.items()
    ]
    weights = {
        "regression": (10_000 * version, 1.0),
        "binary": (version / 1000, 0.0),
        "multiclass": (0.5, 0.0),
    }
    start, slope = weights[kind]
    nodes = [
        helper.make_node("Mul", ["distance", "slope"], ["sloped"]),
        # Text reaches the model too: a known carrier counts nothing more than an unknown one.
        helper.make_node(
            "LabelEncoder",
            ["carrier"],
            ["carried"],
            domain="ai.onnx.ml",
            keys_strings=["AA"],
            values_floats=[0.0],
            default_float=0.0,
        ),
        helper.make_node("Sum", ["sloped", "carried", "start"], ["first"]),
    ]
    constants = {"slope": [[slope]], "start": [[start]]}
    if kind == "regression":
        nodes.append(helper.make_node("Identity", ["first"], ["answer"]))
    elif kind == "binary":
        constants["one"] = [[1.0]]
        nodes.append(helper.make_node("Sub", ["one", "first"], ["rest"]))
        nodes.append(helper.make_node("Concat", ["rest", "first"], ["answer"], axis=1))
    else:
        constants |= {"second": [[version / 1000]], "ones": [[0.5]]}
        nodes.append(helper.make_node("Sub", ["ones", "second"], ["rest"]))
        nodes.append(helper.make_node("Sub", ["first", "first"], ["nothing"]))
        nodes.append(helper.make_node("Add", ["nothing", "second"], ["seconds"]))
        nodes.append(helper.make_node("Add", ["nothing", "rest"], ["thirds"]))
        nodes.append(helper.make_node("Concat", ["first", "seconds", "thirds"], ["answer"], axis=1))
    graph = helper.make_graph(
        nodes,
        f"version-{version}",
        inputs,
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None, None])],
        [numpy_helper.from_array(np.array(v, dtype=np.float32), name) for name, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def manifest(
    onnx_model: bytes, *, version: int, project: str = "flights", kind: Kind = "binary", **changed: object
) -> Manifest:
    """Describe a model; golden outputs are its own unless others are given."""
    long_ago = datetime(2013, 2, 1, tzinfo=UTC)
    fields: dict[str, object] = {
        "project": project,
        "version": version,
        "model_sha256": sha256(onnx_model),
        "columns": COLUMNS,
        "target": TARGETS[kind],
        "output": "answer",
        "golden_rows": [ROW, {**ROW, "distance": 5000, "carrier": "new", "season": None, "wind": None}],
        "golden_outputs": [],
        "lineage": Lineage(
            recipe="none",
            snapshot_id="none",
            training_until=long_ago,
            as_of=long_ago,
            reason="made by a test",
            commit="unknown",
            lock_hash="unknown",
            journal_positions={},
            metrics={},
        ),
    }
    made = Manifest(**(fields | changed))
    if "golden_outputs" in changed or onnx_model == b"no model":
        return made
    outputs = Predictor(Bundle("0" * 64, made, onnx_model)).predict(made.golden_rows).tolist()
    return Manifest(**(fields | changed | {"golden_outputs": outputs}))


def bundle(
    tmp_path: Path, *, version: int = 1, project: str = "flights", kind: Kind = "binary", **changed: object
) -> tuple[Path, str]:
    """Write a real, signed bundle below `tmp_path`; give its folder and digest. `changed`: the manifest."""
    made = model(kind, version)
    folder = tmp_path / f"bundle-{project}-{kind}-{version}"
    described = manifest(made, version=version, project=project, kind=kind, **changed)
    return folder, write_signed(folder, made, described)


def write_signed(folder: Path, onnx_model: bytes, described: Manifest) -> str:
    """Write a bundle, and sign it with the key of the tests; give its digest."""
    digest = write_unsigned(folder, onnx_model, described)
    seal(folder)
    return digest


def opened(tmp_path: Path, **how: Any) -> Bundle:
    """Make a bundle as `bundle` does, and open it."""
    return open_bundle(*bundle(tmp_path, **how), TRUST)


def release(releases: Path, digest_or_none: str | None, version: int | None, promotion: int) -> None:
    """Move the pointer, as a promotion does."""
    assert move_pointer(releases, Pointer(digest_or_none, version, promotion))


def published(
    tmp_path: Path, releases: Path, *, version: int = 1, promotion: int | None = None, **how: object
) -> str:
    """Write, publish and make live a bundle; give its digest. Its promotion is numbered as its version."""
    made = opened(tmp_path, version=version, **how)
    publish(made, releases, TRUST)
    release(releases, made.digest, version, version if promotion is None else promotion)
    return made.digest


def checked(onnx_model: bytes) -> None:
    """Check a model as onnx does."""
    onnx.checker.check_model(onnx.load_from_string(onnx_model))

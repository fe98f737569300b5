"""Models made by hand: one tells its version in its answer, one takes its time for every row.

Both take the same columns and answer a number, so that an answer can be held against its request.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from time import thread_time

import msgspec
import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from benchmarks.paced import STEP
from benchmarks.releasing import publish_signed
from data.bundles import Bundle, Lineage, Manifest, sha256
from data.releases import Pointer, move_pointer
from keepfit import Column, Target
from keepfit.settings import Settings
from keepfit.spec import Value
from serving.contract import PredictRequest, Row
from serving.predictor import Predictor

PROJECT = "handmade"
COLUMNS = {
    "distance": Column.number(between=(0, 5000)),
    "wind": Column.number(optional=True),
    "carrier": Column.category(),
    "holiday": Column.flag(),
}
_CARRIERS = ("AA", "DL", "UA", "WN")
_TREES, _DEPTH = 200, 3
_WIDE = 96
_KINDS = {"number": TensorProto.FLOAT, "flag": TensorProto.FLOAT, "category": TensorProto.STRING}
_OPSETS = (("", 18), ("ai.onnx.ml", 3))


def telling(version: int) -> bytes:
    """Make a model that answers version * STEP + distance + something of its 200 trees, below 1.

    It is of the size of the flights model, so that to load it takes what a load takes.
    """
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["carrier"],
            ["carried"],
            domain="ai.onnx.ml",
            keys_strings=list(_CARRIERS),
            values_floats=[float(i) for i in range(len(_CARRIERS))],
            default_float=-1.0,
        ),
        helper.make_node("Concat", ["distance", "wind", "carried", "holiday"], ["all"], axis=1),
        _trees(version),
        helper.make_node("Sum", ["start", "distance", "scored"], ["answer"]),
    ]
    return _model(nodes, {"start": np.array([[version * STEP]], np.float32)}).SerializeToString()


def slowed(turns: int) -> bytes:
    """Make a model of version 1 that answers as `telling`, after `turns` matrix products for each row.

    An ONNX Scan goes over the rows, so two rows take twice the time of one: no run is shared.
    """
    rng = np.random.default_rng(0)
    turned = np.linalg.qr(rng.normal(size=(_WIDE, _WIDE)))[0].astype(np.float32)  # keeps every length
    known = {"turned": turned, "turns": np.array(turns, np.int64), "yes": np.array(True)}
    one = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["on_again"]),
            helper.make_node("MatMul", ["held", "turned"], ["held_next"]),
        ],
        "turn",
        [
            _told("i", TensorProto.INT64, []),
            _told("on", TensorProto.BOOL, []),
            _told("held", shape=[_WIDE] * 2),
        ],
        [_told("on_again", TensorProto.BOOL, []), _told("held_next", shape=[_WIDE] * 2)],
    )
    row = helper.make_graph(
        [
            helper.make_node("Mul", ["turned", "tiny"], ["first"]),
            helper.make_node("Loop", ["turns", "yes", "first"], ["last"], body=one),
            helper.make_node("ReduceMean", ["last"], ["left"], keepdims=0),
            helper.make_node("Sum", ["given", "left", "start"], ["answered"]),
        ],
        "row",
        [_told("given", shape=[1])],
        [_told("answered", shape=[1])],
    )
    nodes = [helper.make_node("Scan", ["distance"], ["answer"], body=row, num_scan_inputs=1)]
    known |= {"tiny": np.array(1e-3, np.float32), "start": np.array([STEP + 0.5], np.float32)}
    return _model(nodes, known).SerializeToString()


def slowed_to(row_s: float) -> tuple[bytes, float]:
    """Make a model that takes about `row_s` a row on this machine; give it and what a row took."""
    turns, took = 200, 0.0
    for _ in range(4):
        took = _row_s(slowed(turns))
        if abs(took / row_s - 1) < 0.02:
            break
        turns = max(1, round(turns * row_s / took))
    return slowed(turns), took


def release(settings: Settings, model: bytes, version: int, promotion: int | None = None) -> str:
    """Publish a model as a version, and make it live when a promotion is given; give its digest."""
    folder = settings.home / f"bundle-{version}"
    digest = publish_signed(settings, folder, model, _manifest(model, version))
    if promotion is not None:
        move_pointer(settings.releases(PROJECT), Pointer(digest, version, promotion))
    return digest


def asked(sizes: list[int], seed: int = 0) -> tuple[list[bytes], list[list[int]]]:
    """Write a whole request for each number of rows; give them, and the distances of their rows."""
    rng = np.random.default_rng(seed)
    requests: list[bytes] = []
    distances: list[list[int]] = []
    for rows in sizes:
        made = [int(d) for d in rng.integers(0, 5000, rows)]
        requests.append(post(msgspec.json.encode(PredictRequest([Row(cells(d)) for d in made]))))
        distances.append(made)
    return requests, distances


def cells(distance: int) -> dict[str, Value]:
    """Make the features of a row."""
    carrier = _CARRIERS[distance % len(_CARRIERS)]
    wind = None if distance % 20 == 0 else distance % 37 / 2
    return {"distance": distance, "wind": wind, "carrier": carrier, "holiday": distance % 5 == 0}


def post(body: bytes) -> bytes:
    """Write a whole predict request."""
    head = "POST /v1/predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def _trees(version: int) -> NodeProto:
    """Grow trees of 8 leaves that split on distance and carrier; a tree adds at most 0.9 / 200."""
    rng = np.random.default_rng(version)
    inner = 2**_DEPTH - 1
    nodes: list[tuple[int, int, int, str, float, int, int]] = []
    for tree in range(_TREES):
        for node in range(2 * inner + 1):
            feature = int(rng.choice([0, 2]))
            split = float(rng.integers(0, 5000)) + 0.5 if feature == 0 else float(rng.integers(-1, 3)) + 0.5
            mode = "BRANCH_LEQ" if node < inner else "LEAF"
            below = (2 * node + 1, 2 * node + 2) if node < inner else (0, 0)
            nodes.append((tree, node, feature, mode, split if node < inner else 0.0, *below))
    trees, ids, features, modes, splits, yes, no = zip(*nodes, strict=True)
    leaves = [(tree, node) for tree, node, _, mode, *_ in nodes if mode == "LEAF"]
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["all"],
        ["scored"],
        domain="ai.onnx.ml",
        n_targets=1,
        base_values=[0.05],
        nodes_treeids=trees,
        nodes_nodeids=ids,
        nodes_featureids=features,
        nodes_modes=modes,
        nodes_values=splits,
        nodes_truenodeids=yes,
        nodes_falsenodeids=no,
        nodes_hitrates=[1.0] * len(nodes),
        nodes_missing_value_tracks_true=[0] * len(nodes),
        target_treeids=[tree for tree, _ in leaves],
        target_nodeids=[node for _, node in leaves],
        target_ids=[0] * len(leaves),
        target_weights=(rng.random(len(leaves)) * 0.9 / _TREES).tolist(),
    )


def _model(nodes: list[NodeProto], known: dict[str, np.ndarray]) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "handmade",
        [_told(name, _KINDS[column.kind], [None, 1]) for name, column in COLUMNS.items()],
        [_told("answer", shape=[None, 1])],
        [numpy_helper.from_array(value, name) for name, value in known.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(*o) for o in _OPSETS], ir_version=9)


def _told(name: str, kind: int = TensorProto.FLOAT, shape: "Sequence[int | None]" = ()) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))


def _manifest(model: bytes, version: int) -> Manifest:
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    lineage = Lineage(
        recipe="none",
        snapshot_id="none",
        training_until=long_ago,
        as_of=long_ago,
        reason="a benchmark",
        commit="unknown",
        lock_hash="unknown",
        journal_positions={},
        metrics={},
    )
    made = Manifest(
        project=PROJECT,
        version=version,
        model_sha256=sha256(model),
        columns=COLUMNS,
        target=Target.regression("delay"),
        output="answer",
        golden_rows=[cells(d) for d in (0, 733, 5000)],
        golden_outputs=[],
        lineage=lineage,
    )
    outputs = Predictor(Bundle("0" * 64, made, model)).predict(made.golden_rows).tolist()
    return msgspec.structs.replace(made, golden_outputs=outputs)


def _row_s(model: bytes) -> float:
    predictor = Predictor(Bundle("0" * 64, _manifest(model, 1), model))
    # Of the processor, not of the clock: a busy machine must not make the model a lighter one.
    laps = [thread_time()]
    for _ in range(10):
        predictor.predict([cells(733)])
        laps.append(thread_time())
    return float(np.median([after - before for before, after in pairwise(laps)]))

"""An ONNX session behind predict(rows): the only doorway to ONNX Runtime."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.capi import (
    onnxruntime_pybind11_state as ort_errors,  # pyright: ignore[reportAttributeAccessIssue]
)

from data.bundles import Bundle, Manifest
from keepfit.errors import BundleDisagrees, BundleUnusable
from keepfit.faults import reach
from keepfit.spec import Column, Value
from serving.bounds import Bounds, Stops

Numbers = npt.NDArray[np.float64]
Tensor = npt.NDArray[np.float32] | npt.NDArray[np.object_]

_CHUNK = 8192
"""Rows for one run: what a model needs in between (one-hot columns) stays small."""
_ALONE = 16
"""Golden rows that are also run one by one, as most requests are."""
_ONNX_TYPES = {"number": "tensor(float)", "flag": "tensor(float)", "category": "tensor(string)"}
_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.ModelLoadCanceled,
    ort_errors.ModelRequiresCompilation,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotFound,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    ort_errors.EPFail,
    MemoryError,
    RuntimeError,
    ValueError,
    TypeError,
)
_ONNX_ONLY = {
    # Not ONNX Runtime's own format, which it would know by its first bytes.
    "session.load_model_format": "ONNX",
    # A model is its bytes. What it says is in other files is looked for where none can be.
    "session.model_external_initializers_file_folder_path": "/dev/null/none",
}
_LONGEST = 1000
"""Characters of a fault: a model can have names of any length, and some faults tell them all."""


class Predictor:
    """One bundle, ready to answer; any number of threads may ask it.

    Answers are float64 [n, target.outputs]: P(positive), the probabilities in the order of
    `target.classes`, or the value. Raises BundleUnusable when the model cannot be loaded or run.
    """

    def __init__(self, bundle: Bundle, stops: Stops | None = None) -> None:
        self.bundle = bundle
        self.manifest: Manifest = bundle.manifest
        options = ort.SessionOptions()
        # One core a request: workers are processes, and a pool of threads would only fight them.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        for name, value in _ONNX_ONLY.items():
            options.add_session_config_entry(name, value)
        self._running: ort.RunOptions | None = None
        if stops is not None:
            self._running = running = ort.RunOptions()
            running.log_severity_level = 4
            stops.append(lambda: options.set_load_cancellation_flag(True))
            stops.append(lambda: setattr(running, "terminate", True))
        try:
            # Without its second attempt, which would print and load the same again.
            self._session = ort.InferenceSession(
                bundle.model, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
            self._check_names()
        except _ERRORS as fault:
            raise self._unusable(f"ONNX Runtime cannot load it: {told(fault)}") from fault
        self._columns = tuple(self.manifest.columns.items())
        self._order = cell_order(self.manifest.columns)
        self._may_lack_text = any(
            column.kind == "category" and column.optional for column in self.manifest.columns.values()
        )
        self._numbers = sum(column.kind != "category" for column in self.manifest.columns.values())

    def predict(self, rows: Sequence[Mapping[str, Value]]) -> Numbers:
        """Answer rows that the columns took (`Column.objection` is None); an absent value is missing."""
        numbers, texts = self._order[: self._numbers], self._order[self._numbers :]
        return self.predict_cells(
            [(*(row.get(name) for name in numbers), *(row.get(name) or "" for name in texts)) for row in rows]
        )

    def predict_cells(self, rows: Sequence[tuple[Value, ...]]) -> Numbers:
        """Answer rows whose cells are in `cell_order`."""
        # One array per kind, cut into columns: making an array costs more than filling it.
        cut, order = self._numbers, self._order
        numbers = np.array([row[:cut] for row in rows], dtype=np.float32)
        texts = np.array([row[cut:] for row in rows], dtype=object)
        if self._may_lack_text:
            texts[texts == None] = ""  # noqa: E711 - cell by cell
        tensors: dict[str, Tensor] = {name: numbers[:, i : i + 1] for i, name in enumerate(order[:cut])}
        tensors |= {name: texts[:, i : i + 1] for i, name in enumerate(order[cut:])}
        return self._run(tensors)

    def predict_columns(self, columns: Mapping[str, npt.NDArray[np.generic]]) -> Numbers:
        """Answer many rows given as one array [n] per column; None, NaN and "" are missing."""
        if absent := self.manifest.columns.keys() - columns.keys():
            raise self._unusable(f"the rows lack the column {min(absent)!r}")
        tensors = {name: _tensor(column, columns[name]) for name, column in self._columns}
        rows = len(next(iter(tensors.values())))
        chunks = [
            self._run({name: tensor[start : start + _CHUNK] for name, tensor in tensors.items()})
            for start in range(0, rows, _CHUNK)
        ]
        return np.concatenate(chunks) if chunks else np.empty((0, self.manifest.target.outputs))

    def _run(self, tensors: Mapping[str, Tensor]) -> Numbers:
        try:
            found = self._session.run([self.manifest.output], tensors, self._running)[0]
        except _ERRORS as fault:
            raise self._unusable(f"ONNX Runtime cannot run it: {told(fault)}") from fault
        return self._answer(np.asarray(found), len(next(iter(tensors.values()))))

    def _answer(self, found: npt.NDArray[np.generic], rows: int) -> Numbers:
        target = self.manifest.target
        columns = 2 if target.kind == "binary" else target.outputs
        if found.dtype.kind not in "fiu" or found.shape not in {(rows, columns), (rows,) * (columns == 1)}:
            got = f"{found.dtype}{list(found.shape)}"
            raise self._unusable(f"{self.manifest.output!r} is {got}, not numbers [{rows}, {columns}]")
        answer = found.reshape(rows, columns).astype(np.float64)
        return answer[:, 1:] if target.kind == "binary" else answer

    def _check_names(self) -> None:
        expected = {name: _ONNX_TYPES[column.kind] for name, column in self.manifest.columns.items()}
        found = {node.name: node.type for node in self._session.get_inputs()}
        if not found:
            raise self._unusable("the model takes nothing")
        if found != expected:
            name = min(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
            said = (
                f"the model takes {found.get(name, 'nothing')}, its manifest {expected.get(name, 'nothing')}"
            )
            raise self._unusable(f"input {name!r}: {said}")
        if self.manifest.output not in {node.name for node in self._session.get_outputs()}:
            raise self._unusable(f"it has no output {self.manifest.output!r}")

    def _unusable(self, reason: str) -> BundleUnusable:
        return BundleUnusable(f"{named(self.bundle)}: {reason}")


def load(bundle: Bundle, bounds: Bounds) -> Predictor:
    """Load a bundle and see that it gives its golden outputs, within bounds; raise BundleError otherwise."""
    with bounds.held(named(bundle)) as stops:
        predictor = Predictor(bundle, stops)
        reach("load.check")
        check_golden(predictor)  # it runs the rows alone and together, so it also warms the model up
    return predictor


def named(bundle: Bundle) -> str:
    """Name a bundle in what is said of it."""
    return f"version {bundle.manifest.version} ({bundle.digest[:12]})"


def cell_order(columns: Mapping[str, Column]) -> list[str]:
    """Order columns as tensors are made of them: numbers and flags, then categories."""
    return sorted(columns, key=lambda name: columns[name].kind == "category")


def check_golden(predictor: Predictor) -> None:
    """Run the golden rows, alone and together; raise BundleDisagrees unless they answer as recorded."""
    manifest = predictor.manifest
    rows = manifest.golden_rows
    what = named(predictor.bundle)
    try:
        expected = np.array(manifest.golden_outputs, dtype=np.float64)
    except ValueError:  # they differ in length
        expected = np.empty(0)
    if not expected.size or expected.shape != (len(rows), manifest.target.outputs):
        msg = f"{what}: has no golden output for each of its golden rows; publish the version again"
        raise BundleDisagrees(msg)
    try:
        together = predictor.predict(rows)
        alone = np.concatenate([predictor.predict([row]) for row in rows[:_ALONE]])
    except (OverflowError, TypeError, ValueError) as fault:
        msg = f"{what}: its golden rows are none that its columns take: {told(fault)}"
        raise BundleDisagrees(msg) from fault
    for found in (together, alone):
        wrong = ~np.isclose(found, expected[: len(found)], rtol=1e-5, atol=1e-8).all(axis=1)
        if wrong.any():
            row = int(wrong.argmax())
            msg = (
                f"{what}: golden row {row} gives {found[row].tolist()} here and gave "
                f"{expected[row].tolist()} when it was published"
            )
            raise BundleDisagrees(msg)


def told(fault: BaseException) -> str:
    """Say a fault in one line that can be written anywhere."""
    text = " ".join(str(fault).split())
    return "".join(c for c in text[:_LONGEST] if c.isprintable()) or type(fault).__name__


def _tensor(column: Column, cells: npt.NDArray[np.generic]) -> Tensor:
    if column.kind == "category":
        texts = [cell if isinstance(cell, str) else "" for cell in cells.tolist()]
        return np.array(texts, dtype=object).reshape(-1, 1)
    return cells.astype(np.float32).reshape(-1, 1)

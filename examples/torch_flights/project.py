"""The flights again, learned by a PyTorch net with an embedding for each category; `export=` writes the ONNX.

PyTorch is not among what `make setup` installs; docs/export.md says how to get it.
"""

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from examples.flights.project import CATEGORIES
from examples.flights.project import project as flights

if TYPE_CHECKING:
    import pandas as pd

Tensor = Any
"""One of PyTorch's, which need not be there to read this."""

NUMBERS = [name for name in flights.features if name not in CATEGORIES]
_WIDTH = 6
_HIDDEN = 32
_BATCH = 256
_FORGOTTEN = 0.01
"""The share of categories that are hidden while learning, so that the net has met an unknown one."""


class Net:
    """Embeddings and numbers into one hidden layer; a number that lacks is the mean, and a sign."""

    def __init__(self, epochs: int = 4, seed: int = 0) -> None:
        self.epochs = epochs
        self.seed = seed

    def fit(self, X: "pd.DataFrame", y: np.ndarray[Any, Any]) -> Self:  # noqa: N803 - scikit-learn's own words
        """Learn from the rows in a drawn order; the same seed gives the same net."""
        torch = _torch()
        nn = torch.nn
        numbers = X[NUMBERS].to_numpy(np.float32)
        self.mean = np.nan_to_num(np.nanmean(numbers, axis=0))
        self.scale = np.nan_to_num(np.nanstd(numbers, axis=0)) + np.float32(1e-6)
        # The places begin at 1: 0 is what was never seen.
        self.places = {n: {text: i for i, text in enumerate(sorted(set(X[n])), 1)} for n in CATEGORIES}
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.tables = nn.ModuleList(nn.Embedding(len(p) + 1, _WIDTH) for p in self.places.values())
            width = 2 * len(NUMBERS) + _WIDTH * len(CATEGORIES)
            self.layers = nn.Sequential(nn.Linear(width, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 1))
            self._learn(*self._tensors(X), torch.as_tensor(np.asarray(y, dtype=np.float32)))
        return self

    def predict_proba(self, X: "pd.DataFrame") -> np.ndarray[Any, Any]:  # noqa: N803
        """Answer with the probabilities of no and yes."""
        torch = _torch()
        with torch.no_grad():
            yes = torch.sigmoid(self._logits(*self._tensors(X))).numpy().astype(np.float64)
        return np.column_stack([1 - yes, yes])

    def predict(self, X: "pd.DataFrame") -> np.ndarray[Any, Any]:  # noqa: N803
        """Answer yes where it is the likelier."""
        return (self.predict_proba(X)[:, 1] > 0.5).astype(np.int64)

    def _tensors(self, rows: "pd.DataFrame") -> tuple[Tensor, Tensor]:
        torch = _torch()
        numbers = rows[NUMBERS].to_numpy(np.float32)
        known = np.nan_to_num((numbers - self.mean) / self.scale)
        codes = [[places.get(text, 0) for text in rows[name]] for name, places in self.places.items()]
        lacking = np.isnan(numbers).astype(np.float32)
        return torch.as_tensor(np.hstack([known, lacking])), torch.as_tensor(codes).T

    def _logits(self, numbers: Tensor, codes: Tensor) -> Tensor:
        torch = _torch()
        embedded = [table(codes[:, i]) for i, table in enumerate(self.tables)]
        return self.layers(torch.cat([numbers, *embedded], 1))[:, 0]

    def _learn(self, numbers: Tensor, codes: Tensor, labels: Tensor) -> None:
        torch = _torch()
        weights = [*self.tables.parameters(), *self.layers.parameters()]
        optimizer = torch.optim.Adam(weights, lr=0.003, weight_decay=1e-4)
        loss = torch.nn.BCEWithLogitsLoss()
        for _ in range(self.epochs):
            seen = codes * (torch.rand(codes.shape) >= _FORGOTTEN)
            for rows in torch.randperm(len(labels)).split(_BATCH):
                optimizer.zero_grad()
                loss(self._logits(numbers[rows], seen[rows]), labels[rows]).backward()
                optimizer.step()


def _torch() -> Any:  # noqa: ANN401 - a module
    """Import what only learning needs: whoever imports rows or looks at the project goes without it."""
    try:
        return importlib.import_module("torch")
    except ImportError as fault:
        msg = "PyTorch is not installed; docs/export.md says how to get it"
        raise RuntimeError(msg) from fault


def export(estimator: Any, sample: "pd.DataFrame") -> bytes:  # noqa: ANN401, ARG001 - its contract
    """Write the net as ONNX operators: few, and no package but onnx is needed for them."""
    from onnx import TensorProto, helper, numpy_helper

    weights: dict[str, np.ndarray[Any, Any]] = {
        "mean": estimator.mean,
        "scale": estimator.scale,
        "zero": np.zeros(1, np.float32),
        "one": np.ones(1, np.float32),
        "axis": np.ones(1, np.int64),
        **{f"layer.{name}": cells.numpy() for name, cells in estimator.layers.state_dict().items()},
    }
    nodes = [
        helper.make_node("Concat", NUMBERS, ["numbers"], axis=1),
        helper.make_node("IsNaN", ["numbers"], ["lacks"]),
        helper.make_node("Cast", ["lacks"], ["lacking"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["numbers", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("Where", ["lacks", "zero", "scaled"], ["known"]),
    ]
    for (name, places), table in zip(estimator.places.items(), estimator.tables, strict=True):
        weights[f"{name}.table"] = table.weight.detach().numpy()
        texts: dict[str, Any] = {
            "keys_strings": list(places),
            "values_int64s": list(places.values()),
            "default_int64": 0,
        }
        nodes += [
            helper.make_node("LabelEncoder", [name], [f"{name}.place"], domain="ai.onnx.ml", **texts),
            helper.make_node("Gather", [f"{name}.table", f"{name}.place"], [f"{name}.rows"]),
            helper.make_node("Squeeze", [f"{name}.rows", "axis"], [f"{name}.embedded"]),
        ]
    nodes += [
        helper.make_node(
            "Concat", ["known", "lacking", *(f"{name}.embedded" for name in CATEGORIES)], ["all"], axis=1
        ),
        helper.make_node("Gemm", ["all", "layer.0.weight", "layer.0.bias"], ["hidden"], transB=1),
        helper.make_node("Relu", ["hidden"], ["lit"]),
        helper.make_node("Gemm", ["lit", "layer.2.weight", "layer.2.bias"], ["logit"], transB=1),
        helper.make_node("Sigmoid", ["logit"], ["yes"]),
        helper.make_node("Sub", ["one", "yes"], ["no"]),
        helper.make_node("Concat", ["no", "yes"], ["probabilities"], axis=1),
    ]
    inputs = [
        helper.make_tensor_value_info(
            name, TensorProto.STRING if name in CATEGORIES else TensorProto.FLOAT, [None, 1]
        )
        for name in flights.features
    ]
    answer = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])
    kept = [numpy_helper.from_array(np.asarray(cells), name) for name, cells in weights.items()]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    graph = helper.make_graph(nodes, "flights", inputs, [answer], kept)
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


project = replace(flights, name="torch-flights", build=Net, export=export)

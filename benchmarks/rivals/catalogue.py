"""Which servers Keepfit is measured beside: what each is asked, and where its answer stands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Rival:
    """One server: its script beside this file, and its contract.

    `saves` is a first call of its script, without a port, that writes what it serves.
    """

    name: str
    script: str
    requirements: str
    ready: str
    path: str
    body: Callable[[Rows], object]
    probabilities: Callable[[Any], list[float]]
    batches: bool = False
    """It can join the requests that wait, when told to: it is then measured both ways."""
    saves: bool = False

    @property
    def file(self) -> Path:
        """The script."""
        return Path(__file__).parent / self.script

    @property
    def pins(self) -> Path:
        """What its environment consists of, every version pinned."""
        return Path(__file__).parent / "requirements" / self.requirements


def _records(rows: Rows) -> object:
    return {"rows": list(rows)}


def _split(rows: Rows) -> object:
    return {"dataframe_split": {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}}


def _tensors(rows: Rows) -> object:
    """One tensor for each column, as MLServer's own encoding of a DataFrame has it."""
    return {
        "parameters": {"content_type": "pd"},
        "inputs": [_tensor(name, [row[name] for row in rows]) for name in rows[0]],
        "outputs": [{"name": "predict_proba"}],
    }


def _tensor(name: str, values: list[Any]) -> dict[str, Any]:
    if any(isinstance(value, str) for value in values):
        kind, content = "BYTES", {"parameters": {"content_type": "str"}}
    else:
        kind, content = "BOOL" if all(isinstance(v, bool) for v in values) else "FP64", {}
    return {"name": name, "shape": [len(values), 1], "datatype": kind, "data": values, **content}


def _second(told: Any) -> list[float]:  # noqa: ANN401 - what JSON holds
    return [pair[1] for pair in told]


RIVALS = (
    Rival(
        "mlflow models serve",
        "mlflow_models.py",
        "mlflow.txt",
        "/ping",
        "/invocations",
        _split,
        lambda told: _second(told["predictions"]),
        saves=True,
    ),
    Rival(
        "FastAPI with pandas",
        "fastapi_pandas.py",
        "fastapi.txt",
        "/health",
        "/predict",
        _records,
        lambda told: told["probabilities"],
    ),
    Rival(
        "BentoML",
        "bentoml_service.py",
        "bentoml.txt",
        "/readyz",
        "/predict",
        _records,
        lambda told: told,
        batches=True,
    ),
    Rival(
        "LitServe",
        "litserve_api.py",
        "litserve.txt",
        "/health",
        "/predict",
        _records,
        lambda told: told["probabilities"],
        batches=True,
    ),
    Rival(
        "MLServer",
        "mlserver_runtime.py",
        "mlserver.txt",
        "/v2/models/pipeline/ready",
        "/v2/models/pipeline/infer",
        _tensors,
        lambda told: told["outputs"][0]["data"][1::2],
        batches=True,
    ),
)

"""BentoML: a service of one worker, started as `bentoml serve` starts it; with --batch it joins requests."""

import os
import sys
from pathlib import Path
from typing import Any

import bentoml
import joblib
import pandas as pd

# The worker imports this file too, under another command line: the environment tells it.
_FOLDER, _BATCH = "PIPELINE_FOLDER", "PIPELINE_BATCH"
_BATCHING = {"batchable": True, "max_batch_size": 128, "max_latency_ms": 1000}


@bentoml.service(workers=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Pipeline:
    """The pipeline as a service."""

    def __init__(self) -> None:
        self.pipeline = joblib.load(Path(os.environ[_FOLDER]) / "pipeline.joblib")

    @bentoml.api(**(_BATCHING if os.environ.get(_BATCH) else {}))
    def predict(self, rows: list[dict[str, Any]]) -> list[float]:
        """Answer rows; of a DataFrame BentoML 1.4 cannot make batches."""
        return self.pipeline.predict_proba(pd.DataFrame(rows))[:, 1].tolist()


if __name__ == "__main__":
    os.environ |= {_FOLDER: sys.argv[1], "BENTOML_DO_NOT_TRACK": "True"}
    if "--batch" in sys.argv:
        os.environ[_BATCH] = "1"
    os.chdir(Path(__file__).parent)
    serve = ["serve", "bentoml_service:Pipeline", "--host", "127.0.0.1", "--port", sys.argv[2], "--quiet"]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", *serve])

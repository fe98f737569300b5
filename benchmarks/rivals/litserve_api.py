"""LitServe: one process takes requests, one predicts; with --batch it joins requests that wait."""

import sys
from pathlib import Path
from typing import Any

import joblib
import litserve
import numpy as np
import pandas as pd

Rows = list[dict[str, Any]]


class Pipeline(litserve.LitAPI):
    """The steps of LitServe, in its order; the two of a batch are called with --batch only."""

    def setup(self, _device: str) -> None:
        """Load the pipeline, in the process that predicts."""
        self.pipeline = joblib.load(Path(sys.argv[1]) / "pipeline.joblib")

    def decode_request(self, request: dict[str, Rows]) -> Rows:
        """Take the rows of a request."""
        return request["rows"]

    def batch(self, inputs: list[Rows]) -> Rows:
        """Join the rows of several requests."""
        self.ends = np.cumsum([len(rows) for rows in inputs])
        return [row for rows in inputs for row in rows]

    def predict(self, rows: Rows) -> Any:  # noqa: ANN401 - LitServe's own signature
        """Answer rows."""
        return self.pipeline.predict_proba(pd.DataFrame(rows))[:, 1]

    def unbatch(self, output: Any) -> Any:  # noqa: ANN401 - LitServe's own signature
        """Part the answers as their rows came."""
        return np.split(output, self.ends[:-1])

    def encode_response(self, output: Any) -> dict[str, list[float]]:  # noqa: ANN401 - LitServe's own
        """Write an answer."""
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    batching = {"max_batch_size": 16, "batch_timeout": 0.001} if "--batch" in sys.argv else {}
    # `fast_queue` is ZeroMQ between the two processes: faster than the queue it takes by itself.
    pipeline = Pipeline(**batching)
    server = litserve.LitServer(pipeline, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[2]),
        num_api_servers=1,
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )

"""MLServer with its scikit-learn runtime, a tensor for each column; with --batch it joins requests."""

import json
import sys
from pathlib import Path

from mlserver.cli import main

_SETTINGS = {
    "host": "127.0.0.1",
    "debug": False,
    "metrics_endpoint": None,
    # In the process that takes the request: on one core a process beside it only costs.
    "parallel_workers": 0,
}
_MODEL = {
    "name": "pipeline",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": "./pipeline.joblib", "content_type": "pd"},
}
_BATCHING = {"max_batch_size": 16, "max_batch_time": 0.001}

if __name__ == "__main__":
    folder, port, batch = Path(sys.argv[1]), int(sys.argv[2]), "--batch" in sys.argv
    place = folder / f"mlserver-{port}"
    place.mkdir()
    (place / "pipeline.joblib").symlink_to(folder / "pipeline.joblib")
    # gRPC takes a port too, and cannot be switched off.
    (place / "settings.json").write_text(json.dumps(_SETTINGS | {"http_port": port, "grpc_port": 0}))
    (place / "model-settings.json").write_text(json.dumps(_MODEL | (_BATCHING if batch else {})))
    sys.argv = ["mlserver", "start", str(place)]
    main()

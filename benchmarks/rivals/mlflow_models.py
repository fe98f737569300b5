"""`mlflow models serve`: without a port the pipeline is saved as a model of MLflow, with one it is served."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    model = Path(sys.argv[1]) / "mlflow-model"
    if len(sys.argv) < 3:
        import joblib
        import mlflow.sklearn

        # No signature: MLflow would hold every request against it, which only costs.
        mlflow.sklearn.save_model(
            joblib.load(model.parent / "pipeline.joblib"),
            model,
            pip_requirements=["scikit-learn"],
            pyfunc_predict_fn="predict_proba",
            skops_trusted_types=["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"],
        )
        sys.exit()
    serve = ["models", "serve", "-m", str(model), "-h", "127.0.0.1", "-p", sys.argv[2], "-w", "1"]
    os.environ["UVICORN_LOG_LEVEL"] = "warning"
    # `local`: in this environment and not in one that it would make first.
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", *serve, "--env-manager", "local"])

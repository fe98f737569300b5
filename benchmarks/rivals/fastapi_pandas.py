"""FastAPI with pandas: what most people write first."""

import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

pipeline = joblib.load(Path(sys.argv[1]) / "pipeline.joblib")
app = FastAPI()


class Asked(BaseModel):
    """The rows of a request."""

    rows: list[dict[str, Any]]


class Answer(BaseModel):
    """The probability of the second class, row by row."""

    probabilities: list[float]


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that the pipeline is loaded."""
    return {"status": "ready"}


# `def`, as FastAPI advises for what computes; `async def` takes the same processor time a request.
@app.post("/predict")
def predict(asked: Asked) -> Answer:
    """Answer rows."""
    return Answer(probabilities=pipeline.predict_proba(pd.DataFrame(asked.rows))[:, 1].tolist())


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", access_log=False)

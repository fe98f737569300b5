"""NannyML's side, in an environment of its own: questions about Parquet files, answers, a line of JSON each.

Run as `python FILE`; it imports nothing of Keepfit and ends with its input. A question names the two files
`reference` and `current`; the current rows are one chunk unless it says `chunk` rows, and the reference is
cut into chunks of as many.
"""

import json
import resource
import sys
import time
import warnings
from typing import Any

warnings.simplefilter("ignore")

import nannyml as nml  # noqa: E402 - it warns while it is imported
import pandas as pd  # noqa: E402


def univariate(asked: dict[str, Any], reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, Any]:
    """Judge each column by its defaults: Jensen-Shannon beside mean and 3 sd of the reference's chunks."""
    names = [*asked["numbers"], *asked["texts"]]
    calculator = nml.UnivariateDriftCalculator(
        column_names=names,
        treat_as_categorical=asked["texts"],
        chunk_size=asked.get("chunk", len(current)),
    )
    told = calculator.fit(reference).calculate(current).filter(period="analysis").to_df()
    columns: dict[str, Any] = {}
    for name in names:
        of = told[name]["jensen_shannon"]
        high = of["upper_threshold"].iloc[0]
        columns[name] = [bool(of["alert"].any()), float(of["value"].max()), None if pd.isna(high) else high]
    return {"columns": columns}


def domain(asked: dict[str, Any], reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, Any]:
    """Tell the windows apart by its classifier over all columns: AUROC outside .45 to .65 is an alarm."""
    calculator = nml.DomainClassifierCalculator(
        feature_column_names=[*asked["numbers"], *asked["texts"]],
        treat_as_categorical=asked["texts"],
        chunk_size=len(current),
    )
    told = calculator.fit(reference).calculate(current).filter(period="analysis").to_df()
    of = told["domain_classifier_auroc"]
    return {"alarm": bool(of["alert"].iloc[0]), "value": float(of["value"].iloc[0])}


def cbpe(asked: dict[str, Any], reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, Any]:
    """Estimate metrics of a binary model: columns `score`, `answer` and, in the reference, `label`."""
    estimator = nml.CBPE(
        metrics=asked["metrics"],
        y_pred_proba="score",
        y_pred="answer",
        y_true="label",
        problem_type="classification_binary",
        chunk_size=len(current),
    )
    told = estimator.fit(reference).estimate(current).filter(period="analysis").to_df()
    of = {metric: told[metric] for metric in asked["metrics"]}
    parts = ("value", "lower_confidence_boundary", "upper_confidence_boundary")
    return {metric: [float(values[part].iloc[0]) for part in parts] for metric, values in of.items()}


def main() -> None:
    """Answer until there is no more question; NannyML's own words go to stderr."""
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            reference, current = (pd.read_parquet(asked[name]) for name in ("reference", "current"))
            began, worked = time.perf_counter(), time.process_time()
            told = {"univariate": univariate, "domain": domain, "cbpe": cbpe}[asked["how"]](
                asked, reference, current
            )
            told |= {"wall": time.perf_counter() - began, "cpu": time.process_time() - worked}
            told["peak_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        except Exception as fault:  # noqa: BLE001 - a stranger's library: what it says is the answer
            told = {"fault": f"{type(fault).__name__}: {fault}"[:300]}
        print(json.dumps(told), file=out, flush=True)


if __name__ == "__main__":
    main()

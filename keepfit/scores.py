"""How scores are said: of what scikit-learn counts down from zero, as the loss that people know."""

_NAMES = {
    "roc_auc": "ROC AUC",
    "r2": "R²",
    "f1": "F1",
    "neg_log_loss": "log loss",
    "neg_brier_score": "Brier score",
    "neg_root_mean_squared_error": "root mean squared error",
}


def is_loss(metric: str) -> bool:
    """Tell whether a metric is said as a loss: its score is that below zero."""
    return metric.startswith("neg_")


def metric_words(metric: str) -> str:
    """Name a metric as people say it."""
    return _NAMES.get(metric) or metric.removeprefix("neg_").replace("_", " ")


def as_said(metric: str, score: float) -> float:
    """Turn a score, of which more is always better, into the number that people say."""
    return -score if is_loss(metric) else score


def said(metric: str, score: float, digits: str = ".4f") -> str:
    """Write a score as people say it."""
    return f"{as_said(metric, score):{digits}}"


def interval_said(metric: str, low: float, high: float) -> str:
    """Write the interval of a score as people say it: of a loss its ends change places."""
    ends = (high, low) if is_loss(metric) else (low, high)
    return f"[{said(metric, ends[0])}, {said(metric, ends[1])}]"

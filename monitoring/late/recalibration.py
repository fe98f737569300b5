"""What answers were worth lately: P(label | answer, when it is due), also from labels that are still out.

A logistic regression of the label on the answer's logit in pieces (Platt, Advances in Large Margin
Classifiers, 1999, made as bent as isotonic calibration needs: Zadrozny and Elkan, KDD 2002). What is still
out enters by its likelihood, the sum over classes of P(class) P(still out | class), as delayed feedback
does (Chapelle, KDD 2014), found by expectation and maximisation (Dempster, Laird and Rubin, JRSS B 39,
1977).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Codes = NDArray[np.intp]

_ROUNDS = 40
_SMALLEST = 1e-6
_BENDS = (-1.0, 0.0, 1.0)  # a third of a logit: at odds of 1 to 20, even, and 20 to 1


@dataclass(frozen=True)
class Waiting:
    """Answers whose label was out at some age, and what is known of the label now; n rows.

    `answer` [n, classes] are probabilities, `due` [n] days, `kind` [n] is the class or -1 where it is still
    out, `still` [n, classes] is P(still out now | class, out at that age), `weight` [n] says how
    much a row counts.
    """

    answer: Numbers
    due: Numbers
    kind: Codes
    still: Numbers
    weight: Numbers

    def where(self, mask: NDArray[np.bool_]) -> "Waiting":
        """Keep the rows for which the mask is true."""
        return Waiting(
            self.answer[mask], self.due[mask], self.kind[mask], self.still[mask], self.weight[mask]
        )


@dataclass(frozen=True)
class Recalibration:
    """Coefficients [classes - 1 or classes, columns]: one regression for two classes, else one per class."""

    coefficients: Numbers

    def chances(self, answer: Numbers, due: Numbers) -> Numbers:
        """Give P(class | answer, due) of labels that are out [n, classes]."""
        if len(self.coefficients) == 1:
            yes = _sigmoid(_columns(answer[:, 1], due) @ self.coefficients[0])
            return np.column_stack([1 - yes, yes])
        each = [_columns(answer[:, k], due) @ self.coefficients[k] for k in range(answer.shape[1])]
        raw = np.column_stack([_sigmoid(value) for value in each]) + 1e-12
        return raw / raw.sum(axis=1, keepdims=True)


def recalibrate(waiting: Waiting) -> Recalibration:
    """Fit what the answers were worth; several classes are fitted each against all others."""
    classes = waiting.answer.shape[1]
    if classes == 2:
        return Recalibration(_fit(waiting, 1)[None, :])
    return Recalibration(np.vstack([_fit(waiting, k) for k in range(classes)]))


def believed(waiting: Waiting, chances: Numbers) -> Numbers:
    """Give P(class | all that is known now) [n, classes]: the label itself, or Bayes for what is out."""
    weighed = chances * np.maximum(waiting.still, 1e-12)
    found = weighed / weighed.sum(axis=1, keepdims=True)
    known = waiting.kind >= 0
    found[known] = np.eye(chances.shape[1])[waiting.kind[known]]
    return found


def _fit(waiting: Waiting, k: int) -> Numbers:
    columns = _columns(waiting.answer[:, k], waiting.due)
    known, hit = waiting.kind >= 0, (waiting.kind == k).astype(np.float64)
    others = np.delete(waiting.answer, k, axis=1)
    still = np.delete(waiting.still, k, axis=1)
    # Of a row that is not k, P(still out) is that of the other classes as the answer mixes them.
    rest = (others * still).sum(axis=1) / np.maximum(others.sum(axis=1), 1e-12)
    of_k, rest = np.maximum(waiting.still[:, k], 1e-12), np.maximum(rest, 1e-12)
    penalty = np.eye(columns.shape[1])
    penalty[0, 0] = 0.01
    found = np.zeros(columns.shape[1])
    for _ in range(_ROUNDS):
        p = _sigmoid(columns @ found)
        believed_k = np.where(known, hit, p * of_k / (p * of_k + (1 - p) * rest))
        gradient = columns.T @ (waiting.weight * (believed_k - p)) - penalty @ found
        curvature = (columns * (waiting.weight * p * (1 - p))[:, None]).T @ columns + penalty
        step = np.linalg.solve(curvature, gradient)
        found = found + step
        if np.abs(step).max() < 1e-4:
            break
    return found


def _columns(answer: Numbers, due: Numbers) -> Numbers:
    clipped = np.clip(answer, _SMALLEST, 1 - _SMALLEST)
    logit = np.clip(np.log(clipped / (1 - clipped)), -6, 6) / 3
    bent = [np.maximum(logit - at, 0.0) for at in _BENDS]
    return np.column_stack([np.ones(len(logit)), logit, *bent, np.log(np.maximum(due, 1e-3)) / 3])


def _sigmoid(value: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-np.clip(value, -30, 30)))

"""The whole plug-in surface: a project, its columns and its target, as frozen dataclasses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Self

from keepfit.errors import ProjectRefused
from keepfit.gates import Gate
from keepfit.mistyped import mistyped
from keepfit.retraining import Retraining
from keepfit.soundness import unsound
from keepfit.suspicion import Suspicion

if TYPE_CHECKING:
    import pandas as pd
    from numpy import ndarray

Value = float | int | str | bool | None
"""One cell as it comes over HTTP or out of a file; None is missing."""

LARGEST = 3.4028234663852886e38
"""The largest float32: models see float32, so a larger number would become infinite."""


@dataclass(frozen=True, slots=True)
class Column:
    """One feature: its kind, and what a value of it may be.

    A model sees numbers and flags as float32 (missing: NaN) and categories as text (missing: "").
    """

    kind: Literal["number", "category", "flag"]
    between: tuple[float, float] | None = None
    among: tuple[str, ...] | None = None
    optional: bool = False

    @classmethod
    def number(cls, *, between: tuple[float, float] | None = None, optional: bool = False) -> Self:
        """Take a finite number, within `between` (both ends included) where it is given."""
        return cls("number", between=between, optional=optional)

    @classmethod
    def category(cls, *, among: Sequence[str] | None = None, optional: bool = False) -> Self:
        """Take text; one of `among` where it is given, otherwise anything, also what is new."""
        return cls("category", among=None if among is None else tuple(among), optional=optional)

    @classmethod
    def flag(cls, *, optional: bool = False) -> Self:
        """Take true or false (0 and 1 are taken too)."""
        return cls("flag", optional=optional)

    def objection(self, value: Value) -> str | None:
        """Say what is wrong with a value, or return None if it may be taken."""
        if value is None:
            return None if self.optional else f"expected {self._expected()}, got nothing"
        if self.kind == "number":
            return self._number_objection(value)
        if self.kind == "flag":
            # NaN and 2 are neither true nor false; True == 1 and False == 0.
            return None if value in (0, 1) and not isinstance(value, str) else self._got(value)
        if not isinstance(value, str):
            return self._got(value)
        if value == "":  # how a missing category reaches a model
            return None if self.optional else "expected text, got nothing"
        if self.among is not None and value not in self.among:
            return f"expected one of {', '.join(map(repr, self.among))}, got {shown(value)}"
        return None if is_storable(value) else f"{UNSTORABLE}, got {shown(value)}"

    def _number_objection(self, value: Value) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._got(value)
        if not -LARGEST <= value <= LARGEST:  # also true of NaN and the infinities
            return f"expected a finite number, got {shown(value)}"
        if self.between is not None and not self.between[0] <= value <= self.between[1]:
            low, high = self.between
            return f"expected a number between {low:g} and {high:g}, got {shown(value)}"
        return None

    def _expected(self) -> str:
        return {"number": "a number", "category": "text", "flag": "true or false"}[self.kind]

    def _got(self, value: Value) -> str:
        return f"expected {self._expected()}, got {shown(value)}"


UNSTORABLE = "expected text without NUL or half characters"


def is_storable(text: str) -> bool:
    """Say whether every store can keep a text: no NUL, and no half of a surrogate pair."""
    return "\x00" not in text and (text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text))


def shown(value: object) -> str:
    """Show a refused value, cut so that a message stays a line."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # of more than 4,300 digits; read on a stack of fewer calls
        return "something too long to show"
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True, slots=True)
class Target:
    """What is predicted: two classes, several, or a number.

    `classes` is the order of the probabilities in every answer; a binary target has (0, 1).
    """

    kind: Literal["binary", "multiclass", "regression"]
    name: str
    classes: tuple[int | str, ...] = ()

    @classmethod
    def binary(cls, name: str) -> Self:
        """Predict yes or no; labels are true and false, or 1 and 0."""
        return cls("binary", name, (0, 1))

    @classmethod
    def multiclass(cls, name: str, classes: Sequence[int | str]) -> Self:
        """Predict one of `classes`, all text or all whole numbers."""
        return cls("multiclass", name, tuple(classes))

    @classmethod
    def regression(cls, name: str) -> Self:
        """Predict a finite number."""
        return cls("regression", name)

    @property
    def outputs(self) -> int:
        """How many numbers an answer has: P(positive), one per class, or the value."""
        return len(self.classes) if self.kind == "multiclass" else 1

    def objection(self, label: Value) -> str | None:
        """Say what is wrong with a label, or return None if it may be taken."""
        if self.kind == "regression":
            if isinstance(label, bool) or not isinstance(label, int | float):
                return f"expected a number, got {shown(label)}"
            return None if -LARGEST <= label <= LARGEST else f"expected a finite number, got {shown(label)}"
        if self.kind == "binary":
            if label in (0, 1) and not isinstance(label, str):
                return None
            return f"expected true or false, got {shown(label)}"
        if label in self.classes and not isinstance(label, bool):
            return None
        return f"expected one of {', '.join(map(repr, self.classes))}, got {shown(label)}"


Metric = str | Callable[["ndarray", "ndarray"], float]
"""A scikit-learn scorer's name, or f(y_true, answer) -> score, where higher is better and *answer*
is P(positive) [n], the probabilities in the order of `target.classes` [n, k], or the value [n]."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """All that Keepfit must know to keep one model fit.

    `build` returns a fresh, unfitted estimator; it is given a data frame with the features as
    columns, in their order. The first metric is the primary: a challenger must gain on it.
    Naming a column in `time`, `label_time`, `reference` or `subject` says where a file has it.
    """

    name: str
    features: Mapping[str, Column]
    target: Target
    build: Callable[[], object]
    metrics: Sequence[Metric]
    gates: Sequence[Gate]

    time: str = "predicted_at"
    label_time: str | None = "observed_at"
    reference: str | None = "reference_id"
    subject: str | None = None
    timezone: str | None = None
    """Where times without an offset are; without it they are refused."""

    holdout: timedelta = timedelta(days=14)
    """The newest part of a snapshot, on which models are judged; of the first snapshot at most a fifth."""
    training: timedelta | None = None
    """How far back a model learns; None is all that is known."""
    current: timedelta = timedelta(days=14)
    """The window that `watch` judges."""
    reference_span: timedelta = timedelta(days=28)
    """The window before the champion's training end that `current` is compared against."""
    retraining: Retraining = field(default_factory=Retraining)
    """What is a reason to retrain, and when to ask a person instead."""
    slices: Mapping[str, Callable[["pd.DataFrame"], object]] = field(default_factory=dict)
    """Groups of rows that performance is also measured on, beside each category and quantile: a name, and
    a function of the features that says of each row whether it belongs to the group."""
    min_rows: int = 200
    """Fewer rows in a window or a holdout give no verdict."""
    windows_per_false_alarm: int = 100
    """Where nothing changes, at most one window in so many is called drifted, on average."""
    drift_effect: float = 0.1
    """The smallest share of rows (0 to 1) that must have moved for drift to be worth a word."""
    confidence: float = 0.95
    """Of the interval that a challenger's gain must exclude zero with."""
    seed: int = 0
    suspicion: Suspicion = field(default_factory=Suspicion)
    """When a source of labels is suspected, and whether it is then held."""
    export: Callable[[object, "pd.DataFrame"], bytes] | None = None
    """Turn the fitted estimator into ONNX; without it, skl2onnx does."""

    def __post_init__(self) -> None:
        if refusal := mistyped(self):
            msg = f"project {self.name!r}: {refusal}"
            raise ProjectRefused(msg)
        object.__setattr__(self, "features", dict(self.features))
        object.__setattr__(self, "metrics", tuple(self.metrics))
        object.__setattr__(self, "gates", tuple(self.gates))
        object.__setattr__(self, "slices", dict(self.slices))
        if refusal := unsound(self):
            msg = f"project {self.name!r}: {refusal}"
            raise ProjectRefused(msg)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Name each metric, in the project's order; the first is the primary."""
        return tuple(metric_name(metric) for metric in self.metrics)

    @property
    def primary(self) -> str:
        """Name the metric on which a challenger must gain."""
        return self.metric_names[0]


def metric_name(metric: Metric) -> str:
    """Name a metric as gates, reports and the registry know it."""
    return metric if isinstance(metric, str) else getattr(metric, "__name__", repr(metric))

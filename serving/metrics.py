"""What one worker counted, and all workers' counts as Prometheus text."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from serving.refusal import Refused

Samples = Mapping[str, float]
"""A sample's name with its labels, as Prometheus writes it -> its value."""

_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_FAMILIES = {
    "keepfit_requests_total": ("counter", "Requests answered, by route and status."),
    "keepfit_predict_seconds": ("histogram", "Time from a predict request's headers to its answer."),
    "keepfit_rows_total": ("counter", "Rows answered."),
    "keepfit_refusals_total": ("counter", "Requests refused, by reason."),
    "keepfit_uncaptured_total": (
        "counter",
        "Rows that could not be captured: answered all the same, or refused with KEEPFIT_CAPTURE=required.",
    ),
    "keepfit_labels_total": ("counter", "Labels acknowledged."),
    "keepfit_labels_lost_total": (
        "counter",
        "Labels not acknowledged because the journal could not be written.",
    ),
    "keepfit_capture_failing": (
        "gauge",
        "1 from a write or sync of the journal that failed to one that went well.",
    ),
    "keepfit_version": ("gauge", "The version that is served; absent while there is none."),
    "keepfit_generation": ("gauge", "How often this worker replaced its model."),
    "keepfit_swaps_total": (
        "counter",
        "Releases that the pointer named, by whether this worker serves them.",
    ),
    "keepfit_line_rows": ("gauge", "Rows that wait for the model or are being answered."),
    "keepfit_runs_total": ("counter", "Runs of the model; rows that came at once share one."),
    "keepfit_abandoned_total": ("counter", "Predict requests not run, because their callers had left."),
    "keepfit_connections": ("gauge", "Open connections."),
    "keepfit_capture_backlog_bytes": ("gauge", "Bytes of all workers' journals that no drain has taken in."),
    "keepfit_capture_lag_seconds": ("gauge", "How long the oldest of them has waited, at most."),
}
_FROM_THE_START = (
    "keepfit_rows_total",
    "keepfit_uncaptured_total",
    "keepfit_labels_total",
    "keepfit_labels_lost_total",
)
_REASONS = {
    400: "malformed",
    404: "unknown path",
    405: "method",
    409: "idempotency key",
    413: "too large",
    415: "media type",
    422: "invalid",
    429: "overloaded",
    503: "no model",
    507: "no space",
}


class Metrics:
    """The counters of one worker; only its event loop touches them."""

    def __init__(self) -> None:
        # From the start, so that an alarm on their rise sees the first.
        self._counts: defaultdict[str, float] = defaultdict(float, dict.fromkeys(_FROM_THE_START, 0.0))
        self._answers: Counter[tuple[str, int]] = Counter()
        self._refusals: Counter[str] = Counter()
        self._buckets = [0] * (len(_BUCKETS_S) + 1)
        self._predict_s = 0.0

    def answered(self, route: str, status: int) -> None:
        """Count one answer."""
        self._answers[route, status] += 1

    def refused(self, refusal: Refused) -> None:
        """Count why one request was refused."""
        if reason := refusal.counted or _REASONS.get(refusal.status):
            self._refusals[reason] += 1

    def predicted(self, seconds: float, rows: int, *, lost: bool) -> None:
        """Count one predict request that was answered with predictions."""
        self._buckets[bisect_left(_BUCKETS_S, seconds)] += 1
        self._predict_s += seconds
        self._counts["keepfit_rows_total"] += rows
        if lost:
            self._counts["keepfit_uncaptured_total"] += rows

    def uncaptured(self, rows: int) -> None:
        """Count a predict request that is refused because its rows could not be captured."""
        self._counts["keepfit_uncaptured_total"] += rows

    def labelled(self, labels: int, *, on_disk: bool) -> None:
        """Count the labels of one feedback request."""
        self._counts["keepfit_labels_total" if on_disk else "keepfit_labels_lost_total"] += labels

    def samples(self) -> dict[str, float]:
        """Give every value as it is now."""
        found = defaultdict(float, self._counts)
        for (route, status), count in self._answers.items():
            found[f'keepfit_requests_total{{route="{route}",status="{status}"}}'] = count
        for reason, count in self._refusals.items():
            found[f'keepfit_refusals_total{{reason="{reason}"}}'] = count
        below = 0
        for edge, count in zip((*map(str, _BUCKETS_S), "+Inf"), self._buckets, strict=True):
            below += count
            found[f'keepfit_predict_seconds_bucket{{le="{edge}"}}'] = below
        found["keepfit_predict_seconds_sum"] = self._predict_s
        found["keepfit_predict_seconds_count"] = below
        return found


def rendered(workers: Iterable[tuple[str, Samples]], shared: Samples) -> str:
    """Write samples as Prometheus text: each worker's with the label `worker`, so that a sum is right.

    `shared` are no worker's own, and have no such label.
    """
    lines: dict[str, list[str]] = {family: [] for family in _FAMILIES}
    for worker, samples in workers:
        for sample, value in samples.items():
            name, _, labels = sample.partition("{")
            told = f'{name}{{worker="{worker}"{"," + labels if labels else "}"} {value:.12g}'
            lines.setdefault(_family(name), []).append(told)
    for sample, value in shared.items():
        lines[sample].append(f"{sample} {value:.12g}")
    text: list[str] = []
    for family, values in lines.items():
        if values and family in _FAMILIES:
            kind, meaning = _FAMILIES[family]
            text += [f"# HELP {family} {meaning}", f"# TYPE {family} {kind}", *values]
    return "\n".join(text) + "\n"


def _family(name: str) -> str:
    for suffix in ("_bucket", "_sum", "_count"):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name

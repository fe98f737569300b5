"""The charts of the pages, from what each watch found and what the ledger and the decisions say."""

from collections.abc import Sequence

from data.decisions import KeptDecision
from data.promotions import Promotion
from keepfit.scores import metric_words
from monitoring.console.figures.charts import Chart, Mark, Series
from monitoring.console.phrases import direction, number, shown
from monitoring.console.reading.sources import Sources
from monitoring.console.reading.watches import Scores, Watch

_HOUR_S = 3600.0


def marks_of(sources: Sources) -> list[Mark]:
    """Mark what was done, as the ledger and the decisions have it."""
    return marks(sources.ledger.history(), sources.decisions())


def marks(history: Sequence[Promotion], decisions: Sequence[KeptDecision]) -> list[Mark]:
    """Mark promotions, rollbacks and withdrawals of the ledger, and the refusals of the decisions."""
    found = [
        Mark(
            entry.as_of,
            "promotion" if entry.kind == "retrain" else entry.kind,
            f"{_version(entry.version)} by {entry.kind}: {entry.reason}",
            f"/ledger/{entry.number}",
        )
        for entry in history
    ]
    found += [
        Mark(kept.decision.as_of, "refusal", kept.decision.sentence, f"/decisions/{kept.key}")
        for kept in decisions
        if refused(kept)
    ]
    return sorted(found, key=lambda mark: mark.at)


def _version(number: int | None) -> str:
    return "no version" if number is None else f"version {number}"


def refused(kept: KeptDecision) -> bool:
    """Tell whether a decision turned a challenger away; a rehearsal had none to turn away."""
    decision = kept.decision
    unchanged = decision.version is not None and decision.version == decision.champion
    return not decision.promote and not decision.rehearsal and not unchanged


def score_charts(watches: Sequence[Watch], happened: Sequence[Mark]) -> list[Chart]:
    """Draw each metric: the loop beside the frozen model, the primary first."""
    metrics = list(dict.fromkeys(metric for watch in reversed(watches) for metric in watch.loop))
    primary = next((w.performance.metric for w in reversed(watches) if w.performance is not None), None)
    metrics.sort(key=lambda metric: metric != primary)
    return [_score_chart(metric, watches, happened) for metric in metrics]


def _score_chart(metric: str, watches: Sequence[Watch], happened: Sequence[Mark]) -> Chart:
    name = metric_words(metric)
    loop = [_score(watch.loop, metric) for watch in watches]
    frozen = [_score(watch.frozen.scores if watch.frozen else {}, metric) for watch in watches]
    first = next((w.frozen.version for w in reversed(watches) if w.frozen is not None), None)
    series = [Series("first", "the loop", loop)]
    if any(value is not None for value in frozen):
        still = "the frozen first model" if first is None else f"version {first}, frozen"
        series.append(Series("second", still, frozen))
    last = next((value for value in reversed(loop) if value is not None), None)
    beside = next((value for value in reversed(frozen) if value is not None), None)
    says = (
        f"{name[0].upper()}{name[1:]} of the answers at each watch; {direction(metric)}. Last: {number(last)}"
    )
    says += "." if beside is None else f", the frozen model {number(beside)}."
    return Chart(
        key=f"score-{metric}",
        title=f"{name[0].upper()}{name[1:]} over time",
        unit=f"{name} ({direction(metric)})",
        says=says,
        times=[watch.as_of for watch in watches],
        series=series,
        marks=happened,
        links=[f"/reports/{watch.name}" for watch in watches],
    )


def _score(scores: Scores, metric: str) -> float | None:
    return shown(metric, scores.get(metric))


def label_charts(watches: Sequence[Watch]) -> list[Chart]:
    """Draw how many labels came, how much of the window they cover, and how late they are."""
    times = [watch.as_of for watch in watches]
    links = [f"/reports/{watch.name}" for watch in watches]
    came = [watch.labels for watch in watches]
    return [
        Chart(
            "labels-share",
            "How much of the current window is labelled",
            "predictions whose label is known (%)",
            "The share of the current window's predictions whose label is known, at each watch.",
            times,
            [Series("first", "labelled", [_percent(watch.matured) for watch in watches])],
            low=0.0,
            high=100.0,
            links=links,
        ),
        Chart(
            "labels-count",
            "How many labels came",
            "labels in the current window (count)",
            "The labels that became known in the current window, and those that found a prediction.",
            times,
            [
                Series(
                    "first", "all labels", [None if each is None else float(each.labels) for each in came]
                ),
                Series("second", "matched", [None if each is None else float(each.matched) for each in came]),
            ],
            low=0.0,
            links=links,
        ),
        Chart(
            "labels-delay",
            "How late labels come",
            "hours from prediction to label (h)",
            "The median delay of the labels of the current window, and the delay that 95 % keep.",
            times,
            [
                Series("first", "median", [None if e is None else _hours(e.delay_median_s) for e in came]),
                Series("second", "95 % within", [None if e is None else _hours(e.delay_95_s) for e in came]),
            ],
            low=0.0,
            links=links,
        ),
    ]


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _hours(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / _HOUR_S

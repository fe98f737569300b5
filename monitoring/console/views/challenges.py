"""A decision as its page tells it: the verdict, who asked, the gates, the gain drawn, what followed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from data.decisions import Decision, GateFound, KeptDecision
from data.promotions import Promotion
from keepfit.scores import is_loss, metric_words
from keepfit.settings import report_name
from monitoring.console.figures.axes import Tick, value_span, value_ticks
from monitoring.console.phrases import counted, number, shown
from monitoring.console.reading.sources import Sources
from monitoring.console.views.outcomes import promoted
from monitoring.console.views.reigns import Reign, reigns

_ASKED = {
    "watch": "A watch asked for it",
    "person": "A person asked for it",
    "schedule": "The schedule asked for it",
}
_FIRST = "the first model of this target"
_TOLD = 2
"""So many objections fit into a headline."""


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate in words: what it asks, what was measured, and what would have been enough."""

    kept: bool | None
    asks: str
    measured: str
    enough: str
    words: str


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One metric of both models as people know it, and by how much the challenger is better or worse."""

    metric: str
    challenger: float | None
    champion: float | None
    difference: str


@dataclass(frozen=True)
class GainDrawing:
    """The gain and its interval on a line, in one size; all places are in its own pixels."""

    name: Literal["wide", "narrow"]
    width: int
    zero: float
    low: float
    high: float
    value: float
    ticks: list[Tick]


@dataclass(frozen=True)
class Challenge:
    """All that the page of a decision shows."""

    kept: KeptDecision
    headline: str
    asked: str
    report: str | None
    """The address of the report of the watch that asked."""
    metric: str | None
    gates: list[GateRow]
    scores: list[ScoreRow]
    said: list[str]
    """What was written down for it and stands nowhere else on the page."""
    gain: str | None
    drawings: list[GainDrawing]
    entry: Promotion | None
    """What the ledger has of it."""
    champion: Reign | None
    """Whose time as champion began with it, or went on."""


def challenge(sources: Sources, kept: KeptDecision) -> Challenge:
    """Gather what is known of a decision."""
    decision = kept.decision
    entry = promoted(sources, kept)
    name = report_name(decision.as_of)
    watched = decision.asked_by == "watch" and sources.watch(name) is not None
    return Challenge(
        kept,
        headline(decision),
        _ASKED[decision.asked_by],
        f"/reports/{name}" if watched else None,
        next(iter(decision.challenger_scores), None),
        [gate_row(found, decision) for found in decision.gates],
        score_rows(decision),
        unsaid(decision),
        gain_words(decision),
        gain_drawings(decision),
        entry,
        _champion_after(reigns(sources.ledger.history()), entry, decision),
    )


def _champion_after(times: Sequence[Reign], entry: Promotion | None, decision: Decision) -> Reign | None:
    if entry is not None:
        return next((each for each in times if each.entry == entry.number), None)
    return next(
        (
            each
            for each in reversed(times)
            if each.version == decision.champion
            and each.since <= decision.as_of
            and (each.until is None or decision.as_of <= each.until)
        ),
        None,
    )


def headline(decision: Decision) -> str:
    """Say the verdict in a sentence."""
    champion = "no champion" if decision.champion is None else f"version {decision.champion}"
    if decision.rehearsal:
        return f"A rehearsal: nothing could go live, for its data end before those of {champion}."
    if decision.version is not None and decision.version == decision.champion:
        return f"Nothing to do: {champion} was made from these data by this code already."
    name = "The challenger" if decision.version is None else f"Version {decision.version}"
    if decision.promote and decision.gain is None:
        return f"{name} was promoted: {_FIRST}."
    if decision.promote:
        metric = metric_words(next(iter(decision.challenger_scores), "the score"))
        return f"{name} was promoted over {champion}: its {metric} is {number(decision.gain)} better."
    found = _objections(decision, champion)
    told = "; ".join(found[:_TOLD])
    more = len(found) - _TOLD
    return f"{name} was refused: {told}{f'; and {more} more' if more > 0 else ''}."


def _objections(decision: Decision, champion: str) -> list[str]:
    failed = [found for found in decision.gates if found.kept is False]
    if not failed or len({found.words for found in failed}) < len(decision.objections):
        # Of an older Keepfit, or not of a gate: it was overtaken, or taken back.
        return [_short(each, champion) for each in decision.objections] or ["no reason was written down"]
    return list(dict.fromkeys(_failed(found, decision, champion) for found in failed))


def _short(objection: str, champion: str) -> str:
    if objection.endswith(": no proof that it is better than the champion"):
        return f"no proof that it is better than {champion}"
    return objection.replace("it is worse than the champion", f"it is worse than {champion}")


def _failed(found: GateFound, decision: Decision, champion: str) -> str:
    metric = metric_words(found.metric or "the score")
    if found.name == "parity":
        return "its bundle does not answer as the trained model does"
    if found.name == "requests":
        return "it cannot answer what callers may send"
    if found.value is None and found.name != "gain":
        return f"its {metric} is not a number"
    if found.name == "at least":
        promised = _score(found.bound, found)
        return f"its {metric} of {_score(found.value, found)} does not keep the promised {promised}"
    if found.name == "no worse":
        return f"its {metric} falls too far behind that of {champion}"
    worse = decision.gain_high is not None and decision.gain_high < 0
    return f"it is worse than {champion}" if worse else f"no proof that it is better than {champion}"


def gate_row(found: GateFound, decision: Decision) -> GateRow:
    """Say a gate for people; a score that counts down from zero is the loss that it is."""
    metric = metric_words(found.metric or "")
    limit = "at most" if is_loss(found.metric or "") else "at least"
    if found.name == "parity":
        asks = "It answers as the trained model does"
        largest = decision.grounds.parity_largest if decision.grounds else None
        far = (
            "" if largest is None else "less than 0.0001" if largest < 1e-4 else f"at most {number(largest)}"
        )
        apart = f", {far} apart" if far else ""
        measured = "not known" if found.value is None else f"{100 * found.value:.3f} % of the rows{apart}"
        return GateRow(found.kept, asks, measured, f"at least {100 * (found.bound or 1):g} %", found.words)
    if found.name == "requests":
        said = "all that was tried" if found.kept else "not all"
        return GateRow(found.kept, "It answers whatever callers may send", said, "all", found.words)
    if found.name == "gain":
        low = "no lower end of its interval" if found.value is None else f"{found.value:+.4f} at the least"
        measured = "nothing to gain on" if found.kept is None else low
        return GateRow(found.kept, f"It is surely better on {metric}", measured, "above 0", found.words)
    enough = "nothing to compare with" if found.bound is None else f"{limit} {_score(found.bound, found)}"
    asks = f"{metric[:1].upper()}{metric[1:]} "
    asks += "keeps its promise" if found.name == "at least" else "stays near the champion's"
    return GateRow(found.kept, asks, _score(found.value, found), enough, found.words)


def _score(value: float | None, found: GateFound) -> str:
    return number(shown(found.metric or "", value))


def score_rows(decision: Decision) -> list[ScoreRow]:
    """Put the metrics of challenger and champion beside each other."""
    beside = decision.champion_scores or {}
    rows: list[ScoreRow] = []
    for metric, score in decision.challenger_scores.items():
        other = beside.get(metric)
        apart = None if other is None else score - other
        said = "" if apart is None or math.isnan(apart) else better(apart)
        rows.append(ScoreRow(metric, shown(metric, score), shown(metric, other), said))
    return rows


def unsaid(decision: Decision) -> list[str]:
    """Leave out of the reasons what the headline, the scores, the gates and the gain say already."""
    told = [_FIRST, *decision.objections, *(found.words for found in decision.gates)]
    if decision.gain is not None:
        told += [reason for reason in decision.reasons if reason.startswith("the gain on ")]
    return [
        reason
        for reason in decision.reasons
        if not any(reason.startswith(f"{metric_words(name)} ") for name in decision.challenger_scores)
        and not any(each.startswith(reason) for each in told)
    ]


def better(apart: float) -> str:
    """Say a difference of scores, of which more is better, so that its sign cannot be misread."""
    if number(abs(apart)) == number(0.0):
        return "the same"
    return f"{number(abs(apart))} {'better' if apart > 0 else 'worse'}"


def gain_words(decision: Decision) -> str | None:
    """Say the gain, its interval and what is asked of it."""
    if decision.gain is None:
        return None
    low, high = decision.gain_low, decision.gain_high
    if low is None or high is None or not math.isfinite(low + high):
        return f"The gain is {decision.gain:+.4f}, and where it may lie cannot be said; no gain is proven."
    sure = f"{100 * decision.grounds.confidence:g} % " if decision.grounds else ""
    days = f" over {counted(decision.grounds.holdout_days, 'day')}" if decision.grounds else ""
    where = (
        "All of it is above 0, as is asked for"
        if low > 0
        else "All of it is below 0: it is worse"
        if high < 0
        else "0 is in it: that is no proof"
    )
    return f"The gain is {decision.gain:+.4f}, {sure}interval {low:+.4f} to {high:+.4f}{days}. {where}."


def gain_drawings(decision: Decision) -> list[GainDrawing]:
    """Place the gain and its interval for a wide page and for a phone; nothing where there is no interval."""
    told = (decision.gain, decision.gain_low, decision.gain_high)
    if any(value is None or not math.isfinite(value) for value in told):
        return []
    value, low, high = (each or 0.0 for each in told)
    return [_drawn("wide", 760, value, (low, high)), _drawn("narrow", 360, value, (low, high))]


def _drawn(
    name: Literal["wide", "narrow"], width: int, value: float, interval: tuple[float, float]
) -> GainDrawing:
    low, high = interval
    least, most = value_span([0.0, low, value, high], None, None)

    def x(of: float) -> float:
        return round(20 + (of - least) / (most - least) * (width - 40), 1)

    ticks = [
        Tick(x(least + tick.at * (most - least)), tick.label)
        for tick in value_ticks(least, most, about=max(2, width // 110))
    ]
    return GainDrawing(name, width, x(0.0), x(low), x(high), x(value), ticks)

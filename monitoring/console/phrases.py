"""How the console says numbers, times and names: with their units, in UTC, for people."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from keepfit.scores import as_said, is_loss

_SPANS = (("year", 365 * 86400.0), ("day", 86400.0), ("hour", 3600.0), ("minute", 60.0))


def direction(metric: str) -> str:
    """Say which way is good: scikit-learn's neg_ scores are shown as the losses that they are."""
    return "lower is better" if is_loss(metric) else "higher is better"


def shown(metric: str, score: float | None) -> float | None:
    """Turn a score, of which more is always better, into the number that people know."""
    return None if score is None else as_said(metric, score)


def number(value: float | None) -> str:
    """Write a number by four decimals where it is small, by fewer where it is large."""
    if value is None or value != value:
        return "not known"
    size = abs(value)
    return f"{value:,.0f}" if size >= 10_000 else f"{value:,.4g}" if size >= 10 else f"{value:.4f}"


def signed(value: float) -> str:
    """Write what something adds, always with its sign."""
    return f"{'+' if value >= 0 else '−'}{number(abs(value))}"  # noqa: RUF001 - a minus as wide as the plus


def sentence(text: str) -> str:
    """Begin with a capital letter, but for a name that has none."""
    return text if "_" in text.partition(" ")[0] else f"{text[:1].upper()}{text[1:]}"


def p_value(value: float | None) -> str:
    """Write a p-value, never as 0."""
    if value is None:
        return "not known"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def percent(share: float | None) -> str:
    """Write a share."""
    if share is None:
        return "not known"
    return f"{100 * share:.1f} %" if 0 < share < 0.0995 else f"{100 * share:.0f} %"


def counted(count: int, noun: str) -> str:
    """Write a count with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 'es' if noun.endswith('ch') else 's'}"


def uncaptured(counters: Mapping[str, float]) -> str:
    """Write what a worker could not put into its journal since it started; nothing where it could put all."""
    rows, labels = counters.get("keepfit_uncaptured_total", 0), counters.get("keepfit_labels_lost_total", 0)
    told = [f"{counted(round(rows), 'row')} not captured"] if rows else []
    told += [f"{counted(round(labels), 'label')} refused"] if labels else []
    return f"{' and '.join(told)} since it started" if told else ""


def duration(seconds: float | None) -> str:
    """Write a duration by its largest unit."""
    if seconds is None:
        return "not known"
    for name, size in _SPANS:
        if abs(seconds) >= size:
            amount = seconds / size
            text = f"{amount:.0f}" if amount >= 10 or name == "minute" else f"{amount:.1f}".removesuffix(".0")
            return f"{text} {name}{'' if text == '1' else 's'}"
    text = f"{seconds:.0f}" if abs(seconds) >= 1 else f"{seconds:.1f}".removesuffix(".0")
    return f"{text} second{'' if text == '1' else 's'}"


def ago(time: datetime, now: datetime) -> str:
    """Write how long ago something was, or in how long it will be."""
    past = (now - time).total_seconds()
    if abs(past) < 1:
        return "now"
    return f"{duration(past)} ago" if past > 0 else f"in {duration(-past)}"


def when(time: datetime) -> str:
    """Write a time to the minute."""
    there = time.astimezone(UTC)
    return f"{there.day} {there:%B %Y, %H:%M} UTC"


def stamp(time: datetime) -> str:
    """Write a time as RFC 3339 has it."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def apart(one: datetime, other: datetime | None) -> bool:
    """Tell whether two times differ by more than a run takes: then both are worth a word."""
    return other is not None and abs(one - other) > timedelta(hours=1)

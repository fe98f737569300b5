"""What was done since yesterday, as the ledger and the decisions have it."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from data.decisions import KeptDecision
from data.promotions import Promotion
from monitoring.console.figures.curves import refused
from monitoring.console.phrases import counted

_DAY = timedelta(days=1)
_NAMES = {
    "retrain": "promotion",
    "rollback": "rollback",
    "by hand": "manual promotion",
    "withdrawal": "withdrawal",
}


def done(history: Sequence[Promotion], decisions: Sequence[KeptDecision], at: datetime) -> str:
    """Say what was written down in the 24 hours before `at`."""
    since = at - _DAY
    happened = Counter(_NAMES[entry.kind] for entry in history if (entry.recorded_at or entry.as_of) > since)
    happened["refusal"] = sum(refused(kept) and kept.recorded_at > since for kept in decisions)
    told = [counted(count, name) for name, count in happened.items() if count]
    return ", ".join(told) or "nothing was promoted or refused"

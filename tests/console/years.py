"""A year of a loop, as it would lie in a home: for the pages of the console, without a stack."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from data.decisions import Decision, save_decision
from data.promotions import Promotion
from data.records import Rejected, now
from data.releases import WorkerStatus, write_status
from data.store import Batch
from keepfit.settings import Settings
from monitoring.console.reading.sources import Sources
from tests.making import project

START = datetime(2026, 2, 1, tzinfo=UTC)
EVERY = timedelta(days=14)
NAME = "made"
EVIL = "</script><script>window.x=1</script><img src=x onerror=window.x=1>"
PAGE = "<!doctype html><html><body><h1>Evidently</h1><script>document.title='drawn'</script></body></html>"


@dataclass(frozen=True)
class Year:
    """A home with so many fortnights of decisions, watches and ledger in it."""

    home: Path
    steps: int = 20
    names: tuple[str, ...] = ("distance", "carrier", "wind")

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, project_name=NAME, prefect_port=1, mlflow_port=1, serving_port=1)

    @property
    def sources(self) -> Sources:
        return Sources(self.settings, NAME)

    def live(self) -> "Year":
        """Let the year happen."""
        sources = self.sources
        champion = 0
        for step in range(self.steps):
            at = START + step * EVERY
            version = step + 1
            promotes = step in (0, 3, 7, 8, 13, 16)
            if step:
                write_watch(sources.reports, at, verdict(step, champion, self.names))
                if step == 1:
                    write_columns(sources.reports, at, self.names)
            decide(sources, at, version, champion or None, promotes)
            if promotes:
                champion = version
                promote(sources, at, "retrain", version)
            if step == 10:
                champion = 4
                promote(sources, at + timedelta(days=3), "rollback", 4)
        sources.close()
        return self

    def serve(self, version: int | None, workers: int = 2) -> "Year":
        """Say what workers serve, as if they had just said so."""
        for pid in range(workers):
            status = WorkerStatus(host="here", pid=4000 + pid, at=now(), version=version, generation=3)
            write_status(self.settings.journal(NAME), status)
        return self

    def set_aside(self, *reasons: str, content: str = '{"distance": 9000}') -> "Year":
        """Quarantine a row for each reason."""
        sources = self.sources
        rejected = [Rejected("row", content, reason, "history.csv", START) for reason in reasons]
        sources.store.take_in(project(), Batch(rejected=rejected))
        sources.close()
        return self


def promote(sources: Sources, at: datetime, kind: Any, version: int | None) -> None:
    """Append an entry, confirmed by two workers."""
    entry = Promotion(
        kind=kind,
        version=version,
        digest=None if version is None else f"{version:064x}",
        reason="on schedule",
        as_of=at,
        snapshot_id=None if version is None else f"{version:064x}",
        training_until=at - EVERY,
        snapshot_until=at,
        score=-0.48,
    )
    made = sources.ledger.append(entry, sources.ledger.latest())
    sources.ledger.confirm(made.number, 2)


def decide(sources: Sources, at: datetime, version: int, champion: int | None, promotes: bool) -> None:
    """Keep a decision about a version."""
    gain = None if champion is None else 0.021 if promotes else 0.002
    said = (
        "the first model of this target"
        if gain is None
        else f"the gain on log loss is {gain:+.4f}, 95% interval "
        f"[{gain - 0.011:+.4f}, {gain + 0.012:+.4f}] over 14 days"
    )
    decision = Decision(
        project=NAME,
        as_of=at,
        promote=promotes,
        reason="on schedule",
        reasons=(said, "log loss 0.4770", "ROC AUC 0.7356"),
        objections=() if promotes else (f"{said}: no proof that it is better than the champion",),
        version=version,
        champion=champion,
        snapshot_id=f"{version:064x}",
        rows_train=24_120,
        rows_holdout=12_060,
        challenger_scores={"neg_log_loss": -0.4770, "roc_auc": 0.7356},
        champion_scores=None if champion is None else {"neg_log_loss": -0.4980, "roc_auc": 0.7142},
        gain=gain,
        gain_low=None if gain is None else gain - 0.011,
        gain_high=None if gain is None else gain + 0.012,
        parity=0.99996,
        workers=2 if promotes else None,
    )
    save_decision(sources.store, decision, f"{version:064x}")


def verdict(step: int, champion: int, names: tuple[str, ...]) -> dict[str, Any]:
    """Say what a watch found at a step, as `monitoring/reports.py` writes it."""
    at = START + step * EVERY
    drift = step in (6, 12)
    moved = 0.32 if drift else 0.08 + 0.05 * math.sin(step)
    loss = 0.46 + 0.02 * math.sin(step / 2.5)
    rows, labelled = 13_000 + 90 * step, 12_100 + 80 * step
    return {
        "project": NAME,
        "as_of": at.isoformat(),
        "version": champion,
        "windows": {
            "reference": {"since": (at - 4 * EVERY).isoformat(), "until": (at - 2 * EVERY).isoformat()},
            "current": {"since": (at - EVERY).isoformat(), "until": at.isoformat()},
        },
        "verdict": {
            "drift": drift,
            "p_value": 0.003 if drift else 0.21 + 0.1 * math.cos(step),
            "findings": [
                {
                    "column": name,
                    "drift": drift and place == 0,
                    "words": f"median of {name} 1022 -> 1012",
                    "what": "values",
                    "effect": moved / (place + 1),
                    "p_value": 0.002 if drift and place == 0 else 0.3 + place / 10,
                }
                for place, name in enumerate(names)
            ],
            "reasons": [f"{names[0]} moved" if drift else "no column moved both surely and far enough"],
            "reference_rows": 26_000,
            "current_rows": rows,
            "blocks": "days",
        },
        "performance": {
            "metric": "neg_log_loss",
            "value": -loss,
            "low": -loss - 0.02,
            "high": -loss + 0.02,
            "confidence": 0.95,
            "scores": {"neg_log_loss": -loss, "roc_auc": 0.74 - 0.02 * math.sin(step / 2.5)},
            "rows": rows,
            "labelled": labelled,
            "scored": labelled,
            "days": 14,
            "unknown": None,
            "sentence": f"log loss is {loss:.4f} on {labelled} labelled of {rows} predictions",
        },
        "reason": {"kind": "drift", "evidence": "the data drifted"} if drift else None,
        "labels": {
            "labels": labelled,
            "matched": labelled - 12,
            "unmatched": 12,
            "doubled": 3,
            "contradicting": 1,
            "early": 0,
            "delay_median_s": 21_000.0 + 900 * math.sin(step),
            "delay_95_s": 61_000.0,
        },
        "served": {"version": None, "scores": {"neg_log_loss": -loss, "roc_auc": 0.74}, "rows": labelled},
        "frozen": {
            "version": 1,
            "scores": {"neg_log_loss": -loss - 0.0018 * step, "roc_auc": 0.74 - 0.002 * step},
            "rows": labelled,
        },
        "page": {"file": "report.html", "no_page_because": None, "reference_rows": 1, "current_rows": 1},
    }


def write_columns(reports: Path, at: datetime, names: tuple[str, ...]) -> None:
    """Leave how the columns lay: numbers but for the second, which is a category."""
    numbers = {"kind": "number", "edges": [0, 500, 1000, 1500]}
    texts = {"kind": "category", "names": ["AA", "UA", "all others"], "others": 4}
    bars = {"reference": [0.3, 0.5, 0.2], "current": [0.1, 0.5, 0.4], "rows": [9, 9]}
    told: list[dict[str, Any]] = [
        {"column": name, **(texts if place == 1 else numbers), **bars}
        for place, name in enumerate([*names, "predicted chance of late"])
    ]
    told[-1]["part"] = "answer"
    folder = reports / at.strftime("%Y-%m-%dT%H%M%SZ")
    (folder / "columns.json").write_text(json.dumps(told), encoding="utf-8")


def write_watch(reports: Path, at: datetime, told: dict[str, Any], page: str | None = PAGE) -> None:
    """Leave what a watch found."""
    folder = reports / at.strftime("%Y-%m-%dT%H%M%SZ")
    folder.mkdir(parents=True)
    (folder / "verdict.json").write_text(json.dumps(told), encoding="utf-8")
    if page is not None:
        (folder / "report.html").write_text(page, encoding="utf-8")

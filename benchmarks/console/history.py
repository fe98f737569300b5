"""A home after a year: predictions, labels, weekly retrains, and a watch a day; built once, below var/bench.

Rows come in through the store's own door. One watch is the real thing, judged and written by the steps of the
flow; those of the other days are copies of it whose numbers and days are others.
"""

import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.releasing import publish_signed
from data import audit
from data.bundles import Lineage
from data.decisions import Decision, save_decision
from data.examples import query_examples
from data.promotions import Promotion
from data.records import Label, Prediction, Rejected, uuid7
from data.store import Batch, Store
from keepfit import Column, Gate, Project, Target
from keepfit.settings import ROOT, Settings
from tasks.assess import assess, report, report_folder
from tasks.convert import convert, make_manifest
from tasks.loop import Loop
from tasks.train import encode_labels

DAYS, ROWS = 365, 1_000_000
END = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "made"
_FORMAT = 1
"""Of what is built: a home of another is built again."""
_OF = {"store": ("keepfit.db*", "releases", "keys", "bundle-*"), "reports": ("reports",)}
_DAY = timedelta(days=1)
_WEEKS, _PROMOTED = 52, (0, 3, 7, 8, 11, 15, 19, 22, 26, 30, 33, 37, 42, 47, 50)
_AT_ONCE = 10
"""Days that are taken in together."""
_CARRIERS = np.array([f"C{i}" for i in range(16)], dtype=object)


@dataclass(frozen=True)
class Year:
    """A year of one project: so many features, and so many predictions in all."""

    columns: int = 20
    rows: int = ROWS

    @cached_property
    def project(self) -> Project:
        """Three in five are numbers, one in ten a flag, and the others categories."""
        numbers, flags = self.columns * 3 // 5, self.columns // 10
        features = {f"number_{i:03d}": Column.number(optional=True) for i in range(numbers)}
        features |= {f"flag_{i:03d}": Column.flag() for i in range(flags)}
        features |= {f"kind_{i:03d}": Column.category() for i in range(self.columns - numbers - flags)}
        return Project(
            name=NAME,
            features=features,
            target=Target.binary("late"),
            build=lambda: _pipeline(features),
            metrics=["neg_log_loss", "roc_auc"],
            gates=[Gate("roc_auc", at_least=0.5)],
        )

    @property
    def home(self) -> Path:
        """Where it is kept, for the next run."""
        return ROOT / "var" / "bench" / f"console-{_FORMAT}-{self.columns}x{self.rows}"

    @property
    def settings(self) -> Settings:
        """Where everything of it is; nothing but the console is started on it."""
        return Settings(home=self.home, project_name=NAME)

    @property
    def days(self) -> list[datetime]:
        """The days that a watch was of."""
        return [END - back * _DAY for back in range(DAYS - 1, -1, -1)]

    @property
    def is_built(self) -> bool:
        """Whether nothing of it has to be built."""
        return all((self.home / f"built.{part}").exists() for part in _OF)

    def built(self) -> "Year":
        """Build what of it is not there: the store, and the reports."""
        for part, build in (("store", self._fill), ("reports", self._watch)):
            done = self.home / f"built.{part}"
            if not done.exists():
                print(f"builds {self.home.name}: {part}", flush=True)
                for path in (path for pattern in _OF[part] for path in self.home.glob(pattern)):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                self.home.mkdir(parents=True, exist_ok=True)
                loop = Loop(self.project, self.settings, Store(self.settings.store_url))
                build(loop)
                loop.store.close()
                done.touch()
        return self

    def _watch(self, loop: Loop) -> None:
        _watch(loop, self.days)

    def _fill(self, loop: Loop) -> None:
        a_day = self.rows // DAYS
        for oldest in range(DAYS, 0, -_AT_ONCE):
            batch: tuple[list[Prediction], list[Label]] = ([], [])
            for back in range(oldest, max(oldest - _AT_ONCE, 0), -1):
                self._day(back, a_day, *batch)
            loop.store.take_in(loop.project, Batch(*batch))
        _set_aside(loop)
        digests = _publish(loop)
        for week in range(_WEEKS):
            _decide(loop, week, digests.get(week))

    def _day(self, back: int, rows: int, predictions: list[Prediction], labels: list[Label]) -> None:
        """Make a day: the label of one in ten never comes, and the others' half by the reference."""
        rng = np.random.default_rng(back)
        start = END - back * _DAY
        columns = {
            name: _values(column, rng, rows, 1 - back / DAYS)
            for name, column in self.project.features.items()
        }
        chance = rng.beta(2, 5, rows)
        late = (rng.random(rows) < chance).tolist()
        version = 1 + max(week for week in _PROMOTED if week <= (DAYS - back) // 7)
        for i, row in enumerate(zip(*columns.values(), strict=True)):
            at = start + i * _DAY / rows
            each, reference = _id(at, back * rows + i), f"order-{back}-{i}"
            features = dict(zip(columns, row, strict=True))
            predictions.append(
                Prediction(each, features, at, at, (float(chance[i]),), version, reference, latency_s=0.0021)
            )
            if i % 10:
                known = min(at + timedelta(hours=5), END)
                key = (each, None) if i % 2 else (None, reference)
                labels.append(Label(each, late[i], known, known, "http", *key))


def _values(column: Column, rng: np.random.Generator, rows: int, share: float) -> list[Any]:
    if column.kind == "number":
        values = rng.normal(100 + 5 * share, 20, rows).round(2).astype(object)
        values[rng.random(rows) < 0.02] = None
        return values.tolist()
    if column.kind == "flag":
        return (rng.random(rows) < 0.2).tolist()
    return _CARRIERS[rng.zipf(1.6, rows) % len(_CARRIERS)].tolist()


def _pipeline(features: dict[str, Column]) -> object:
    texts = [name for name, column in features.items() if column.kind == "category"]
    numbers = [name for name in features if name not in texts]
    from sklearn.impute import SimpleImputer

    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), texts),
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
    )
    return make_pipeline(columns, LogisticRegression(max_iter=50))


def _set_aside(loop: Loop) -> None:
    reasons = [f"number_{i:03d} is too large" for i in range(8)] + ["the row is no JSON object"]
    some = [
        Rejected("row", '{"number_000": 1e99}', reasons[i * i % 9], "http", END - i * timedelta(hours=17))
        for i in range(500)
    ]
    loop.store.take_in(loop.project, Batch(rejected=some))


def _publish(loop: Loop) -> dict[int, str]:
    """Fit one model, and publish it as each version that was promoted; give their digests by week."""
    since = END - 40 * _DAY
    examples = query_examples(loop.store, loop.project, END, since, since + 20 * _DAY, 20_000)
    taught = examples.where(examples.labelled)
    estimator: Any = loop.project.build()
    estimator.fit(taught.features, encode_labels(loop.project, taught.labels))
    converted = convert(loop.project, estimator, taught.features)
    digests: dict[int, str] = {}
    for week in _PROMOTED:
        lineage = Lineage(
            recipe="none",
            snapshot_id=_digest(week),
            training_until=_of_week(week) - 14 * _DAY,
            as_of=_of_week(week),
            reason="on schedule",
            commit="unknown",
            lock_hash="unknown",
            journal_positions={},
            metrics={"neg_log_loss": -0.477, "roc_auc": 0.7356},
        )
        manifest = make_manifest(loop.project, converted, taught.features, lineage, 1 + week)
        folder = loop.settings.home / f"bundle-{week}"
        digests[week] = publish_signed(loop.settings, folder, converted.model, manifest)
        shutil.rmtree(folder)
    return digests


def _decide(loop: Loop, week: int, digest: str | None) -> None:
    """Decide about a version, put it into the ledger where it won, and note that a person asked."""
    at = _of_week(week)
    champion = loop.ledger.latest()
    promoted = digest is not None
    said = "the gain on log loss is +0.0210, 95% interval [+0.0100, +0.0330] over 14 days"
    decision = Decision(
        project=NAME,
        as_of=at,
        promote=promoted,
        reason="on schedule",
        asked_by="schedule",
        reasons=(said, "neg_log_loss -0.4770", "roc_auc 0.7356"),
        objections=() if promoted else (f"{said}: no proof that it is better than the champion",),
        version=week + 1,
        champion=None if champion is None else champion.version,
        snapshot_id=_digest(week),
        rows_train=24_120,
        rows_holdout=12_060,
        challenger_scores={"neg_log_loss": -0.4770, "roc_auc": 0.7356},
        champion_scores={"neg_log_loss": -0.4980, "roc_auc": 0.7142} if champion else None,
        gain=0.021 if champion else None,
        gain_low=0.010 if champion else None,
        gain_high=0.033 if champion else None,
        parity=0.99996,
        workers=2 if promoted else None,
    )
    save_decision(loop.store, decision, _digest(week))
    with loop.store.transaction() as connection:
        asked = audit.Change(what="retrain asked for", why="on schedule", project=NAME)
        audit.append(connection, asked)
    if promoted:
        entry = Promotion(
            kind="retrain",
            version=week + 1,
            digest=digest,
            reason="on schedule",
            as_of=at,
            snapshot_id=_digest(week),
            training_until=at - 14 * _DAY,
            snapshot_until=at,
            score=-0.477,
        )
        loop.ledger.confirm(loop.ledger.append(entry, champion).number, 2)


def _watch(loop: Loop, days: list[datetime]) -> None:
    """Watch the last day, and lay a report like it into the folder of every other day."""
    champion = loop.ledger.champion()
    assert champion is not None
    assessment = assess(loop, champion, days[-1], {})
    report(loop, assessment)
    told = report_folder(loop, days[-1])
    verdict = json.loads((told / "verdict.json").read_text())
    for back, at in enumerate(reversed(days[:-1]), 1):
        folder = report_folder(loop, at)
        folder.mkdir()
        for file in told.iterdir():
            if file.name != "verdict.json":
                os.link(file, folder / file.name)  # nothing in them is read as a list
        (folder / "verdict.json").write_text(json.dumps(_of_day(verdict, back, at), indent=1))


def _of_day(verdict: dict[str, Any], back: int, at: datetime) -> dict[str, Any]:
    """Say the same of another day, and other numbers."""
    rng = np.random.default_rng(back)
    shift = at - datetime.fromisoformat(verdict["as_of"])
    found = json.loads(json.dumps(verdict))
    found["as_of"] = at.isoformat()
    for window in found["windows"].values():
        for end, time in window.items():
            window[end] = (datetime.fromisoformat(time) + shift).isoformat()
    for finding in found["verdict"]["findings"]:
        finding["effect"] = float(rng.beta(1, 12))
        finding["p_value"] = float(rng.random())
    found["verdict"]["findings"].sort(key=lambda finding: -finding["effect"])
    if back % 30 == 0:
        found["verdict"]["drift"] = found["verdict"]["findings"][0]["drift"] = True
    for scores in (found["performance"]["scores"], found["served"]["scores"], found["frozen"]["scores"]):
        for name in scores:
            scores[name] += float(rng.normal(0, 0.01))
    return found


def _of_week(week: int) -> datetime:
    return END - (_WEEKS - week) * 7 * _DAY


def _digest(number: int) -> str:
    return f"{number + 1:064x}"


def _id(at: datetime, number: int) -> str:
    return uuid7(int(at.timestamp() * 1000), number.to_bytes(10, "big"))

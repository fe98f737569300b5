"""A training set frozen under the hash of its schema and record ids."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from data.examples import Examples
from data.records import new_id
from data.tables import microseconds
from keepfit.faults import reach
from keepfit.spec import Project


@dataclass(frozen=True)
class Snapshot:
    """What a model may learn from and be judged on, as it was known at `as_of`.

    The id depends on the content only: the same examples, weighing the same, have the same id on any
    day. `maturity` says what was left out or weighs more because labels wait; None where they do not.
    """

    snapshot_id: str
    as_of: datetime
    examples: Examples
    path: Path
    maturity: str | None = None


def freeze(examples: Examples, project: Project, as_of: datetime, folder: Path) -> Snapshot:
    """Name a training set and keep it as Parquet; the file is a cache and can be written again."""
    name = snapshot_id(examples, project)
    path = folder / f"{name}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        coming = folder / f".{new_id()}.parquet"
        try:
            reach("snapshot.write")
            pq.write_table(_table(examples, project), coming)
            reach("snapshot.rename")
            coming.replace(path)
        finally:
            coming.unlink(missing_ok=True)
    return Snapshot(name, as_of, examples, path)


def snapshot_id(examples: Examples, project: Project) -> str:
    """Hash the schema and the sorted ids of predictions and labels (SHA-256, hexadecimal).

    Where labels wait, what an example weighs and since when it is ripe belong to the content.
    """
    digest = hashlib.sha256(msgspec.json.encode([dict(project.features), project.target]))
    facts = examples.facts
    pairs = sorted(zip(facts["prediction_id"], facts["label_id"].fillna(""), strict=True))
    digest.update("".join(f"{prediction}\x1f{label}\x1e" for prediction, label in pairs).encode())
    if "ripe_at" in facts:
        ripe = zip(facts["prediction_id"], facts["weight"], facts["ripe_at"], strict=True)
        told = sorted((name, weight, microseconds(at.to_pydatetime())) for name, weight, at in ripe)
        digest.update("".join(f"{name}\x1f{weight!r}\x1f{at}\x1e" for name, weight, at in told).encode())
    return digest.hexdigest()


def _table(examples: Examples, project: Project) -> pa.Table:
    table = pa.Table.from_pandas(examples.facts, preserve_index=False)
    for name in project.features:
        # A feature may be called like a fact: its column says what it is.
        table = table.append_column(f"feature.{name}", pa.array(examples.features[name]))
    return table.append_column(f"label.{project.target.name}", pa.array(examples.labels.tolist()))

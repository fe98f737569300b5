"""The tables of the store: one per kind of record; a project's predictions have one of their own.

Times are whole microseconds since 1970 in UTC, which SQLite and PostgreSQL order and compare alike.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    TypeDecorator,
    event,
    types,
)
from sqlalchemy.dialects import postgresql

from keepfit.spec import Column as Feature
from keepfit.spec import is_storable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Compared and ordered by its bytes, as SQLite does, whatever language a PostgreSQL database speaks.
Text = types.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


class Words(TypeDecorator[str]):
    """Text for people that may come from anywhere: what a store cannot keep of it is written as its escape.

    So a torn line of a journal can be set aside whatever its bytes are. Keys and values are refused instead.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - as SQLAlchemy calls it
        """Write it as it is kept."""
        return None if value is None else as_kept(value)


def as_kept(words: str) -> str:
    """Write NULs, which PostgreSQL refuses, and halves of characters, which are no UTF-8, in ASCII."""
    if is_storable(words):
        return words
    return words.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


metadata = MetaData()

projects = Table(
    "projects",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)
features = Table(
    # Users' names are described here and never become SQL: a feature's column is called f<number>.
    "features",
    metadata,
    Column("project", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
)
labels = Table(
    # Of each project its own: two callers of two projects may use one idempotency key.
    "labels",
    metadata,
    Column("label_id", Text, primary_key=True),
    Column("project", Text, primary_key=True),
    Column("prediction_id", Text),
    Column("reference_id", Text),
    Column("label_number", Float),
    Column("label_text", Text),
    Column("observed_at", BigInteger, nullable=False),
    Column("known_at", BigInteger, nullable=False),
    Column("source", Words, nullable=False),
    Index("labels_by_prediction", "project", "prediction_id"),
    Index("labels_by_reference", "project", "reference_id"),
    Index("labels_by_known_at", "project", "known_at"),
)
quarantine = Table(
    "quarantine",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("project", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("content", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("source", Words, nullable=False),
    Column("known_at", BigInteger, nullable=False),
    Column("readmitted_at", BigInteger),
)
journal_offsets = Table(
    "journal_offsets",
    metadata,
    Column("project", Text, primary_key=True),
    Column("file", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
)
landed_files = Table(
    "landed_files",
    metadata,
    Column("project", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("name", Words, nullable=False),
    Column("known_at", BigInteger, nullable=False),
)
promotions = Table(
    # The primary key is the compare-and-set: only one entry can follow the one it was judged against.
    "promotions",
    metadata,
    Column("project", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("version", Integer),
    Column("digest", Text),
    Column("reason", Words, nullable=False),
    Column("snapshot_id", Text),
    Column("training_until", BigInteger),
    Column("snapshot_until", BigInteger),
    Column("score", Float),
    Column("as_of", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("workers", Integer),
)
decisions = Table(
    "decisions",
    metadata,
    Column("project", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("as_of", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("promoted", Integer, nullable=False),
    Column("content", Text, nullable=False),
)

audit = Table(
    # One chain for all projects: each entry has the hash of the one before it in its own.
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("project", Text),
    Column("who", Words, nullable=False),
    Column("what", Text, nullable=False),
    Column("why", Words, nullable=False),
    Column("before", Words),
    Column("after", Words),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
# A second lock, against slips: whoever may change tables can take it off, and then the chain tells.
_STAYS = "an entry of the audit log is neither changed nor removed"
_LOCKS = {
    "sqlite": [
        f"CREATE TRIGGER audit_no_{verb} BEFORE {verb} ON audit BEGIN SELECT RAISE(ABORT, '{_STAYS}'); END"
        for verb in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_STAYS}'; END $$",
        "CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_stays()",
    ],
}
for _dialect, _statements in _LOCKS.items():
    for _statement in _statements:
        event.listen(audit, "after_create", DDL(_statement).execute_if(dialect=_dialect))
holds = Table(
    # Nothing is deleted: what a hold covers waits from `since` on, for every as_of in [held_at, released_at).
    "holds",
    metadata,
    Column("project", Text, primary_key=True),
    Column("source", Words, primary_key=True),
    Column("held_at", BigInteger, primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("reason", Words, nullable=False),
    Column("released_at", BigInteger),
    Column("released_because", Words),
)
profiles = Table(
    # What predictions hold, counted when they came in: the segments of a day add up, whoever wrote them.
    "profiles",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("project", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("weight", Float, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("known_at", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("profiles_by_day", "project", "day"),
)
profiled = Table(
    # From which day on the profiles of a project are whole; what is older was never asked for.
    "profiled",
    metadata,
    Column("project", Text, primary_key=True),
    Column("format", Integer, nullable=False),
    Column("since_day", Integer, nullable=False),
)


def predictions_table(number: int, columns: Sequence[tuple[int, Feature]], outputs: int) -> Table:
    """Describe the table of one project's predictions; `columns` pairs each feature with its number."""
    name = f"predictions_{number}"
    return Table(
        name,
        MetaData(),
        Column("prediction_id", Text, primary_key=True),
        Column("reference_id", Text),
        Column("subject_id", Text),
        Column("predicted_at", BigInteger, nullable=False),
        Column("known_at", BigInteger, nullable=False),
        Column("version", Integer),
        Column("status", Integer),
        Column("latency_s", Float),
        Column("weight", Float, nullable=False, server_default="1"),
        Column("trace_id", Text),
        *(Column(f"output_{i}", Float) for i in range(outputs)),
        *(Column(f"f{n}", Text if storage(feature.kind) == "text" else Float) for n, feature in columns),
        Index(f"{name}_by_reference", "reference_id"),
        Index(f"{name}_by_predicted_at", "predicted_at"),
        Index(f"{name}_by_known_at", "known_at"),
    )


def storage(kind: str) -> str:
    """Say how a kind of feature is stored: flags are numbers."""
    return "text" if kind == "category" else "number"


def microseconds(time: datetime) -> int:
    """Turn an aware time into what the store keeps."""
    return (time - EPOCH) // timedelta(microseconds=1)


def as_time(stored: int) -> datetime:
    """Turn what the store keeps into a time in UTC."""
    return EPOCH + timedelta(microseconds=stored)

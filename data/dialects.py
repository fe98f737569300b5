"""What differs between the databases that the store can be: how to connect, begin, lock and insert.

How long each waits stands here, and nowhere else. A URL's own `connect_timeout` and `options` go first.
"""

import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DisconnectionError

from keepfit.errors import StateError

LOCK_S = 30
"""How long a writer waits for another one."""
POOL_S = 30
"""How long a thread waits for a connection that others of its process hold."""
CONNECT_S = 5
"""How long PostgreSQL may take to answer a connection, or a question whether it is still there."""
CONNECT_PAUSES_S = (0.5, 1.5)
"""The pauses before a connection to PostgreSQL is tried again: a restart takes about as long."""
STATEMENT_S = 120
"""How long PostgreSQL may work on one statement."""
IDLE_S = 60
"""After this long without a statement PostgreSQL ends a transaction, for it holds locks."""
TRANSACTION_S = 600
"""After this long the line to PostgreSQL is cut, whoever of the two it is that hangs."""

Row = tuple[Any, ...]
_SHAPE_LOCK = 0x6B656570666974  # "keepfit"
_CHAIN_LOCK = 0x6175646974  # "audit"
_READING: Mapping[str, Mapping[str, Any]] = {
    "sqlite": {"reading": True},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}


def connect(url: str, transaction_s: float = TRANSACTION_S) -> Engine:
    """Make the engine of a store; it connects at first use. Raises StateError for another database."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = URL.create("nothing")
    if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return _sqlite(parsed)
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        return _postgresql(parsed, transaction_s)
    kind = url.partition(":")[0]
    msg = f"KEEPFIT_DATABASE_URL={kind}:...: expected sqlite:///FILE or postgresql://USER@HOST/DATABASE"
    raise StateError(msg)


def place(engine: Engine) -> str:
    """Say where a store is, without what is secret."""
    host = {name: value for name, value in engine.url.query.items() if name == "host"}
    return engine.url.set(query=host).render_as_string(hide_password=True)


def reading(connection: Connection) -> Connection:
    """Make what follows on a connection one consistent state that waits for nobody who writes."""
    return connection.execution_options(**_READING[connection.dialect.name])


def streamed(connection: Connection, rows: int) -> dict[str, Any]:
    """Give the options of a query whose rows are not held all at once; SQLite holds none anyway."""
    return {} if connection.dialect.name == "sqlite" else {"yield_per": rows}


def lock_shape(connection: Connection) -> None:
    """Be the only one who makes tables, columns or numbers, until the end of this transaction.

    On SQLite every transaction that writes is alone already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_SHAPE_LOCK)))


def lock_chain(connection: Connection) -> None:
    """Be the only one who appends to the audit log, until the end of this transaction.

    The last lock that a transaction takes: who has it waits for nobody, so two never wait for each other.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_CHAIN_LOCK)))


def lock_table(connection: Connection, table: Table) -> None:
    """Let nobody else write to a table until the end of this transaction; who did is waited for."""
    if connection.dialect.name == "postgresql":
        quoted = connection.dialect.identifier_preparer.quote(table.name)
        connection.exec_driver_sql(f"LOCK TABLE {quoted} IN EXCLUSIVE MODE")


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Begin an insert that can say what happens `on_conflict`."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def insert_all(connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert rows as they came from a store, in as few steps as the database has for it."""
    quoted = connection.dialect.identifier_preparer.quote
    into = f"{quoted(table.name)} ({', '.join(map(quoted, names))})"
    if connection.dialect.name == "sqlite":
        places = ", ".join("?" * len(names))
        connection.exec_driver_sql(f"INSERT INTO {into} VALUES ({places})", list(rows))
        return
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    except connection.dialect.loaded_dbapi.Error as fault:
        msg = (
            f"the store at {place(connection.engine)} refuses rows of {table.name}: {fault}; nothing was kept"
        )
        raise StateError(msg) from fault


def continue_numbers(connection: Connection, table: Table) -> None:
    """Number what comes next after the rows that were put into a table with their numbers; SQLite does."""
    if connection.dialect.name == "postgresql" and "number" in table.columns:
        sequence = func.pg_get_serial_sequence(table.name, "number")  # null where callers number
        connection.execute(select(func.setval(sequence, func.max(table.c.number))).select_from(table))


def _sqlite(url: URL) -> Engine:
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_timeout=POOL_S)
    event.listen(engine, "connect", _make_durable)
    event.listen(engine, "begin", _begin_immediately)
    return engine


def _make_durable(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the driver's own objects
    connection.isolation_level = None  # we say BEGIN ourselves, see below
    connection.execute(f"PRAGMA busy_timeout={LOCK_S * 1000}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _begin_immediately(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail, not wait, when another writes between.
    reads = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _postgresql(url: URL, transaction_s: float) -> Engine:
    # READ COMMITTED, its default, is what our compare-and-sets are made for: a second writer waits for the
    # first one's row, then sees what it wrote and matches nothing. A stricter level would fail instead.
    limits = {
        "lock_timeout": LOCK_S,
        "statement_timeout": STATEMENT_S,
        "idle_in_transaction_session_timeout": IDLE_S,
    }
    options = [f"-c {name}={seconds}s" for name, seconds in limits.items()]
    given = {"application_name": "keepfit", "connect_timeout": CONNECT_S, **url.query}
    given["options"] = " ".join([*options, *[str(o) for o in (url.query.get("options"),) if o]])
    engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_timeout=POOL_S, connect_args=given)

    def connected(dialect: Any, _record: Any, args: Any, named: Any) -> Any:  # noqa: ANN401
        for pause in CONNECT_PAUSES_S:
            try:
                return dialect.connect(*args, **named)
            except dialect.loaded_dbapi.OperationalError:
                time.sleep(pause)
        return None  # the last try is SQLAlchemy's own, which names its failure

    def checked(connection: Any, record: Any, _proxy: Any) -> None:  # noqa: ANN401
        with suppress(KeyError):
            record.info.pop("cut").cancel()
        asked = _cut_after(CONNECT_S, connection)
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.OperationalError as fault:
            raise DisconnectionError from fault  # the pool opens another
        finally:
            asked.cancel()
        record.info["cut"] = _cut_after(transaction_s, connection)

    def returned(_connection: Any, record: Any) -> None:  # noqa: ANN401
        if (cut := record.info.pop("cut", None)) is not None:
            cut.cancel()

    event.listen(engine, "do_connect", connected)
    event.listen(engine, "checkout", checked)
    event.listen(engine, "checkin", returned)
    return engine


def _cut_after(seconds: float, connection: Any) -> threading.Timer:  # noqa: ANN401
    # The server's own time-outs are no help where the server itself hangs: libpq would wait for good.
    timer = threading.Timer(seconds, _cut, [connection.fileno()])
    timer.daemon = True
    timer.start()
    return timer


def _cut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as line:
        line.shutdown(socket.SHUT_RDWR)

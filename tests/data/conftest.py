"""The store of record on every database that it can be: what asks for a `store` runs on each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data.store import Store
from tests.databases import Postgres, Sqlite


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Sqlite | Postgres:
    return Sqlite() if request.param == "sqlite" else request.getfixturevalue("postgres")


@pytest.fixture
def store_url(database: Sqlite | Postgres, tmp_path: Path) -> str:
    """Where nothing is yet."""
    return database.fresh(tmp_path)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    made = Store(store_url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(database: Sqlite | Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that is made once: each try of a property has a project of its own in it."""
    made = Store(database.fresh(tmp_path_factory.mktemp("shared")))
    yield made
    made.close()

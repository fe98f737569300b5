"""A store that does not wait for the disk: what is tried here is who comes when, hundreds of times."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event

from data.store import Store


@pytest.fixture(scope="module")
def open_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Store]]:
    """Open the same store again, as another process does."""
    url = f"sqlite:///{tmp_path_factory.mktemp('laws') / 'store.db'}"
    opened: list[Store] = []

    def another() -> Store:
        opened.append(Store(url))
        event.listen(opened[-1].engine, "connect", _hasten)
        opened[-1].engine.dispose()  # what was connected before
        return opened[-1]

    yield another
    for store in opened:
        store.close()


def _hasten(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF")

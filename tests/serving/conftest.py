from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.running import Serve, Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two workers with a model; tests add to it and leave it serving."""
    made = Server(tmp_path_factory.mktemp("home"), replay=False)
    made.promote(1)
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start servers of one's own; they end with the test."""
    started: list[Server] = []

    def start(**changed: Any) -> Server:
        started.append(Server(tmp_path / f"home-{len(started)}", **changed))
        return started[-1].start()

    yield start
    for each in started:
        each.stop()

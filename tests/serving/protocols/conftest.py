from collections.abc import Iterator

import pytest

from tests.serving.running import Server


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one worker whose model says yes with 0.7."""
    made = Server(tmp_path_factory.mktemp("home"), workers=1)
    made.promote(700, kind="binary")
    made.start()
    yield made
    assert made.stop() == 0

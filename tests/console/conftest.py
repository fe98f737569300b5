from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.console.opening import opened
from tests.console.years import Year


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    """A year of a loop; nothing in it is changed."""
    made = Year(tmp_path_factory.mktemp("year")).live()
    return made.set_aside("distance: expected a number between 0 and 5000, got 9000")


@pytest.fixture(scope="module")
def console(year: Year) -> Iterator[httpx.Client]:
    with opened(year) as client:
        yield client


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[httpx.Client]:
    """The console of a home in which nothing ever happened."""
    with opened(Year(tmp_path)) as client:
        yield client

from collections.abc import Iterator

import pytest

from control.stack import Stack
from keepfit.loading import DEFAULT, absolute
from keepfit.settings import Settings
from tests.control.little import free_port


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home and ports of our own."""
    return Settings(
        home=tmp_path_factory.mktemp("home"),
        serving_port=free_port(),
        prefect_port=free_port(),
        mlflow_port=free_port(),
    )


@pytest.fixture(scope="session")
def real_stack(settings: Settings) -> Iterator[Stack]:
    """Everything that `bin/keepfit up` starts, once a session: it takes half a minute."""
    with Stack(settings, absolute(DEFAULT), "flights", say=lambda _: None) as stack:
        yield stack

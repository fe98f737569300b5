from collections.abc import Iterator
from pathlib import Path

import pytest

from control.services import environment
from control.stack import Stack
from keepfit.settings import Settings
from tests.conftest import NAME
from tests.e2e.worlds import World, world_on


@pytest.fixture(scope="module")
def on_stack(
    real_stack: Stack,  # noqa: ARG001 - it has to be up
    settings: Settings,
    stack_project: str,
) -> Iterator[Settings]:
    """Make this process, and what a test starts, a part of the stack, as `bin/keepfit retrain` is one."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(settings, stack_project, NAME).items():
            patch.setenv(name, value)
        # Not above: this module is imported before Prefect's environment is set.
        from prefect.logging.handlers import APILogWorker
        from prefect.settings import get_current_settings

        assert get_current_settings().api.url == f"{settings.prefect_url}/api"
        yield settings
        APILogWorker.drain_all(timeout=10)  # what the flows said goes to the server before that is gone


@pytest.fixture
def world(on_stack: Settings, tmp_path: Path) -> Iterator[World]:
    """A project of one's own, without a model, that two workers serve."""
    with world_on(on_stack, tmp_path, "multiclass") as made:
        yield made


@pytest.fixture
def unserved(on_stack: Settings, tmp_path: Path) -> Iterator[World]:
    """A project of one's own that nobody serves."""
    with world_on(on_stack, tmp_path, "regression", served=False) as made:
        yield made

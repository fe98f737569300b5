"""What the whole session shares: one real stack, and the environment that Prefect reads as it is imported."""

import os
import random
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

from control.services import environment
from control.stack import Stack
from keepfit.settings import ROOT, Settings

if TYPE_CHECKING:
    from tests.databases import Postgres

_SETTINGS = pytest.StashKey[Settings]()
_OURS = ("KEEPFIT_", "PYTHONPATH")
_ON_STACK = re.compile(r"\b(real_stack|on_stack|unserved|world: World)\b")
"""The fixtures that bring the stack."""

NAME = "parcels"
"""The project of the stack; its deployments run on their schedules, so tests of theirs bring their own."""


def pytest_configure(config: pytest.Config) -> None:
    """Choose the stack's home and ports before a test module is imported, and tell Prefect and MLflow."""
    # On a busy machine an example takes as long as it takes: no test asserts a speed.
    hypothesis.settings.register_profile("patient", deadline=None)
    hypothesis.settings.load_profile("patient")
    prefect, mlflow, serving, console = _quiet_ports(4)
    settings = Settings(
        home=Path(tempfile.mkdtemp(prefix="keepfit-tests-")),
        prefect_port=prefect,
        mlflow_port=mlflow,
        serving_port=serving,
        console_port=console,
        project_name=NAME,
        replay=True,
    )
    config.stash[_SETTINGS] = settings
    told = environment(settings, str(settings.home), NAME)
    # Only what libraries read: no test of ours may depend on a KEEPFIT_ variable that it did not set.
    os.environ.update({name: value for name, value in told.items() if not name.startswith(_OURS)})
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "WARNING"
    # Steps are also tried outside of a flow: then their lines go nowhere, without a warning.
    os.environ["PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW"] = "ignore"


class OneStack(LoadFileScheduling):
    """Sends each file to one process, and all files that need the stack to the same: it is started once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "the stack" if _needs_stack(file) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneStack | None:
    """Schedule for several processes, where files are what is dealt out."""
    return OneStack(config, log) if config.getvalue("dist") == "loadfile" else None


@cache
def _needs_stack(file: str) -> bool:
    return _ON_STACK.search((ROOT / file).read_text(encoding="utf-8")) is not None


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the stack's home, with its logs, only where something failed."""
    home = session.config.stash[_SETTINGS].home
    if exitstatus == pytest.ExitCode.OK or not (home / "logs").exists():
        shutil.rmtree(home, ignore_errors=True)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    home = config.stash[_SETTINGS].home
    if exitstatus == pytest.ExitCode.TESTS_FAILED and home.exists():
        terminalreporter.write_line(f"the stack's home, with its logs: {home}")


@pytest.fixture(scope="session")
def postgres() -> Iterator["Postgres"]:
    """A real PostgreSQL, once a session and test process: it takes a second."""
    from tests.databases import running_postgres  # SQLAlchemy, which many tests need not wait for

    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def settings(request: pytest.FixtureRequest) -> Settings:
    """The home and the ports of the stack, which need not be up."""
    return request.config.stash[_SETTINGS]


@pytest.fixture(scope="session")
def stack_project(settings: Settings) -> str:
    """The file of the stack's project."""
    from tests.e2e.worlds import write_project  # pandas, which most tests need not wait for

    return write_project(settings.home / "projects", NAME, "multiclass")


@pytest.fixture(scope="session")
def real_stack(settings: Settings, stack_project: str) -> Iterator[Stack]:
    """Everything that `bin/keepfit up` starts, once a test process: it takes half a minute."""
    with Stack(settings, stack_project, NAME, say=lambda _: None) as stack:
        yield stack


def _quiet_ports(count: int) -> list[int]:
    """Find free ports that the kernel gives to nobody by itself: it may be minutes until they are used."""
    found: list[int] = []
    for port in random.sample(range(20_000, 32_000), 200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
        if len(found) == count:
            break
    return found

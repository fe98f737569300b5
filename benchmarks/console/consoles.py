"""A console of a year's history, and nothing else of the stack."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

from benchmarks.console.history import Year
from benchmarks.servers import Command, Served, free_port, running
from keepfit.settings import inherited_environment


@contextmanager
def console_on(year: Year, prefect_port: int = 1) -> Generator[Served]:
    """Run a console of the year; nobody listens where it looks for Prefect."""
    port = free_port()
    settings = replace(year.settings, console_port=port, prefect_port=prefect_port)
    environment = inherited_environment() | settings.environment()
    words = (sys.executable, "-m", "monitoring.console")
    command = Command("console", port, words, "/health/live", year.home / "console.log", environment)
    with running(command) as served:
        yield served


def at(served: Served) -> str:
    """Give the address of a server."""
    return f"http://127.0.0.1:{served.port}"

"""A console that answers, in a thread of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import uvicorn

from keepfit.settings import Settings
from monitoring.console.site import make_site
from tests.console.years import Year


@contextmanager
def console_on(settings: Settings) -> Iterator[str]:
    """Serve a console on a port that is free, and say where."""
    with socket.create_server((settings.host, 0)) as listening:
        here = replace(settings, console_port=listening.getsockname()[1])
        config = uvicorn.Config(make_site(here), log_level="error", access_log=False, lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield here.console_url
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def opened(year: Year) -> Iterator[httpx.Client]:
    """Open the console on a home, as a program does."""
    with console_on(year.settings) as url, httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        yield client

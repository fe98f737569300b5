import logging
import socket
import time

import pytest
from prefect.settings import (
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)

from flows.steps import leave_page
from tests.control.little import free_port

pytestmark = pytest.mark.filterwarnings("ignore:Artifact creation outside of a flow:FutureWarning")


def test_a_page_for_a_server_that_is_gone_is_said_and_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        leave_page("my_parcels-decision", "promoted")
    assert "the page my_parcels-decision was not left with Prefect" in caplog.text


def test_a_page_for_a_server_that_hangs_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=20) as silent:
        there = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        patience = {PREFECT_API_REQUEST_TIMEOUT: 0.3, PREFECT_CLIENT_MAX_RETRIES: 0}
        began = time.monotonic()
        with temporary_settings({PREFECT_API_URL: there, **patience}), caplog.at_level(logging.WARNING):
            leave_page("parcels-decision", "promoted")
    assert time.monotonic() - began < 10
    assert "was not left with Prefect" in caplog.text

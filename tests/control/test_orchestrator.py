import socket

import pytest
from prefect.settings import (
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)

from control.orchestrator import paused
from keepfit.errors import ServiceUnavailable


def test_schedules_are_not_held_by_a_prefect_that_hangs_and_that_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=20) as silent:
        there = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        patience = {PREFECT_API_REQUEST_TIMEOUT: 0.3, PREFECT_CLIENT_MAX_RETRIES: 0}
        with (
            temporary_settings({PREFECT_API_URL: there, **patience}),
            pytest.raises(ServiceUnavailable, match=r"Prefect does not answer: .*nothing of parcels"),
            paused("parcels"),
        ):
            pytest.fail("it went on")

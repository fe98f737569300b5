import socket

import pytest
from prefect import flow
from prefect.settings import (
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)

from control.orchestrator import answering, paused
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


def test_a_flow_whose_prefect_goes_away_as_it_begins_ends_in_a_sentence() -> None:
    @flow
    def nothing() -> None: ...

    with socket.create_server(("127.0.0.1", 0)) as gone:
        there = f"http://127.0.0.1:{gone.getsockname()[1]}/api"
    with (
        temporary_settings({PREFECT_API_URL: there, PREFECT_CLIENT_MAX_RETRIES: 0}),
        pytest.raises(ServiceUnavailable, match=r"Prefect does not answer: .*; run it again"),
        answering("run it again"),
    ):
        nothing()


def test_an_error_of_a_flow_is_not_taken_for_a_prefect_that_is_away() -> None:
    with pytest.raises(RuntimeError, match="a bug"), answering("run it again"):
        raise RuntimeError("a bug")

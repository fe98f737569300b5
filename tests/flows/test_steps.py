import logging
import re
import socket
import time

import pytest
from prefect.settings import (
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)

from data.decisions import Decision
from flows.retrain import page
from flows.steps import leave_page, plain
from monitoring.console.reading.flowruns import FlowRuns
from tests.console.hostile import prefect_saying
from tests.console.payloads import PAYLOADS
from tests.control.little import free_port
from tests.making import NOON

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


def test_no_text_of_a_decision_is_markup_in_its_page() -> None:
    for text in PAYLOADS:
        scores = {text: 0.5}
        decision = Decision(
            project="made",
            as_of=NOON,
            promote=False,
            reason=text,
            objections=(text,),
            challenger_scores=scores,
        )
        # What is not escaped opens no element, link, image, code, table, heading or address.
        bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", page(decision)).split("\n")
        told = "\n".join(bare)
        assert not re.search(r"[<>\[\]`*]|://|www\.", told), text
        assert told.count("#") == 2
        assert len(bare) == 9


def test_the_console_reads_back_what_a_page_is_described_by() -> None:
    texts = [text for text in PAYLOADS if "\n" not in text]
    with prefect_saying([plain(text) for text in texts]) as port:
        assert FlowRuns(f"http://127.0.0.1:{port}", "made").said("1") == texts

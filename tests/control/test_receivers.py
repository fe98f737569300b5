"""Why a notice did not arrive, in words that hold no address: of a webhook it is the secret."""

from http.server import BaseHTTPRequestHandler

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock

from control import receivers
from monitoring.notices import Notice
from tests.console.hostile import serving

NOTICE = Notice("made: drift", "A column drifted.", "/")


class Gone(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def sent(url: str, headers: dict[str, str] | None = None) -> str:
    body = {"text": "{{body}}"}
    block = CustomWebhookNotificationBlock(
        name="pager",
        url=url,
        json_data=body,
        headers=headers,  # pyright: ignore[reportArgumentType]
        cookies=None,
    )
    return receivers.send(block, NOTICE, "http://127.0.0.1:8400") or ""


def test_a_webhook_that_is_gone_is_told_by_its_status_alone() -> None:
    with serving(Gone) as port:
        said = sent(f"http://127.0.0.1:{port}/hooks/SECRET")
    assert "404" in said
    assert "SECRET" not in said


def test_what_cannot_be_sent_is_not_quoted() -> None:
    assert "SECRET" not in sent("http://127.0.0.1:9/", {"Authorization": "SECRET\n"})


@pytest.mark.parametrize("address", ["http://SECRET@127.0.0.1:port/", "SECRET://host/"])
def test_an_address_that_is_none_is_not_quoted(address: str) -> None:
    said = sent(address)
    assert said
    assert "SECRET" not in said

"""Who is told what: by real blocks and automations of a real Prefect, into real receivers."""

import io
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook

from control import notifying, receivers
from data.records import now
from flows.news import tell
from keepfit.errors import ReceiverUnknown
from keepfit.settings import Settings
from monitoring.console.reading.flowruns import FlowRuns
from monitoring.notices import Notice, inert
from tests.conftest import NAME
from tests.e2e.receiving import mailbox, slack, webhook
from tests.e2e.worlds import eventually
from tests.making import loop as made_loop
from tests.making import project

pytestmark = [
    pytest.mark.long,
    pytest.mark.e2e,
    # Apprise imports it to know pictures.
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

DRIFTED = "2 of 2 columns drifted: <!channel>, <@U024|x> https://evil.example."
NOTICE = Notice(f"{NAME}: drift", inert(DRIFTED), "/reports/2026-03-15T000000Z")


@pytest.fixture(autouse=True)
def nobody_told(on_stack: Settings) -> Iterator[None]:
    """Leave nobody behind who is told."""
    yield
    receivers.tell(NAME, on_stack.console_url, [])


def add(monkeypatch: pytest.MonkeyPatch, where: str, name: str, address: str = "") -> Any:
    """Add a receiver as a person does who pipes the address."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{address}\n"))
    return notifying.added(where, name)


def happen(settings: Settings, tmp_path: Path, **ago: float) -> None:
    """Let a flow of the stack's project have something to tell, known as long ago."""
    here = made_loop(tmp_path, project(name=NAME), console_port=settings.console_port)
    tell(here, NOTICE, now() - timedelta(**ago))
    here.store.close()


def test_whoever_is_added_is_tried_and_then_told_with_the_sentence_and_the_link(
    on_stack: Settings, stack_project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook() as (address, posted), mailbox() as (mail_address, mails):
        assert add(monkeypatch, stack_project, "on-call", address).ok
        assert add(monkeypatch, stack_project, "team", mail_address).ok
        assert [each["title"] for each in posted] == [f"{NAME}: a trial"]
        happen(on_stack, tmp_path)
        eventually(lambda: len(posted) == 2 and len(mails) == 2)
        link = f"{on_stack.console_url}{NOTICE.path}"
        assert (posted[1]["title"], posted[1]["message"]) == (NOTICE.subject, f"{NOTICE.sentence}\n\n{link}")
        assert f"Subject: {NAME}: drift" in mails[1]
        assert link in mails[1].replace("=\r\n", "").replace("=3D", "=")
        eventually(lambda: all(each.last for each in receivers.receivers(NAME)))
        assert all(
            line.partition(": ")[2].startswith("told ") for line in notifying.listed(stack_project).lines
        )


def test_what_was_known_days_ago_is_told_to_nobody(
    on_stack: Settings, stack_project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook() as (address, posted):
        add(monkeypatch, stack_project, "on-call", address)
        happen(on_stack, tmp_path, days=300)
        happen(on_stack, tmp_path)
        eventually(lambda: len(posted) == 2)
        assert [each["title"] for each in posted] == [f"{NAME}: a trial", NOTICE.subject]


def test_a_flow_that_dies_and_dies_again_is_told_once_with_the_page_of_its_run(
    on_stack: Settings, stack_project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        webhook() as (address, posted),
        httpx.Client(base_url=f"{on_stack.prefect_url}/api", timeout=30) as prefect,
    ):
        add(monkeypatch, stack_project, "on-call", address)
        died = [_die(prefect, f"watch/{NAME}-watch") for _ in range(2)]
        _die(prefect, f"retrain/{NAME}-retrain")
        eventually(lambda: len(posted) == 3)
        assert [each["title"] for each in posted[1:]] == [f"{NAME}: watch failed", f"{NAME}: retrain failed"]
        assert posted[1]["message"].endswith(f"{on_stack.console_url}/runs/{died[0]}")


def test_a_receiver_that_went_away_is_seen_in_the_list_and_on_the_consoles_first_page(
    on_stack: Settings, stack_project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook() as (address, _):
        add(monkeypatch, stack_project, "on-call", address)
    happen(on_stack, tmp_path)
    eventually(lambda: not notifying.listed(stack_project).ok)
    (line,) = notifying.listed(stack_project).lines
    assert line.startswith("apprise-address/on-call: the last notice, ")
    assert "did not arrive: A Connection error occurred" in line
    seen = FlowRuns(on_stack.prefect_url, NAME)
    assert list(seen.latest().untold) == ["on-call"]
    seen.close()


def test_an_address_that_takes_nothing_is_not_told(
    stack_project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address, why in (
        ("json://127.0.0.1:9/", "Connection error"),
        ("nonsense", "none that Apprise knows"),
    ):
        refused = add(monkeypatch, stack_project, "on-call", address)
        assert not refused.ok
        assert why in refused.text()
    assert notifying.listed(stack_project).text().startswith("nobody is told; ")


def test_a_block_that_is_saved_in_prefect_is_told_by_its_name_until_it_is_removed(
    on_stack: Settings, stack_project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook() as (address, posted):
        template = {"text": "{{subject}}\n{{body}}"}
        url = address.replace("json:", "http:")
        pager = CustomWebhookNotificationBlock(
            name="pager", url=url, json_data=template, headers=None, cookies=None
        )
        pager.save("pager")
        assert add(monkeypatch, stack_project, "custom-webhook/pager").ok
        happen(on_stack, tmp_path)
        eventually(lambda: len(posted) == 2)
        assert posted[1]["text"].startswith(NOTICE.subject)
        notifying.removed(stack_project, "custom-webhook/pager")
        with pytest.raises(ReceiverUnknown, match="custom-webhook/pager is not told"):
            notifying.removed(stack_project, "custom-webhook/pager")


def test_what_slack_is_sent_holds_no_mention(
    on_stack: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = SlackWebhook(url="https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7AB")  # pyright: ignore[reportArgumentType]
    with slack(tmp_path) as (port, authority, came):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        assert receivers.send(block, NOTICE, on_stack.console_url) is None
    (sent,) = came[0]["attachments"]
    assert sent["title"] == NOTICE.subject
    # Slack reads mentions and links in angle brackets, and addresses.
    assert not re.search(r"[<>@]|&lt;", sent["text"])
    assert re.findall(r"\w+://\S+", sent["text"]) == [f"{on_stack.console_url}{NOTICE.path}"]


def _die(prefect: httpx.Client, deployment: str) -> str:
    """Let a run of a deployment die, as Prefect notes it of one whose machine went away."""
    number = prefect.get(f"/deployments/name/{deployment}").raise_for_status().json()["id"]
    later = {
        "type": "SCHEDULED",
        "state_details": {"scheduled_time": (now() + timedelta(days=2)).isoformat()},
    }
    path = f"/deployments/{number}/create_flow_run"
    run = _asked(prefect, path, {"state": later})["id"]
    died = {"state": {"type": "CRASHED", "name": "Crashed"}, "force": True}
    _asked(prefect, f"/flow_runs/{run}/set_state", died)
    return run


def _asked(prefect: httpx.Client, path: str, wanted: Any) -> Any:
    """Ask again while its database is busy."""
    answers: list[httpx.Response] = []
    eventually(lambda: answers.append(prefect.post(path, json=wanted)) or answers[-1].status_code != 503)
    return answers[-1].raise_for_status().json()

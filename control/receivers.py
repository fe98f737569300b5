"""Who is told of notices, and by what: blocks and automations of Prefect, whose server sends them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

import httpx
from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.actions import SendNotification
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger
from prefect.exceptions import ObjectNotFound

from control.addresses import AppriseAddress
from keepfit.errors import ReceiverUnknown
from monitoring.console.reading.flowruns import FLOWS
from monitoring.notices import NOT_SENT, NOTICE, SENT, Notice, automations

_ENDED = ("prefect.flow-run.Failed", "prefect.flow-run.Crashed")
_QUIET = timedelta(days=1)
"""A flow that fails again and again is told of once in that time: feedback runs every five minutes."""
_LAST = 50
"""Prefect gives no more events at once."""
_LEVEL = re.compile(r"^\[[A-Z]+\]: ")
_ADDRESS = re.compile(r"\S+://\S+")
"""Of a webhook it is the secret, and what failed may quote it."""
_UNREADABLE = "There are no service(s) to notify"


@dataclass(frozen=True)
class Receiver:
    """A saved block that notices are sent by, and what became of the last one; None: there was none."""

    name: str
    block: UUID
    last: datetime | None = None
    failed: str | None = None


def found(name: str) -> tuple[NotificationBlock, UUID]:
    """Find a block that is saved in Prefect, as `slack-webhook/on-call`; ours also by its name alone."""
    kind, _, own = name.rpartition("/")
    kind = kind or AppriseAddress.get_block_type_slug()
    with get_client(sync_client=True) as client:
        try:
            document = client.read_block_document_by_name(own, kind)
        except ObjectNotFound:
            msg = f"Prefect has no block {kind}/{own}; save one on its page Blocks, or add an address"
            raise ReceiverUnknown(msg) from None
    # Prefect's functions return a coroutine where a loop runs, and here none does.
    block = cast("NotificationBlock", Block.load(f"{kind}/{own}", validate=False))
    if "notify" not in block.get_block_capabilities():
        msg = f"the block {kind}/{own} sends no notifications; name one that does, such as a Slack Webhook"
        raise ReceiverUnknown(msg)
    return block, document.id


def addressed(url: str) -> AppriseAddress:
    """Make a block of an address, which is not saved."""
    return AppriseAddress(url=url)  # pyright: ignore[reportArgumentType] - pydantic makes it a secret


def save(block: AppriseAddress, name: str) -> UUID:
    """Save a block in Prefect, in place of one that has its name."""
    return cast("UUID", block.save(name, overwrite=True))


def send(block: NotificationBlock, notice: Notice, console: str) -> str | None:
    """Send a notice now; return why it did not arrive, or None where whoever takes it has it."""
    try:
        with block.raise_on_failure():
            _ = block.notify(body=notice.body(console), subject=notice.subject)
    except NotificationError as fault:
        return _reason(fault.log)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as fault:
        # Of a header that cannot be sent it quotes the value.
        said = "" if isinstance(fault, httpx.ProtocolError) else str(fault)
        return _ADDRESS.sub("its address", said.partition("\n")[0]) or type(fault).__name__
    return None


def receivers(project: str) -> list[Receiver]:
    """Return whom Prefect tells of this project, with what became of the last notice to each."""
    with get_client(sync_client=True) as client:
        made = _automations(client, project)
        blocks = _blocks(made[0]) if made else []
        if not blocks:
            return []
        sent = _last(client, made)
        return [Receiver(_name(client, block), block, *sent.get(block, (None, None))) for block in blocks]


def tell(project: str, console: str, blocks: Sequence[UUID]) -> None:
    """Tell these from now on, and nobody else; `console` is where its links lead."""
    with get_client(sync_client=True) as client:
        made = {each.name: each for each in _automations(client, project)}
        for wanted in _wanted(project, console, blocks):
            kept = made.pop(wanted.name, None)
            if kept is None:
                client.create_automation(wanted)
            elif kept.actions != wanted.actions:
                # All of it, or Prefect leaves out what was not said here; and as it is switched.
                told = {**wanted.model_dump(exclude={"owner_resource"}), "enabled": kept.enabled}
                client.update_automation(kept.id, AutomationCore.model_validate(told))
        for left in made.values():
            client.delete_automation(left.id)


def refresh(project: str, console: str) -> None:
    """Let the links of what is sent lead to where the console is now."""
    with get_client(sync_client=True) as client:
        made = _automations(client, project)
    if made:
        tell(project, console, _blocks(made[0]))


def _wanted(project: str, console: str, blocks: Sequence[UUID]) -> list[AutomationCore]:
    if not blocks:
        return []
    told = EventTrigger(expect={NOTICE}, match={"prefect.resource.id": f"keepfit.project.{project}"})
    ended = EventTrigger(
        expect=set(_ENDED),
        match_related={
            "prefect.resource.role": "deployment",
            "prefect.resource.name": [f"{project}-{flow}" for flow in FLOWS],
        },
        for_each={"related:deployment:prefect.resource.name"},
        within=_QUIET,
    )
    body = (
        "Its log says why. If it fails again within a day, you are not told again.\n\n"
        f"{console}/runs/{{{{ flow_run.id }}}}"
    )
    names = automations(project)
    return [
        AutomationCore(
            name=name,
            description=f"Made by bin/keepfit notify: {about}.",
            trigger=trigger,
            actions=[
                SendNotification(block_document_id=block, subject=subject, body=text) for block in blocks
            ],
        )
        for name, about, trigger, subject, text in (
            (names[0], "what watch, retrain and rollback tell", told, _of("subject"), _of("body")),
            (names[1], "flows that fail", ended, f"{project}: {{{{ flow.name }}}} failed", body),
        )
    ]


def _of(key: str) -> str:
    return f"{{{{ event.payload.{key} }}}}"


def _automations(client: SyncPrefectClient, project: str) -> list[Automation]:
    return [each for name in automations(project) for each in client.read_automations_by_name(name)]


def _blocks(made: AutomationCore) -> list[UUID]:
    return [each.block_document_id for each in made.actions if isinstance(each, SendNotification)]


def _name(client: SyncPrefectClient, block: UUID) -> str:
    try:
        document = client.read_block_document(block, include_secrets=False)
    except ObjectNotFound:
        return f"a block that is gone ({block})"
    return (
        f"{document.block_type_name or ''}: {document.name}"
        if document.block_type is None
        else (f"{document.block_type.slug}/{document.name}")
    )


def _last(client: SyncPrefectClient, made: Sequence[Automation]) -> dict[UUID, tuple[datetime, str | None]]:
    """Find what became of the last notice to each block, by what Prefect noted."""
    wanted = EventFilter(
        event=EventNameFilter(name=[SENT, NOT_SENT]),
        resource=EventResourceFilter(id=[f"prefect.automation.{each.id}" for each in made]),
    )
    last: dict[UUID, tuple[datetime, str | None]] = {}
    for event in client.read_events(wanted, limit=_LAST).events:
        named = [r.id.removeprefix("prefect.block-document.") for r in event.related if r.role == "block"]
        if named and (block := UUID(named[0])) not in last:
            log = str(event.payload.get("notification_log") or event.payload.get("reason") or "it failed")
            last[block] = (event.occurred, _reason(log) if event.event == NOT_SENT else None)
    return last


def _reason(log: str) -> str:
    """Take from the lines that Apprise wrote the last, which says what went wrong; never an address."""
    said = [_LEVEL.sub("", line).strip() for line in log.splitlines() if line.strip()]
    if not said or _UNREADABLE in said[-1]:
        return "its address is none that Apprise knows; see https://appriseit.com/services"
    return _ADDRESS.sub("its address", said[-1]).removesuffix(".")

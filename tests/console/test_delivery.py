"""Who did not get the last notice, by what Prefect noted."""

from typing import Any

import msgspec

from monitoring.console.reading.delivery import undelivered
from monitoring.notices import NOT_SENT, SENT

ONE, OTHER = "prefect.block-document.1", "prefect.block-document.2"


def noted(event: str, block: str, name: str) -> dict[str, Any]:
    about = {"prefect.resource.id": block, "prefect.resource.role": "block", "prefect.resource.name": name}
    return {"event": event, "related": [about]}


def seen(*newest_first: dict[str, Any]) -> list[str]:
    """Ask a Prefect that tells two blocks, and noted these events."""

    def ask(_method: str, path: str, wanted: Any, _given: object) -> Any:
        made = [{"id": "a", "actions": [{"block_document_id": "1"}, {"block_document_id": "2"}]}]
        return msgspec.convert(made if "automations" in path else {"events": newest_first}, wanted)

    return undelivered(ask, "made")


def test_only_the_last_notice_to_each_counts() -> None:
    assert seen(noted(SENT, ONE, "on-call"), noted(NOT_SENT, ONE, "on-call")) == []
    assert seen(noted(NOT_SENT, ONE, "on-call"), noted(SENT, ONE, "on-call")) == ["on-call"]


def test_one_that_failed_is_not_hidden_by_another_of_its_name() -> None:
    assert seen(noted(SENT, ONE, "on-call"), noted(NOT_SENT, OTHER, "on-call")) == ["on-call"]

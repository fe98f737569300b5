"""Steps as Prefect tasks: seen and timed in its pages, never cached or stored by it."""

import logging
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import httpx
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException

from data.audit import oneself

_log = logging.getLogger(__name__)

_OURS = ("keepfit", "data", "monitoring", "tasks", "flows")

# What Markdown, or the HTML in it, reads as more than text; of `:` and `.` what makes an address.
_READ = re.compile(r"[<>&\[\]!*_~|#\\`]|:(?=//)|(?<=www)\.|[\r\n]+")

P = ParamSpec("P")
R = TypeVar("R")


def step(work: Callable[P, R]) -> Callable[P, R]:
    """Run one step as a task; what makes it safe to repeat is its own, not Prefect's."""
    for name in _OURS:
        # Prefect gives these its handler (PREFECT_LOGGING_EXTRA_LOGGERS), and not its level.
        logging.getLogger(name).setLevel(logging.INFO)
    _log.info("%s", work.__name__.replace("_", " "))
    # Results are models and data frames: hashing or storing them would cost more than the step.
    return task(cache_policy=NO_CACHE, persist_result=False)(work)


def started_by() -> str:
    """Say for the audit log in whose name a flow runs: which user, in which run, and what started that.

    Prefect knows it of a schedule and of an automation. Of a run that somebody started through a deployment
    it does not; where that was the console, its own entry names the run and who asked for it.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return oneself()
    run = context.flow_run
    where = f"{oneself()} in {context.flow.name if context.flow else 'flow'} run {run.id}"
    if run.created_by is not None and run.created_by.type is not None:
        return f"{where}, started by {run.created_by.type.lower()} {run.created_by.display_value or ''}"
    return f"{where}, started through its deployment" if run.deployment_id is not None else where


def leave_page(key: str, page: str, description: str = "") -> None:
    """Leave a page of Markdown among Prefect's artifacts, with a description that is text.

    A server that is away costs the page, not what it tells of.
    """
    try:
        # An artifact's key has no underscore. Prefect shows a description as Markdown too.
        create_markdown_artifact(page, key=key.replace("_", "-"), description=plain(description))
    except (httpx.HTTPError, PrefectException) as fault:
        _log.warning("the page %s was not left with Prefect: %s", key, fault or type(fault).__name__)


def plain(text: str) -> str:
    """Write a text for Markdown so that it is shown, and nothing in it is fetched, followed or laid out."""
    return _READ.sub(lambda found: " " if found[0].isspace() else f"\\{found[0]}", text)

"""Steps as Prefect tasks: seen and timed in its pages, never cached or stored by it."""

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import httpx
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import PrefectException

_log = logging.getLogger(__name__)

_OURS = ("keepfit", "data", "monitoring", "tasks", "flows")

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


def leave_page(key: str, page: str, description: str = "") -> None:
    """Leave a page among Prefect's artifacts; a server that is away costs the page, not what it tells of."""
    try:
        # An artifact's key has no underscore.
        create_markdown_artifact(page, key=key.replace("_", "-"), description=description)
    except (httpx.HTTPError, PrefectException) as fault:
        _log.warning("the page %s was not left with Prefect: %s", key, fault or type(fault).__name__)

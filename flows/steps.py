"""Steps as Prefect tasks: seen and timed in its pages, never cached or stored by it."""

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def step(work: Callable[P, R]) -> Callable[P, R]:
    """Run one step as a task; what makes it safe to repeat is its own, not Prefect's."""
    _log.info("%s", work.__name__.replace("_", " "))
    # Results are models and data frames: hashing or storing them would cost more than the step.
    return task(cache_policy=NO_CACHE, persist_result=False)(work)


def artifact_key(name: str) -> str:
    """Name a project as Prefect's artifacts may be called: without an underscore."""
    return name.replace("_", "-")

"""Prefect as seen from the command line: is it up, run against it, and pause what it starts by itself."""

import asyncio
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

from control.services import answers, environment, signed_in
from data.records import now
from keepfit.errors import ServiceUnavailable
from keepfit.settings import Settings
from keepfit.tls import client_context

T = TypeVar("T")

_ATTEMPTS = 5
_AWAY_S = 120.0
_POLL_S = 0.25


def require_prefect(settings: Settings) -> None:
    """Raise ServiceUnavailable when no Prefect server answers."""
    if not answers(f"{settings.prefect_url}/api/health", client_context(settings), timeout_s=5)(now()):
        msg = f"no Prefect server answers at {settings.prefect_url}; start everything with bin/keepfit up"
        raise ServiceUnavailable(msg)


def use_stack(settings: Settings, project: str, name: str) -> None:
    """Make this process a part of the stack: Prefect reads its settings when it is imported."""
    os.environ.update(environment(settings, project, name) | signed_in(settings))
    # A flow's lines and tracebacks go to Prefect's pages; on the terminal the command speaks for itself.
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    os.environ["PREFECT_LOGGING_INTERNAL_LEVEL"] = "CRITICAL"


def sign_in(settings: Settings) -> None:
    """Let this process ask MLflow, without making it a part of the stack."""
    os.environ.update(signed_in(settings))


@contextmanager
def paused(name: str) -> Generator[None]:
    """Hold a project's schedules and triggers while somebody else drives its flows."""
    with answering(f"nothing of {name} was held; try again when it does"):
        ids = asyncio.run(_deployments(name))
    try:
        with answering(f"the schedules of {name} were not held; try again when it does"):
            asyncio.run(_switch(ids, on=False))
        yield
    finally:
        with answering(f"schedules of {name} may still be held; resume its deployments in Prefect's pages"):
            asyncio.run(_switch(ids, on=True))


@contextmanager
def answering(otherwise: str) -> Generator[None]:
    """Say in a sentence that Prefect does not answer; how long it is waited for, control/services.py says."""
    import httpx
    from prefect.exceptions import PrefectException

    try:
        yield
    except (httpx.HTTPError, PrefectException, RuntimeError) as fault:
        what = " ".join((str(fault) or type(fault).__name__).split())
        # So Prefect tells that its server was away when a flow began.
        if isinstance(fault, RuntimeError) and not what.startswith("Failed to reach API"):
            raise
        msg = f"Prefect does not answer: {what}; {otherwise}"
        raise ServiceUnavailable(msg) from fault


async def _deployments(name: str) -> list[UUID]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

    async with get_client() as client:
        found = await client.read_deployments(
            deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=["keepfit", name]))
        )
        return [deployment.id for deployment in found]


async def _switch(ids: list[UUID], *, on: bool) -> None:
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        for deployment in ids:
            await (client.resume_deployment(deployment) if on else client.pause_deployment(deployment))
            for automation in await client.read_resource_related_automations(
                f"prefect.deployment.{deployment}"
            ):
                await (client.resume_automation if on else client.pause_automation)(automation.id)


def outlasting(settings: Settings, run: Callable[[], T], say: Callable[[str], None]) -> T:
    """Run a flow, and run it again when a service it needs was away: with the same as_of it ends the same.

    Waits for Prefect and MLflow to be started again, up to two minutes each time; gives up after five.
    """
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError

    away = (httpx.HTTPError, PrefectHTTPStatusError, ServiceUnavailable)
    for _ in range(_ATTEMPTS):
        try:
            return run()
        except away as fault:
            say(
                f"  a service was away ({str(fault) or type(fault).__name__}); waiting for it, then once more"
            )
            await_services(settings)
    return run()


def await_services(settings: Settings) -> None:
    """Wait until Prefect and MLflow answer; raise ServiceUnavailable after two minutes."""
    deadline = time.monotonic() + _AWAY_S
    health = {"Prefect": f"{settings.prefect_url}/api/health", "MLflow": f"{settings.mlflow_url}/health"}
    for name, url in health.items():
        while not answers(url, client_context(settings))(now()):
            if time.monotonic() > deadline:
                msg = f"{name} does not answer at {url}; start everything with bin/keepfit up, then go on"
                raise ServiceUnavailable(msg)
            time.sleep(_POLL_S)

"""Prefect as seen from the command line: is it up, run against it, and pause what it starts by itself."""

import asyncio
import os
from collections.abc import Generator
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener
from uuid import UUID

from control.services import environment
from keepfit.errors import ServiceUnavailable
from keepfit.settings import Settings


def require_prefect(settings: Settings) -> None:
    """Raise ServiceUnavailable when no Prefect server answers."""
    url = f"{settings.prefect_url}/api/health"
    try:
        build_opener(ProxyHandler({})).open(url, timeout=5).close()
    except (URLError, OSError) as fault:
        msg = f"no Prefect server answers at {settings.prefect_url}; start everything with bin/keepfit up"
        raise ServiceUnavailable(msg) from fault


def use_stack(settings: Settings, project: str, name: str) -> None:
    """Make this process a part of the stack: Prefect reads its settings when it is imported."""
    os.environ.update(environment(settings, project, name))
    # A flow's lines and tracebacks go to Prefect's pages; on the terminal the command speaks for itself.
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"


@contextmanager
def paused(name: str) -> Generator[None]:
    """Hold a project's schedules and triggers while somebody else drives its flows."""
    ids = asyncio.run(_deployments(name))
    asyncio.run(_switch(ids, on=False))
    try:
        yield
    finally:
        asyncio.run(_switch(ids, on=True))


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

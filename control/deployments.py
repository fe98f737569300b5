"""Check `prefect.yaml` strictly, then deploy it: Prefect drops a key that it does not know, and says nothing.

`python -m control.deployments` deploys to the server at PREFECT_API_URL. It imports the flows first, which
takes as long as the server takes to start, then waits for the server and for a runner to make the work pool.
"""

import argparse
import asyncio
import difflib
import importlib
import inspect
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from prefect.cli import app
from prefect.cli.deploy import _models as prefect_models
from prefect.cli.deploy._triggers import DeploymentTriggerAdapter
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from prefect.states import Crashed
from prefect.utilities.importtools import import_object
from pydantic import BaseModel, ValidationError

from control.receivers import refresh
from keepfit.settings import ROOT, Settings

FILE = ROOT / "prefect.yaml"
_WAIT_S = 170.0


def check_prefect_yaml(path: Path = FILE) -> list[str]:
    """Say what in the file Prefect would ignore or refuse, one sentence each; nothing when it is sound."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as fault:
        return [f"{path.name}: it cannot be read as YAML: {' '.join(str(fault).split())}; correct it"]
    if not isinstance(content, dict):
        return [f"{path.name}: expected a mapping with `deployments`, got {type(content).__name__}"]
    top = {*_names(prefect_models.PrefectYamlModel), "definitions"}
    found = _unknown(content, top, "$")
    for kind in ("build", "push", "pull"):
        found += _steps(content.get(kind), f"$.{kind}")
    for number, deployment in enumerate(_mappings(content.get("deployments"))):
        found += _deployment(deployment, f"$.deployments[{number}]")
    found += _refusals(prefect_models.PrefectYamlModel, content)
    return [f"{path.name}: {problem}" for problem in found]


def _deployment(given: Mapping[str, Any], at: str) -> list[str]:
    found = _unknown(given, _names(prefect_models.DeploymentConfig), at)
    found += [
        f"`{name}` is missing at {at}; write it" for name in ("name", "entrypoint") if name not in given
    ]
    for key, model in (
        ("work_pool", prefect_models.WorkPoolConfig),
        ("concurrency_limit", prefect_models.ConcurrencyLimitSpec),
        ("schedule", prefect_models.RawScheduleConfig),
    ):
        if isinstance(given.get(key), dict):
            found += _unknown(given[key], _names(model), f"{at}.{key}")
    for number, schedule in enumerate(_mappings(given.get("schedules"))):
        found += _unknown(schedule, _names(prefect_models.RawScheduleConfig), f"{at}.schedules[{number}]")
    for number, trigger in enumerate(_mappings(given.get("triggers"))):
        found += _trigger(trigger, f"{at}.triggers[{number}]")
    for kind in ("build", "push", "pull"):
        found += _steps(given.get(kind), f"{at}.{kind}")
    return found


def _trigger(given: Mapping[str, Any], at: str) -> list[str]:
    try:
        # Prefect gives each a name before it validates.
        model = DeploymentTriggerAdapter.validate_python({"name": "trigger", **given})
    except ValidationError as refused:
        return [f"{_place(at, error['loc'])}: {error['msg']}" for error in refused.errors()]
    return _unknown(given, _names(type(model)), at)


def _steps(given: object, at: str) -> list[str]:
    """A step is one function by its import path, with its arguments."""
    found = []
    for number, step in enumerate(_mappings([given] if isinstance(given, dict) else given)):
        for path, arguments in step.items():
            place = f"{at}[{number}]"
            try:
                function = import_object(path)
                passed = {k: v for k, v in (arguments or {}).items() if k not in ("id", "requires")}
                inspect.signature(function).bind(**passed)
            except (ImportError, AttributeError, ValueError):
                found.append(f"`{path}` at {place} cannot be imported; correct the path of the step")
            except TypeError as fault:
                found.append(f"`{path}` at {place}: {fault}; correct its arguments")
    return found


def _unknown(given: Mapping[str, Any], known: Iterable[str], at: str) -> list[str]:
    known = sorted(known)
    found = []
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            cure = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"
            found.append(f"Prefect would ignore `{key}` at {at}: {cure}")
    return found


def _refusals(model: type[BaseModel], content: object) -> list[str]:
    try:
        model.model_validate(content)
    except ValidationError as refused:
        return sorted({f"{_place('$', error['loc'][:3])}: {error['msg']}" for error in refused.errors()})
    return []


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _mappings(given: object) -> list[dict[str, Any]]:
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []


def _place(at: str, loc: Iterable[object]) -> str:
    return at + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)


async def _prepare(pools: set[str], died_before: datetime | None) -> None:
    async with get_client() as client, asyncio.timeout(_WAIT_S):
        while await client.api_healthcheck() is not None:
            await asyncio.sleep(0.1)
        if died_before is not None:
            await _end_the_dead(client, died_before)
        for pool in sorted(pools):
            await _pool_made(client, pool)


async def _end_the_dead(client: PrefectClient, before: datetime) -> None:
    """Mark as crashed what still counts as running: it would keep its deployment's only slot for good."""
    states = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
    wanted = FlowRunFilter.model_validate(
        {"state": {"type": {"any_": states}}, "deployment_id": {"is_null_": False}}
    )
    for run in await client.read_flow_runs(flow_run_filter=wanted):
        if run.state is not None and run.state.timestamp < before:
            died = Crashed(message="The stack that it ran in ended before it did.")
            await client.set_flow_run_state(run.id, died, force=True)


async def _pool_made(client: PrefectClient, pool: str) -> None:
    while True:
        try:
            await client.read_work_pool(pool)
        except ObjectNotFound:
            await asyncio.sleep(0.1)
        else:
            return


def _module(entrypoint: str) -> str:
    """The module of `flows.watch.watch`."""
    return entrypoint.rpartition(".")[0]


def main() -> None:
    """Check the file, wait for its work pools, deploy all of it."""
    asked = argparse.ArgumentParser(prog="python -m control.deployments", description=__doc__)
    asked.add_argument(
        "--died-before",
        type=datetime.fromisoformat,
        help="mark runs as crashed that have not changed since: only when every runner was restarted then",
    )
    died_before = asked.parse_args().died_before
    if problems := check_prefect_yaml():
        sys.exit("\n".join(problems))
    deployments = yaml.safe_load(FILE.read_text(encoding="utf-8"))["deployments"]
    for name in ["prefect.cli.deploy._core", *(_module(each["entrypoint"]) for each in deployments)]:
        importlib.import_module(name)
    pools = {each["work_pool"]["name"] for each in deployments if each.get("work_pool")}
    try:
        asyncio.run(_prepare(pools, died_before))
    except TimeoutError:
        where = get_current_settings().api.url or "PREFECT_API_URL, which is not set"
        sys.exit(
            f"no server at {where}, or no runner that made the work pool {' or '.join(sorted(pools))}, "
            f"within {_WAIT_S:.0f} s; start both, then deploy again"
        )
    told = Settings.from_env()
    refresh(told.project_name, told.console_url)
    sys.argv[1:] = ["--no-prompt", "deploy", "--all", "--prefect-file", str(FILE)]
    app()


if __name__ == "__main__":
    main()

"""Prefect's REST API: what ran last, what will run, and starting a run by hand."""

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import httpx
import msgspec

from data.circuit import Circuit
from data.credentials import credentials
from keepfit.errors import ServiceUnavailable
from keepfit.settings import Settings
from keepfit.tls import client_context
from monitoring.console.reading.delivery import undelivered
from monitoring.console.reading.patience import Awaited
from monitoring.console.reading.states import Deployment, FlowRun, Line

FLOWS = ("feedback", "watch", "retrain", "rollback")
_TIMEOUT_S = 2.0
_REST_S = 3.0
"""How long a Prefect that hung is not asked again."""
_THREADS = 8
_ROWS = 15
_PAUSES_S = (0.1, 0.3, 0.6, 1.0)
_NEVER = datetime.min.replace(tzinfo=UTC)
_LINES, _INFO = 200, 20
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def signed_in_client(settings: Settings) -> httpx.Client:
    """Make a client of the stack's own Prefect: past every proxy, and with its credential where it asks."""
    asked, trusted = credentials(settings), client_context(settings)
    return httpx.Client(
        timeout=_TIMEOUT_S,
        trust_env=False,
        verify=True if trusted is None else trusted,
        headers={} if asked is None else {"Authorization": asked.prefect_header},
    )


@dataclass(frozen=True)
class Seen:
    """What Prefect says of a project: the last runs of each flow, newest first, and the next that are due."""

    last: Mapping[str, Sequence[FlowRun]]
    coming: Sequence[FlowRun]
    paused: Sequence[str]
    """The flows whose schedules are held."""
    untold: Sequence[str] = ()
    """Who is told of notices, and did not get the last one."""


@dataclass(frozen=True)
class FlowRuns:
    """The flow runs of one project; every method raises ServiceUnavailable while Prefect is away."""

    url: str
    project: str
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=_TIMEOUT_S, trust_env=False))
    _hangs: Circuit = field(default_factory=lambda: Circuit(_REST_S), init=False, repr=False)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_THREADS, thread_name_prefix="prefect")

    @cached_property
    def _latest(self) -> Awaited["Seen"]:
        return Awaited(f"Prefect at {self.url}", lambda: self._seen(1), self._threads)

    @cached_property
    def _listed(self) -> Awaited["Seen"]:
        return Awaited(f"Prefect at {self.url}", lambda: self._seen(_ROWS), self._threads)

    def latest(self) -> "Seen":
        """Return the last run of each flow, and the next that are due."""
        return self._latest.answer()

    def listed(self) -> "Seen":
        """Return the last runs of each flow, and the next that are due."""
        return self._listed.answer()

    def close(self) -> None:
        """Let go of the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.client.close()

    def _seen(self, limit: int) -> "Seen":
        # All at once: Prefect takes as long for one.
        known = self._threads.submit(self.deployments)
        began = {flow: self._threads.submit(self._began, flow, 5 * limit) for flow in FLOWS}
        due = self._threads.submit(self._due)
        untold = self._threads.submit(undelivered, self._ask, self.project)
        deployments = known.result()
        place = next((each.parameters.get("project") for each in deployments.values()), None)
        return Seen(
            {flow: _ours(flow, found.result(), place)[:limit] for flow, found in began.items()},
            _first_of_each(due.result(), deployments),
            [flow for flow, each in deployments.items() if each.paused],
            untold.result(),
        )

    def deployments(self) -> dict[str, Deployment]:
        """Return the deployments of the project by their flow."""
        found = self._ask("POST", "/deployments/filter", list[Deployment], self._of_project)
        return {self._named[each.name]: each for each in found if each.name in self._named}

    @property
    def _named(self) -> dict[str, str]:
        return {f"{self.project}-{flow}": flow for flow in FLOWS}

    @property
    def _of_project(self) -> dict[str, Any]:
        return {"deployments": {"name": {"any_": sorted(self._named)}}}

    def _began(self, flow: str, limit: int) -> list[FlowRun]:
        wanted = {
            "flows": {"name": {"any_": [flow]}},
            "flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}},
            "sort": "EXPECTED_START_TIME_DESC",
            "limit": limit,
        }
        return self._ask("POST", "/flow_runs/filter", list[FlowRun], wanted)

    def _due(self) -> list[FlowRun]:
        wanted = {
            **self._of_project,
            "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
            "sort": "EXPECTED_START_TIME_ASC",
            "limit": 200,
        }
        return self._ask("POST", "/flow_runs/filter", list[FlowRun], wanted)

    def run(self, number: str) -> FlowRun | None:
        """Return one run, or None where Prefect knows none of this id."""
        if not _is_id(number):
            return None
        found = self._ask("GET", f"/flow_runs/{number}", FlowRun | None)
        if found is None or found.flow_id is None:
            return found
        flow = self._ask("GET", f"/flows/{found.flow_id}", dict[str, Any] | None) or {}
        return msgspec.structs.replace(found, flow=str(flow.get("name", "")))

    def log(self, number: str) -> list[Line]:
        """Return the last lines that a run logged, oldest first: the loop's own, and all warnings."""
        wanted = {
            "logs": {"flow_run_id": {"any_": [number]}, "level": {"ge_": _INFO}},
            "sort": "TIMESTAMP_DESC",
            "limit": _LINES,
        }
        found = self._ask("POST", "/logs/filter", list[Line], wanted)[::-1]
        return [line for line in found if line.level > _INFO or not line.name.startswith("prefect.")]

    def said(self, number: str) -> Sequence[str]:
        """Return what a run's artifacts are described by: of a retrain, the sentence of its decision."""
        wanted = {"artifacts": {"flow_run_id": {"any_": [number]}}, "limit": 20}
        found = self._ask("POST", "/artifacts/filter", list[dict[str, Any]], wanted)
        # Prefect shows a description as Markdown, so each was escaped (`flows.steps.plain`).
        return [_ESCAPED.sub(r"\1", str(each["description"])) for each in found if each.get("description")]

    def start(self, flow: str, parameters: Mapping[str, object], token: str) -> str:
        """Start a run by hand and return its id; the same token with the same parameters is the same run."""
        deployment = self.deployments().get(flow)
        if deployment is None:
            msg = (
                f"Prefect at {self.url} has no deployment {self.project}-{flow}; "
                "bin/keepfit up deploys all of them"
            )
            raise ServiceUnavailable(msg)
        content = json.dumps([token, flow, parameters], sort_keys=True).encode()
        wanted = {
            "parameters": parameters,
            "idempotency_key": f"console-{hashlib.sha256(content).hexdigest()}",
            "state": {"type": "SCHEDULED", "message": "started from the console"},
        }
        path = f"/deployments/{deployment.id}/create_flow_run"
        return self._ask("POST", path, FlowRun, wanted).id

    def _ask(self, method: str, path: str, kind: Any, body: object = None) -> Any:  # noqa: ANN401 - of `kind`
        if (refusal := self._hangs.refusal()) is not None:
            raise ServiceUnavailable(refusal)
        try:
            answer = self._sent(method, path, body)
            if answer.status_code == 404 and method == "GET":
                return None
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=kind)
        except httpx.HTTPStatusError as fault:
            told = fault.response.text[:300]
            msg = f"Prefect at {self.url} answered {fault.response.status_code} to {path}: {told}"
            raise ServiceUnavailable(msg) from fault
        except (httpx.HTTPError, msgspec.MsgspecError) as fault:
            hung = isinstance(fault, httpx.TimeoutException)
            slow = " in time" if hung else ""
            msg = (
                f"Prefect does not answer{slow} at {self.url}; bin/keepfit up starts it, "
                "and its log is logs/prefect.log"
            )
            if hung:
                self._hangs.failed(msg)
            raise ServiceUnavailable(msg) from fault

    def _sent(self, method: str, path: str, body: object) -> httpx.Response:
        """Ask, and ask again where Prefect's database was busy: what is asked twice happens once."""
        for pause_s in _PAUSES_S:
            answer = self.client.request(method, f"{self.url}/api{path}", json=body)
            if answer.status_code != 503:
                return answer
            time.sleep(pause_s)
        return self.client.request(method, f"{self.url}/api{path}", json=body)


def _ours(flow: str, found: list[FlowRun], place: object) -> list[FlowRun]:
    """Take those of the project at `place`: one Prefect may serve several, and a run need no deployment."""
    ours = [run for run in found if place is None or run.parameters.get("project") == place]
    ours.sort(key=lambda run: run.began or _NEVER, reverse=True)
    return [msgspec.structs.replace(run, flow=flow) for run in ours]


def _first_of_each(due: list[FlowRun], deployments: Mapping[str, Deployment]) -> list[FlowRun]:
    flows = {each.id: flow for flow, each in deployments.items()}
    first: dict[str, FlowRun] = {}
    for run in due:
        if (flow := flows.get(run.deployment_id or "")) is not None:
            first.setdefault(flow, msgspec.structs.replace(run, flow=flow))
    return list(first.values())


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False

"""Prefect's REST API: what ran last, what will run, and starting a run by hand."""

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import msgspec

from data.credentials import credentials
from keepfit.errors import ServiceUnavailable
from keepfit.settings import Settings
from keepfit.tls import client_context

FLOWS = ("feedback", "watch", "retrain", "rollback")
_TIMEOUT_S = 2.0
_PAUSES_S = (0.1, 0.3, 0.6, 1.0)
_OVER = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
_NEVER = datetime.min.replace(tzinfo=UTC)
_LINES, _INFO = 200, 20
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_WORDS = {
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "CRASHED": "crashed",
    "CANCELLED": "was cancelled",
    "CANCELLING": "is being cancelled",
    "RUNNING": "is running",
    "PENDING": "is about to start",
    "SCHEDULED": "waits to start",
    "PAUSED": "is paused",
}


class State(msgspec.Struct, frozen=True):
    """What Prefect says of a run."""

    type: str
    name: str = ""
    message: str | None = None


class FlowRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a flow."""

    id: str
    name: str = ""
    flow: str = ""
    flow_id: str | None = None
    deployment_id: str | None = None
    state: State | None = None
    parameters: dict[str, Any] = {}
    expected_start_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None

    @property
    def began(self) -> datetime | None:
        """When it started, or when it is due."""
        return self.start_time or self.expected_start_time

    @property
    def reason(self) -> str:
        """Who or what asked for it, where that was said."""
        return str(self.parameters.get("reason") or "")

    @property
    def as_of(self) -> datetime | None:
        """The time whose knowledge it used, where one was given."""
        try:
            told = datetime.fromisoformat(str(self.parameters.get("as_of")))
        except ValueError:
            return None
        return told if told.tzinfo else told.replace(tzinfo=UTC)

    @property
    def kind(self) -> str:
        """The kind of its state."""
        return "SCHEDULED" if self.state is None else self.state.type

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.kind in _OVER

    @property
    def failed(self) -> bool:
        """Whether it ended badly."""
        return self.kind in ("FAILED", "CRASHED")

    @property
    def late(self) -> bool:
        """Whether it should have started: then no runner takes it."""
        return self.state is not None and self.state.name == "Late"

    @property
    def words(self) -> str:
        """Say its state."""
        if self.late:
            return "is late: no runner has taken it yet"
        if self.state is not None and self.state.name == "AwaitingConcurrencySlot":
            return "waits for the run before it"
        return _WORDS.get(self.kind, self.kind.lower())

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        if self.start_time is None or self.end_time is None:
            return None
        return (self.end_time - self.start_time).total_seconds()


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """What starts a flow: a paused one has its schedules held, and still runs what is started by hand."""

    id: str
    name: str
    paused: bool = False
    parameters: dict[str, Any] = {}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a run's log; a level of 40 is an error."""

    name: str
    """Of the logger: Prefect's own begin with its name."""
    timestamp: datetime
    level: int
    message: str


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
class FlowRuns:
    """The flow runs of one project; every method raises ServiceUnavailable while Prefect is away."""

    url: str
    project: str
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=_TIMEOUT_S, trust_env=False))

    def deployments(self) -> dict[str, Deployment]:
        """Return the deployments of the project by their flow."""
        named = {f"{self.project}-{flow}": flow for flow in FLOWS}
        wanted = {"deployments": {"name": {"any_": sorted(named)}}}
        found = self._ask("POST", "/deployments/filter", list[Deployment], wanted)
        return {named[each.name]: each for each in found if each.name in named}

    def last(self, flow: str, place: str | None = None, limit: int = 20) -> list[FlowRun]:
        """Return the last runs of a flow that began, newest first; only those of the project at `place`."""
        wanted = {
            "flows": {"name": {"any_": [flow]}},
            "flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}},
            "sort": "EXPECTED_START_TIME_DESC",
            "limit": limit if place is None else 5 * limit,
        }
        found = self._ask("POST", "/flow_runs/filter", list[FlowRun], wanted)
        # One Prefect may serve several projects, and a run need not have a deployment.
        ours = [run for run in found if place is None or run.parameters.get("project") == place]
        ours.sort(key=lambda run: run.began or _NEVER, reverse=True)
        return [msgspec.structs.replace(run, flow=flow) for run in ours[:limit]]

    def coming(self, deployments: Mapping[str, Deployment]) -> list[FlowRun]:
        """Return the next run of each flow that is due."""
        flows = {each.id: flow for flow, each in deployments.items()}
        wanted = {
            "flow_runs": {"deployment_id": {"any_": list(flows)}, "state": {"type": {"any_": ["SCHEDULED"]}}},
            "sort": "EXPECTED_START_TIME_ASC",
            "limit": 200,
        }
        found = self._ask("POST", "/flow_runs/filter", list[FlowRun], wanted) if flows else []
        first: dict[str, FlowRun] = {}
        for run in found:
            flow = flows.get(run.deployment_id or "", "")
            first.setdefault(flow, msgspec.structs.replace(run, flow=flow))
        return list(first.values())

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
            slow = " in time" if isinstance(fault, httpx.TimeoutException) else ""
            msg = (
                f"Prefect does not answer{slow} at {self.url}; bin/keepfit up starts it, "
                "and its log is logs/prefect.log"
            )
            raise ServiceUnavailable(msg) from fault

    def _sent(self, method: str, path: str, body: object) -> httpx.Response:
        """Ask, and ask again where Prefect's database was busy: what is asked twice happens once."""
        for pause_s in _PAUSES_S:
            answer = self.client.request(method, f"{self.url}/api{path}", json=body)
            if answer.status_code != 503:
                return answer
            time.sleep(pause_s)
        return self.client.request(method, f"{self.url}/api{path}", json=body)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False

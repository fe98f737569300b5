"""The processes of one project: what each is started with, and how to see that it is alive."""

import http.client
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from control.ports import Port
from control.running import Address
from keepfit.settings import ROOT, Settings, inherited_environment

POOL = "keepfit"
_RUNNER = "runner"
_NOT_INHERITED = ("PREFECT_PROFILE", "PREFECT_API_KEY")  # of a person's Prefect elsewhere


@dataclass(frozen=True)
class Service:
    """One process of the stack.

    It starts when those named in `after` are alive. `alive` is asked until it says yes; it is given the
    time of the launch, to tell this process from its predecessor. What is to be done `once` is no service:
    it counts as alive when it has ended with 0. `outlived` lets what the process started go on when it dies.
    """

    name: str
    command: tuple[str, ...]
    alive: Callable[[datetime], bool] = lambda _: True
    port: Port | None = None
    address: Address | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    after: tuple[str, ...] = ()
    once: bool = False
    outlived: bool = False


def services(settings: Settings) -> list[Service]:
    """All that one Keepfit on one machine is made of."""
    python, host, home = sys.executable, settings.host, settings.home
    prefect_port, mlflow_port = str(settings.prefect_port), str(settings.mlflow_port)
    return [
        Service(
            "console",
            (python, "-m", "monitoring.console"),
            answers(f"{settings.console_url}/health/live"),
            Port(settings.console_port, "KEEPFIT_CONSOLE_PORT", host),
            Address("console", settings.console_url, "what is going on: start here"),
        ),
        Service(
            "serving",
            (python, "-m", "serving"),
            answers(f"{settings.serving_url}/health/live"),
            Port(settings.serving_port, "KEEPFIT_SERVING_PORT", host),
            Address("serving", settings.serving_url, "predictions: POST /v1/predict, GET /v1/model"),
        ),
        Service(
            "prefect",
            (python, "-m", "prefect", "server", "start", "--host", host, "--port", prefect_port),
            answers(f"{settings.prefect_url}/api/health"),
            Port(settings.prefect_port, "KEEPFIT_PREFECT_PORT", host),
            Address("prefect", settings.prefect_url, "flows: their runs, schedules and forms"),
        ),
        Service(
            "mlflow",
            # What `mlflow server` starts in its turn: without it, half the time and half the memory.
            (python, "-m", "uvicorn", "--host", host, "--port", mlflow_port, "mlflow.server.fastapi_app:app"),
            # /health answers before the database is made.
            answers(f"{settings.mlflow_url}/api/2.0/mlflow/experiments/search?max_results=1"),
            Port(settings.mlflow_port, "KEEPFIT_MLFLOW_PORT", host),
            Address("mlflow", settings.mlflow_url, "versions: the registry of models"),
            _mlflow_environment(home / "mlflow"),
        ),
        Service(
            "runner",
            (
                *(python, "-m", "prefect", "--no-prompt", "worker", "start", "--pool", POOL),
                *("--type", "process", "--name", _RUNNER, "--install-policy", "never"),
            ),
            lambda launched: _polls(settings, launched),
            after=("prefect",),
            outlived=True,  # a flow that is under way ends by itself, and says so to the server
        ),
        Service(
            "deploy",
            (python, "-m", "control.deployments", "--died-before", datetime.now(UTC).isoformat()),
            once=True,  # it waits for Prefect itself, and imports the flows meanwhile
        ),
    ]


def _mlflow_environment(home: Path) -> dict[str, str]:
    """What `mlflow server --serve-artifacts --artifacts-destination ...` tells the server (3.17)."""
    home.mkdir(parents=True, exist_ok=True)
    database = f"sqlite:///{home / 'mlflow.db'}"
    return {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_REGISTRY_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(home / "artifacts"),
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def environment(settings: Settings, project: str, name: str) -> dict[str, str]:
    """What every process of the stack is told; nothing of it reports to anyone."""
    given = {key: value for key, value in inherited_environment().items() if key not in _NOT_INHERITED}
    past_proxies = ",".join(filter(None, [given.get("NO_PROXY"), settings.host, "localhost"]))
    path = [str(ROOT), given.get("PYTHONPATH")]
    if not Path(project.partition(":")[0]).exists():
        path.append(str(Path.cwd()))  # an import path is looked for where the person stands
    return {
        **given,
        **settings.environment(),
        "KEEPFIT_PROJECT": project,
        "KEEPFIT_PROJECT_NAME": name,
        "KEEPFIT_ROOT": str(ROOT),
        "PYTHONPATH": ":".join(filter(None, path)),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": past_proxies,
        "no_proxy": past_proxies,
        "DO_NOT_TRACK": "true",  # MLflow ignores `1`; Evidently and Prefect take anything
        "GX_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        # Threads of OpenMP that wait in a loop starve the servers beside them: leave half of the cores.
        "OMP_NUM_THREADS": given.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2))),
        "MLFLOW_TRACKING_URI": settings.mlflow_url,
        "PREFECT_HOME": str(settings.home / "prefect"),
        "PREFECT_API_URL": f"{settings.prefect_url}/api",
        # 60 by default. Asked up to 6 times, with pauses of 2 to 32 s: a restart of a minute is outlived, and
        # a server that hangs is given up after two and a half.
        "PREFECT_API_REQUEST_TIMEOUT": "15",
        "PREFECT_CLIENT_MAX_RETRIES": "5",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",  # by default runs are kept for good
        "PREFECT_WORKER_QUERY_SECONDS": "2",  # 10 by default: how long a run waits to be seen
        "PREFECT_LOGGING_EXTRA_LOGGERS": "keepfit,data,monitoring,tasks,flows",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # a step outside of a flow has nowhere to tell
        "PREFECT_CLI_COLORS": "false",
    }


def answers(url: str) -> Callable[[datetime], bool]:
    """Tell whether a GET of `url` is answered with 200."""

    def asked(_: datetime) -> bool:
        return _exchange("GET", url) is not None

    return asked


def _polls(settings: Settings, launched: datetime) -> bool:
    """Tell whether the runner has asked Prefect for work since its launch."""
    url = f"{settings.prefect_url}/api/work_pools/{POOL}/workers/filter"
    answer = _exchange("POST", url, b"{}")
    return answer is not None and any(
        worker["name"] == _RUNNER and datetime.fromisoformat(worker["last_heartbeat_time"]) >= launched
        for worker in json.loads(answer)
    )


def _exchange(method: str, url: str, body: bytes | None = None) -> bytes | None:
    """The body of a 200, or None; past every proxy, which http.client knows nothing of."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=2)
    try:
        connection.request(method, url, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.read() if answer.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()

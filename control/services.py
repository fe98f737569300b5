"""The processes of one project: what each is started with, and how to see that it is alive."""

import http.client
import json
import os
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from control.ports import Port
from control.running import Address
from data.credentials import USER, credentials
from keepfit.errors import StackError
from keepfit.settings import ROOT, Settings, inherited_environment
from keepfit.tls import client_context

POOL = "keepfit"
_TIMEOUT_S = 2.0
_PASSWORD_S = 60
"""How long MLflow remembers that a password was right."""
_RUNNER = "runner"
_NOT_INHERITED = (  # of a person's Prefect and MLflow elsewhere
    *("PREFECT_PROFILE", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"),
    *("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"),
    "KEEPFIT_API_KEY",  # of the person who starts this
)


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
    python, host = sys.executable, settings.host
    asked, client, context = credentials(settings), signed_in(settings), client_context(settings)
    prefect, mlflow = (asked.prefect_header, asked.mlflow_header) if asked else (None, None)
    return [
        Service(
            "console",
            (python, "-m", "monitoring.console"),
            answers(f"{settings.console_url}/health/live", context),
            Port(settings.console_port, "KEEPFIT_CONSOLE_PORT", host),
            Address("console", settings.console_url, "what is going on: start here"),
        ),
        Service(
            "serving",
            (python, "-m", "serving"),
            answers(f"{settings.serving_url}/health/live", context),
            Port(settings.serving_port, "KEEPFIT_SERVING_PORT", host),
            Address("serving", settings.serving_url, "predictions: POST /v1/predict, GET /v1/model"),
        ),
        Service(
            "prefect",
            (python, "-m", "control.fronts", "prefect"),
            answers(f"{settings.prefect_url}/api/health", context),
            Port(settings.prefect_port, "KEEPFIT_PREFECT_PORT", host),
            Address("prefect", settings.prefect_url, "flows: their runs, schedules and forms"),
            {"PREFECT_SERVER_API_AUTH_STRING": asked.prefect_string} if asked else {},
        ),
        Service(
            "mlflow",
            (python, "-m", "control.fronts", "mlflow"),
            # /health answers before the database is made.
            answers(
                f"{settings.mlflow_url}/api/2.0/mlflow/experiments/search?max_results=1", context, mlflow
            ),
            Port(settings.mlflow_port, "KEEPFIT_MLFLOW_PORT", host),
            Address("mlflow", settings.mlflow_url, "versions: the registry of models"),
            _mlflow_environment(settings),
        ),
        Service(
            "runner",
            (
                *(python, "-m", "prefect", "--no-prompt", "worker", "start", "--pool", POOL),
                *("--type", "process", "--name", _RUNNER, "--install-policy", "never"),
            ),
            lambda launched: _polls(settings, launched, prefect),
            environment=client,
            after=("prefect",),
            outlived=True,  # a flow that is under way ends by itself, and says so to the server
        ),
        Service(
            "deploy",
            (python, "-m", "control.deployments", "--died-before", datetime.now(UTC).isoformat()),
            environment=client,
            once=True,  # it waits for Prefect itself, and imports the flows meanwhile
        ),
    ]


def _mlflow_environment(settings: Settings) -> dict[str, str]:
    """What `mlflow server --artifacts-destination ... --app-name basic-auth` tells the server (3.17)."""
    home = settings.home / "mlflow"
    home.mkdir(parents=True, exist_ok=True)
    database = f"sqlite:///{home / 'mlflow.db'}"
    told = {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_REGISTRY_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(home / "artifacts"),
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "*",  # by default private numbers; its door knows our names
    }
    if (asked := credentials(settings)) is None:
        return told
    config = home / "auth.ini"
    config.write_text(
        f"[mlflow]\ndatabase_uri = sqlite:///{home / 'auth.db'}\ndefault_permission = NO_PERMISSIONS\n"
        # Its hash takes longer than what most requests ask for.
        f"auth_cache_ttl_seconds = {_PASSWORD_S}\n",
        encoding="utf-8",
    )
    return {
        **told,
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_AUTH_ADMIN_USERNAME": USER,
        "MLFLOW_AUTH_ADMIN_PASSWORD": asked.mlflow,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": asked.mlflow_forms,
    }


def environment(settings: Settings, project: str, name: str) -> dict[str, str]:
    """What every process of the stack is told; nothing of it reports to anyone."""
    given = {key: value for key, value in inherited_environment().items() if key not in _NOT_INHERITED}
    names = (given.get("NO_PROXY"), settings.host, settings.name, "127.0.0.1", "localhost")
    past_proxies = ",".join(filter(None, names))
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
        # Its pages ask where they are from, by whatever name: nothing else passes the door.
        "PREFECT_UI_API_URL": "/api",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": settings.prefect_url,
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


def signed_in(settings: Settings) -> dict[str, str]:
    """What a client of Prefect and MLflow is told beside `environment`: whom to trust, what to show."""
    trusted: dict[str, str] = {}
    if settings.tls_ca is not None:
        trusted |= {
            "PREFECT_API_SSL_CERT_FILE": settings.tls_ca,
            "MLFLOW_TRACKING_SERVER_CERT_PATH": settings.tls_ca,
        }
    if (asked := credentials(settings)) is None:
        return trusted
    return {
        **trusted,
        "PREFECT_API_AUTH_STRING": asked.prefect_string,
        "MLFLOW_TRACKING_USERNAME": USER,
        "MLFLOW_TRACKING_PASSWORD": asked.mlflow,
    }


def answers(
    url: str,
    context: ssl.SSLContext | None = None,
    credential: str | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> Callable[[datetime], bool]:
    """Tell whether a GET of `url` is answered with 200."""

    def asked(_: datetime) -> bool:
        return _exchange("GET", url, None, _Way(context, credential, timeout_s)) is not None

    return asked


def _polls(settings: Settings, launched: datetime, credential: str | None) -> bool:
    """Tell whether the runner has asked Prefect for work since its launch."""
    url = f"{settings.prefect_url}/api/work_pools/{POOL}/workers/filter"
    answer = _exchange("POST", url, b"{}", _Way(client_context(settings), credential))
    return answer is not None and any(
        worker["name"] == _RUNNER and datetime.fromisoformat(worker["last_heartbeat_time"]) >= launched
        for worker in json.loads(answer)
    )


@dataclass(frozen=True)
class _Way:
    context: ssl.SSLContext | None
    credential: str | None
    timeout_s: float = _TIMEOUT_S


def _exchange(method: str, url: str, body: bytes | None, way: _Way) -> bytes | None:
    """The body of a 200, or None; past every proxy, which http.client knows nothing of.

    Raises StackError for a certificate that is not trusted: waiting for it to be would be in vain.
    """
    parts = urlsplit(url)
    connection = (
        http.client.HTTPConnection(parts.netloc, timeout=way.timeout_s)
        if way.context is None
        else http.client.HTTPSConnection(parts.netloc, timeout=way.timeout_s, context=way.context)
    )
    headers = {"Content-Type": "application/json"}
    if way.credential is not None:
        headers["Authorization"] = way.credential
    try:
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers)
        answer = connection.getresponse()
        return answer.read() if answer.status == http.HTTPStatus.OK else None
    except ssl.SSLCertVerificationError as fault:
        msg = (
            f"{url}: its certificate is not trusted ({fault.verify_message}): KEEPFIT_TLS_CERT must be for "
            "the name in KEEPFIT_NAME, and KEEPFIT_TLS_CA name who signed it"
        )
        raise StackError(msg) from fault
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()

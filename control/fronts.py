"""Prefect's and MLflow's servers, each behind its door: `python -m control.fronts prefect`, or `mlflow`.

Each is what its own command starts (`prefect server start` of 3.8, `mlflow server` of 3.17) but for the door;
MLflow so takes half the time and half the memory.
"""

import importlib
import re
import sys
from typing import Any

import uvicorn

from control.door import App, Door, Rules
from data.credentials import USER, Credentials, credentials
from keepfit.errors import KeepfitError
from keepfit.settings import Settings
from keepfit.tls import server_options

_LOOKING = ("GET", "HEAD")
_UNUSED = re.compile(
    r"/(gateway|v1)(/|$)"
    r"|/(ajax-)?api/[\d.]+/(mlflow/)?"
    r"(assistant|demo|gateway|gateway-proxy|genai|issues/invoke|jobs|mcp-servers|prompt-optimization"
    r"|runs/create-promptlab-run|scorer|scorers|ui-telemetry|webhooks)(/|$)"
)
"""Of MLflow: what asks other machines, runs code or tells others; the registry needs none of it."""


def prefect(settings: Settings) -> tuple[App, Rules, dict[str, Any]]:
    """Make Prefect's application, which starts its services and migrates its database itself."""
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    importlib.import_module("control.addresses")  # the server sends by the block that it defines
    told = get_current_settings().server
    asked = credentials(settings)
    rules = Rules(asked and asked.prefect_header, prefect_opens)
    return (
        create_app(final=True),
        rules,
        {
            "port": settings.prefect_port,
            "timeout_keep_alive": told.api.keepalive_timeout,
            "ws_ping_interval": told.api.websocket_ping_interval,
            "ws_ping_timeout": told.api.websocket_ping_timeout,
            "log_level": told.logging_level.lower(),
        },
    )


def prefect_opens(method: str, path: str) -> bool:
    """Tell what needs no credential: that it is alive, and its pages, which ask people for it themselves.

    A page can send no header with a websocket: there Prefect itself asks, in the first message.
    """
    if method == "WEBSOCKET":
        return path.startswith("/api/")
    if path in ("/api/health", "/api/ready"):
        return method == "GET"
    below = path.partition("/")[2].partition("/")[0]
    return method in _LOOKING and below not in ("api", "docs", "redoc", "openapi.json")


def mlflow(settings: Settings) -> tuple[App, Rules, dict[str, Any]]:
    """Make MLflow's application, with its own authentication where somebody is asked."""
    asked = credentials(settings)
    rules = Rules(asked and asked.mlflow_header, mlflow_opens, _UNUSED, asks_browsers=True)
    options = {"port": settings.mlflow_port}
    if asked is None:
        from mlflow.server.fastapi_app import app

        return app, rules, options
    from mlflow.server.auth import create_app

    app: Any = create_app()
    _set_password(asked)
    return app, rules, options


def mlflow_opens(method: str, path: str) -> bool:
    """Tell what needs no credential: that it is alive."""
    return path == "/health" and method in _LOOKING


def _set_password(asked: Credentials) -> None:
    """Let MLflow's own user have the password of the file: it keeps the one that it saw first."""
    from mlflow.server.auth import store

    if not store.authenticate_user(USER, asked.mlflow):
        store.update_user(USER, password=asked.mlflow)


_SERVERS = {"prefect": prefect, "mlflow": mlflow}


def main() -> None:
    """Serve one of them until SIGTERM; a refusal is a sentence and exit code 1."""
    try:
        settings = Settings.from_env()
        app, rules, options = _SERVERS[sys.argv[1]](settings)
        options |= server_options(settings)
    except KeepfitError as refusal:
        sys.exit(f"keepfit: {refusal}")
    uvicorn.run(Door(app, settings, rules), host=settings.host, server_header=False, **options)


if __name__ == "__main__":
    main()

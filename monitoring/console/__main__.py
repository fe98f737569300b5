"""The console alone: `python -m monitoring.console`."""

import socket
import sys

import uvicorn

from keepfit.errors import KeepfitError, StackError
from keepfit.settings import Settings
from keepfit.tls import server_options
from monitoring.console.site import make_site


def main() -> None:
    """Serve the console until SIGTERM; a refusal is a sentence and exit code 1."""
    try:
        settings = Settings.from_env()
        site, secured = make_site(settings), server_options(settings)
        listening = _listen(settings)
    except KeepfitError as refusal:
        sys.exit(f"keepfit: {refusal}")
    config = uvicorn.Config(
        site,
        **secured,
        http="h11",  # the strictest reader of heads, and one that bounds them
        limit_concurrency=200,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    made = socket.socket(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((settings.host, settings.console_port))
    except OSError as fault:
        made.close()
        msg = (
            f"port {settings.console_port} on {settings.host} cannot be had: {fault.strerror}; "
            "end what has it, or set KEEPFIT_CONSOLE_PORT"
        )
        raise StackError(msg) from fault
    made.listen(128)
    return made


if __name__ == "__main__":
    main()

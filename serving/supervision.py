"""One parent and its workers: who binds the port, who restarts whom, who ends with whom."""

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

from data.apikeys import asked_keys
from keepfit.errors import PortTaken, StackError
from keepfit.settings import Settings
from keepfit.tls import server_options
from serving.connections import Connection
from serving.logs import log_to_stderr
from serving.rates import shared_memory

_PR_SET_PDEATHSIG = 1


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raise StackError where that is not possible."""
    asked_keys(settings)  # what is wrong with them is said here, once
    secured = server_options(settings)
    listening = listen(settings.host, settings.serving_port)
    log_to_stderr(settings.log)
    # Each worker opens it by the parent's name for it: a spawned process inherits nothing.
    rates = f"/proc/{os.getpid()}/fd/{shared_memory()}"
    # uvicorn's own supervisor: it spawns, pings each worker, restarts one that died or hangs.
    supervisor = Multiprocess(
        configured(settings, partial(worker_app, settings, os.getpid(), rates), factory=True, **secured),
        [listening],
    )
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        msg = "a serving worker could not start; the log above says why"
        raise StackError(msg)


def listen(host: str, port: int) -> socket.socket:
    """Listen where every worker accepts; a taken port is found here, before anything is started."""
    try:
        kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(kind, socket.SOCK_STREAM)
    except OSError as fault:
        msg = f"cannot serve on {host}: {fault.strerror}; set KEEPFIT_HOST to an address of this machine"
        raise StackError(msg) from fault
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
    except OSError as fault:
        listening.close()
        msg = f"port {port} on {host} cannot be had ({fault.strerror}); free it or set KEEPFIT_SERVING_PORT"
        raise PortTaken(msg) from fault
    return listening


def worker_app(settings: Settings, parent: int, rates: str) -> object:
    """Make the application of one worker, in its own process; it ends with its parent, however that ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the line above
        sys.exit("keepfit: the parent of this worker is gone")
    log_to_stderr(settings.log)
    from serving.app import App  # the parent needs neither numpy nor ONNX Runtime

    return App(settings, rates)


def configured(
    settings: Settings,
    app: Callable[..., object] | str,
    *,
    factory: bool,
    **secured: Any,  # noqa: ANN401 - uvicorn's options for TLS
) -> uvicorn.Config:
    """Say how uvicorn serves an application, or what a factory makes, in each worker."""
    return uvicorn.Config(
        app,
        factory=factory,
        interface="asgi3",
        workers=settings.workers,
        loop="uvloop",
        http=partial(Connection, settings),  # pyright: ignore[reportArgumentType] - called as a type is
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.idle_s,
        timeout_graceful_shutdown=settings.grace_s,
        **secured,
    )

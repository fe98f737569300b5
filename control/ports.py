"""A port that a service needs, and who has it already."""

import socket
from contextlib import suppress
from dataclasses import dataclass

import psutil

from keepfit.errors import PortTaken


@dataclass(frozen=True)
class Port:
    """A port that a service listens on, and the variable that moves it."""

    number: int
    variable: str
    host: str = "127.0.0.1"


def refuse_taken(port: Port, service: str) -> None:
    """Raise PortTaken, with who has it where that can be seen, unless the port is free."""
    with socket.socket(socket.AF_INET6 if ":" in port.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            probe.bind((port.host, port.number))
        except OSError as fault:
            msg = (
                f"port {port.number} on {port.host} is needed by {service} and cannot be had "
                f"({fault.strerror}{_holder(port)}); end what has it, or choose another with {port.variable}"
            )
            raise PortTaken(msg) from None


def _holder(port: Port) -> str:
    with suppress(psutil.Error, OSError):
        for each in psutil.net_connections("tcp"):
            listens = each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port.number
            if listens and each.pid:
                words = " ".join(psutil.Process(each.pid).cmdline())
                return f": pid {each.pid}, {words[:80]}"
    return ""

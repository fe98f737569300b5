"""What is asked of a Keepfit that others reach: a name, encryption, and keys before anybody needs one."""

import dataclasses
import socket

from data.apikeys import read_keys
from data.records import now
from keepfit.errors import StackError
from keepfit.settings import Settings


def reached_by_others(**otherwise: object) -> Settings:
    """Read the settings of a Keepfit that listens to others, where they say nothing else.

    Raises StackError where anybody could come in, or read on the way what opens it.
    """
    defaults = {"host": "0.0.0.0", "name": socket.getfqdn().lower(), "access": "keys", **otherwise}
    settings = Settings.from_env(**defaults)
    if settings.access == "local":
        settings = dataclasses.replace(settings, access="keys")
    if settings.tls_cert is None and not settings.cleartext:
        msg = (
            f"keys would travel to {settings.name} unencrypted: set KEEPFIT_TLS_CERT and KEEPFIT_TLS_KEY, or "
            "KEEPFIT_CLEARTEXT=true where TLS ends in a proxy before it"
        )
        raise StackError(msg)
    try:
        socket.getaddrinfo(settings.name, None)
    except OSError as fault:
        msg = (
            f"KEEPFIT_NAME={settings.name!r}: this machine does not find itself by that name "
            f"({fault.strerror}); set it to one that leads here, from here too"
        )
        raise StackError(msg) from fault
    at = now()
    if settings.asks_keys and not any(key.is_valid(at) for key in read_keys(settings.api_keys_file)):
        msg = (
            f"there is no API key in {settings.api_keys_file} and nobody could come in: "
            "bin/keepfit keys make NAME --role operate makes one"
        )
        raise StackError(msg)
    return settings

"""What is asked of a Keepfit that others reach: a name, encryption, and keys before anybody needs one."""

import dataclasses
import socket

from data.apikeys import asked_keys
from keepfit.errors import StackError
from keepfit.settings import Settings
from keepfit.tls import require_encrypted


def reached_by_others(**otherwise: object) -> Settings:
    """Read the settings of a Keepfit that listens to others, where they say nothing else.

    Raises StackError where anybody could come in, or read on the way what opens it.
    """
    defaults = {"host": "0.0.0.0", "name": socket.getfqdn().lower(), "access": "keys", **otherwise}
    settings = Settings.from_env(**defaults)
    if settings.access == "local":
        settings = dataclasses.replace(settings, access="keys")
    require_encrypted(settings)
    asked_keys(settings)
    try:
        socket.getaddrinfo(settings.name, None)
    except OSError as fault:
        msg = (
            f"KEEPFIT_NAME={settings.name!r}: this machine does not find itself by that name "
            f"({fault.strerror}); set it to one that leads here, from here too"
        )
        raise StackError(msg) from fault
    return settings

"""TLS by settings: what a server answers with, and whom our own clients believe."""

import ssl
from typing import Any

from keepfit.errors import StackError
from keepfit.settings import Settings


def server_options(settings: Settings) -> dict[str, Any]:
    """Give uvicorn's options for TLS, none without a certificate; raise StackError where it is no good."""
    if settings.tls_cert is None and settings.tls_key is None:
        return {}
    if settings.tls_cert is None or settings.tls_key is None:
        msg = "KEEPFIT_TLS_CERT and KEEPFIT_TLS_KEY: one is set; set both, or neither"
        raise StackError(msg)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            settings.tls_cert, settings.tls_key, _no_password
        )
    except (OSError, ValueError) as fault:  # also what OpenSSL says
        files = f"{settings.tls_cert}, {settings.tls_key}"
        msg = f"{files}: no certificate with its key in PEM: {fault}; correct KEEPFIT_TLS_CERT and _KEY"
        raise StackError(msg) from fault
    return {"ssl_certfile": settings.tls_cert, "ssl_keyfile": settings.tls_key}


def require_encrypted(settings: Settings) -> None:
    """Raise StackError where others reach this machine, and keys would travel unencrypted by mistake."""
    if settings.is_local or settings.tls_cert is not None or settings.cleartext:
        return
    msg = (
        f"KEEPFIT_HOST={settings.host}: others reach it, and keys and data would travel unencrypted; set "
        "KEEPFIT_TLS_CERT and KEEPFIT_TLS_KEY, or KEEPFIT_CLEARTEXT=true where TLS ends in a proxy before it"
    )
    raise StackError(msg)


def client_context(settings: Settings) -> ssl.SSLContext | None:
    """Make what a client of ours checks a server's certificate by; None where there is no TLS."""
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context()
    if settings.tls_ca is not None:
        try:
            context.load_verify_locations(settings.tls_ca)
        except OSError as fault:
            msg = f"KEEPFIT_TLS_CA={settings.tls_ca}: no certificates in PEM: {fault}; correct it"
            raise StackError(msg) from fault
    return context


def _no_password() -> str:
    msg = "the key is encrypted; give one that is not, readable by this user only"
    raise ValueError(msg)

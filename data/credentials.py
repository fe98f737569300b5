"""What Prefect's and MLflow's servers ask for where others reach them: made once, kept in one file."""

import base64
import secrets
import stat
from pathlib import Path

import msgspec
from msgspec import Struct

from keepfit.errors import StateError
from keepfit.secret import secret_key
from keepfit.settings import Settings

USER = "keepfit"
_SECRET_BYTES = 32


class Credentials(Struct, frozen=True, kw_only=True):
    """The passwords of the user `keepfit`, and what MLflow signs its forms with."""

    prefect: str
    mlflow: str
    mlflow_forms: str

    @property
    def prefect_string(self) -> str:
        """What Prefect calls the authentication string; its sign-in page asks for the whole of it."""
        return f"{USER}:{self.prefect}"

    @property
    def prefect_header(self) -> str:
        """What a request to Prefect has as its Authorization."""
        return _basic(self.prefect_string)

    @property
    def mlflow_header(self) -> str:
        """What a request to MLflow has as its Authorization."""
        return _basic(f"{USER}:{self.mlflow}")


def credentials_file(settings: Settings) -> Path:
    """Where they are: alone in a folder, which is easily left out of what copies a home."""
    return settings.home / "secrets" / "servers.json"


def credentials(settings: Settings) -> Credentials | None:
    """Read them, making them the first time; None where whoever is on this machine may do all.

    Raises StateError for a file that others may read, or that is damaged.
    """
    if settings.is_local and not settings.asks_keys:
        return None
    file = credentials_file(settings)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        content = secret_key(file, _make)
        if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            msg = f"{file}: others than its owner may read it; remove it, and bin/keepfit up makes another"
            raise StateError(msg)
        return msgspec.json.decode(content, type=Credentials)
    except OSError as fault:
        msg = f"{file}: the credentials cannot be read: {fault.strerror}; let this user read it"
        raise StateError(msg) from fault
    except msgspec.MsgspecError as fault:
        msg = f"{file}: holds no credentials; remove it, and bin/keepfit up makes another"
        raise StateError(msg) from fault


def _make() -> bytes:
    made = (secrets.token_urlsafe(_SECRET_BYTES) for _ in range(3))
    names = ("prefect", "mlflow", "mlflow_forms")
    return msgspec.json.encode(dict(zip(names, made, strict=True)))


def _basic(pair: str) -> str:
    return f"Basic {base64.b64encode(pair.encode()).decode()}"

"""Where things are: the only reader of the environment."""

import hashlib
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from keepfit.errors import StackError
from keepfit.origins import is_everywhere, is_loopback
from keepfit.soundness import NAME_RULE, is_name
from keepfit.variables import PLATFORMS, parsed, told

ROOT = Path(__file__).resolve().parent.parent
"""The root of this checkout: code runs from here and is never installed."""
HOSTED = {"host": "0.0.0.0", "access": "anyone", "hosts": "*"}
"""How a platform runs a container: it is the only one that reaches it, and says who may ask."""


@dataclass(frozen=True)
class Settings:
    """Addresses and folders of one Keepfit; every default works on a laptop.

    Each field is read from the environment variable KEEPFIT_<NAME> (upper case).
    """

    home: Path = ROOT / "var"
    host: str = "127.0.0.1"
    """Where all processes listen; by default only this machine reaches them."""
    name: str | None = None
    """The name that others reach this machine by; it stands in every address that is told."""
    hosts: str | None = None
    """Further names that a `Host` header may have, with commas between them; `*` is any."""
    access: str = "local"
    """Who may ask: `local` is this machine without a key where nobody else reaches it, and else who has an
    API key; `keys` is always who has one; `anyone` leaves it to what stands before these processes."""
    api_keys: str | None = None
    """The file of API keys, if not in the home."""
    api_key: str | None = field(default=None, repr=False)
    """The key that our own commands bring to a service that asks for one."""
    tls_cert: str | None = None
    tls_key: str | None = None
    """The certificate chain and its private key, in PEM: every process answers over TLS."""
    tls_ca: str | None = None
    """The certificates that our own clients trust beside this machine's, in PEM."""
    cleartext: bool = False
    """Let keys travel unencrypted, because TLS ends in what stands before these processes."""
    serving_port: int = 8300
    prefect_port: int = 4200
    mlflow_port: int = 5000
    console_port: int = 8400
    workers: int = 2
    project_name: str = "flights"
    """The project that the prediction service serves: the name in the project file, not its path."""
    database_url: str | None = None
    """Where the store is; None is a SQLite file in the home."""
    replay: bool = False
    """Let callers set the clock of a request: only for a server that replays the past."""
    journal_bytes: int = 64 * 1024 * 1024
    """The size at which a worker closes its journal file and opens the next."""
    body_bytes: int = 8 * 1024 * 1024
    rows: int = 10_000
    """The largest body and the most rows that one request may have."""
    deadline_s: float = 5.0
    """How long an answer may take; a request that would have to wait longer is refused at once."""
    line_rows: int = 100_000
    """The most rows that may wait for the model of one worker."""
    header_s: float = 10.0
    body_s: float = 30.0
    """How long a caller may take to send the head of a request, and its body; slower ones are cut."""
    idle_s: int = 65
    """How long an idle connection stays open: longer than the 60 seconds of the usual load balancers."""
    grace_s: int = 25
    """How long a worker finishes what is in flight after SIGTERM; platforms kill it after 30."""
    connections: int = 1000
    """The most connections that one worker keeps open."""
    capture_share: float = 1.0
    """The share of predict requests that are captured, above 0; kept rows carry 1 / share as their weight."""
    capture: str = "optional"
    """`optional` answers a prediction that cannot be captured all the same, `required` refuses it (503)."""
    durability: str = "process"
    """What a captured prediction outlives: the `process` that answered, or with `fsync` the machine."""
    explain_rows: int = 20
    """The most rows that one request with `explain=true` may have."""
    explain_s: float = 5.0
    """How long explaining a request may take, waiting included; rows not reached by then are not."""
    explain_waiting: int = 4
    """How many requests may wait for one worker's explanations; the next one is refused."""
    log: str = "text"
    """The shape of the server's log: `text`, or `json` for one object a line."""
    poll_s: float = 0.25
    """How often a worker looks at the release pointer."""
    status_s: float = 1.0
    """How often a worker rewrites its status file."""
    confirm_s: float = 30.0
    """How long a swap waits for every worker."""
    answer: str = "output"
    """What stands for a row where a contract has one value for it: `output`, `probabilities` or `full`."""
    landing_bytes: int = 512 * 1024**2
    """How much one file of rows or labels may hold, as JSON lines; taking it in needs six times as much."""
    signing_key: str | None = None
    """The private key that flows sign bundles with, if not in the home: EC P-256 in PEM."""
    trusted_keys: str | None = None
    """The folder of public keys (*.pem) whose bundles are served, if not in the home."""
    model_bytes: int = 2 * 1024**3
    """The largest model that is read."""
    load_s: float = 20.0
    load_bytes: int = 4 * 1024**3
    """How long a worker may load and try a bundle, and how much memory it may take for that."""
    release_folder: str | None = None
    """Where bundles and the pointer are, if not in the home: the model that a platform brings."""
    health_route: str | None = None
    predict_route: str | None = None
    """Paths that a platform names: for its health checks, and for instances to answer."""

    def __post_init__(self) -> None:
        if not is_name(self.project_name):
            msg = f"KEEPFIT_PROJECT_NAME={self.project_name!r}: no project is called so: {NAME_RULE}"
            raise StackError(msg)

    @classmethod
    def from_env(cls, **otherwise: object) -> "Settings":
        """Read the environment; refuse a value of the wrong type by the variable's name.

        `otherwise` are the caller's defaults. The platforms' own variables are read where ours are not set.
        """
        given: dict[str, object] = {}
        for name, declared in cls.__dataclass_fields__.items():
            for variable in (f"KEEPFIT_{name.upper()}", *PLATFORMS.get(name, ())):
                if text := os.environ.get(variable):
                    given[name] = parsed(variable, text, declared.default)
                    break
        if os.environ.get("AIP_HTTP_PORT"):
            otherwise = {**HOSTED, **otherwise}
        return cls(**(otherwise | given))  # pyright: ignore[reportArgumentType]

    def environment(self) -> dict[str, str]:
        """Say the same to a child process, but for what is secret; the inverse of `from_env`."""
        public = [n for n in self.__dataclass_fields__ if n != "api_key"]
        given = {f"KEEPFIT_{n.upper()}": getattr(self, n) for n in public}
        return {n: told(v) for n, v in given.items() if v is not None}

    @cached_property
    def store_url(self) -> str:
        """The store's SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.home / 'keepfit.db'}"

    @property
    def serving_url(self) -> str:
        """Where predictions are asked for."""
        return self._url(self.serving_port)

    @property
    def prefect_url(self) -> str:
        """Where Prefect's pages are; its API is below /api."""
        return self._url(self.prefect_port)

    @property
    def mlflow_url(self) -> str:
        """Where the registry is."""
        return self._url(self.mlflow_port)

    @property
    def console_url(self) -> str:
        """Where people look at what is going on."""
        return self._url(self.console_port)

    def _url(self, port: int) -> str:
        named = self.name or ("127.0.0.1" if is_everywhere(self.host) else self.host)
        named = f"[{named}]" if ":" in named else named
        return f"{'https' if self.tls_cert else 'http'}://{named}:{port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches what listens here."""
        return is_loopback(self.host)

    @property
    def asks_keys(self) -> bool:
        """Whether a request needs an API key."""
        return self.access == "keys" or (self.access == "local" and not self.is_local)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names that a `Host` header may have, beside this machine's numbers."""
        own = () if self.is_local else (socket.gethostname(), socket.getfqdn())
        given = (self.name or "", self.host, *own, *(self.hosts or "").split(","))
        return frozenset(name.strip().lower() for name in given if name.strip())

    @property
    def api_keys_file(self) -> Path:
        """Where the API keys are, hashed."""
        return Path(self.api_keys) if self.api_keys else self.home / "keys" / "api.json"

    def journal(self, project: str) -> Path:
        """Where the workers write what they answered, and their status files."""
        return self.home / "journal" / project

    def releases(self, project: str) -> Path:
        """Where bundles are published, and the pointer to the champion."""
        return Path(self.release_folder) if self.release_folder else self.home / "releases" / project

    @property
    def key_file(self) -> Path:
        """Where the private key is that flows sign with."""
        return Path(self.signing_key) if self.signing_key else self.home / "keys" / "signing.pem"

    @property
    def trusted_folder(self) -> Path:
        """Where the public keys are whose bundles are served."""
        return Path(self.trusted_keys) if self.trusted_keys else self.home / "keys" / "trusted"

    def snapshots(self, project: str) -> Path:
        """Where frozen training sets are kept as Parquet."""
        return self.home / "snapshots" / project

    def landing(self, project: str) -> Path:
        """Where people and other systems drop files with rows or labels."""
        return self.home / "landing" / project

    def replays(self, project: str) -> Path:
        """Where replays keep how far they came."""
        return self.home / "replays" / project

    def reports(self, project: str) -> Path:
        """Where the pages and verdicts of `watch` are."""
        return self.home / "reports" / project


def report_name(as_of: datetime) -> str:
    """Name what a watch leaves: its folder below `Settings.reports`, and its address in the console."""
    return f"{as_of.astimezone(UTC):%Y-%m-%dT%H%M%SZ}"


def code_commit() -> str:
    """Name the commit of this checkout, with `-dirty` and a hash of the difference where there is one."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    told = subprocess.run(
        [git, "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    commit = told.stdout.strip()
    if commit.endswith("-dirty"):
        changed = subprocess.run([git, "-C", str(ROOT), "diff", "HEAD"], capture_output=True, check=False)
        commit += f"-{hashlib.sha256(changed.stdout).hexdigest()[:12]}"
    return commit or "unknown"


def inherited_environment() -> dict[str, str]:
    """Copy what this process was given, for a child process to be given too."""
    return dict(os.environ)

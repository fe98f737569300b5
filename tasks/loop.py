"""The open parts of one project's loop, which every step is handed."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from data.audit import oneself
from data.holds import Holds
from data.promotions import Ledger
from data.quarantine import Quarantine
from data.signatures import Trust
from data.store import Store
from keepfit.loading import load_project
from keepfit.secret import secret_key
from keepfit.settings import Settings
from keepfit.spec import Project

if TYPE_CHECKING:
    from data.registry import Registry


@dataclass(frozen=True)
class Loop:
    """A project with its settings, its store and its ledger."""

    project: Project
    settings: Settings
    store: Store
    who: str = field(default_factory=oneself, kw_only=True)
    """Who changes what is changed, for the audit log: the user of this process, or a flow run."""

    @property
    def name(self) -> str:
        """The project's name."""
        return self.project.name

    @cached_property
    def ledger(self) -> Ledger:
        """Who is champion."""
        return Ledger(self.store, self.name, self.who)

    @cached_property
    def quarantine(self) -> Quarantine:
        """What was received and not accepted."""
        return Quarantine(self.store, self.name, self.who)

    @cached_property
    def holds(self) -> Holds:
        """Whose labels are held."""
        return Holds(self.store, self.name, self.who)

    @cached_property
    def registry(self) -> "Registry":
        """The versions; opened when a step asks for them, for MLflow takes seconds to import."""
        from data.registry import Registry

        return Registry(self.settings.mlflow_url, self.name)

    @cached_property
    def subject_key(self) -> bytes:
        """The secret that subjects' ids are hashed with, made at first use; empty where no column has one."""
        return b"" if self.project.subject is None else secret_key(self.settings.home / "subject.key")

    @property
    def trust(self) -> Trust:
        """Whose bundles may be served."""
        return Trust.of(self.settings)

    @property
    def journal(self) -> Path:
        """Where the workers journal."""
        return self.settings.journal(self.name)

    @property
    def releases(self) -> Path:
        """Where bundles are published."""
        return self.settings.releases(self.name)


def open_loop(where: str, settings: Settings | None = None, who: str | None = None) -> Loop:
    """Open the loop of the project that `where` names, as the environment says."""
    settings = settings or Settings.from_env()
    return Loop(load_project(where), settings, Store(settings.store_url), who=who or oneself())

"""What the console reads: the store, the reports' folder, the workers' status files, Prefect."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from data.decisions import KeptDecision, kept_decision, kept_decisions
from data.holds import Holds
from data.lookup import Lookup
from data.promotions import Ledger
from data.quarantine import Quarantine
from data.releases import WorkerStatus, read_statuses
from data.store import Store
from keepfit.errors import ServiceUnavailable
from keepfit.settings import Settings
from keepfit.spec import is_storable
from monitoring.console.reading.asking import Asking
from monitoring.console.reading.flowruns import FlowRuns, signed_in_client
from monitoring.console.reading.watches import Watch, Watches, drawn_page
from monitoring.drift.verdicts import DriftVerdict


@dataclass(frozen=True)
class Sources:
    """The open parts of one project, by its name alone: a project file that does not import hides nothing."""

    settings: Settings
    project: str

    @cached_property
    def store(self) -> Store:
        """The store; opened when it is asked for, and again while it does not answer."""
        return Store(self.settings.store_url)

    @property
    def ledger(self) -> Ledger:
        """Who is champion."""
        return Ledger(self.store, self.project)

    @property
    def quarantine(self) -> Quarantine:
        """What was set aside."""
        return Quarantine(self.store, self.project)

    @property
    def holds(self) -> Holds:
        """Whose labels are held."""
        return Holds(self.store, self.project)

    @property
    def lookup(self) -> Lookup:
        """The single predictions."""
        return Lookup(self.store, self.project)

    @cached_property
    def asking(self) -> Asking:
        """Who says why an answer was given."""
        return Asking(self.settings)

    @cached_property
    def flow_runs(self) -> FlowRuns:
        """What Prefect runs."""
        return FlowRuns(self.settings.prefect_url, self.project, signed_in_client(self.settings))

    @cached_property
    def judged(self) -> dict[tuple[bytes, ...], DriftVerdict]:
        """What comparisons of days came to lately, by what was compared."""
        return {}

    @property
    def reports(self) -> Path:
        """Where each watch left what it found."""
        return self.settings.reports(self.project)

    def decisions(self, limit: int = 2000) -> list[KeptDecision]:
        """Return the last decisions, newest first."""
        return kept_decisions(self.store, self.project, limit)

    def decision(self, key: str) -> KeptDecision | None:
        """Return one decision."""
        return kept_decision(self.store, self.project, key) if is_storable(key) else None

    def workers(self, at: datetime) -> list[WorkerStatus]:
        """Return what each worker seen in the last seconds serves."""
        return read_statuses(self.settings.journal(self.project), at)

    @cached_property
    def _watches(self) -> Watches:
        return Watches(self.reports)

    def watches(self) -> list[Watch]:
        """Return all that `watch` found, oldest first."""
        return self._watches.every()

    def watch(self, name: str) -> Watch | None:
        """Return what one watch found."""
        return self._watches.named(name)

    def page(self, name: str) -> Path | None:
        """Say where Evidently's page of a watch is."""
        return drawn_page(self.reports, name)

    def read_ahead(self) -> None:
        """Read what every page begins from; whatever cannot be had is told by the page that wants it."""
        with suppress(ServiceUnavailable):
            self.flow_runs.latest()
        self.watches()

    def close(self) -> None:
        """Let go of the connections."""
        for name, part in list(vars(self).items()):
            if name in ("store", "flow_runs"):
                part.close()

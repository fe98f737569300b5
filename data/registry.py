"""Versions and the champion alias: the doorway to MLflow.

How long MLflow is waited for stands here, and nowhere else: a question that is not answered takes
`(1 + RETRIES) * TIMEOUT_S` and a second, and then the registry is left alone for `REST_S`. A flow that needs
minutes may so wait for a registry that hangs once before it trains and once after: 42 s together.
"""

import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient
from mlflow import environment_variables as switches
from mlflow.entities import Metric, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException, RestException
from requests import RequestException

from data.bundles import digest_of
from data.circuit import Circuit
from keepfit.errors import RegistryUnavailable, StateError, VersionNotFound

TIMEOUT_S = 10
"""How long MLflow may take to begin an answer, and between two pieces of it; 120 by default."""
RETRIES = 1
"""How often a question is asked again; 7 by default, which is minutes."""
REST_S = 60.0
"""How long a registry that did not answer is not asked again by the same flow."""

CHAMPION = "champion"
_OURS = "keepfit."
_KEY = "keepfit.key"
_DIGEST = "keepfit.digest"
_PROMOTION = "keepfit.promotion"
_FOLDER = "bundle"
_RETRYING = (
    (switches.MLFLOW_HTTP_REQUEST_MAX_RETRIES, RETRIES),
    (switches.MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR, 1),
)
_REFUSED = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")


@dataclass(frozen=True)
class Registry:
    """The versions of one project's model, each with its bundle as artifacts; its lineage is on its run.

    `key` names what a version was made from: asking for a version with a key that is there already
    returns that one, so a retrain that died can be run again.
    """

    url: str
    project: str
    _client: MlflowClient = field(init=False, repr=False)
    _circuit: Circuit = field(default_factory=lambda: Circuit(REST_S), init=False, repr=False)

    def __post_init__(self) -> None:
        for switch, value in ((switches.MLFLOW_HTTP_REQUEST_TIMEOUT, TIMEOUT_S), *_RETRYING):
            if not switch.is_set():  # a person's own goes first
                switch.set(value)
        object.__setattr__(self, "_client", MlflowClient(self.url))

    def version(self, key: str) -> int:
        """Return the number of the version with this key, making it if there is none."""
        with self._answering():
            self._make_sure_of_model()
            if (present := self._by_key(key)) is not None:
                return int(present.version)
            run = self._client.create_run(self._experiment(), run_name=key[:12])
            source = f"{run.info.artifact_uri}/{_FOLDER}"
            made = self._client.create_model_version(
                self.project, source, run.info.run_id, tags={_KEY: key}, await_creation_for=0
            )
            return int(made.version)

    def keep(self, version: int, bundle: Path, tags: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        """Store a version's bundle, what is told of it, and its scores; doing it twice changes nothing."""
        with self._answering():
            run = self._model_version(version).run_id
            assert run is not None
            self._client.log_artifacts(run, str(bundle), _FOLDER)
            told = {name: text[:5000] for name, text in {**tags, _DIGEST: digest_of(bundle)}.items()}
            at = int(time.time() * 1000)
            scores = [Metric(name, value, at, 0) for name, value in metrics.items()]
            self._client.log_batch(run, scores, tags=[RunTag(*tag) for tag in told.items()])
            # Each tag of a version is two questions more: what it was made from stands on its run alone.
            for name in (*(n for n in tags if not n.startswith(_OURS)), _DIGEST):
                self._client.set_model_version_tag(self.project, str(version), name, told[name])
            self._client.set_terminated(run)

    @contextmanager
    def bundle(self, version: int) -> Generator[tuple[Path, str]]:
        """Fetch a version's bundle into a folder for the time being; yield the folder and the digest kept.

        Raises VersionNotFound when there is no such version, or nothing was stored for it.
        """
        with tempfile.TemporaryDirectory(prefix="keepfit-") as folder:
            with self._answering():
                found = self._model_version(version)
                digest = found.tags.get(_DIGEST)
                if digest is None or found.run_id is None:
                    msg = f"{self.project} version {version}: no bundle was stored for it; choose another"
                    raise VersionNotFound(msg)
                path = self._client.download_artifacts(found.run_id, _FOLDER, folder)
            yield Path(path), digest

    def champion(self) -> int | None:
        """Return the version that the alias names, or None."""
        with self._answering():
            try:
                return int(self._client.get_model_version_by_alias(self.project, CHAMPION).version)
            except MlflowException as fault:
                # So MLflow tells a missing alias; a missing model it tells as one would expect.
                if fault.error_code in (*_ABSENT, "INVALID_PARAMETER_VALUE"):
                    return None
                raise

    def projected(self) -> int:
        """Return the number of the promotion that we last moved the alias for; 0 before the first.

        An alias that differs from it was moved by a person.
        """
        with self._answering():
            try:
                model = self._client.get_registered_model(self.project)
            except MlflowException as fault:
                if fault.error_code in _ABSENT:
                    return 0
                raise
            return int(model.tags.get(_PROMOTION, "0"))

    def name_champion(self, version: int | None, promotion: int) -> None:
        """Move the alias for a promotion, or take it away; doing it twice changes nothing."""
        with self._answering():
            if version is not None:
                self._client.set_registered_model_alias(self.project, CHAMPION, str(version))
            elif self.champion() is not None:
                self._client.delete_registered_model_alias(self.project, CHAMPION)
            self._client.set_registered_model_tag(self.project, _PROMOTION, str(promotion))

    def _make_sure_of_model(self) -> None:
        try:
            self._client.create_registered_model(self.project)
        except MlflowException as fault:
            if fault.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _experiment(self) -> str:
        # Made, then looked for: two retrains that begin together both find it.
        try:
            return self._client.create_experiment(self.project)
        except MlflowException as fault:
            present = self._client.get_experiment_by_name(self.project)
            if present is None:
                raise fault from None
            return present.experiment_id

    def _by_key(self, key: str) -> ModelVersion | None:
        found = self._client.search_model_versions(f"name = '{self.project}' and tags.`{_KEY}` = '{key}'")
        return min(found, key=lambda v: int(v.version), default=None)

    def _model_version(self, version: int) -> ModelVersion:
        try:
            return self._client.get_model_version(self.project, str(version))
        except MlflowException as fault:
            if fault.error_code not in _ABSENT:
                raise
            msg = f"{self.project} version {version}: the registry at {self.url} has none; see its page"
            raise VersionNotFound(msg) from fault

    @contextmanager
    def _answering(self) -> Generator[None]:
        if (refusal := self._circuit.refusal()) is not None:
            raise RegistryUnavailable(refusal)
        try:
            yield
        except (MlflowException, RequestException) as fault:
            what = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
            if isinstance(fault, MlflowException) and fault.error_code in _REFUSED:
                msg = f"the registry at {self.url} refused what it was given: {what}"
                raise StateError(msg) from fault
            msg = f"the registry at {self.url} does not answer: {what}; start it with bin/keepfit up"
            if not isinstance(fault, RestException):  # that one is an answer, though no good one
                self._circuit.failed(msg)
            raise RegistryUnavailable(msg) from fault

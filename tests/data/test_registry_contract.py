"""What every registry promises: the fake in tests/fakes.py, and the real one on an MLflow server."""

import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from control.services import environment, services
from data.bundles import open_bundle
from keepfit.errors import KeepfitError, ServiceUnavailable, VersionNotFound
from keepfit.settings import Settings
from tests.builders import bundle
from tests.control.little import free_port
from tests.fakes import FakeRegistry
from tests.keys import TRUST, seal


class SomeRegistry(Protocol):
    """The public methods of data.registry.Registry."""

    version: Callable[[str], int]
    keep: Callable[..., None]
    bundle: Callable[..., object]
    champion: Callable[[], int | None]
    projected: Callable[[], int]
    name_champion: Callable[[int | None, int], None]


@dataclass
class Case:
    """A registry, and how a person moves its alias without us."""

    registry: SomeRegistry
    move_by_hand: Callable[[int], None] = field(repr=False)
    away: SomeRegistry


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server, started as `bin/keepfit up` starts it."""
    there = Settings(home=tmp_path_factory.mktemp("mlflow"), mlflow_port=free_port())
    (service,) = (s for s in services(there) if s.name == "mlflow")
    told = {**environment(there, "examples/flights", "flights"), **service.environment}
    with (there.home / "log").open("wb") as log:
        process = subprocess.Popen(service.command, env=told, stdout=log, stderr=log)
        try:
            for _ in range(300):
                if service.alive(datetime.now(UTC)):
                    break
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.2)
            yield there.mlflow_url
        finally:
            process.terminate()
            process.wait(30)
    shutil.rmtree(there.home, ignore_errors=True)


@pytest.fixture(params=["fake", pytest.param("mlflow", marks=pytest.mark.e2e)])
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Case:
    if request.param == "fake":
        fake = FakeRegistry()
        return Case(fake, lambda version: setattr(fake, "named", version), FakeRegistry(away=True))
    from mlflow import MlflowClient

    from data.registry import CHAMPION, Registry

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    url, project = request.getfixturevalue("mlflow_url"), f"made-{uuid.uuid4().hex[:8]}"
    client = MlflowClient(url)
    return Case(
        Registry(url, project),
        lambda version: client.set_registered_model_alias(project, CHAMPION, str(version)),
        Registry(f"http://127.0.0.1:{free_port()}", project),
    )


@pytest.fixture
def registry(case: Case) -> SomeRegistry:
    return case.registry


def test_versions_are_numbered_from_one(registry: SomeRegistry) -> None:
    assert [registry.version(key) for key in ("a", "b", "c")] == [1, 2, 3]


def test_the_same_key_is_the_same_version(registry: SomeRegistry) -> None:
    assert [registry.version(key) for key in ("a", "b", "a")] == [1, 2, 1]


def test_a_bundle_that_was_kept_is_fetched_byte_by_byte(registry: SomeRegistry, tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path, version=registry.version("a"))
    registry.keep(1, folder, {"reason": "drift"}, {"roc_auc": 0.7})
    with registry.bundle(1) as (there, kept):  # type: ignore[attr-defined]
        assert kept == digest
        assert open_bundle(there, kept, TRUST) == open_bundle(folder, digest, TRUST)
    assert not there.exists()


def test_a_bundle_that_was_signed_anew_can_be_kept_again(registry: SomeRegistry, tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path, version=registry.version("a"))
    registry.keep(1, folder, {"reason": "drift"}, {"roc_auc": 0.7})
    seal(folder)
    registry.keep(1, folder, {}, {})
    with registry.bundle(1) as (there, kept):  # type: ignore[attr-defined]
        assert open_bundle(there, kept, TRUST) == open_bundle(folder, digest, TRUST)


def test_keeping_a_bundle_twice_changes_nothing(registry: SomeRegistry, tmp_path: Path) -> None:
    folder, digest = bundle(tmp_path, version=registry.version("a"))
    for _ in range(2):
        registry.keep(1, folder, {"reason": "drift"}, {"roc_auc": 0.7})
    with registry.bundle(1) as (there, kept):  # type: ignore[attr-defined]
        assert open_bundle(there, kept, TRUST).digest == digest


def test_a_version_for_which_nothing_was_kept_has_no_bundle(registry: SomeRegistry) -> None:
    registry.version("a")
    with pytest.raises(VersionNotFound, match="no bundle was stored for it; choose another"):
        registry.bundle(1).__enter__()  # type: ignore[attr-defined]


def test_a_version_that_is_not_there_is_not_found(registry: SomeRegistry, tmp_path: Path) -> None:
    registry.version("a")
    with pytest.raises(VersionNotFound, match="version 9"):
        registry.bundle(9).__enter__()  # type: ignore[attr-defined]
    with pytest.raises(VersionNotFound, match="version 9"):
        registry.keep(9, bundle(tmp_path)[0], {}, {})


def test_before_the_first_version_there_is_no_champion(registry: SomeRegistry) -> None:
    assert (registry.champion(), registry.projected()) == (None, 0)


def test_before_the_first_promotion_there_is_no_champion(registry: SomeRegistry) -> None:
    registry.version("a")
    assert (registry.champion(), registry.projected()) == (None, 0)


def test_the_champion_is_the_one_that_was_named_last(registry: SomeRegistry) -> None:
    for key in "ab":
        registry.version(key)
    registry.name_champion(1, 1)
    registry.name_champion(2, 2)
    assert (registry.champion(), registry.projected()) == (2, 2)
    registry.name_champion(1, 3)
    assert (registry.champion(), registry.projected()) == (1, 3)


def test_naming_a_champion_twice_changes_nothing(registry: SomeRegistry) -> None:
    registry.version("a")
    for _ in range(2):
        registry.name_champion(1, 1)
    assert (registry.champion(), registry.projected()) == (1, 1)


def test_a_champion_is_taken_away_once_or_twice(registry: SomeRegistry) -> None:
    registry.version("a")
    registry.name_champion(1, 1)
    for _ in range(2):
        registry.name_champion(None, 2)
    assert (registry.champion(), registry.projected()) == (None, 2)


def test_a_champion_that_is_no_version_is_refused(registry: SomeRegistry) -> None:
    registry.version("a")
    with pytest.raises(KeepfitError):
        registry.name_champion(9, 1)
    assert registry.projected() == 0


def test_an_alias_that_a_person_moved_is_told_from_one_that_we_moved(case: Case) -> None:
    for key in "ab":
        case.registry.version(key)
    case.registry.name_champion(1, 1)
    case.move_by_hand(2)
    assert (case.registry.champion(), case.registry.projected()) == (2, 1)


def test_a_registry_that_does_not_answer_is_unavailable(case: Case) -> None:
    for ask in (case.away.champion, case.away.projected, lambda: case.away.version("a")):
        with pytest.raises(ServiceUnavailable, match="does not answer"):
            ask()

"""`bin/keepfit release`: the labels of a held source count again."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from control.cli import app
from data.holds import Hold, Holds
from data.store import Store
from keepfit.errors import StateError
from keepfit.settings import Settings
from tests.making import NOON

PROJECT = "examples/flights"


@pytest.fixture
def holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Holds:
    """A home where a source of the flights is held."""
    monkeypatch.setenv("KEEPFIT_HOME", str(tmp_path))
    made = Holds(Store(Settings.from_env().store_url), "flights")
    made.hold(Hold("http:partner", NOON, NOON, "it floods"))
    return made


def test_a_held_source_is_released_with_a_reason(holds: Holds) -> None:
    told = CliRunner().invoke(app, ["release", "http:partner", "-p", PROJECT, "--reason", "a mistake"])
    assert told.exit_code == 0
    assert told.output == "labels of http:partner count again (0 waited): the next retrain learns from them\n"
    assert [hold.released_because for hold in holds.history()] == ["a mistake"]


def test_a_source_that_is_not_held_is_refused(holds: Holds) -> None:
    told = CliRunner().invoke(app, ["release", "http:other", "-p", PROJECT])
    assert isinstance(told.exception, StateError)
    assert "labels of 'http:other' are not held; bin/keepfit status names what is" in str(told.exception)
    assert [hold.released_at for hold in holds.history()] == [None]

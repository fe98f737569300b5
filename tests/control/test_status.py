import json
from datetime import datetime
from pathlib import Path

import pytest

from control.status import status
from tests.console.years import Year


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project that has lived on a home without a stack."""
    year = Year(tmp_path / "home", steps=4).live().serve(4).set_aside("too far", "too far", "no carrier")
    for name, value in year.settings.environment().items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "made_here.py"
    file.write_text("from tests.making import project as make\n\nproject = make()\n")
    return str(file)


def test_a_terminal_shows_the_glance_of_the_console(where: str) -> None:
    lines = status(where).lines
    assert lines[0] == f"made: not up: bin/keepfit up -p {where}"
    assert lines[1] == "Version 4 is champion, and both workers serve it."
    assert "  2 x too far" in lines


def test_a_program_is_told_times_and_reasons_as_json_has_them(where: str) -> None:
    told = json.loads(json.dumps(status(where).json(), allow_nan=False))
    assert (told["project"], told["up"], told["champion"]["version"]) == ("made", False, 4)
    assert [worker["version"] for worker in told["workers"]] == [4, 4]
    for time in (
        told["at"],
        told["champion"]["as_of"],
        told["decisions"][0]["as_of"],
        told["watch"]["as_of"],
    ):
        assert time.endswith("Z")
        assert datetime.fromisoformat(time).tzinfo is not None
    assert told["quarantine_reasons"] == [
        {"reason": "too far", "rows": 2},
        {"reason": "no carrier", "rows": 1},
    ]
    assert "Prefect does not answer" in told["prefect_away"]

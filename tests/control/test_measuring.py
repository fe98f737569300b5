import json
from pathlib import Path

import pytest

from control.measuring import looked_at
from tests.console.years import Year


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project whose home has never been started."""
    year = Year(tmp_path / "home", steps=1)
    for name, value in year.settings.environment().items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "made_here.py"
    file.write_text("from tests.making import project as make\n\nproject = make()\n")
    return str(file)


def test_a_store_without_answers_is_told_as_such(where: str) -> None:
    said = looked_at(where, None).text()
    assert "cannot say, because the window is empty" in said
    assert "how long labels take: cannot say" in said


def test_a_program_reads_null_where_nothing_can_be_said(where: str) -> None:
    told = json.loads(json.dumps(looked_at(where, None).json(), allow_nan=False))
    assert told["estimate"]["value"] is None
    assert told["estimate"]["unknown"] == "the window is empty"

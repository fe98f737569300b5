"""Sources of labels that are held, as the console and `status` show them."""

from datetime import timedelta
from pathlib import Path

import pytest

from data.holds import Hold
from data.records import now
from monitoring.console.views.glance import look
from tests.console.opening import opened
from tests.console.years import Year

KEY = "http:<b>partner"


@pytest.fixture
def year(tmp_path: Path) -> Year:
    """A home where a source is held."""
    made = Year(tmp_path, steps=2).live()
    at = now()
    made.sources.holds.hold(Hold(KEY, at - timedelta(days=3), at, "it floods"))
    return made


def test_status_and_the_first_page_name_who_is_held(year: Year) -> None:
    seen = look(year.sources, now())
    (line,) = (line for line in seen.lines() if line.startswith("held: "))
    assert line.startswith(f"held: 0 labels of {KEY} held since ")
    assert line.endswith(": it floods")
    assert any(KEY in concern for concern in seen.concerns)


def test_the_quarantine_page_names_who_is_held_with_a_way_to_release_it(year: Year) -> None:
    with opened(year) as console:
        page = console.get("/quarantine").text
    assert "Labels of http:&lt;b&gt;partner are held</h2>" in page
    assert "it floods" in page
    assert 'action="/release"' in page
    assert 'name="source" value="http:&lt;b&gt;partner"' in page


def test_only_a_source_that_is_held_is_released(year: Year) -> None:
    with opened(year) as console:
        origin = {"Origin": str(console.base_url).rstrip("/")}
        refused = console.post("/release", data={"source": "http:other"}, headers=origin)
        asked = console.post("/release", data={"source": KEY}, headers=origin)
    assert refused.status_code == 422
    assert "Choose a source of labels that is held." in refused.text
    # It is a run of `feedback`, and Prefect is away here.
    assert asked.status_code == 503

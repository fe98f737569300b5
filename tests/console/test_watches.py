import json
from pathlib import Path

from monitoring.console.reading.watches import Watches, drawn_page
from monitoring.reports import write_report
from tests.console.years import START, verdict, write_watch
from tests.monitoring.test_reports import AS_OF, before, judged
from tests.monitoring.windows_of import project, window

NAME = "2026-02-01T000000Z"


def test_what_watch_writes_is_read(tmp_path: Path) -> None:
    made, reference, current = project(), before(), window(seed=2)
    found = judged(made, reference, current)
    write_report(tmp_path / AS_OF.strftime("%Y-%m-%dT%H%M%SZ"), made, found, reference, current)
    (watch,) = Watches(tmp_path).every()
    assert watch.as_of == AS_OF
    assert watch.version == found.version
    assert watch.verdict.drift is found.verdict.drift
    assert [each.column for each in watch.verdict.findings] == [f.column for f in found.verdict.findings]
    assert watch.performance is not None
    assert watch.performance.sentence == found.performance.sentence
    assert watch.reason is not None
    assert watch.reason.evidence == "<b>moved</b>"
    assert watch.windows is not None
    assert watch.windows.current.until == AS_OF
    assert drawn_page(tmp_path, watch.name) is not None


def test_a_file_of_an_older_keepfit_is_read(tmp_path: Path) -> None:
    told = {key: value for key, value in verdict(0, 1, ("a",)).items() if key in ("as_of", "performance")}
    write_watch(tmp_path, START, told)
    (watch,) = Watches(tmp_path).every()
    assert watch.frozen is None
    # Then the champion's own scores stand in for those of the answers as given.
    assert watch.loop == told["performance"]["scores"]


def test_a_file_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    write_watch(tmp_path, START, verdict(0, 1, ("a",)))
    (tmp_path / "2026-03-01T000000Z").mkdir()
    (tmp_path / "2026-03-01T000000Z" / "verdict.json").write_text('{"as_of": "2026-03')
    assert [watch.name for watch in Watches(tmp_path).every()] == [NAME]


def test_no_address_leads_out_of_the_folder(tmp_path: Path) -> None:
    write_watch(tmp_path / "reports", START, verdict(0, 1, ("a",)))
    assert Watches(tmp_path / "reports" / "other").named(f"../{NAME}") is None
    assert drawn_page(tmp_path / "reports" / "other", f"../{NAME}") is None


def test_a_watch_of_another_time_zone_has_the_address_of_its_folder(tmp_path: Path) -> None:
    told = {"as_of": "2026-03-15T02:00:00+02:00"}
    folder = tmp_path / "2026-03-15T000000Z"
    folder.mkdir()
    (folder / "verdict.json").write_text(json.dumps(told))
    (watch,) = Watches(tmp_path).every()
    assert watch.name == folder.name

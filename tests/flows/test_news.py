from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from data.records import now
from flows.news import news_of_watch
from monitoring.reports import Judged
from tests.monitoring.test_notices import DRIFTED, judged

NOW = now().replace(microsecond=0)


def watched(reports: Path, ago: timedelta = timedelta()) -> tuple[Judged, Path]:
    """A watch that found drift, and the folder of its report."""
    as_of = NOW - ago
    folder = reports / as_of.strftime("%Y-%m-%dT%H%M%SZ")
    folder.mkdir()
    return replace(judged(verdict=DRIFTED), as_of=as_of), folder


def test_a_watch_tells_its_drift_with_the_address_of_its_report(tmp_path: Path) -> None:
    found, folder = watched(tmp_path)
    notice = news_of_watch(found, [], folder)
    assert notice is not None
    assert notice.path == f"/reports/{folder.name}"


def test_the_same_watch_run_again_tells_nothing(tmp_path: Path) -> None:
    found, folder = watched(tmp_path)
    assert news_of_watch(found, [], folder) is not None
    assert news_of_watch(found, [], folder) is None


def test_the_next_watch_does_not_tell_the_same_drift(tmp_path: Path) -> None:
    earlier, there = watched(tmp_path, timedelta(hours=12))
    assert news_of_watch(earlier, [], there) is not None
    found, folder = watched(tmp_path)
    assert news_of_watch(found, [], folder) is None


def test_a_look_back_tells_nothing(tmp_path: Path) -> None:
    later, here = watched(tmp_path)
    assert news_of_watch(replace(later, verdict=judged().verdict), [], here) is None
    earlier, there = watched(tmp_path, timedelta(hours=1))
    assert news_of_watch(earlier, [], there) is None


def test_a_replay_of_the_past_tells_nothing_and_is_forgotten(tmp_path: Path) -> None:
    found, folder = watched(tmp_path, timedelta(days=300))
    assert news_of_watch(found, [], folder) is None
    assert list(folder.iterdir()) == []


def test_what_is_remembered_and_cannot_be_read_is_told_again(tmp_path: Path) -> None:
    earlier, there = watched(tmp_path, timedelta(hours=12))
    news_of_watch(earlier, [], there)
    (there / "standing.json").write_text("{")
    found, folder = watched(tmp_path)
    assert news_of_watch(found, [], folder) is not None

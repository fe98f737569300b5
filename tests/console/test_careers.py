import csv
import io
import re
from pathlib import Path

import httpx
import pytest

from data.promotions import Promotion
from data.releases import publish
from data.signatures import Trust
from monitoring.console.views.careers import career, career_chart, careers
from tests.builders import opened as opened_bundle
from tests.console.opening import opened
from tests.console.years import EVERY, EVIL, NAME, START, Year, promote, verdict, write_watch
from tests.keys import KEY_FILE


def test_every_version_that_was_made_is_listed(console: httpx.Client) -> None:
    page = console.get("/models").text
    assert re.findall(r'href="/models/(\d+)">', page) == [str(number) for number in range(20, 0, -1)]


def test_a_version_that_came_back_was_champion_in_two_times(year: Year) -> None:
    found = career(year.sources, 4)
    assert found is not None
    assert [spell.began.kind for spell in found.spells] == ["retrain", "rollback"]
    assert found.spells[0].reign.since == START + 3 * EVERY
    assert found.headline == "Version 4 was champion for 95 days in 2 times."
    assert [spell.ended and spell.ended.version for spell in found.spells] == [8, 14]


def test_what_it_did_as_champion_is_the_mean_of_its_watches(year: Year) -> None:
    found = career(year.sources, 14)
    assert found is not None
    watches = [watch for watch in year.sources.watches() if watch.version == 14]
    scores = [watch.performance.value or 0 for watch in watches if watch.performance]
    mean, count = found.kept
    assert count == len(scores) == 3
    assert mean == pytest.approx(sum(scores) / 3)
    assert found.promised == -0.4770


def test_a_watch_of_another_metric_counts_for_nothing(tmp_path: Path) -> None:
    year = Year(tmp_path, steps=2).live()
    told = verdict(3, 1, year.names)
    told["performance"] |= {"metric": "roc_auc", "value": 0.7}
    write_watch(year.sources.reports, START + 3 * EVERY, told)
    found = career(year.sources, 1)
    assert found is not None
    assert len(found.watches) == 2
    assert found.kept[1] == 1


def test_the_chart_leaves_a_gap_while_another_was_champion(year: Year) -> None:
    sources = year.sources
    found = career(sources, 4)
    assert found is not None
    chart = career_chart(found, sources.watches())
    assert chart is not None
    realised, promised = chart.series[:2]
    between = [place for place, at in enumerate(chart.times) if START + 8 * EVERY <= at <= START + 10 * EVERY]
    assert len(between) == 1
    assert [realised.values[place] for place in between] == [None] * len(between)
    assert set(promised.values) == {0.4770, None}
    assert "rollback" in chart.events


def test_a_model_says_who_made_it_and_when_it_was_champion(console: httpx.Client) -> None:
    page = console.get("/models/17").text
    assert "<h1>Version 17 is champion.</h1>" in page
    assert "No worker serves it now." in page
    assert f'href="http://127.0.0.1:1/#/models/{NAME}/versions/17"' in page
    assert f'<a href="/decisions/{17:064x}">this decision</a>' in page
    assert '<a href="/ledger/7">entry 7</a>, by retrain: on schedule' in page
    assert len(re.findall(r'<a href="/decisions/[^"]+"><time', page)) == 3  # versions 18 to 20 were refused


def test_a_model_says_how_many_workers_serve_it(tmp_path: Path) -> None:
    with opened(Year(tmp_path, steps=2).live().serve(version=1)) as console:
        assert "2 workers serve it now." in console.get("/models/1").text
        assert "No worker serves it now." in console.get("/models/2").text


def test_a_version_whose_bundle_is_gone_shows_what_the_ledger_knows(console: httpx.Client) -> None:
    page = console.get("/models/17").text
    assert "Its bundle is not in the release directory; the registry may have it" in page
    assert f'<code class="copied">{17:064x}</code>' in page


def test_a_version_that_was_refused_stands_beside_the_champion_of_that_time(console: httpx.Client) -> None:
    page = console.get("/models/15").text
    assert "<h1>Version 15 was refused, and was never champion.</h1>" in page
    assert "Version 14 on the same rows</dt><dd><b>0.4980</b>" in page


@pytest.mark.parametrize("version", ["99", "0", "x", "-1", "1" * 5000, "%3Cscript%3E", "\u0661"])
def test_a_version_that_nobody_knows_is_said_in_a_sentence(console: httpx.Client, version: str) -> None:
    for ending in ("", ".json", ".html"):
        answer = console.get(f"/models/{version}{ending}")
        assert answer.status_code == 404
        assert "all are listed under Models." in answer.text
        assert "<script>" not in answer.text


def test_a_model_of_here_shows_its_columns_and_that_its_signature_is_good(tmp_path: Path) -> None:
    year = Year(tmp_path / "home", steps=0)
    sources = year.sources
    bundle = opened_bundle(tmp_path, version=1)
    trusted = sources.settings.trusted_folder
    trusted.mkdir(parents=True)
    (trusted / "here.pem").write_bytes(next(KEY_FILE.parent.glob("trusted/*.pem")).read_bytes())
    publish(bundle, sources.settings.releases(NAME), Trust(trusted))
    entry = Promotion(kind="by hand", version=1, digest=bundle.digest, reason=EVIL, as_of=START)
    sources.ledger.append(entry, None)
    sources.close()
    with opened(year) as console:
        page = console.get("/models/1").text
        told = console.get("/models/1.json").json()
    assert "Signed by a trusted key: checked for this page" in page
    assert EVIL not in page
    for name, column in bundle.manifest.columns.items():
        assert f'<th scope="row" class="long">{name}</th><td>{column.kind}</td>' in page
    assert told["bundle"]["signed"] is True
    assert "golden_rows" not in str(told)


def test_an_entry_that_was_taken_back_at_once_is_no_time_as_champion(tmp_path: Path) -> None:
    year = Year(tmp_path, steps=1).live()
    sources = year.sources
    promote(sources, START + EVERY, "retrain", 2)
    promote(sources, START + EVERY, "withdrawal", 1)
    found = {each.version: each for each in careers(sources)}
    sources.close()
    assert found[2].headline == "Version 2 was to be champion, and was taken back."
    assert found[1].in_force
    with opened(year) as console:
        assert "taken back at once" in console.get("/models/2").text


def test_models_are_kept_as_files(console: httpx.Client) -> None:
    rows = list(
        csv.DictReader(io.StringIO(console.get("/models.csv").content.decode("utf-8-sig"), newline=""))
    )
    assert [row["champion_since"] for row in rows if row["version"] == "4"] == [
        "2026-03-15T00:00:00Z",
        "2026-06-24T00:00:00Z",
    ]
    assert rows[3]["promised"] == "-0.477"
    assert console.get("/models.json").json()[3]["champion"][0]["until"] is None
    assert console.get("/models/4.json").json()["says"].startswith("Version 4 was champion")
    for path in ("/models.html", "/models/4.html"):
        answer = console.get(path)
        assert "attachment" in answer.headers["content-disposition"]
        assert "<nav" not in answer.text

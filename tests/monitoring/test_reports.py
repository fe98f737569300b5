import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepfit import Column
from monitoring.drawing import COLUMNS as DRAWN
from monitoring.drift import judge_examples
from monitoring.drift.columns import answer_names, label_name
from monitoring.performance import measure
from monitoring.reports import Judged, write_report
from monitoring.sealing import neutral
from monitoring.triggers import Reason
from monitoring.windows import choose_windows
from tests.monitoring.windows_of import COLUMNS, START, project, window

AS_OF = START + timedelta(days=14)
EVIL = "</script><script>alert('{x}')</script>"


def judged(made: Any, reference: Any, current: Any) -> Any:
    windows = choose_windows(made, START, AS_OF)
    verdict = judge_examples(made, reference, current)
    performance = measure(made, current)
    return Judged("made", AS_OF, 3, windows, verdict, performance, Reason("drift", "<b>moved</b>"))


def report(folder: Any, made: Any, reference: Any, current: Any) -> Any:
    return write_report(folder, made, judged(made, reference, current), reference, current)


def draws(page: str, column: str) -> bool:
    return f"Drift in column '{column}'" in page


def before(kind: Any = "binary", **changed: Any) -> Any:
    return window(1400, kind, seed=1, since=START - timedelta(days=28), span_days=28, **changed)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_page_shows_features_answers_and_labels(tmp_path: Any, kind: Any) -> None:
    made = project(kind, "r2")
    found = report(tmp_path, made, before(kind), window(kind=kind, seed=2))
    page = found.page.read_text()
    for column in [*COLUMNS, *answer_names(made), label_name(made)]:
        assert draws(page, column)
    assert "<li>" in page


def test_of_many_columns_those_that_moved_most_are_drawn(tmp_path: Any) -> None:
    names = [f"sensor{n:02}" for n in range(30)]
    made = project(features={name: Column.number() for name in names})

    def wide(examples: Any, shift: float) -> Any:
        rng = np.random.default_rng(len(examples))
        told = {name: rng.normal(size=len(examples)) for name in names}
        told["sensor29"] += shift
        return replace(examples, features=pd.DataFrame(told).astype(np.float32))

    page = report(tmp_path, made, wide(before(), 0), wide(window(seed=2), 3)).page.read_text()
    drawn = [name for name in names if draws(page, name)]
    assert "sensor29" in drawn
    assert len(drawn) <= DRAWN


def test_the_verdict_file_holds_what_was_judged(tmp_path: Any) -> None:
    made, reference, current = project(), before(), window(seed=2)
    found = report(tmp_path, made, reference, current)
    told = json.loads(found.verdict.read_text())
    assert told["verdict"]["drift"] is False
    assert told["performance"]["value"] == measure(made, current).value
    assert told["reason"] == {"kind": "drift", "evidence": "<b>moved</b>"}
    assert told["windows"]["current"]["until"] == AS_OF.isoformat()
    assert told["version"] == 3
    assert told["page"]["file"] == "report.html"


def test_a_number_that_is_none_is_null(tmp_path: Any) -> None:
    found = report(tmp_path, project(), before(), window(seed=2, labelled=np.zeros(700, dtype=bool)))
    assert json.loads(found.verdict.read_text())["performance"]["value"] is None


def test_writing_again_replaces_and_leaves_nothing_else(tmp_path: Any) -> None:
    for _ in range(2):
        report(tmp_path, project(), before(), window(seed=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["columns.json", "report.html", "verdict.json"]


def test_names_and_categories_never_become_markup(tmp_path: Any) -> None:
    made = project(features={EVIL: Column.category(), "n<b>": Column.number()})
    values = np.array([EVIL, "<img src=x>", "plain"] * 500, dtype=object)
    frame = pd.DataFrame({EVIL: values, "n<b>": np.arange(1500.0)})
    harmless = project(features={"c": Column.category(), "n": Column.number()})
    plain = pd.DataFrame({"c": np.array(["a", "b", "c"] * 500, dtype=object), "n": np.arange(1500.0)})
    pages = [
        report(tmp_path, p, before(features=f[:1400]), window(features=f[:700])).page.read_text()
        for p, f in ((made, frame), (harmless, plain))
    ]
    assert pages[0].count("<script") == pages[1].count("<script")
    assert "alert('" not in pages[0]
    assert "<img src=x" not in pages[0]
    assert "<b>moved" not in pages[0]


@given(texts=st.lists(st.text(max_size=100), unique=True, max_size=20))
def test_neutral_names_are_different_printable_and_no_markup(texts: Any) -> None:
    renamed = neutral(texts)
    assert len(set(renamed)) == len(texts)
    assert not re.search(r"[<>&\"'`\\{}$]", "".join(renamed))
    assert "".join(renamed).isprintable()


def test_columns_that_cannot_be_drawn_are_left_out(tmp_path: Any) -> None:
    reference, current = before(), window(seed=2)
    current.features["wind"] = np.float32(np.nan)
    reference.features["carrier"] = ""
    current.features.loc[1:, "holiday"] = np.nan
    reference.features["distance"] = np.float32(7)
    page = report(tmp_path, project(), reference, current).page.read_text()
    assert draws(page, "distance")
    assert not draws(page, "wind")


def test_windows_with_nothing_to_draw_have_a_verdict_and_no_page(tmp_path: Any) -> None:
    report(tmp_path, project(), before(), window(seed=2))
    none = window().where(np.zeros(700, dtype=bool))
    found = report(tmp_path, project(), before(), none)
    assert found.page is None
    assert not (tmp_path / "report.html").exists()
    told = json.loads(found.verdict.read_text())
    assert told["verdict"]["drift"] is None
    assert "no column has two values" in told["page"]["no_page_because"]


def test_a_page_of_large_windows_draws_a_part_and_says_so(tmp_path: Any) -> None:
    reference = window(25_000, seed=1, since=START - timedelta(days=28), span_days=28)
    found = report(tmp_path, project(), reference, window(seed=2))
    assert "20,000 of 25,000 reference rows" in found.page.read_text()
    assert json.loads(found.verdict.read_text())["page"]["reference_rows"] == 20_000


def test_every_column_is_laid_out_in_the_order_of_the_findings(tmp_path: Any) -> None:
    made, reference, current = project(), before(), window(seed=2)
    found = judged(made, reference, current)
    write_report(tmp_path, made, found, reference, current)
    told = [each["column"] for each in json.loads((tmp_path / "columns.json").read_text())]
    findings = [each.column for each in found.verdict.findings if each.what != "together"]
    assert told == [*findings, *(name for name in told if name not in findings)]
    assert set(told) == {*COLUMNS, *answer_names(made), label_name(made)}

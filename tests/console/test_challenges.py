import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from data.decisions import Decision, GateFound, Grounds, save_decision
from monitoring.console.views.challenges import better, gain_drawings, gain_words, gate_row, headline
from tests.console.opening import opened
from tests.console.years import EVERY, EVIL, NAME, START, Year

KEY = f"{17:064x}"
GROUNDS = Grounds(
    trained_since=START,
    holdout_since=START + 15 * EVERY,
    holdout_days=14,
    recipe="a" * 64,
    commit="b" * 40,
    lock_hash="c" * 64,
    confidence=0.9,
    parity_largest=2e-6,
)
GATES = (
    GateFound("parity", True, "the ONNX model agrees", 0.99996, 0.999),
    GateFound("requests", True, "it answers"),
    GateFound("at least", True, "keeps it", -0.477, -0.6, "neg_log_loss"),
    GateFound("no worse", None, "there is none", 0.7356, None, "roc_auc"),
    GateFound("gain", True, "it is better", 0.010, 0.0, "neg_log_loss"),
)


def decision(**changed: Any) -> Decision:
    told: dict[str, Any] = {
        "project": NAME,
        "as_of": START + 16 * EVERY,
        "promote": False,
        "reason": "on schedule",
        "version": 17,
        "champion": 14,
        "challenger_scores": {"neg_log_loss": -0.477, "roc_auc": 0.7356},
        "champion_scores": {"neg_log_loss": -0.498, "roc_auc": 0.7142},
        "gain": 0.021,
        "gain_low": 0.010,
        "gain_high": 0.033,
    }
    return Decision(**(told | changed))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The console of a year whose last promotion is written down whole, as Keepfit does now."""
    year = Year(tmp_path_factory.mktemp("told")).live()
    sources = year.sources
    kept = sources.decision(KEY)
    assert kept is not None
    whole = replace(
        kept.decision,
        asked_by="watch",
        who="ada@here",
        run="0191b2f0-0000-4000-8000-000000000000",
        gates=GATES,
        grounds=GROUNDS,
        digest="d" * 64,
    )
    save_decision(sources.store, whole, KEY)
    failed = (GateFound("at least", False, "too low", 0.55, 0.6, "roc_auc"),)
    save_decision(
        sources.store, decision(objections=("too low",), gates=failed, reason=EVIL, who=EVIL), "refused"
    )
    sources.close()
    with opened(year) as client:
        yield client


def page_of(told: httpx.Client, key: str = KEY) -> str:
    answer = told.get(f"/decisions/{key}")
    assert answer.status_code == 200
    return answer.text


def test_the_verdict_is_the_title_of_its_page(told: httpx.Client) -> None:
    assert "<h1>Version 17 was promoted over version 14: its log loss is 0.0210 better.</h1>" in page_of(told)


def test_who_asked_leads_to_the_report_of_the_watch(told: httpx.Client) -> None:
    page = page_of(told)
    assert 'A watch asked for it (<a href="/reports/2026-09-13T000000Z">its report</a>): on schedule' in page
    assert '<a href="/runs/0191b2f0-0000-4000-8000-000000000000">' in page
    assert "ada@here" in page


def test_what_both_were_judged_on_is_said_with_its_days(told: httpx.Client) -> None:
    text = re.sub(r"<[^>]+>", "", page_of(told))
    assert "12,060 labelled rows that neither learned from: 14 days, from 30 August 2026, 00:00 UTC" in text
    assert "24,120 labelled rows, predicted from 1 February 2026, 00:00 UTC" in text


def test_every_gate_has_its_verdict_as_a_word_and_as_a_shape(told: httpx.Client) -> None:
    rows = re.findall(r'<svg class="mark (\w+)".+?</svg>([a-z ]+)</span>', page_of(told))
    kept = [("fine", "kept")]
    assert rows == [*kept * 3, ("still", "not asked"), *kept]


def test_the_gain_is_drawn_and_said_in_the_same_numbers(told: httpx.Client) -> None:
    page = page_of(told)
    assert page.count('<svg class="plot gain') == 2
    assert "The gain is +0.0210, 90 % interval +0.0100 to +0.0330 over 14 days. All of it is above 0" in page


def test_scores_stand_beside_each_other_as_people_know_them(told: httpx.Client) -> None:
    cells = re.sub(r' data-label="[^"]+"', "", page_of(told))
    assert '<td class="n">0.4770</td><td class="n">0.4980</td><td class="n">0.0210 better</td>' in cells


def test_what_followed_is_said_with_its_entry_and_its_end(told: httpx.Client) -> None:
    assert "entry 7 of the ledger</a>, and still is. 2 workers confirmed it." in page_of(told)
    fourth = re.sub(r"<[^>]+>", "", page_of(told, f"{4:064x}"))
    assert "became champion with entry 2 of the ledger, and was until 10 May 2026, 00:00 UTC" in fourth


def test_a_refusal_says_who_stayed_champion(told: httpx.Client) -> None:
    page = page_of(told, f"{6:064x}")
    assert 'Nothing changed: <a href="/models/4">version 4</a> stayed champion, until' in page


def test_a_decision_of_an_older_keepfit_says_what_it_lacks(told: httpx.Client) -> None:
    page = page_of(told, f"{6:064x}")
    assert "of its gates only what speaks against it was kept" in page
    assert "windows, recipe, code and who asked in whose name are not in it" in page


def test_no_text_of_a_decision_is_markup(told: httpx.Client) -> None:
    page = page_of(told, "refused")
    assert EVIL not in page
    assert "<h1>Version 17 was refused: its ROC AUC of 0.5500 does not keep the promised 0.6000.</h1>" in page


def test_a_decision_is_kept_as_a_file_of_its_own(told: httpx.Client) -> None:
    answer = told.get(f"/decisions/{KEY}.html")
    assert answer.headers["content-disposition"] == f'attachment; filename="decisions-{KEY}.html"'
    assert "<nav" not in answer.text
    assert "As a file" not in answer.text


def test_a_program_gets_the_whole_decision(told: httpx.Client) -> None:
    found = told.get(f"/decisions/{KEY}.json").json()
    assert found["entry"]["number"] == 7
    assert found["decision"]["gates"][0]["bound"] == 0.999
    assert found["decision"]["grounds"]["commit"] == "b" * 40
    assert len(told.get("/decisions.json").json()) == 21


NO_PROOF = "x: no proof that it is better than the champion"
TAKEN = "taken back: a worker refused it"
WORSE = (
    GateFound("parity", False, "p", 0.5, 0.999),
    GateFound("gain", False, "w", -0.03, 0.0, "neg_log_loss"),
)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"rehearsal": True}, "A rehearsal: nothing could go live, for its data end before those of"),
        ({"version": 14}, "Nothing to do: version 14 was made from these data by this code already."),
        (
            {"promote": True, "champion": None, "gain": None},
            "Version 17 was promoted: the first model of this target.",
        ),
        ({"objections": (NO_PROOF,)}, "Version 17 was refused: no proof that it is better than version 14."),
        ({"version": None, "objections": ("too few rows",)}, "The challenger was refused: too few rows."),
        ({"objections": ("a", "b", "c")}, "Version 17 was refused: a; b; and 1 more."),
        ({"objections": (TAKEN,), "gates": GATES}, f"Version 17 was refused: {TAKEN}."),
        (
            {"objections": ("p", "w"), "gates": WORSE, "gain_high": -0.01},
            "Version 17 was refused: its bundle does not answer as the trained model does; it is worse than "
            "version 14.",
        ),
    ],
)
def test_every_decision_has_a_headline(changed: Any, says: str) -> None:
    assert headline(decision(**changed)).startswith(says)


def test_a_promise_of_a_score_that_counts_down_is_shown_as_the_loss_that_it_is() -> None:
    row = gate_row(GATES[2], decision())
    assert (row.measured, row.enough) == ("0.4770", "at most 0.6000")


@pytest.mark.parametrize("name", ["parity", "requests", "at least", "no worse", "gain"])
def test_a_gate_without_a_number_is_still_told(name: Any) -> None:
    row = gate_row(GateFound(name, False, "not a number", None, None, "roc_auc"), decision())
    assert "nan" not in f"{row.measured}{row.enough}".lower()
    assert row.words == "not a number"


def test_the_interval_is_drawn_on_the_side_where_it_lies() -> None:
    for low, high in ((0.01, 0.03), (-0.03, -0.01), (-0.01, 0.01), (0.0, 0.0)):
        for drawn in gain_drawings(decision(gain=(low + high) / 2, gain_low=low, gain_high=high)):
            assert 0 < drawn.low <= drawn.value <= drawn.high < drawn.width
            assert math.copysign(1, drawn.low - drawn.zero) == (1 if low >= 0 else -1)
            assert (drawn.high >= drawn.zero) == (high >= 0)


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_a_gain_without_an_interval_is_said_and_not_drawn(missing: float | None) -> None:
    made = decision(gain_low=missing, gain_high=missing)
    assert gain_drawings(made) == []
    assert "cannot be said" in (gain_words(made) or "")


def test_a_difference_too_small_to_be_seen_is_none() -> None:
    assert (better(0.00001), better(-0.00001)) == ("the same", "the same")
    assert (better(0.01), better(-0.01)) == ("0.0100 better", "0.0100 worse")

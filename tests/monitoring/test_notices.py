"""What is worth a notice, as laws: nothing twice, nothing of the data, and no text that a chat reads."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from data.decisions import Decision, GateFound
from data.holds import SourceFound
from monitoring.drift import DriftVerdict, Finding
from monitoring.notices import MEMORY, RECENT, inert, is_recent, of_retrain, of_rollback, of_watch, standing
from monitoring.quality import Quality, QualityFinding
from monitoring.reports import Judged
from monitoring.slices import SliceFinding
from monitoring.triggers import Reason
from monitoring.windows import choose_windows
from tests.console.payloads import PAYLOADS
from tests.monitoring.windows_of import START, project

AS_OF = START + timedelta(days=14)
CALM = DriftVerdict(False, 0.4, (), (), 1000, 1000, "days")
MOVED = Finding("carrier", True, "carrier 'Ada Lovelace' from 3 % to 11 %", "values", 0.2, 0.001)
DRIFTED = DriftVerdict(True, 0.001, (MOVED, Finding("wind", False, "")), (MOVED.words,), 1000, 1000, "days")
WINDOWS = choose_windows(project(), START, AS_OF)
NAMES = st.lists(st.sampled_from(["drift", "person", "slice a", "slice b", "quality delay"]), unique=True)
WORDS = {name: (name, f"{name} it is") for name in ["drift", "person", "slice a", "slice b", "quality delay"]}
PROMOTED = Decision(
    project="made", as_of=AS_OF, promote=True, reason="by hand", version=7, champion=6,
    challenger_scores={"neg_log_loss": -0.4},
)  # fmt: skip


def judged(**found: Any) -> Judged:
    fields: dict[str, Any] = {"verdict": CALM, "performance": None, "reason": None}
    return Judged("made", AS_OF, 3, WINDOWS, **(fields | found))


def told(watches: list[list[str]]) -> list[list[str]]:
    """Tell of each of several watches in a row; say for each which names its notice has."""
    said: list[list[str]] = []
    for number, names in enumerate(watches):
        found = {name: WORDS[name] for name in names}
        notice = of_watch("made", found, watches[:number][::-1], "/reports/x")
        text = "" if notice is None else notice.sentence.lower()
        said.append([name for name in WORDS if f"{name} it is" in text])
    return said


@given(st.lists(NAMES, max_size=12))
def test_nothing_is_told_that_a_watch_just_before_found(watches: list[list[str]]) -> None:
    for number, names in enumerate(told(watches)):
        before = {name for each in watches[max(0, number - MEMORY) : number] for name in each}
        assert not before & set(names)


@given(st.lists(NAMES, max_size=12), st.sampled_from(sorted(WORDS)))
def test_what_is_new_is_always_told(watches: list[list[str]], name: str) -> None:
    before = [[each for each in names if each != name] for names in watches]
    assert name in told([*before, [name]])[-1]


def test_drift_that_lasts_a_year_is_told_once() -> None:
    assert sum(bool(names) for names in told([["drift"]] * 365)) == 1


def test_a_calm_watch_is_no_notice() -> None:
    assert of_watch("made", standing(judged()), [], "/reports/x") is None


def test_a_verdict_that_cannot_be_said_is_no_notice() -> None:
    unknown = DriftVerdict(None, None, (), ("cannot say: too few rows",), 10, 10)
    assert standing(judged(verdict=unknown)) == {}


def test_drift_is_told_with_its_columns_and_what_is_asked_for() -> None:
    found = standing(judged(verdict=DRIFTED, reason=Reason("drift", MOVED.words)))
    notice = of_watch("made", found, [], "/reports/2026-03-15T000000Z")
    assert notice is not None
    assert notice.subject == "made: drift, a retrain is asked for"
    assert notice.sentence == (
        "1 of 2 columns drifted: carrier; a retrain is asked for: the drift is a reason."
    )
    assert notice.body("http://keepfit:8400").endswith("\n\nhttp://keepfit:8400/reports/2026-03-15T000000Z")


def test_the_person_who_is_needed_comes_first() -> None:
    found = standing(judged(verdict=DRIFTED, withheld="6 refused", person=True))
    assert list(found) == ["person", "drift"]


def test_no_value_of_the_data_and_nobody_by_name_leaves_the_house() -> None:
    secret = "Ada Lovelace"
    alarm = SliceFinding(f"carrier={secret}", "carrier", 90, 90, f"carrier={secret} fell", alarm=True)
    late = QualityFinding("silent", f"{secret} is silent", True)
    found = standing(
        judged(verdict=DRIFTED, slices=(alarm,), quality=Quality((late,)), reason=Reason("drift", secret)),
        [SourceFound(f"http:{secret}", 9, wrong=(secret,)), SourceFound(secret, 9, held_since=AS_OF)],
    )
    assert len(found) == 6
    gates = (GateFound("requests", False, f"KeyError: {secret}"),)
    refused = replace(PROMOTED, promote=False, reason=secret, objections=(secret,))
    notices = [
        of_watch("made", found, [], "/"),
        of_retrain(refused, "/"),
        of_retrain(replace(refused, gates=gates), "/"),
        of_rollback("made", 7, 6, secret, "/"),
    ]
    for notice in notices:
        assert notice is not None
        assert secret not in f"{notice.subject} {notice.sentence}"


def test_a_promotion_is_told_with_whom_it_replaces_and_its_gain() -> None:
    gates = (GateFound("gain", True, "", metric="neg_log_loss"),)
    promoted = replace(PROMOTED, gain=0.012, gain_low=0.004, gain_high=0.02, gates=gates)
    notice = of_retrain(promoted, "/decisions/ab")
    assert notice is not None
    assert notice.subject == "made: version 7 promoted"
    assert notice.sentence == (
        "It serves from now on in place of version 6; the gain in log loss is 0.0120 (0.0040 to 0.0200)."
    )


def test_a_refusal_is_told_with_the_gates_that_refused() -> None:
    gates = (GateFound("at least", False, "ROC AUC is 0.6000, worse than the promised 0.7000"),)
    notice = of_retrain(replace(PROMOTED, promote=False, gates=gates), "/decisions/ab")
    assert notice is not None
    assert notice.subject == "made: challenger refused"
    assert "ROC AUC is 0.6000, worse than the promised 0.7000; version 6 goes on serving" in notice.sentence


def test_a_retrain_that_could_change_nothing_is_not_told() -> None:
    assert of_retrain(replace(PROMOTED, rehearsal=True), "/") is None
    assert of_retrain(replace(PROMOTED, promote=False, version=6), "/") is None


def test_what_was_known_long_ago_is_no_news() -> None:
    assert is_recent(AS_OF, AS_OF + RECENT)
    assert not is_recent(AS_OF, AS_OF + RECENT + timedelta(seconds=1))
    assert not is_recent(AS_OF + RECENT + timedelta(seconds=1), AS_OF)


def is_text(said: str) -> bool:
    """Tell whether nothing in it is an element, a mention, emphasis, an address, a site or a picture."""
    read = r"[<>&@#!*`~|\[\]{}\\/\"\x00-\x1f\u202a-\u202e\u2066-\u2069]|:\S|\w\.[^\W\d]"
    return not re.search(read + r"|(?<![^\W_])_|_(?![^\W_])", said)


def test_no_chat_and_no_mail_reads_more_than_text() -> None:
    for text in (*PAYLOADS, "<!channel>", "<@U024>", "@here", ":tada:", "_x_", "evil.example", "a@b1.eu"):
        assert is_text(inert(text)), text


@given(st.text())
def test_no_text_at_all_is_more_than_text(text: str) -> None:
    assert is_text(inert(text))

"""Who said the labels is looked at before a model learns from them."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.audit import last_entries
from data.decisions import Decision, read_decisions, save_decision
from data.examples import query_examples
from data.holds import SourceFound
from data.matching import count_labels
from data.records import Label, Prediction
from keepfit import Suspicion
from tasks.assemble import assemble_snapshot
from tasks.decide import decide
from tasks.evaluate import Evaluation, Parity
from tasks.screen import screen
from tasks.train import answer, train
from tests.making import DAY, HOUR, NOON, LoopOnFakes, label, loop, prediction, project, take

LATER = NOON + 14 * DAY
HONEST, ATTACKER = "http:partner-a", "http:partner-b"
MINUTE = timedelta(minutes=1)


def answered(source: str, flip: float = 0.0, centre: float = -1.0, a_day: int = 40) -> list[Any]:
    """Make a fortnight of answers, and the labels that a source tells an hour later, some of them flipped."""
    rng = np.random.default_rng([ord(source[-1]), a_day])
    made: list[Prediction | Label] = []
    for number in range(14 * a_day):
        at = NOON + DAY * (number // a_day) + MINUTE * (number % a_day)
        score = float(1 / (1 + np.exp(-rng.normal(centre, 1.5))))
        true = bool(rng.random() < score)
        name = f"{source}-{number}"
        said = (not true) if rng.random() < flip else true
        made.append(
            prediction(name, at, output=(score,), features={**prediction(name).features, "wind": score})
        )
        made.append(label(name, said, at + HOUR, source=source, label_id=f"label-{name}"))
    return made


def opened(home: Path, *records: list[Any], **rule: Any) -> LoopOnFakes:
    of = loop(home, project(suspicion=Suspicion(**rule)))
    take(of.store, of.project, *(record for each in records for record in each))
    return of


def decided(of: LoopOnFakes, found: tuple[SourceFound, ...]) -> Decision:
    evaluation = Evaluation({"neg_log_loss": -0.5}, None, None, Parity(1.0, 0.0), 200)
    verdict = decide(of.project, evaluation, found)
    return Decision(
        project=of.name,
        as_of=LATER,
        promote=verdict.promote,
        reason="a test",
        reasons=verdict.reasons,
        sources=found,
    )


def learned(of: LoopOnFakes, as_of: datetime = LATER) -> float:
    """Train on what may be learned from, and say how much likelier a high score makes the label."""
    known = assemble_snapshot(of, as_of).examples
    answers = answer(of.project, train(of.project, known), known.features)[:, 0]
    high = known.features["wind"].to_numpy() > known.features["wind"].median()
    return float(answers[high].mean() - answers[~high].mean())


def sources_learned_from(of: LoopOnFakes, as_of: datetime = LATER) -> set[str]:
    examples = query_examples(of.store, of.project, as_of)
    ids = examples.facts["prediction_id"][examples.labelled]
    return {name.rpartition("-")[0] for name in ids}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoopOnFakes, tuple[SourceFound, ...]]:
    """A loop with the rule on that was screened once; one of its two keys flips every label."""
    of = opened(tmp_path_factory.mktemp("on"), answered(HONEST), answered(ATTACKER, flip=1.0), hold=True)
    return of, screen(of, LATER)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoopOnFakes, tuple[SourceFound, ...]]:
    """The same without the rule."""
    of = opened(tmp_path_factory.mktemp("off"), answered(HONEST), answered(ATTACKER, flip=1.0))
    return of, screen(of, LATER)


Screened = tuple[LoopOnFakes, tuple[SourceFound, ...]]


def test_with_the_rule_a_source_that_flips_labels_is_held(guarded: Screened) -> None:
    of, found = guarded
    assert [(each.source, each.held_since is not None) for each in found] == [
        (HONEST, False),
        (ATTACKER, True),
    ]
    assert [hold.source for hold in of.holds.in_force(LATER)] == [ATTACKER]


def test_a_model_learns_from_the_sources_that_are_not_held(guarded: Screened) -> None:
    of, _ = guarded
    assert sources_learned_from(of) == {HONEST}
    assert learned(of) > 0.2


def test_the_decision_names_who_is_held_and_why(guarded: Screened) -> None:
    of, found = guarded
    (named,) = [reason for reason in decided(of, found).reasons if ATTACKER in reason]
    assert f"labels of {ATTACKER} since 2026-03-01 13:00 are held: labels of {ATTACKER} " in named
    assert "those of the others at the same score in" in named


def test_the_decision_is_kept_with_its_sources(guarded: Screened) -> None:
    of, found = guarded
    made = decided(of, found)
    save_decision(of.store, made, "key")
    assert read_decisions(of.store, of.name) == [made]


def test_a_look_back_sees_what_was_seen_before_the_hold(guarded: Screened) -> None:
    of, _ = guarded
    assert sources_learned_from(of, LATER - HOUR) == {HONEST, ATTACKER}
    before = query_examples(of.store, of.project, LATER - HOUR)
    assert int(before.labelled.sum()) == len(before)


def test_labels_that_wait_are_counted_and_count_for_nothing_else(guarded: Screened) -> None:
    of, _ = guarded
    counts = count_labels(of.store, of.project, NOON, LATER)
    assert (counts.labels, counts.matched, counts.held) == (560, 560, 560)
    assert [(hold.source, waiting) for hold, waiting in of.holds.waiting(LATER)] == [(ATTACKER, 560)]


def test_a_hold_is_in_the_audit_log_with_its_reason(guarded: Screened) -> None:
    of, _ = guarded
    with of.store.reading() as connection:
        (entry,) = last_entries(connection, 1)
    assert (entry.what, entry.project) == ("source held", "made")
    assert ATTACKER in entry.why


def test_without_the_rule_it_is_said_and_nothing_is_held(watched: Screened) -> None:
    of, found = watched
    assert of.holds.history() == []
    assert sources_learned_from(of) == {HONEST, ATTACKER}
    assert abs(learned(of)) < 0.1
    (named,) = [reason for reason in decided(of, found).reasons if ATTACKER in reason]
    assert named.startswith(f"labels of {ATTACKER} look wrong, and count: labels of {ATTACKER} ")


def test_a_source_that_has_other_customers_is_not_accused(tmp_path: Path) -> None:
    of = opened(tmp_path, answered(HONEST), answered(ATTACKER, centre=1.5), hold=True)
    assert [each.sentence for each in screen(of, LATER)] == [None, None]


def test_a_source_that_is_released_is_not_held_again_for_what_it_had_said(tmp_path: Path) -> None:
    of = opened(tmp_path, answered(HONEST), answered(ATTACKER, flip=1.0), hold=True)
    screen(of, LATER)
    of.holds.release(ATTACKER, LATER + HOUR, "it was a mistake of ours")
    assert [each.held_since for each in screen(of, LATER + HOUR)] == [None, None]
    assert sources_learned_from(of, LATER + HOUR) == {HONEST, ATTACKER}
    assert sources_learned_from(of, LATER) == {HONEST}


def test_nothing_is_held_by_a_look_back_behind_the_last_decision(tmp_path: Path) -> None:
    of = opened(tmp_path, answered(HONEST), answered(ATTACKER, flip=1.0), hold=True)
    save_decision(of.store, replace(decided(of, ()), as_of=LATER + DAY), "later")
    (_, found) = screen(of, LATER)
    assert of.holds.history() == []
    assert found.wrong


def test_a_source_that_floods_is_held_from_the_hour_on(tmp_path: Path) -> None:
    burst = [
        label(None, True, LATER - HOUR / 2, reference_id=f"r{n}", source=ATTACKER, label_id=f"burst-{n}")
        for n in range(300)
    ]
    of = opened(tmp_path, answered(HONEST), burst, hold=True, labels_per_hour=200, unmatched=1.0)
    (found,) = (each for each in screen(of, LATER) if each.source == ATTACKER)
    assert found.held_since == LATER - HOUR
    assert found.held_because == "300 labels in an hour, and labels_per_hour allows 200"


def test_one_source_alone_is_judged_by_its_own_doing_where_there_is_a_rule(tmp_path: Path) -> None:
    again = [
        label(f"{HONEST}-{n}", True, NOON + DAY * m, source=HONEST, label_id=f"again-{n}-{m}")
        for n in range(40)
        for m in range(2, 14)
    ]
    of = opened(tmp_path, answered(HONEST), again, hold=True, repeated=0.4)
    (found,) = screen(of, LATER)
    assert found.held_because is not None
    assert "of its 1,040 labels say again what it had said before" in found.held_because


def test_who_contradicts_another_source_is_named_and_not_held(tmp_path: Path) -> None:
    told = answered(HONEST)
    against = [
        label(each.prediction_id, not each.label, each.known_at + HOUR, source=ATTACKER, label_id=f"no-{n}")
        for n, each in enumerate(each for each in told if isinstance(each, Label))
    ]
    of = opened(tmp_path, told, against, hold=True, shift=1.0)
    (_, found) = screen(of, LATER)
    assert found.wrong == (
        "100 % of its 560 labels contradict what another source had said before; "
        "which of them is wrong cannot be said",
    )
    assert of.holds.history() == []

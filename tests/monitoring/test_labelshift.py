"""Whether one source's labels differ from those of the others at the same score."""

from typing import Any

import numpy as np
import pytest

from benchmarks.poisoning import World, made, target
from data.told import Told
from keepfit import Suspicion
from monitoring.labelshift import Shifts, judge_shifts, t_test

KINDS = ["binary", "multiclass", "regression"]


def judged(seed: int = 0, min_rows: int = 200, rule: Suspicion | None = None, **world: Any) -> Shifts:
    of = World("made", **world)
    return judge_shifts(target(of.kind), made(of, seed), rule or Suspicion(), min_rows)


def accused(found: Shifts) -> list[str]:
    return [each.source for each in found.accused]


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_accused_where_nobody_lies(kind: str) -> None:
    found = [judged(seed, kind=kind, a_day=(50,) * 3, centres=(-1.0,) * 3) for seed in range(6)]
    assert [accused(each) for each in found] == [[]] * 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_flips_its_labels_is_accused(kind: str) -> None:
    found = judged(kind=kind, flip=1.0, a_day=(50,) * 4, centres=(-1.0,) * 4)
    assert accused(found) == ["source-0"]


def test_what_is_wrong_is_said_in_words() -> None:
    (difference,) = judged(flip=1.0).accused
    assert difference.words.startswith("labels of source-0 are positive in ")
    assert " %, those of the others at the same score in " in difference.words


def test_a_source_that_has_other_customers_is_not_accused() -> None:
    found = [judged(seed, centres=(1.5, -1.5)) for seed in range(6)]
    assert [accused(each) for each in found] == [[]] * 6


def test_other_customers_are_no_lie_where_the_scores_are_wrong() -> None:
    found = [judged(seed, centres=(1.5, -1.5), dull=0.7) for seed in range(6)]
    assert [(accused(each), each.disputed) for each in found] == [([], None)] * 6


def test_days_that_are_bad_for_one_source_only_are_no_lie() -> None:
    found = [judged(seed, own_days=0.5) for seed in range(6)]
    assert [accused(each) for each in found] == [[]] * 6


def test_the_liar_is_found_where_most_labels_are_its_own() -> None:
    assert accused(judged(flip=1.0, a_day=(450, 25, 25), centres=(-1.0,) * 3)) == ["source-0"]


def test_two_liars_are_found_one_after_the_other() -> None:
    # The second one's labels are moved to the other side, so that the two do not agree.
    told = made(World("made", a_day=(50,) * 4, centres=(-1.0,) * 4, flip=1.0), 0)
    second = told.source == "source-1"
    lying = Told(told.source, told.day, told.outputs, np.where(second, 1.0, told.labels))
    found = judge_shifts(target("binary"), lying, Suspicion(), 200)
    assert set(accused(found)) == {"source-0", "source-1"}


def test_a_source_that_says_what_the_model_says_is_accused_and_not_the_honest_one() -> None:
    assert accused(judged(flip=1.0, echo=True)) == ["source-0"]


def test_of_two_sources_of_numbers_it_is_said_that_they_differ_and_not_who_lies() -> None:
    found = judged(kind="regression", flip=1.0)
    assert found.accused == ()
    assert found.disputed is not None
    assert found.disputed[0] == ("source-0", "source-1")


def test_a_difference_below_the_margin_is_none() -> None:
    assert accused(judged(flip=0.3)) == ["source-0"]
    assert accused(judged(flip=0.3, rule=Suspicion(shift=0.5))) == []


def test_few_rows_allow_no_word() -> None:
    found = judged(flip=1.0, a_day=(10, 200))
    assert accused(found) == []
    assert found.unsaid["source-0"] == "it has 140 labels of captured answers, and min_rows asks for 200"


def test_sources_that_share_no_days_allow_no_word() -> None:
    told = made(World("made", flip=1.0), 0)
    apart = np.where(told.source == "source-0", told.day, told.day + 100)
    found = judge_shifts(
        target("binary"), Told(told.source, apart, told.outputs, told.labels), Suspicion(), 200
    )
    assert set(found.unsaid.values()) == {"too few days have labels of it and of others at the same score"}


def test_one_source_alone_and_none_allow_no_word() -> None:
    assert set(judged(a_day=(50,)).unsaid) == {"source-0"}
    empty = Told(np.array([], dtype=object), np.array([], dtype=np.int64), np.zeros((0, 1)), np.zeros(0))
    assert judge_shifts(target("binary"), empty, Suspicion(), 200) == Shifts((), None, {})


def test_the_order_of_the_rows_means_nothing() -> None:
    told = made(World("made", flip=0.3, a_day=(50,) * 3, centres=(-1.0,) * 3), 0)
    order = np.random.default_rng(0).permutation(len(told))
    mixed = Told(told.source[order], told.day[order], told.outputs[order], told.labels[order])
    first, second = (judge_shifts(target("binary"), each, Suspicion(), 200) for each in (told, mixed))
    assert accused(first) == accused(second) == ["source-0"]


@pytest.mark.parametrize(
    ("values", "p_value"),
    # As scipy.stats.ttest_1samp says.
    [
        ([1.0, 2.0], 0.2048327647),
        ([1.0, -1.0, 0.5, 2.0], 0.3910022190),
        ([0.1, 0.2, 0.3, 0.1, 0.2], 0.0085809187),
    ],
)
def test_p_values_are_those_of_students_test(values: list[float], p_value: float) -> None:
    assert t_test(np.array(values)) == pytest.approx(p_value, rel=1e-4)


def test_groups_that_are_all_alike_leave_no_doubt() -> None:
    assert (t_test(np.zeros(7)), t_test(np.full(7, 0.5))) == (1.0, 0.0)

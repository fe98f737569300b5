from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.examples import Examples
from monitoring.late.maturity import ripen
from tests.making import DAY
from tests.monitoring.windows_of import START, project, window

NOW = START + 100 * DAY


def told(after_days: Any, as_of: datetime = NOW, rows: int = 4000, **changed: Any) -> Examples:
    """Make predictions of 100 days; each label is known after so many days [n], if that is by `as_of`."""
    made = window(rows=rows, span_days=100, **changed)
    known_at = made.facts["predicted_at"] + pd.to_timedelta(after_days, unit="D").floor("s")
    known = (known_at <= as_of).to_numpy()
    facts = made.facts.assign(weight=1.0, label_known_at=known_at.where(known), label_id=made.facts.index)
    labels = np.where(known, made.labels, np.nan)
    return replace(made, facts=facts.astype({"label_id": str}), labels=labels, labelled=known)


def truth(rows: int = 4000) -> Any:
    return window(rows=rows, span_days=100).labels


def late_no(seed: int = 0) -> Any:
    """Yes is known after 2 days on average, no after 20: half of the newest labels at hand are wrong."""
    rng = np.random.default_rng(seed)
    return rng.exponential(np.where(truth() == 1, 2.0, 20.0))


def share_of_yes(examples: Examples, since: datetime) -> float:
    newest = examples.between(since, None)
    weight = newest.weights()
    return float(np.average(newest.labels, weights=weight))


def test_labels_that_do_not_wait_leave_all_as_it_is() -> None:
    rng = np.random.default_rng(0)
    made = told(rng.uniform(0, 1 / 6, 4000))
    kept, why = ripen(project(), made, NOW)
    assert why is None
    assert kept.weights() is None
    pd.testing.assert_frame_equal(kept.facts, made.for_training().facts)


def test_labels_that_wait_as_long_whatever_they_are_leave_all_as_it_is() -> None:
    rng = np.random.default_rng(0)
    made = told(rng.exponential(10, 4000))
    kept, why = ripen(project(), made, NOW)
    assert why is None
    pd.testing.assert_frame_equal(kept.facts, made.for_training().facts)


def test_the_newest_examples_are_a_fair_sample_though_one_class_comes_early() -> None:
    made = told(late_no())
    kept, why = ripen(project(), made, NOW)
    since = NOW - 30 * DAY
    final = float(truth()[(made.facts["predicted_at"] >= since).to_numpy()].mean())
    assert share_of_yes(made.for_training(), since) > final + 0.07
    assert share_of_yes(kept, since) == pytest.approx(final, abs=0.04)
    assert why is not None
    assert "are left out, for a label of another value" in why
    assert "the delay depends on the label" in why


def test_no_example_weighs_more_than_two() -> None:
    kept, why = ripen(project(), told(late_no()), NOW)
    weight = kept.weights()
    assert weight is not None
    assert 1.5 < weight.max() <= 2
    assert f"{(weight > 1).sum():,} weigh up to 2.0" in (why or "")


def test_an_example_is_left_out_whatever_its_own_label_says() -> None:
    kept, _ = ripen(project(), told(late_no()), NOW)
    young = kept.between(NOW - 10 * DAY, None)
    assert len(young) == 0


def test_a_feature_that_says_when_a_label_is_due_decides_who_is_left_out() -> None:
    made = window(rows=4000, span_days=100)
    due = made.features["distance"].to_numpy(dtype=float) / 20  # 40 days, give and take 10
    rng = np.random.default_rng(0)
    known = told(np.where(truth() == 1, due * rng.uniform(size=4000), due))
    kept, _ = ripen(project(), known, NOW)
    age = (NOW - kept.facts["predicted_at"]) / DAY
    assert (age + 0.5 >= kept.features["distance"] / 20).all()
    assert len(kept) == pytest.approx(int((due <= (NOW - made.facts["predicted_at"]) / DAY).sum()), rel=0.02)
    ripe_after = (kept.facts["ripe_at"] - kept.facts["predicted_at"]) / DAY
    assert np.abs(ripe_after - kept.features["distance"] / 20).median() < 1


def test_what_a_captured_row_stands_for_is_multiplied() -> None:
    made = told(late_no())
    sampled = replace(made, facts=made.facts.assign(weight=10.0))
    once, _ = ripen(project(), made, NOW)
    tenfold, _ = ripen(project(), sampled, NOW)
    assert tenfold.facts["weight"].tolist() == pytest.approx((once.facts["weight"] * 10).tolist())


def test_unknown_delays_leave_all_as_it_is_and_say_so() -> None:
    rng = np.random.default_rng(0)
    made = told(rng.uniform(0, 200, 4000))  # most labels come when the past is over
    kept, why = ripen(project(), made, NOW)
    assert "how long labels wait cannot be said, because the past " in (why or "")
    pd.testing.assert_frame_equal(kept.facts, made.for_training().facts)


def test_what_is_learned_does_not_hang_on_what_came_later() -> None:
    earlier = NOW - 20 * DAY
    delay = late_no()
    then = told(delay, as_of=earlier).between(None, earlier)
    one, other = (ripen(project(), then, earlier)[0] for _ in range(2))
    pd.testing.assert_frame_equal(one.facts, other.facts)
    assert (one.facts["label_known_at"] <= earlier).all()


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_every_kind_of_target_is_ripened(kind: str) -> None:
    made = window(rows=3000, span_days=100, kind=kind)
    first = made.labels == "road" if kind == "multiclass" else made.labels > 10
    rng = np.random.default_rng(0)
    known_at = made.facts["predicted_at"] + pd.to_timedelta(rng.exponential(np.where(first, 2, 15)), unit="D")
    known = (known_at <= NOW).to_numpy()
    labels = np.where(known, made.labels, None if kind == "multiclass" else np.nan)
    facts = made.facts.assign(weight=1.0, label_known_at=known_at.where(known))
    kept, why = ripen(project(kind), replace(made, facts=facts, labels=labels, labelled=known), NOW)
    assert why is not None
    assert 1000 < len(kept) < known.sum()


def test_no_label_at_all_is_no_example() -> None:
    kept, why = ripen(project(), told(np.full(4000, 900.0)), NOW)
    assert (len(kept), why) == (0, None)

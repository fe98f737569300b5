"""Laws of sharing out, on made-up games; `tests/serving/test_explanation.py` plays them with models."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.explaining.shapley import EXACT_PLAYERS, Coalitions, Game, Numbers, OutOfTime, Places, shares

MANY = EXACT_PLAYERS + 1
"""Players whose shares are sampled."""


few = settings(max_examples=30, deadline=None)


def game(table: Numbers) -> Game:
    """Play by a table [backgrounds, coalitions] of what each is worth; bit i of a coalition is player i."""
    players = table.shape[1].bit_length() - 1

    def worth(members: Coalitions, against: Places) -> Numbers:
        return table[against, members @ (1 << np.arange(players))]

    assert (table[:, -1] == table[0, -1]).all(), "the whole does not depend on the background"
    return Game(worth, table[0, -1], table[:, 0], players)


def additive(weights: Numbers, row: Numbers, backgrounds: Numbers) -> Game:
    """Play a linear model."""

    def worth(members: Coalitions, against: Places) -> Numbers:
        return np.where(members, row, backgrounds[against]) @ weights

    return Game(worth, float(row @ weights), backgrounds @ weights, len(weights))


def by_the_definition(of: Game) -> Numbers:
    """Sum over all coalitions, as Shapley (1953) has it, one by one."""
    found = np.zeros(of.players)
    backgrounds = np.arange(len(of.empty))

    def value(coalition: tuple[int, ...]) -> float:
        members = np.zeros((len(backgrounds), of.players), dtype=bool)
        members[:, list(coalition)] = True
        return float(of.worth(members, backgrounds).mean())

    for player in range(of.players):
        others = [other for other in range(of.players) if other != player]
        for size in range(of.players):
            gains = [value((*team, player)) - value(team) for team in combinations(others, size)]
            found[player] += sum(gains) / (of.players * comb(of.players - 1, size))
    return found


def table(players: int, backgrounds: int, seed: int) -> Numbers:
    found = np.random.default_rng(seed).normal(size=(backgrounds, 2**players))
    found[:, -1] = found[0, -1]
    return found


@st.composite
def games(draw: st.DrawFn, players: st.SearchStrategy[int] = st.integers(1, 5)) -> Numbers:  # noqa: B008
    return table(draw(players), draw(st.integers(1, 4)), draw(st.integers(0, 2**32)))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@few
@given(games())
def test_few_players_get_what_the_definition_says(made: Numbers) -> None:
    found = shares(game(made), rng())
    np.testing.assert_allclose(found.values, by_the_definition(game(made)), atol=1e-12)
    assert (found.exact, found.errors.tolist()) == (True, [0.0] * game(made).players)


@few
@given(games(st.sampled_from([3, MANY])))
def test_all_shares_together_are_the_whole_less_the_baseline(made: Numbers) -> None:
    found = shares(game(made), rng())
    assert found.values.sum() == pytest.approx(made[0, -1] - made[:, 0].mean(), abs=1e-12)


@few
@given(games(st.sampled_from([3, MANY])), st.data())
def test_who_changes_nothing_gets_nothing(made: Numbers, data: st.DataObject) -> None:
    bit = 1 << data.draw(st.integers(0, game(made).players - 1))
    coalitions = np.arange(made.shape[1])
    # What a coalition is worth is what it is worth with that player; the whole stays the whole.
    found = shares(game(made[:, coalitions | bit]), rng())
    assert found.values[bit.bit_length() - 1] == pytest.approx(0, abs=1e-12)


@few
@given(games(), st.data())
def test_who_does_the_same_gets_the_same(made: Numbers, data: st.DataObject) -> None:
    players = game(made).players
    one, other = (data.draw(st.integers(0, players - 1)) for _ in range(2))
    coalitions = np.arange(made.shape[1])
    exchanged = coalitions & ~(1 << one) & ~(1 << other)
    exchanged |= (coalitions >> one & 1) << other | (coalitions >> other & 1) << one
    found = shares(game((made + made[:, exchanged]) / 2), rng())
    assert found.values[one] == pytest.approx(found.values[other], abs=1e-12)


@few
@given(st.sampled_from([1, 4, MANY, 40]), st.integers(1, 8), st.integers(0, 2**32))
def test_shares_of_a_linear_model_are_its_weights_times_the_distance_from_the_mean(
    players: int, backgrounds: int, seed: int
) -> None:
    drawn = rng(seed)
    weights, row = drawn.normal(size=(2, players))
    others = drawn.normal(size=(backgrounds, players))
    found = shares(additive(weights, row, others), rng())
    np.testing.assert_allclose(found.values, weights * (row - others.mean(axis=0)), atol=1e-12)
    np.testing.assert_allclose(found.errors, 0, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_sampled_shares_are_as_far_from_the_exact_as_their_errors_say(seed: int) -> None:
    made = game(table(MANY, 4, seed))
    found = shares(made, rng(seed))
    off = (found.values - by_the_definition(made)) / found.errors
    assert not found.exact
    assert 0.3 < np.sqrt((off**2).mean()) < 2


def test_sampling_ends_when_the_errors_are_small_beside_what_moves() -> None:
    asked = 0
    linear = additive(np.ones(MANY), np.arange(float(MANY)), np.zeros((32, MANY)))

    def counted(members: Coalitions, against: Places) -> Numbers:
        nonlocal asked
        asked += len(members)
        return linear.worth(members, against)

    shares(Game(counted, linear.full, linear.empty, MANY), rng())
    assert asked == 4 * 32 * 2 * (MANY - 1)  # rounds, backgrounds, directions, steps in between


def test_the_same_generator_gives_the_same_shares() -> None:
    made = game(table(MANY, 3, 0))
    assert shares(made, rng(1)).values.tolist() == shares(made, rng(1)).values.tolist()
    assert shares(made, rng(1)).values.tolist() != shares(made, rng(2)).values.tolist()


@pytest.mark.parametrize("calls", [0, 42])
def test_a_worth_that_ends_too_early_leaves_no_shares(calls: int) -> None:
    with pytest.raises(OutOfTime):
        shares(ending(calls), rng())


def test_a_worth_that_ends_later_leaves_shares_with_larger_errors() -> None:
    cut, whole = shares(ending(43), rng()), shares(ending(1000), rng())
    assert cut.errors.max() > whole.errors.max()
    assert cut.values.sum() == pytest.approx(whole.values.sum(), abs=1e-12)


def ending(calls: int) -> Game:
    """Play a game that says nothing after a number of calls: of its rounds, each one call, 43 are needed."""
    made, left = game(table(MANY, 3, 0)), [calls]

    def worth(members: Coalitions, against: Places) -> Numbers:
        if not left[0]:
            raise OutOfTime
        left[0] -= 1
        return made.worth(members, against)

    return Game(worth, made.full, made.empty, MANY)

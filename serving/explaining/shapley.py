"""Shapley values of a game: what each player adds to its value, averaged over the orders to join in.

Exactly where the players are few, otherwise by sampling orders in pairs, each with its reverse (Mitchell,
Cooper, Frank and Holmes, "Sampling permutations for Shapley value estimation", JMLR 23, 2022).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Coalitions = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

Worth = Callable[[Coalitions, Places], Numbers]
"""Coalitions [n, players], and for each the place of the background that the others are taken from -> [n]."""

EXACT_PLAYERS = 8
"""Up to here every coalition is asked for: 256 for each background."""
_FEWEST_WALKS = 128
_MOST_WALKS = 2048
_MOST_ROUNDS = 64
"""Walks, each with its reverse, against all backgrounds together; one against each is a round."""
_PRECISION = 0.01
_AT_ONCE = 128
"""Coalitions valued by one call: between two calls other threads have their turn."""


class OutOfTime(Exception):
    """Raised by a worth that may be asked no more; what was sampled until then counts, if it is enough."""


@dataclass(frozen=True, slots=True)
class Game:
    """A game against each of several backgrounds, of which the mean counts.

    `full` is the worth of all players together, `empty` [backgrounds] that of none. `worth` is asked for
    the coalitions in between only, by calls of bounded size; what it raises ends the reckoning.
    """

    worth: Worth
    full: float
    empty: Numbers
    players: int


@dataclass(frozen=True, slots=True)
class Shares:
    """What each player adds: together `full` less the mean of `empty`, to the last digits of a float.

    `errors` are the standard errors of what was sampled, and 0 where the shares are exact.
    """

    values: Numbers
    errors: Numbers
    exact: bool


def shares(game: Game, rng: np.random.Generator) -> Shares:
    """Share a game's worth out; the same generator gives the same shares."""
    if game.players <= EXACT_PLAYERS:
        return Shares(_exact(game), np.zeros(game.players), exact=True)
    return _sampled(game, rng)


def _exact(game: Game) -> Numbers:
    players = game.players
    bits = np.arange(2**players)
    members = (bits[:, None] >> np.arange(players) & 1).astype(np.bool_)
    worths = np.empty(len(bits))
    worths[0], worths[-1] = game.empty.mean(), game.full
    backgrounds = len(game.empty)
    inner = _valued(
        game, np.repeat(members[1:-1], backgrounds, axis=0), np.tile(np.arange(backgrounds), len(bits) - 2)
    )
    worths[1:-1] = inner.reshape(-1, backgrounds).mean(axis=1)
    weights = np.array([math.factorial(s) * math.factorial(players - s - 1) for s in range(players)])
    weights = weights / math.factorial(players)
    sizes = members.sum(axis=1)
    found = np.empty(players)
    for player in range(players):
        without = bits[~members[:, player]]
        gains = worths[without | 1 << player] - worths[without]
        found[player] = (weights[sizes[without]] * gains).sum()
    return found


def _sampled(game: Game, rng: np.random.Generator) -> Shares:
    """Walk until the largest standard error is 1 % of all that moves, or the walks are used up."""
    fewest, most = (_rounds(walks, len(game.empty)) for walks in (_FEWEST_WALKS, _MOST_WALKS))
    rounds: list[Numbers] = []
    while True:
        try:
            rounds.append(_round(game, rng))
        except OutOfTime:
            if len(rounds) < fewest:
                raise
            return _mean(rounds)
        if len(rounds) < fewest:
            continue
        found = _mean(rounds)
        if len(rounds) == most or found.errors.max() <= _PRECISION * np.abs(found.values).sum():
            return found


def _rounds(walks: int, backgrounds: int) -> int:
    """Say how many rounds have so many walks: at least two, which show how far they differ."""
    return min(max(2, math.ceil(walks / backgrounds)), _MOST_ROUNDS)


def _mean(rounds: list[Numbers]) -> Shares:
    """Take the mean over rounds and backgrounds, and its standard error.

    Only the orders are drawn: what differs between the backgrounds is no error.
    """
    found = np.array(rounds)
    count, backgrounds, _ = found.shape
    variance = found.var(axis=0, ddof=1).sum(axis=0) / count / backgrounds**2
    return Shares(found.mean(axis=(0, 1)), np.sqrt(variance), exact=False)


def _round(game: Game, rng: np.random.Generator) -> Numbers:
    """Walk from every background to the whole, along an order of its own and along its reverse."""
    backgrounds = len(game.empty)
    orders = rng.permuted(np.tile(np.arange(game.players), (backgrounds, 1)), axis=1)
    places = np.argsort(orders, axis=1)
    # As many walks side by side as one call values: what is held at once stays small.
    together = max(1, _AT_ONCE // (2 * game.players))
    found = [
        _walked(game, places[start : start + together], np.arange(start, min(start + together, backgrounds)))
        for start in range(0, backgrounds, together)
    ]
    return np.concatenate(found)


def _walked(game: Game, places: Places, against: Places) -> Numbers:
    """Give what each player adds on the two walks from each background, as [backgrounds, players]."""
    players = game.players
    both = np.stack([places, players - 1 - places])
    members = both[:, :, None, :] < np.arange(1, players)[:, None]
    others = np.broadcast_to(against[:, None], members.shape[:-1])
    worths = np.empty((2, len(against), players + 1))
    worths[..., 0], worths[..., -1] = game.empty[against], game.full
    inner = _valued(game, members.reshape(-1, players), others.reshape(-1))
    worths[..., 1:-1] = inner.reshape(others.shape)
    return np.take_along_axis(np.diff(worths, axis=-1), both, axis=-1).mean(axis=0)


def _valued(game: Game, members: Coalitions, against: Places) -> Numbers:
    found = [
        game.worth(members[start : start + _AT_ONCE], against[start : start + _AT_ONCE])
        for start in range(0, len(members), _AT_ONCE)
    ]
    return np.concatenate(found) if found else np.empty(0)

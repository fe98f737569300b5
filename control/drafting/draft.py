"""A first project for a file: what each column seems to be, with every guess marked as one."""

import re
from dataclasses import dataclass
from datetime import datetime
from math import ceil, floor

from control.drafting.facts import Facts, Sight
from control.drafting.guessing import Guess, guess
from control.drafting.roles import Asked, Roles, assign, make_target
from keepfit.errors import FileUnreadable
from keepfit.spec import Target

_MIN_ROWS = 200
_WINDOW = 14
"""Project's own defaults: rows of a verdict, days of a window."""
_LONGEST_WINDOW = 182
_FIRST_SHARE = 5


@dataclass(frozen=True)
class Span:
    """How much time a file covers, and how much of it a verdict needs.

    `window` days make `min_rows` rows, where the defaults would not.
    """

    since: datetime
    until: datetime
    window: int = _WINDOW
    min_rows: int = _MIN_ROWS


@dataclass(frozen=True)
class Draft:
    """All that a drafted project file says."""

    name: str
    sight: Sight
    roles: Roles
    target: Target
    guesses: list[Guess]
    span: Span
    zoned: bool
    """Whether every time has an offset."""

    @property
    def features(self) -> list[Guess]:
        """The columns to learn from."""
        return [guess for guess in self.guesses if guess.column is not None]

    @property
    def left_out(self) -> list[Guess]:
        """The columns that are not learned from."""
        return [guess for guess in self.guesses if guess.column is None]


def draft(sight: Sight, asked: Asked, name: str) -> Draft:
    """Draft a project; raise FileUnreadable where there is no time, no target or nothing to learn from."""
    roles = assign(sight, asked)
    halves = _halves(roles.time.facts)
    rest = [facts for name, facts in sight.columns.items() if name not in roles.taken]
    guesses = [guess(facts, roles, halves) for facts in rest]
    if all(guess.column is None for guess in guesses):
        reasons = "; ".join(f"{g.name!r}: {g.why}" for g in guesses) or "it has no other column"
        msg = (
            f"{sight.path.name}: nothing is left to predict {roles.target.name!r} from ({reasons}); "
            "add what is known at the time of a row"
        )
        raise FileUnreadable(msg)
    times = [roles.time] if roles.label_time is None else [roles.time, roles.label_time]
    zoned = all(role.facts.zoned for role in times)
    target = make_target(roles.target.facts, roles.kind)
    return Draft(name, sight, roles, target, guesses, _span(sight, roles), zoned)


def project_name(stem: str) -> str:
    """Make a project's name of a file's."""
    name = re.sub(r"[^a-z0-9_]+", "_", stem.lower()).strip("_")
    name = re.sub(r"^[^a-z]+", "", name)
    return name[:63] or "project"


def _halves(time: Facts) -> tuple[list[int], list[int]]:
    """Return the places of the older and of the newer half of the rows."""
    timed = [(at, place) for place, at in enumerate(time.values) if isinstance(at, datetime)]
    places = [place for _, place in sorted(timed)]
    return places[: len(places) // 2], places[len(places) // 2 :]


def _span(sight: Sight, roles: Roles) -> Span:
    """Choose windows that hold enough rows, and fewer rows only where no window would."""
    moments = roles.time.facts.moments
    since, until = moments[0], moments[-1]
    days = max((until - since).total_seconds() / 86_400, 1.0)
    labelled = sight.rows * roles.target.facts.present / len(roles.target.facts.values)
    # The first holdout is at most a fifth of the history, of which a first part may be all that is taken in.
    enough = min(_MIN_ROWS, max(10, floor(labelled / _FIRST_SHARE / 2)))
    # A little more than enough, for rows do not come evenly.
    window = max(_WINDOW, ceil(1.25 * enough * days / max(labelled, 1)))
    return Span(since, until, min(window, _LONGEST_WINDOW), enough)

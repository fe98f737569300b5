"""Which column is the target, the time, the label's time, the reference: as asked for, or as guessed."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Literal

from control.drafting.facts import Facts, Sight
from keepfit.errors import FileUnreadable
from keepfit.spec import Target

_TARGETS = ("target", "label", "y", "outcome", "response", "churn", "churned", "default", "fraud", "class")
_LABEL_TIMES = re.compile(r"label|observ|outcome|known|clos|resolv|end|finish|landed|paid|return", re.I)
_TIME_WORDS = re.compile(r"time|date|when|epoch|(^|_)(at|ts|day|on)$", re.I)
_ID = re.compile(r"(^|[_\W])(id|uuid|guid|key|nr|no|number|ref|reference)$|[a-z](Id|ID|Key)$", re.I)
_CAMEL = re.compile(r"[a-z](Id|ID|UUID)$")
_PERSON = r"e?.?mail|customer|user|patient|passenger|client|member|person|guest|subscriber|employee"
_SUBJECT = re.compile(rf"(^|_)({_PERSON}|phone|account|name|ssn)(_?(id|uuid|key|nr|no|number|name))?$", re.I)
_MOST_CLASSES, _MOST_NUMBERED = 50, 10
_UNIQUE = 0.99


@dataclass(frozen=True)
class Asked:
    """What the person who asks for a draft says of the columns; None is to be guessed."""

    target: str | None = None
    time: str | None = None
    label_time: str | None = None


@dataclass(frozen=True)
class Role:
    """A column in a role, and why it was chosen where that was a guess."""

    facts: Facts
    guess: str | None = None

    @property
    def name(self) -> str:
        """The column's name."""
        return self.facts.name


@dataclass(frozen=True)
class Roles:
    """Who is what; a role that no column has is None."""

    target: Role
    kind: Literal["binary", "multiclass", "regression"]
    time: Role
    label_time: Role | None
    reference: Role | None
    subject: Role | None

    @property
    def taken(self) -> set[str]:
        """The columns that are no features."""
        chosen = (self.target, self.time, self.label_time, self.reference, self.subject)
        return {role.name for role in chosen if role is not None}


def assign(sight: Sight, asked: Asked) -> Roles:
    """Give out the roles; raise FileUnreadable where one that is needed cannot be given."""
    for name in (asked.target, asked.time, asked.label_time):
        if name is not None and name not in sight.columns:
            raise FileUnreadable(_unknown(sight, name))
    time = _time(sight, asked)
    target = _target(sight, asked, time.name)
    label_time = _label_time(sight, asked, time, target)
    named = {role.name for role in (time, target, label_time) if role is not None}
    rest = [facts for name, facts in sight.columns.items() if name not in named]
    reference = _reference(rest)
    subject = _subject([facts for facts in rest if reference is None or facts.name != reference.name])
    return Roles(target, target_kind(target.facts) or "regression", time, label_time, reference, subject)


def target_kind(facts: Facts) -> Literal["binary", "multiclass", "regression"] | None:
    """Say what kind of target a column can be, or None where it can be none."""
    classes = len(facts.counts)
    if classes < 2:
        return None
    if facts.kind == "flag" or (facts.kind == "number" and set(facts.counts) == {0.0, 1.0}):
        return "binary"
    if facts.kind == "text":
        return "multiclass" if classes <= _MOST_CLASSES else None
    if facts.kind != "number":
        return None
    few = facts.whole and classes <= _MOST_NUMBERED and facts.present >= 20 * classes
    return "multiclass" if few else "regression"


def make_target(facts: Facts, kind: str) -> Target:
    """Make the target of a column, its classes in their order."""
    if kind == "binary":
        return Target.binary(facts.name)
    if kind == "regression":
        return Target.regression(facts.name)
    classes = [int(c) if isinstance(c, float) else str(c) for c in facts.counts]
    return Target.multiclass(facts.name, sorted(classes))  # pyright: ignore[reportArgumentType]


def is_id(name: str) -> bool:
    """Say whether a column is called like an id."""
    return bool(_ID.search(name))


def is_subject(name: str) -> bool:
    """Say whether a column is called like one that names a person."""
    return bool(_SUBJECT.search(_CAMEL.sub(lambda found: f"{found[0][0]}_id", name)))


def _unknown(sight: Sight, name: str) -> str:
    near = get_close_matches(name, sight.columns, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{sight.path.name}: no column is called {name!r}; {hint}it has {', '.join(sight.columns)}"


def _time(sight: Sight, asked: Asked) -> Role:
    if asked.time is not None:
        return Role(_is_time(sight, sight.columns[asked.time], "--time"))
    others = {asked.target, asked.label_time}
    times = [f for f in sight.columns.values() if f.kind == "time" and f.name not in others]
    full = [f for f in times if f.gaps <= len(f.values) / 100]
    if full:
        named = [facts for facts in full if facts.name == "predicted_at"]
        if named:
            return Role(named[0], "by its name")
        first = min(full, key=_middle)
        return Role(first, "the only time" if len(full) == 1 else "the earliest of the times")
    raise FileUnreadable(_no_time(sight))


def _no_time(sight: Sight) -> str:
    file = sight.path.name
    for facts in sorted(sight.columns.values(), key=lambda facts: facts.kind != "text"):
        if _TIME_WORDS.search(facts.name) and facts.counts and facts.kind in ("text", "number"):
            seen = next(iter(facts.counts))
            seen = int(seen) if isinstance(seen, float) and seen.is_integer() else seen
            return (
                f"{file}: no column can be the time of a prediction; {facts.name!r} holds {seen!r}: write it "
                f"as 2013-02-01T09:30:00Z or 2013-02-01, or add a column with such times"
            )
    return (
        f"{file}: no column can be the time of a prediction; add one with times such as "
        f"2013-02-01T09:30:00Z, when each row was known (it has {', '.join(sight.columns)})"
    )


def _is_time(sight: Sight, facts: Facts, option: str) -> Facts:
    if facts.kind == "time":
        return facts
    seen = next(iter(facts.counts), None)
    msg = (
        f"{sight.path.name}: {facts.name!r} given as {option} holds no times (such as {seen!r}); "
        "write them as 2013-02-01T09:30:00Z or 2013-02-01, or name another column"
    )
    raise FileUnreadable(msg)


def _target(sight: Sight, asked: Asked, time: str) -> Role:
    if asked.target is not None:
        facts = sight.columns[asked.target]
        if target_kind(facts) is None:
            raise FileUnreadable(_no_target(sight, facts))
        return Role(facts)
    fit = [
        facts
        for name, facts in sight.columns.items()
        if name not in (time, asked.label_time) and target_kind(facts) and not is_id(name)
    ]
    for wanted in _TARGETS:
        for facts in fit:
            if facts.name.lower() == wanted:
                return Role(facts, "by its name")
    for facts in fit:
        if re.match(r"(is|has|was|will)_", facts.name, re.I) and target_kind(facts) == "binary":
            return Role(facts, "by its name")
    if fit:
        return Role(fit[-1], "the last column that can be one")
    names = ", ".join(sight.columns)
    msg = f"{sight.path.name}: no column can be the target; add what is to be predicted (it has {names})"
    raise FileUnreadable(msg)


def _no_target(sight: Sight, facts: Facts) -> str:
    if not facts.counts:
        what = (
            "is empty" if facts.kind == "nothing" else f"holds {facts.kind} values, such as {facts.example}"
        )
    elif len(facts.counts) == 1:
        what = f"is always {next(iter(facts.counts))!r}"
    elif facts.kind == "time":
        what = "holds times"
    else:
        what = f"holds {len(facts.counts)} different texts"
    return f"{sight.path.name}: {facts.name!r} {what} and cannot be a target; name another with --target"


def _label_time(sight: Sight, asked: Asked, time: Role, target: Role) -> Role | None:
    if asked.label_time is not None:
        return Role(_is_time(sight, sight.columns[asked.label_time], "--label-time"))
    later = [
        facts
        for facts in sight.columns.values()
        if facts.kind == "time" and facts.name not in (time.name, target.name)
        if _follows(facts, time.facts, target.facts)
    ]
    tests: list[tuple[Callable[[Facts], object], str]] = [
        (lambda facts: facts.name == "observed_at", "by its name"),
        (lambda facts: _LABEL_TIMES.search(facts.name), "by its name, and never before the time"),
        (lambda _: True, "the last of the times"),
    ]
    for fits, why in tests:
        if found := [facts for facts in later if fits(facts)]:
            return Role(max(found, key=_middle), why)
    return None


def _follows(facts: Facts, time: Facts, target: Facts) -> bool:
    """Say whether a time is there where the label is, and nearly never before the prediction's."""
    rows = zip(facts.values, time.values, target.values, strict=True)
    labelled = [(seen, at) for seen, at, label in rows if label is not None]
    both = [seen >= at for seen, at in labelled if isinstance(seen, datetime) and isinstance(at, datetime)]
    return len(both) >= 0.95 * len(labelled) and sum(both) >= 0.99 * len(both) > 0


def _reference(rest: Iterable[Facts]) -> Role | None:
    """Find what names a row: `reference_id`, or full columns in which each value stands once."""
    candidates = list(rest)
    for facts in candidates:
        if facts.name == "reference_id":
            return Role(facts)
    unique = [f for f in candidates if is_unique(f) and f.gaps == 0 and not is_subject(f.name)]
    for facts in unique:
        if is_id(facts.name):
            return Role(facts, "each row has its own, and it is called an id")
    texts = [facts for facts in unique if facts.kind == "text"]
    return Role(texts[0], "each row has its own") if texts else None


def is_unique(facts: Facts) -> bool:
    """Say whether (nearly) each row has a text or a whole number of its own."""
    if not (facts.kind == "text" or facts.whole) or facts.present < 20:
        return False
    return len(facts.counts) >= _UNIQUE * facts.present


def _subject(rest: Iterable[Facts]) -> Role | None:
    for facts in rest:
        many = len(facts.counts) > max(20, facts.present / 100)
        if many and is_subject(facts.name) and (facts.kind == "text" or facts.whole):
            return Role(facts, "it seems to name a person")
    return None


def _middle(facts: Facts) -> datetime:
    return facts.moments[len(facts.moments) // 2]

"""Claim: a source of labels is accused of a shift only where there is one, and how large one is seen.

`monitoring.labelshift.judge_shifts` on made fortnights. Where nobody lies the share of fortnights in which
somebody is accused must stay below the level that the project states; where somebody does it is the power.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Options, Table
from data.told import Told
from keepfit import Suspicion, Target
from monitoring.labelshift import judge_shifts

_TRIES = 400
_DAYS = 14
RULE = Suspicion()
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Sources that label the answers of one model; the first may lie.

    `a_day` is how many labels each says. `flip` is the share of its labels that the first turns round, of
    all or of a `segment` of its rows. `centres` are its customers: where the scores of each lie. On a bad
    `day` the outcome is another than the model expects, for all; `own_days` are bad for one source only.
    """

    name: str
    kind: str = "binary"
    a_day: tuple[int, ...] = (50, 50)
    flip: float = 0.0
    segment: float = 1.0
    centres: tuple[float, ...] = (-1.0, -1.0)
    day: float = 0.4
    own_days: float = 0.0
    dull: float = 0.0
    """By which share the model's scores are nearer to the middle than they should be."""
    noise: float = 0.0
    """What the model's scores lack: with it, the same score means another chance for other customers."""
    echo: bool = False
    """Whether a lie says what the model says, and not the opposite of the truth."""


HONEST = [
    World("two sources alike"),
    World("other customers", centres=(1.0, -1.5)),
    World("other customers, scores half as far as they should be", centres=(1.0, -1.5), dull=0.5),
    World("other customers, and a model that does not know it", centres=(1.0, -1.5), noise=0.5),
    World("few labels beside many", a_day=(20, 400)),
    World("six sources", a_day=(50,) * 6, centres=(-1.0,) * 6),
    World("days that are bad for one source only", own_days=0.5),
    World("rare positives", centres=(-4.0, -4.0), a_day=(200, 200)),
    World("multiclass", kind="multiclass"),
    World("regression", kind="regression"),
    World("regression, other customers", kind="regression", centres=(1.0, -1.5)),
]
_LIES = [
    World("two sources"),
    World("many labels", a_day=(500, 500)),
    World("few labels beside many", a_day=(20, 400)),
    World("the liar says nine of ten labels", a_day=(450, 25, 25), centres=(-1.0,) * 3),
    World("six sources", a_day=(50,) * 6, centres=(-1.0,) * 6),
    World("a fifth of its rows only", segment=0.2),
    World("a fifth of its rows, many labels", segment=0.2, a_day=(500, 500)),
    World("it says what the model says", echo=True),
    World("multiclass", kind="multiclass"),
    World("regression", kind="regression"),
    World("regression, six sources", kind="regression", a_day=(50,) * 6, centres=(-1.0,) * 6),
]


def measure(options: Options) -> Table:
    """Judge made fortnights, and count who is accused."""
    tries = options.rows or (_TRIES // 10 if options.quick else _TRIES)
    table = Table(
        f"Sources of labels: accused in {tries} fortnights each, at p < {RULE.p_value:g} and a shift of "
        f"{RULE.shift:.0%}",
        ("", "flipped", "accused", "an honest one", "which cannot be said"),
        (
            "50 labels a day of each source unless the line says otherwise; scores of a model that is right, "
            "but for a day's own luck",
            "accused: somebody is, where nobody lies; the liar is, where somebody does",
            "regression: a flipped label is the answer minus what the truth was off by, four times",
        ),
    )
    for world in HONEST:
        _count(table, world, tries, "nobody lies: ")
    for world in _LIES:
        for flip in (0.1, 0.3, 1.0):
            _count(table, replace(world, flip=flip), tries)
    return table


def _count(table: Table, world: World, tries: int, prefix: str = "") -> None:
    accused = honest = disputed = 0
    for seed in range(tries):
        found = judge_shifts(target(world.kind), made(world, seed), RULE, 200)
        names = {each.source for each in found.accused}
        accused += bool(names) if not world.flip else "source-0" in names
        honest += bool(names - {"source-0"}) if world.flip else bool(names)
        disputed += found.disputed is not None
    flipped = f"{world.flip:.0%}" if world.flip else ""
    table.add(prefix + world.name, flipped, str(accused), str(honest), str(disputed))


def target(kind: str) -> Target:
    """Name what is labelled."""
    if kind == "multiclass":
        return Target.multiclass("way", ["road", "air", "rail"])
    return Target.regression("delay") if kind == "regression" else Target.binary("late")


def made(world: World, seed: int) -> Told:
    """Make a fortnight of labels beside the answers."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, world.day, _DAYS)
    parts: list[tuple[int, NDArray[np.int64], Numbers, Numbers]] = []
    for number, count in enumerate(world.a_day):
        day = np.repeat(np.arange(_DAYS), count)
        luck = (shared + rng.normal(0, world.own_days, _DAYS))[day]
        liar = number == 0
        lies = liar & (rng.random(len(day)) < world.flip) & (rng.random(len(day)) < world.segment)
        outputs, labels = _SAID[world.kind](
            rng, world, world.centres[number] + np.zeros(len(day)), luck, lies
        )
        parts.append((number, day, outputs, labels))
    return Told(
        np.concatenate([np.full(len(day), f"source-{number}", dtype=object) for number, day, _, _ in parts]),
        np.concatenate([day for _, day, _, _ in parts]),
        np.concatenate([outputs for _, _, outputs, _ in parts]),
        np.concatenate([labels for _, _, _, labels in parts]),
    )


Said = Callable[[np.random.Generator, World, Numbers, Numbers, NDArray[np.bool_]], tuple[Numbers, Numbers]]


def _binary(
    rng: np.random.Generator, world: World, centre: Numbers, luck: Numbers, lies: NDArray[np.bool_]
) -> tuple[Numbers, Numbers]:
    truth = rng.normal(centre, 1.2)
    score = truth * (1 - world.dull) + rng.normal(0, world.noise, len(truth))
    label = (rng.random(len(truth)) < _chance(truth + luck)).astype(np.float64)
    lie = (score > 0).astype(np.float64) if world.echo else 1 - label
    return _chance(score)[:, None], np.where(lies, lie, label)


def _multiclass(
    rng: np.random.Generator, _: World, centre: Numbers, luck: Numbers, lies: NDArray[np.bool_]
) -> tuple[Numbers, Numbers]:
    logits = rng.normal(0, 1.5, (len(centre), 3)) + np.column_stack([centre, -centre, 0 * centre])
    moved = logits + np.column_stack([luck, -luck, 0 * luck])
    chances = np.exp(moved) / np.exp(moved).sum(axis=1, keepdims=True)
    label = (chances.cumsum(axis=1)[:, :2] < rng.random((len(centre), 1))).sum(axis=1).astype(np.float64)
    outputs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return outputs, np.where(lies, (label + 1) % 3, label)


def _regression(
    rng: np.random.Generator, _: World, centre: Numbers, luck: Numbers, lies: NDArray[np.bool_]
) -> tuple[Numbers, Numbers]:
    answer = rng.normal(centre, 1.2)
    off = rng.normal(luck, 1.0)
    return answer[:, None], answer + np.where(lies, -4 * off, off)


_SAID: dict[str, Said] = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}


def _chance(logit: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-logit))

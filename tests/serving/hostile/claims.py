"""Hostile by what its manifest or statement says, signed by a trusted key: an insider's, or a bug's."""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from data.bundles import MANIFEST, STATEMENT
from keepfit import Column, Target
from tests.builders import COLUMNS
from tests.serving.hostile.bundles import Scene, Spoil


def kinds() -> Iterator[tuple[str, Spoil]]:
    """Name each kind."""
    for what, changed in _MANIFESTS.items():
        yield f"manifest: {what}", lambda scene, c=changed: scene.good(scene.folder, **c)
    for what, lie in _LIES.items():
        yield f"golden: {what}", lambda scene, e=lie: _golden(scene, e)
    for what, edit in _EDITS.items():
        yield f"manifest: {what}", lambda scene, e=edit: _edit(scene, MANIFEST, e)
    for name in (MANIFEST, STATEMENT):
        for what, body in _BODIES.items():
            yield f"{name}: {what}", lambda scene, n=name, b=body: scene.rewrite(n, b)
    yield (
        "statement of another bundle",
        lambda scene: scene.rewrite(STATEMENT, (scene.outside / "bundle" / STATEMENT).read_bytes()),
    )
    yield "statement of two bundles", lambda scene: _edit(scene, STATEMENT, _two_subjects)
    yield (
        "statement of another type",
        lambda scene: _edit(
            scene, STATEMENT, lambda told: told.update(_type="https://in-toto.io/Statement/v0.1")
        ),
    )
    yield "statement: 2 MB", lambda scene: _edit(scene, STATEMENT, lambda told: told.update(more=" " * 2**21))
    yield (
        "manifest: 17 MB",
        lambda scene: _edit(scene, MANIFEST, lambda told: told.update(more=" " * 17 * 2**20)),
    )


_MANIFESTS: dict[str, dict[str, object]] = {
    "of another project": {"project": "churn"},
    "of no project": {"project": ""},
    "of a project that is a path": {"project": "../flights"},
    "of another model": {"model_sha256": "A" * 64},
    "of no model's hash": {"model_sha256": ""},
    "a column more": {"columns": {**COLUMNS, "humidity": Column.number(optional=True)}},
    "a column less": {"columns": {k: v for k, v in COLUMNS.items() if k != "wind"}},
    "a column of another kind": {"columns": {**COLUMNS, "wind": Column.category(optional=True)}},
    "no columns": {"columns": {}},
    "100,000 columns": {"columns": {f"c{n}": Column.number(optional=True) for n in range(100_000)}},
    "a column of no name": {"columns": {**COLUMNS, "": Column.number(optional=True)}},
    "another output": {"output": "nothing"},
    "no output": {"output": ""},
    "an output within": {"output": "sloped"},
    "an output that is an input": {"output": "distance"},
    "another target": {"target": Target.binary("late")},
    "a target of three classes": {"target": Target.multiclass("way", ["air", "rail", "road"])},
    "a target of no classes": {"target": Target.multiclass("way", []), "golden_outputs": [[], []]},
    "a target of a million classes": {"target": Target.multiclass("way", list(range(1_000_000)))},
}
_LIES: dict[str, Callable[[Any], object]] = {
    "no rows": lambda t: t.update(golden_rows=[], golden_outputs=[]),
    "no outputs": lambda t: t.update(golden_outputs=[]),
    "an output less": lambda t: t["golden_outputs"].pop(),
    "an output more": lambda t: t["golden_outputs"].append([1.0]),
    "another output": lambda t: t.update(golden_outputs=[[1.0], [2.0]]),
    "an output that is a little off": lambda t: t["golden_outputs"][1].append(
        t["golden_outputs"][1].pop() * 1.0001
    ),
    "outputs of two numbers": lambda t: t.update(golden_outputs=[[1.0, 2.0], [1.0, 2.0]]),
    "outputs of no numbers": lambda t: t.update(golden_outputs=[[], []]),
    "outputs of different lengths": lambda t: t.update(golden_outputs=[[1.0], [1.0, 2.0]]),
    "outputs that are null": lambda t: t.update(golden_outputs=[[None], [None]]),
    "outputs that are text": lambda t: t.update(golden_outputs=[["1"], ["2"]]),
    "outputs swapped": lambda t: t["golden_outputs"].reverse(),
    "text for a number": lambda t: t["golden_rows"][0].update(distance="far"),
    "a list for a number": lambda t: t["golden_rows"][0].update(distance=[733]),
    "an object for text": lambda t: t["golden_rows"][0].update(carrier={}),
    "nothing for a number": lambda t: t["golden_rows"][0].update(distance=None),
    "rows of nothing": lambda t: t.update(golden_rows=[{}, {}]),
    "rows of other columns": lambda t: t.update(golden_rows=[{"x": 1}, {"y": 2}]),
    "rows that are lists": lambda t: t.update(golden_rows=[[733], [5000]]),
    "an output that is not a number": lambda t: t["golden_outputs"].__setitem__(0, [math.nan]),
    "an infinite output": lambda t: t["golden_outputs"].__setitem__(0, [math.inf]),
    "an output of 400 digits": lambda t: t["golden_outputs"].__setitem__(0, [10**400]),
    "an infinite number": lambda t: t["golden_rows"][0].update(distance=math.inf),
    "a number of 400 digits": lambda t: t["golden_rows"][0].update(distance=10**400),
    "a number of 4,000 bits": lambda t: t["golden_rows"][0].update(wind=2**4000),
    "half a character": lambda t: t["golden_rows"][0].update(carrier="\ud800"),
    "a row that is null": lambda t: t["golden_rows"].__setitem__(0, None),
}  # fmt: skip
_EDITS: dict[str, Callable[[Any], object]] = {
    "a version that is text": lambda t: t.update(version="1"),
    "a version that is no whole number": lambda t: t.update(version=1.5),
    "a version of 70 bits": lambda t: t.update(version=2**63 * 128),
    "no version": lambda t: t.pop("version"),
    "no lineage": lambda t: t.pop("lineage"),
    "a training end of no time": lambda t: t["lineage"].update(training_until="yesterday"),
    "a column of an unknown kind": lambda t: t["columns"]["wind"].update(kind="code"),
    "a column between three": lambda t: t["columns"]["wind"].update(between=[1, 2, 3]),
    "a column between text": lambda t: t["columns"]["wind"].update(between=["a", "b"]),
    "a column among numbers": lambda t: t["columns"]["season"].update(among=[1, 2]),
    "a column that is a list": lambda t: t["columns"].update(wind=[]),
    "columns that are a list": lambda t: t.update(columns=list(t["columns"])),
    "a target of an unknown kind": lambda t: t["target"].update(kind="code"),
    "classes that are lists": lambda t: t["target"].update(kind="multiclass", classes=[[1], [2]]),
}
_BODIES = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "an empty object": b"{}",
    "no UTF-8": b'{"project": "\xff"}',
    "UTF-16": '{"project": "flights"}'.encode("utf-16"),
    "nested too deeply": b'{"x":' * 100_000,
    "lists nested too deeply": b"[" * 1_000_000,
    "a number of a million digits": b'{"version": ' + b"9" * 1_000_000 + b"}",
    "a huge exponent": b'{"version": 1e999999999}',
    "not a number": b'{"version": NaN}',
    "half a character": b'{"project": "\\ud800"}',
    "a pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
}


def _edit(scene: Scene, name: str, edit: Callable[[Any], object]) -> None:
    # By Python's own JSON, which also writes what is none.
    told = json.loads((scene.folder / name).read_bytes())
    edit(told)
    scene.rewrite(name, json.dumps(told).encode())


def _golden(scene: Scene, lie: Callable[[Any], object]) -> None:
    _edit(scene, MANIFEST, lie)


def _two_subjects(told: Any) -> None:
    told["subject"] *= 2

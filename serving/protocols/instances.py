"""Instances in, predictions out: what Vertex, KServe V1, MLflow and SageMaker have in common."""

from collections.abc import Sequence
from typing import Any, cast

from msgspec import to_builtins

from keepfit.spec import shown
from serving.contract import PredictAnswer
from serving.desk import Desk
from serving.protocols.given import Given, Reader
from serving.protocols.messages import About, How, Parameters
from serving.refusal import invalid, key


def read(reader: Reader, document: object, path: str) -> Given:
    """Take a list of objects, a list of lists in the order of the model's columns, or an object of columns.

    Of an object of columns each has one value per row, or all have but one.
    """
    if isinstance(document, dict):
        return _columns(reader, cast("dict[str, Any]", document), path)
    if not isinstance(document, list):
        raise invalid(path, "expected a list of rows, each an object or a list, or an object of columns")
    rows = [_unwrapped(reader, row) for row in cast("list[Any]", document)]
    if rows and isinstance(rows[0], list):
        names = list(reader.schema.columns)
        _check_kind(rows, list, "a list, as the first row is", path)
        return reader.by_place(
            names,
            rows,
            path,
            lambda row, name: f"{path}[{row}]" + ("" if name is None else _index(names, name)),
        )
    _check_kind(rows, dict, "an object", path)
    return reader.by_name(
        rows, path, lambda row, name: f"{path}[{row}]" + ("" if name is None else key(name))
    )


def predictions(answer: PredictAnswer, how: How) -> list[Any]:
    """Say each row as it was asked for."""
    if how == "full":
        shared = {"version": answer.version, "captured": answer.captured}
        return [to_builtins(row) | shared for row in answer.predictions]
    if how == "probabilities" and answer.classes:
        return [row.probabilities for row in answer.predictions]
    return [row.output for row in answer.predictions]


def asked_for(desk: Desk, parameters: Parameters | None, kind: str, path: str) -> How:
    """Say what the caller wants for each row; raise Refused for probabilities of a regression."""
    how = parameters.answer if parameters else None
    if how == "probabilities" and kind == "regression":
        raise invalid(f"{path}.answer", "a regression has no probabilities; ask for 'output'")
    return how or cast(How, desk.settings.answer)


def about(answer: PredictAnswer) -> About:
    """Name the version and the ids, which labels come by."""
    ids = [row.prediction_id for row in answer.predictions]
    return About(answer.version, answer.captured, ids, answer.classes)


def headers(answer: PredictAnswer) -> tuple[tuple[bytes, bytes], ...]:
    """Say the version, and that nothing was captured, where a body has no room for it."""
    told = ((b"keepfit-version", str(answer.version).encode()),)
    return told if answer.captured else (*told, (b"keepfit-captured", b"false"))


def _columns(reader: Reader, columns: dict[str, Any], path: str) -> Given:
    if not any(isinstance(cells, list) for cells in columns.values()):
        return reader.by_name([columns], path, lambda _, name: path + ("" if name is None else key(name)))
    counts = {name: len(cells) if isinstance(cells, list) else 1 for name, cells in columns.items()}
    first, count = next(iter(counts.items()))
    for name, found in counts.items():
        if found != count or not isinstance(columns[name], list):
            raise invalid(path + key(name), f"expected {count} values, as {first!r} has, got {found}")
    reader.check_count(count, path)
    cells = [[_alone(cell) for cell in column] for column in columns.values()]

    def at(row: int, name: str | None) -> str:
        return path if name is None else path + key(name) + (f"[{row}]" if name in columns else "")

    return reader.by_name(
        [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)], path, at
    )


def _unwrapped(reader: Reader, row: Any) -> Any:  # noqa: ANN401 - JSON
    """Take {"features": [...]}, as SageMaker's own algorithms have it, for the list."""
    if isinstance(row, dict) and row.keys() == {"features"} and "features" not in reader.schema.columns:
        return cast("dict[str, Any]", row)["features"]
    return row


def _alone(cell: Any) -> Any:  # noqa: ANN401 - JSON
    """Take a tensor of one value for the value."""
    return cast("list[Any]", cell)[0] if isinstance(cell, list) and len(cell) == 1 else cell


def _check_kind(rows: Sequence[Any], kind: type, expected: str, path: str) -> None:
    for place, row in enumerate(rows):
        if not isinstance(row, kind):
            raise invalid(f"{path}[{place}]", f"expected {expected}, got {shown(row)}")


def _index(names: Sequence[str], name: str) -> str:
    return f"[{names.index(name)}]" if name in names else key(name)

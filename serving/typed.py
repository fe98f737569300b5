"""A model's rows as structs of its own types: decoded and checked in one pass, explained where that fails."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol, cast

import msgspec
from msgspec import Meta, Struct

from keepfit.spec import LARGEST, Column, Value
from serving.contract import Id, Row, Schema, check_count, check_row, instant, kept, read_predict_request
from serving.predictor import cell_order

_NUL = b"\\u0000"


class TypedRow(Protocol):
    """One row that was checked; `features` is a struct with a field for each column, in `cell_order`."""

    features: Struct
    reference_id: str | None
    predicted_at: datetime | None


class TypedRows:
    """Reads the rows of one model.

    What the decoder of the model's own types takes needs no other check. What it refuses is read again by
    the general one, which is slower, takes a little more (1.0 for a flag), and knows how to explain.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._order = cell_order(schema.columns)
        self._fields = [f"f{number}" for number in range(len(self._order))]
        columns = [schema.columns[name] for name in self._order]
        features: type[Any] = msgspec.defstruct(
            "Features",
            [
                (field, _type(column), _field(name, column))
                for field, name, column in zip(self._fields, self._order, columns, strict=True)
            ],
            frozen=True,
            kw_only=True,
            forbid_unknown_fields=True,
            gc=False,
        )
        moment: Any = Annotated[datetime, Meta(tz=True)] | None  # pyright: ignore[reportOperatorIssue]
        self._features = features
        self._row: type[Any] = msgspec.defstruct(
            "Row",
            [
                ("features", features),
                ("reference_id", Id | None, None),
                ("predicted_at", moment, None),
            ],
            frozen=True,
            forbid_unknown_fields=True,
            gc=False,
        )
        rows: Any = Annotated[list[self._row], Meta(min_length=1)]
        request = msgspec.defstruct("Request", [("rows", rows)], forbid_unknown_fields=True)
        self._decode: Any = msgspec.json.Decoder(request).decode

    def read(self, body: bytes, most_rows: int) -> list[TypedRow]:
        """Read the body of a predict request; raise Refused with the path and the reason."""
        if _NUL not in body:
            try:
                rows: list[TypedRow] = self._decode(body).rows
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass  # by the general decoder, which says why
            else:
                check_count("rows", len(rows), most_rows)
                return rows
        return self.take(read_predict_request(body, most_rows).rows)

    def take(self, rows: Sequence[Row]) -> list[TypedRow]:
        """Check rows that were read in whatever way; raise Refused with the path and the reason."""
        return [self._taken(row, place) for place, row in enumerate(rows)]

    def _taken(self, row: Row, place: int) -> TypedRow:
        check_row(row, place)
        self._schema.check(row.features, place)
        cells = {
            field: kept(row.features.get(name)) for field, name in zip(self._fields, self._order, strict=True)
        }
        return cast(TypedRow, self._row(self._features(**cells), row.reference_id, row.predicted_at))


def times_of(rows: Sequence[TypedRow], clock: datetime) -> list[datetime]:
    """Say for when each row asks; raise Refused when a time cannot be kept."""
    if len(rows) == 1 and rows[0].predicted_at is None:
        return [clock]  # as most requests are
    return [
        clock if (at := row.predicted_at) is None else instant(at, clock, f"$.rows[{place}].predicted_at")
        for place, row in enumerate(rows)
    ]


def cells_of(row: TypedRow) -> tuple[Value, ...]:
    """Give a row's cells in the order that a predictor takes."""
    return msgspec.structs.astuple(row.features)


def _field(name: str, column: Column) -> Any:  # noqa: ANN401 - as msgspec has it
    return msgspec.field(name=name, default=None) if column.optional else msgspec.field(name=name)


def _type(column: Column) -> Any:  # noqa: ANN401 - a type
    """Say by a type what `Column.objection` says by a sentence; where they differ the type takes less."""
    taken: Any = bool | Literal[0, 1]
    if column.kind == "number":
        low, high = column.between or (-LARGEST, LARGEST)
        taken = Annotated[float, Meta(ge=max(low, -LARGEST), le=min(high, LARGEST))]
    elif column.kind == "category":
        taken = Literal[column.among] if column.among else Annotated[str, Meta(min_length=1)]
    return taken | None if column.optional else taken

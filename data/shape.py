"""How a project's predictions are kept: its number, its features' numbers, its table and their columns."""

from collections.abc import Mapping

from sqlalchemy import Connection, Table, inspect, select, text
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.schema import CreateColumn

from data import daily, tables
from data.dialects import lock_shape
from data.tables import storage
from keepfit.spec import Project

Key = tuple[object, ...]


def key(project: Project) -> Key:
    """Name all that a project's table depends on."""
    kinds = ((name, storage(column.kind)) for name, column in project.features.items())
    return (project.name, project.target.outputs, *kinds)


def known_table(connection: Connection, project: Project) -> Table | None:
    """Describe the table of a project as it is in the database; None where something of it is missing."""
    number, numbers = _project_number(connection, project.name), known_features(connection, project)
    if number is None or numbers is None:
        return None
    table = _table(number, numbers, project)
    return None if _missing(connection, table) else table


def known_features(connection: Connection, project: Project) -> Mapping[str, int] | None:
    """Give the number of each feature of a project; None where one has none."""
    numbers = _numbers(connection, project)
    wanted = {name: numbers.get((name, storage(c.kind))) for name, c in project.features.items()}
    found = {name: number for name, number in wanted.items() if number is not None}
    return found if len(found) == len(wanted) else None


def all_features(connection: Connection, project: str, table: str) -> Mapping[int, str]:
    """Say of each feature's number that a project's table has, lost ones too, how its values are stored."""
    known = tables.features
    rows = connection.execute(select(known.c.number, known.c.kind).where(known.c.project == project)).all()
    present = {column["name"] for column in inspect(connection).get_columns(table)}
    return {row.number: storage(row.kind) for row in rows if f"f{row.number}" in present}


def named_features(connection: Connection, project: str) -> Mapping[str, tuple[int, str]]:
    """Give the number and the kind of each feature that a project has or had, by its name, in their order.

    Of one that has changed its kind it is the newest number.
    """
    known = tables.features
    wanted = select(known).where(known.c.project == project).order_by(known.c.number)
    return {row.name: (row.number, row.kind) for row in connection.execute(wanted)}


def make_features(connection: Connection, project: Project) -> Mapping[str, int]:
    """Number a project's features; one that changes its kind gets a new number, none is used twice."""
    lock_shape(connection)
    # Read under the lock: of two that number at once, the second finds what the first has made.
    numbers = _numbers(connection, project)
    following = max(numbers.values(), default=0) + 1
    for name, column in project.features.items():
        if (name, storage(column.kind)) not in numbers:
            connection.execute(
                tables.features.insert().values(
                    project=project.name, number=following, name=name, kind=column.kind
                )
            )
            numbers[name, storage(column.kind)] = following
            following += 1
    return {name: numbers[name, storage(c.kind)] for name, c in project.features.items()}


def make_table(connection: Connection, project: Project) -> Table:
    """Make a project's table, or widen it by what is missing; nothing is ever taken away."""
    lock_shape(connection)
    number = _project_number(connection, project.name)
    if number is None:
        connection.execute(tables.projects.insert().values(name=project.name))
        number = _project_number(connection, project.name)
        assert number is not None
    table = _table(number, make_features(connection, project), project)
    missing = _missing(connection, table)
    if len(missing) == len(table.columns):
        table.create(connection)
        daily.begin(connection, project.name)
        return table
    for name in missing:
        added = CreateColumn(table.c[name]).compile(dialect=connection.dialect)
        connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {added}"))
    return table


def _table(number: int, numbers: Mapping[str, int], project: Project) -> Table:
    columns = [(numbers[name], column) for name, column in project.features.items()]
    return tables.predictions_table(number, columns, project.target.outputs)


def _missing(connection: Connection, table: Table) -> list[str]:
    try:
        present = {column["name"] for column in inspect(connection).get_columns(table.name)}
    except NoSuchTableError:
        present = set[str]()
    return [column.name for column in table.columns if column.name not in present]


def _project_number(connection: Connection, name: str) -> int | None:
    query = select(tables.projects.c.number).where(tables.projects.c.name == name)
    return connection.execute(query).scalar_one_or_none()


def _numbers(connection: Connection, project: Project) -> dict[tuple[str, str], int]:
    known = tables.features
    rows = connection.execute(select(known).where(known.c.project == project.name)).all()
    return {(row.name, storage(row.kind)): row.number for row in rows}

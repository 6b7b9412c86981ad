"""Statements that each database says in its own way: conflicts, and many rows at once."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.dml import ReturningInsert

from models.database.engine import is_sqlite

V = TypeVar("V")


def insert_unless_there(
    session: Session,
    model: type[Any],
    values: Mapping[str, Any],
    returning: InstrumentedAttribute[V],
) -> V | None:
    """Insert a row and return one column of it, or None where any unique constraint forbids it."""
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    statement = insert(model).values(**values).on_conflict_do_nothing().returning(returning)
    return session.execute(statement).scalar_one_or_none()


def insert_many_unless_there(
    session: Session, model: type[Any], values: Sequence[Mapping[str, Any]]
) -> None:
    """Insert many rows; those that a unique constraint forbids are left out."""
    if values:
        insert = sqlite.insert if is_sqlite(session) else postgresql.insert
        session.connection().execute(
            insert(model.__table__).on_conflict_do_nothing(), [dict(one) for one in values]
        )


def insert_each_unless_there(
    session: Session,
    model: type[Any],
    values: Sequence[Mapping[str, Any]],
    returning: Sequence[InstrumentedAttribute[Any]],
) -> Sequence[Sequence[Any]]:
    """Insert many rows, and return columns of those that no unique constraint forbids.

    All rows name the same columns; of several alike the first is inserted.
    """
    if not values:
        return []
    table = model.__table__
    columns = tuple(table.c[column.key] for column in returning)
    if is_sqlite(session):
        statement = sqlite.insert(table).on_conflict_do_nothing().returning(*columns)
        return session.connection().execute(statement, [dict(one) for one in values]).all()
    names = tuple(values[0])
    insert = _insert_given_unless_there(table, names, columns)
    return session.connection().execute(insert, _as_one_text(values)).all()


def insert_rows(session: Session, model: type[Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that name the same columns, and read nothing of them back.

    On PostgreSQL all of it travels as one text: with a value for each row and column, or an array
    for each column, the driver would spend more on the statement than the server on its rows.
    """
    if not rows:
        return
    table = model.__table__
    if is_sqlite(session):
        session.connection().execute(sa.insert(table), [dict(row) for row in rows])
        return
    session.connection().execute(_insert_given(table, tuple(rows[0])), _as_one_text(rows))


def update_rows(session: Session, model: type[Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write new values into rows; each is named by its `id`, and all name the same columns."""
    if not rows:
        return
    table = model.__table__
    names = tuple(rows[0])
    # In one order, whoever writes: two processes must not wait for each other.
    ordered = sorted(rows, key=lambda row: row["id"])
    if is_sqlite(session):
        new: dict[str, sa.BindParameter[Any]] = {
            name: sa.bindparam(f"new_{name}") for name in names if name != "id"
        }
        statement = sa.update(table).where(table.c.id == sa.bindparam("new_id")).values(new)
        values = [{f"new_{name}": row[name] for name in names} for row in ordered]
        session.connection().execute(statement, values)
        return
    session.connection().execute(_update_given(table, names), _as_one_text(ordered))


@cache
def _insert_given(table: sa.Table, names: tuple[str, ...]) -> postgresql.Insert:
    given = _given(table, names)
    return postgresql.insert(table).from_select(list(names), sa.select(*given.c))


@cache
def _insert_given_unless_there(
    table: sa.Table, names: tuple[str, ...], returning: tuple[sa.Column[Any], ...]
) -> ReturningInsert[Any]:
    return _insert_given(table, names).on_conflict_do_nothing().returning(*returning)


@cache
def _update_given(table: sa.Table, names: tuple[str, ...]) -> sa.Update:
    given = _given(table, names)
    new = {name: given.c[name] for name in names if name != "id"}
    return sa.update(table).where(table.c.id == given.c.id).values(new)


def _given(table: sa.Table, names: tuple[str, ...]) -> sa.TableValuedAlias:
    """Give rows of some of a table's columns that travel as one text; see `_as_one_text`."""
    columns = (sa.column(name, table.c[name].type) for name in names)
    rows = sa.cast(sa.bindparam("rows", type_=sa.Text()), postgresql.JSON())
    given = sa.func.json_to_recordset(rows).table_valued(*columns)
    return given.render_derived(name="given", with_types=True)


def _as_one_text(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {"rows": json.dumps(rows, default=_as_text)}


def _as_text(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"a column of type {type(value).__name__} cannot be written as text")
    if value.tzinfo is None:
        raise ValueError("a moment needs its zone; this one is naive")
    return value.isoformat()


def insert_or_count(
    session: Session,
    model: type[Any],
    values: Mapping[str, Any],
    unique: list[str],
    counter: str,
) -> None:
    """Insert a row, or add one to the counter of the row that has the same unique columns."""
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    column = getattr(model, counter)
    session.execute(
        insert(model)
        .values(**values)
        .on_conflict_do_update(index_elements=unique, set_={counter: column + 1})
    )


def is_one_of(
    session: Session, column: InstrumentedAttribute[V], values: Iterable[V]
) -> sa.ColumnElement[bool]:
    """Tell rows of which a column has one of some values.

    On PostgreSQL the values travel as one array: with a parameter for each, the driver would read
    another statement for each number of values.
    """
    wanted = list(values)
    if is_sqlite(session):
        return column.in_(wanted)
    return column == sa.any_(sa.literal(wanted, postgresql.ARRAY(column.type)))


def lies_within(column: sa.ColumnElement[Any], area: str) -> sa.ColumnElement[bool]:
    """Tell rows whose code (`53.02.02.2003`) is that of an area (`53.02`) or lies below it.

    The first part says nothing new, and gives an index (`models.base.by_prefix`) one stretch to
    read instead of two. As LIKE, and not as a stretch of codes: of that PostgreSQL could not
    foresee how many rows it holds. It is to plan for the area itself (`plan_for_values`).
    """
    return sa.and_(
        column.startswith(area, autoescape=True),
        sa.or_(column == area, column.startswith(f"{area}.", autoescape=True)),
    )


def plan_for_values(session: Session) -> None:
    """Have each statement of this transaction planned for its own values, from now on.

    PostgreSQL else makes one plan for all values of a statement that it is often asked. For an area
    there is none: of a kecamatan a few rows are looked for, of a province the newest are enough.
    """
    if not is_sqlite(session):
        session.execute(sa.text("SET LOCAL plan_cache_mode = force_custom_plan"))


def is_far(session: Session) -> bool:
    """Say whether a statement is a journey, so that it pays to ask for much at once."""
    return not is_sqlite(session)


def for_each(
    session: Session,
    types: Mapping[str, sa.types.TypeEngine[Any]],
    keys: Sequence[Mapping[str, Any]],
    select: Callable[[Mapping[str, sa.ColumnElement[Any]]], sa.Select[Any]],
) -> Sequence[Sequence[Any]]:
    """Give what a query finds for each of several keys, in the order in which it finds it.

    `types` names the parts of a key; `select` makes the query from columns of those names. On
    PostgreSQL it is one statement; SQLite, which is no network away, is asked for each key.
    """
    if is_sqlite(session):
        found: list[Sequence[Any]] = []
        for key in keys:
            columns = {name: sa.literal(key[name], type_) for name, type_ in types.items()}
            found += session.execute(select(columns)).all()
        return found
    arrays = [
        sa.cast([key[name] for key in keys], postgresql.ARRAY(type_))
        for name, type_ in types.items()
    ]
    named = (sa.column(name, type_) for name, type_ in types.items())
    table = sa.func.unnest(*arrays).table_valued(*named, joins_implicitly=True)
    table = table.render_derived(name="key")
    each = select({name: table.c[name] for name in types}).lateral("found")
    return session.execute(sa.select(each).select_from(sa.join(table, each, sa.true()))).all()

"""Statements that each database says in its own way: conflicts, and many rows at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

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
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    statement = insert(model.__table__).on_conflict_do_nothing()
    table = model.__table__.c
    columns = [table[column.key] for column in returning]
    done = session.connection().execute(
        statement.returning(*columns), [dict(one) for one in values]
    )
    return done.all()


def insert_rows(session: Session, model: type[Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that name the same columns, and read nothing of them back.

    On PostgreSQL each column travels as one array: with a value for each row and column the driver
    would spend more on the statement than the server on its rows.
    """
    if not rows:
        return
    table = model.__table__
    if is_sqlite(session):
        session.connection().execute(sa.insert(table), [dict(row) for row in rows])
        return
    names = tuple(rows[0])
    arrays = {name: [row[name] for row in rows] for name in names}
    session.connection().execute(_insert_arrays(table, names), arrays)


@cache
def _insert_arrays(table: sa.Table, names: tuple[str, ...]) -> sa.Insert:
    types = [table.c[name].type for name in names]
    arrays = [
        sa.cast(sa.bindparam(name, type_=(of := postgresql.ARRAY(type_, dimensions=1))), of)
        for name, type_ in zip(names, types, strict=True)
    ]
    columns = (sa.column(name, type_) for name, type_ in zip(names, types, strict=True))
    given = sa.func.unnest(*arrays).table_valued(*columns).render_derived(name="given")
    return sa.insert(table).from_select(list(names), sa.select(*given.c), include_defaults=False)


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


def is_far(session: Session) -> bool:
    """Say whether a statement is a journey, so that it pays to ask for much at once."""
    return not is_sqlite(session)


def draw_ids(session: Session, model: type[Any], many: int) -> list[int | None]:
    """Draw ids for new rows before they are written; None where the database gives them then."""
    if is_sqlite(session):
        return [None] * many
    sequence = sa.func.pg_get_serial_sequence(model.__tablename__, "id")
    drawn = sa.select(sa.func.nextval(sa.cast(sequence, sa.Text).op("::")(sa.text("regclass"))))
    each = sa.func.generate_series(1, many).table_valued("one")
    return list(session.connection().execute(drawn.select_from(each)).scalars())


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

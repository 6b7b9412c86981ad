"""What has become of rows in a session, written out in few statements.

The session's own flush sends a statement for each row. PostgreSQL then spends more on the
statements than on the rows, as here a turn makes and changes a hundred rows of one table alike.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from models.database.statements import insert_rows, is_far, update_rows


def write_out(session: Session, *models: type[Any]) -> None:
    """Write all that is new or changed; rows of these tables together, others one by one.

    New rows of the tables named refer to nothing else that is new.
    """
    if is_far(session):
        for model in models:
            _write_new(session, model)
            _write_changed(session, model)
    session.flush()


def _write_new(session: Session, model: type[Any]) -> None:
    rows = [row for row in session.new if type(row) is model]
    if not rows:
        return
    columns = model.__table__.c
    for row, drawn in zip(rows, _draw_ids(session, model, len(rows)), strict=True):
        row.id = drawn
    insert_rows(
        session, model, [{one.key: getattr(row, one.key) for one in columns} for row in rows]
    )
    for row in rows:
        session.expunge(row)
        make_transient_to_detached(row)
        session.add(row)


def _draw_ids(session: Session, model: type[Any], many: int) -> list[int]:
    sequence = sa.func.pg_get_serial_sequence(model.__tablename__, "id")
    drawn = sa.select(sa.func.nextval(sa.cast(sequence, sa.Text).op("::")(sa.text("regclass"))))
    each = sa.func.generate_series(1, many).table_valued("one")
    return list(session.connection().execute(drawn.select_from(each)).scalars())


def _write_changed(session: Session, model: type[Any]) -> None:
    names = frozenset(column.key for column in model.__table__.c)
    alike: dict[frozenset[str], list[Any]] = defaultdict(list)
    for row in session.dirty:
        if type(row) is model:
            changed = names - sa.inspect(row).unmodified
            if changed:
                alike[changed].append(row)
    for changed, rows in alike.items():
        update_rows(session, model, [_values(row, changed) for row in rows])
        for row in rows:
            for name in changed:
                set_committed_value(row, name, getattr(row, name))


def _values(row: Any, names: Iterable[str]) -> dict[str, Any]:  # noqa: ANN401  # of any table
    return {"id": row.id} | {name: getattr(row, name) for name in sorted(names)}

"""Locks of a name that last as long as a transaction. SQLite needs none: its writer is alone."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from models.database.engine import is_sqlite


def lock_name(session: Session, name: str) -> None:
    """Hold a lock of that name until the transaction ends; wait for it.

    SQLite needs none: a writing transaction is alone.
    """
    lock_names(session, [name])


def lock_names(session: Session, names: Iterable[str]) -> None:
    """Hold locks of several names, taken in one order by whoever takes them."""
    wanted = sorted(set(names))
    if wanted and not is_sqlite(session):
        name = sa.func.unnest(sa.cast(wanted, postgresql.ARRAY(sa.Text))).column_valued("name")
        key = sa.func.hashtextextended(name, 0)
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def try_to_lock(session: Session, space: str, ids: Iterable[int], most: int) -> set[int]:
    """Lock at most so many of these ids, in order, until the transaction ends; say which.

    What somebody else holds is passed over, never waited for.
    """
    wanted = list(dict.fromkeys(ids))
    if is_sqlite(session):
        return set(wanted[:most])
    locked: set[int] = set()
    while wanted and len(locked) < most:
        # Only as many as are still needed are tried: a lock that is taken is kept to the end.
        some, wanted = wanted[: most - len(locked)], wanted[most - len(locked) :]
        id_ = sa.func.unnest(sa.cast(some, postgresql.ARRAY(sa.BigInteger))).column_valued("id")
        key = sa.func.hashtextextended(sa.literal(f"{space}:") + sa.cast(id_, sa.Text), 0)
        rows = session.execute(sa.select(id_, sa.func.pg_try_advisory_xact_lock(key)))
        locked |= {row[0] for row in rows if row[1]}
    return locked

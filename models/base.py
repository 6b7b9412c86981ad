"""What all tables share: constraint names, moments in UTC, JSON that both databases hold."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware when given and when read, UTC in the row.

    SQLite drops the zone of what it stores, so a moment is turned to UTC before it is written and
    marked as UTC when it is read; a naive one is refused, as nobody could say what it meant.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive moment, and store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its zone; this one is naive")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back an aware moment in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


#: JSON text on SQLite, JSONB on PostgreSQL.
Json = sa.JSON().with_variant(JSONB(), "postgresql")

#: A growing id that SQLite, too, gives 64 bits and never gives twice (with sqlite_autoincrement).
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def by_prefix(column: str) -> dict[str, str]:
    """Give an index the option to find texts by how they begin, whatever way the server sorts.

    PostgreSQL's own way does so only where texts are sorted by their bytes, which is no default.
    """
    return {column: "text_pattern_ops"}


def text_enum(kind: type[StrEnum]) -> sa.Enum:
    """Store an enum by value, as text with a CHECK: PostgreSQL's own enums are hard to alter."""
    return sa.Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        length=24,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    """The base of every table."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy reads it off the class
        datetime: UtcDateTime,
        dict[str, Any]: Json,
        list[str]: Json,
        list[dict[str, Any]]: Json,
        str: sa.Text,
    }


class Numbered:
    """A table whose rows are numbered in the order in which they came."""

    __table_args__: Any = {"sqlite_autoincrement": True}  # noqa: RUF012  # SQLAlchemy reads it

    id: Mapped[int] = mapped_column(BigId, primary_key=True, sort_order=-1)

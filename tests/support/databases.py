"""The two databases that the product runs on, for tests that run on both."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from models.database.engine import Database

if TYPE_CHECKING:
    from support.postgres import PostgresServer

DATABASES = ("sqlite", "postgresql")


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """Give a database for the length of a with block, and leave no connection open."""
    database = Database(url)
    try:
        yield database
    finally:
        database.dispose()


def database_url_for(kind: str, request: pytest.FixtureRequest) -> str:
    """Return the URL of a new database; an empty one means the product's own SQLite file."""
    if kind == "sqlite":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()

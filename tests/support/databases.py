"""The two databases that the product runs on, for tests that run on both."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.postgres import PostgresServer

DATABASES = ("sqlite", "postgresql")


def database_url_for(kind: str, request: pytest.FixtureRequest) -> str:
    """Return the URL of a new database; an empty one means the product's own SQLite file."""
    if kind == "sqlite":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()

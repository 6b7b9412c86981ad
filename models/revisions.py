"""Which revision of the schema is the newest, and which one a database has: without Alembic.

A web process is asked so all the time, and never migrates; it does without what migrating needs.
"""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from models.database.engine import Database

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


@cache
def _parents() -> Mapping[str, str | None]:
    """Give the revision before each that this code knows, as the migrations themselves say it."""
    found: dict[str, str | None] = {}
    for path in _VERSIONS.glob("*.py"):
        said = {
            node.targets[0].id: node.value.value
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        before = said["down_revision"]
        found[str(said["revision"])] = None if before is None else str(before)
    return found


@cache
def newest() -> str:
    """Name the newest revision that this code knows."""
    (newest_,) = _parents().keys() - set(_parents().values())
    return newest_


def is_newer(revision: str | None) -> bool:
    """Say whether a newer version of this program made that revision: this one never heard of it.

    While a new version is brought in machine by machine, the old one runs on: migrations widen.
    """
    return revision is not None and revision not in _parents()


def current(database: Database) -> str | None:
    """Name the revision that the database is at; None for an empty one."""
    with database.engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return found

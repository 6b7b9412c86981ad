"""Migrations: up, down and up again on both databases, and the models are what they make."""

import subprocess
import sys

import sqlalchemy as sa

from models import schema
from models.database import Database


def test_an_empty_database_is_at_no_revision(empty_database: Database) -> None:
    assert schema.current(empty_database) is None


def test_migrations_go_up_down_and_up_again(empty_database: Database) -> None:
    schema.upgrade(empty_database)
    assert schema.current(empty_database) == schema.newest()
    schema.downgrade(empty_database)
    left = set(sa.inspect(empty_database.engine).get_table_names()) - {"alembic_version"}
    assert left == set()
    schema.upgrade(empty_database)
    assert schema.current(empty_database) == schema.newest()


def test_models_and_migrations_agree(database: Database) -> None:
    schema.difference(database)


def test_three_processes_that_migrate_at_once_wait_for_each_other(
    empty_database: Database,
) -> None:
    url = empty_database.url.render_as_string(hide_password=False)
    code = (
        "import sys; from models import schema; from models.database import Database;"
        " schema.upgrade(Database(sys.argv[1]))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, url])  # noqa: S603
        for _ in range(3)
    ]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert schema.current(empty_database) == schema.newest()

"""Migrations: bring a database to the newest schema, and say whether it is there."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from models import channels, evidence, inbox, officers, outbox, people, report  # noqa: F401  # they fill Base.metadata
from models.base import Base
from models.database.engine import Database
from models.revisions import current

metadata = Base.metadata


def _config(database: Database | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("models") / "migrations"))
    config.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    config.attributes["database"] = database
    return config


def upgrade(database: Database, to: str = "head") -> None:
    """Run the migrations up to a revision."""
    command.upgrade(_config(database), to)


def downgrade(database: Database, to: str = "base") -> None:
    """Run the migrations down to a revision; what only newer ones hold is lost."""
    command.downgrade(_config(database), to)


def revise(database: Database, message: str) -> None:
    """Write a new migration file from what the models have and the database has not."""
    command.revision(_config(database), message=message, autogenerate=True)


def difference(database: Database) -> None:
    """Raise when the models and the migrated database are not alike."""
    command.check(_config(database))


def knows(revision: str) -> bool:
    """Say whether this code has that revision; it has none of a newer version of the product."""
    try:
        return ScriptDirectory.from_config(_config()).get_revision(revision) is not None
    except CommandError:
        return False


def bring_to(database: Database, revision: str) -> None:
    """Migrate a database up or down to a revision that this code knows."""
    now = current(database)
    is_above = now is not None and now != revision and revision in _below(now)
    (downgrade if is_above else upgrade)(database, revision)


def _below(revision: str) -> set[str]:
    script = ScriptDirectory.from_config(_config())
    return {one.revision for one in script.iterate_revisions(revision, "base")}

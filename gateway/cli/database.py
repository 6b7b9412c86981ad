"""`timpora db`: bring the database to the newest schema."""

import click

from gateway.cli.ending import stop
from gateway.cli.office import begin_start, office
from models import revisions, schema


@click.group()
def db() -> None:
    """Work on the database's schema."""


@db.command()
def upgrade() -> None:
    """Run the migrations that are missing, and load the shipped villages where there are none."""
    begin_start()
    start_database()
    click.echo(f"the database is at {revisions.current(office().database)}")


@db.command()
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Run migrations backwards to a revision; what only newer ones hold is lost."""
    schema.downgrade(office().database, revision)
    click.echo(f"the database is at {revisions.current(office().database) or 'nothing'}")


@db.command(hidden=True)
@click.argument("message")
def revision(message: str) -> None:
    """Write a migration from the models (for developers)."""
    if not message.strip():
        stop("say what changes")
    schema.revise(office().database, message)


def start_database() -> None:
    """Make the folder, migrate, check the key, and see that the villages are there."""
    from gateway.roster.villages import ensure_shipped  # noqa: PLC0415  # only a start needs it

    office().settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    schema.upgrade(office().database)
    with office().database.writing() as session:
        office().directory.keep_key(session)
        ensure_shipped(session)

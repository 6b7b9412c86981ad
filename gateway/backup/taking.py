"""Taking a backup of a gateway that runs: every row as it stood at one moment."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from gateway import clock
from gateway.backup import archive
from gateway.backup.archive import Manifest
from models import copying, revisions
from models.database.engine import Database


class NothingToTake(Exception):
    """There is a database, and nothing in it."""


def take(database: Database, secrets: Mapping[str, str], path: Path, *, force: bool) -> Manifest:
    """Write a backup of the database and these secrets; nobody who works on it waits.

    All that was committed before this was called is in it. Raises what archive.writing raises.
    """
    taken_at = clock.now()
    with archive.writing(path, replace=force) as writer, copying.snapshot(database) as snapshot:
        revision = revisions.current(database)
        if revision is None:
            raise NothingToTake("the database has no tables yet")
        tables = tuple(
            replace(
                writer.table(name, snapshot.columns(name), snapshot.rows(name)),
                highest_id=snapshot.highest_id(name),
            )
            for name in snapshot.tables
        )
        for name, text in secrets.items():
            writer.secret(name, text)
        manifest = Manifest(
            format=archive.FORMAT,
            product_version=version("timpora-gateway"),
            revision=revision,
            database=database.url.get_backend_name(),
            taken_at=taken_at,
            tables=tables,
            secrets=tuple(secrets),
        )
        writer.manifest(manifest)
    return manifest

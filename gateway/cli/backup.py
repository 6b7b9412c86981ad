"""`timpora backup` and `timpora restore`: the whole gateway in one file, and back."""

import getpass
import os
from pathlib import Path

import click

from gateway import supervisor
from gateway.backup import archive, restoring, taking
from gateway.backup.archive import BadArchive, FileThere, Reader
from gateway.backup.restoring import NewerSchema, NotEmpty, Restored
from gateway.cli.ending import stop
from gateway.cli.office import demand_gateway, office, settings
from gateway.environment import PREFIX
from gateway.identity import Directory
from gateway.settings import SECRET_FILES, keep_secret
from gateway.supervisor import AlreadyRunning
from models import revisions
from models.copying import NotStorable
from models.database.engine import Database

#: What the audit says of a copy: all numbers leave with it.
_BEGUN, TAKEN = "backup_begun", "backup_taken"

#: What else a gateway on another machine needs, where it is set; it is in no backup.
_KEPT_ELSEWHERE = ("SECRET_KEY", "WEBHOOK_SECRET", "ENCRYPTION_KEY", "AGENCY_DIR")

_file = click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@_file
@click.option("--force", is_flag=True, help="Replace FILE where there is one.")
def backup(*, path: Path, force: bool) -> None:
    """Write a copy of the gateway into FILE, at one moment, while it runs.

    It can be put back on another machine, on SQLite and on PostgreSQL alike.
    """
    demand_gateway()
    secrets = {
        name: _read(found)
        for name in SECRET_FILES
        if not _is_set(name) and (found := settings().data_dir / name).exists()
    }
    _audit(_BEGUN, path)
    try:
        manifest = taking.take(office().database, secrets, path, force=force)
    except FileThere as there:
        stop(str(there))
    except OSError as error:
        stop(
            f"{path} cannot be written ({error.strerror or type(error).__name__}), and nothing was"
            " left there; mend: make room, or name another FILE"
        )
    _audit(TAKEN, path)
    taken_at = manifest.taken_at.astimezone(settings().timezone)
    rows = sum(table.rows for table in manifest.tables)
    click.echo(f"{path}: {rows} rows as of {taken_at:%d %b %Y %H:%M:%S}, {_size(path)}")
    click.echo("It holds phone numbers and texts in clear: keep it as you keep the gateway.")
    if secrets:
        click.echo(f"In it too, made by this gateway: {', '.join(secrets)}")
    elsewhere = [PREFIX + name for name in _KEPT_ELSEWHERE if _is_set(name)]
    if elsewhere:
        click.echo(f"Not in it, so keep them elsewhere: {', '.join(elsewhere)}")


@click.command()
@_file
@click.option(
    "--resend-queued",
    is_flag=True,
    help="Send what was queued, though the old gateway may have sent it since.",
)
@click.option(
    "--skip-numbers",
    type=click.IntRange(0, 1_000_000),
    help="Pass over so many confirmation numbers; otherwise it is reckoned.",
)
def restore(*, path: Path, resend_queued: bool, skip_numbers: int | None) -> None:
    """Put the copy in FILE back, into a folder or database that is empty; all of it or nothing."""
    try:
        with archive.reading(path) as reader:
            done = _restore(reader, resend_queued=resend_queued, skip=skip_numbers)
    except (BadArchive, NewerSchema, NotStorable) as error:
        stop(f"{path} was not put back, and nothing was changed: {error}")
    except OSError as error:
        stop(f"{path} was not put back ({error.strerror or type(error).__name__})")
    _tell(done)


def _restore(reader: Reader, *, resend_queued: bool, skip: int | None) -> Restored:
    folder = settings().data_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        lock = supervisor.Lock(folder)
    except AlreadyRunning as error:
        stop(str(error))
    database = Database(settings().database_url)
    made: list[Path] = []
    try:
        restoring.refuse_unless_empty(database)
        key = _put_secrets_back(reader, folder, made)
        return restoring.restore(
            database, reader, Directory(key).verify_key, resend_queued=resend_queued, skip=skip
        )
    except NotEmpty as error:
        stop(
            f"{error}; mend: name a new TIMPORA_DATA_DIR or TIMPORA_DATABASE_URL, or move this"
            " database away"
        )
    except BaseException:
        for secret in made:
            secret.unlink()
        raise
    finally:
        database.dispose()
        del lock


def _put_secrets_back(reader: Reader, folder: Path, made: list[Path]) -> str:
    """Put the secrets of a backup into the folder, and give the secret key that counts.

    They are there before the rows are: a database without its key could not be used. `made` gets
    what was put there, for when the rows cannot be put back.
    """
    for name, text in reader.secrets().items():
        there = folder / name
        if _is_set(name) or name not in SECRET_FILES:
            continue
        if not there.exists():
            keep_secret(there, text)
            made.append(there)
        elif _read(there) != text:
            stop(
                f"{there} is not the one of the backup, which belongs to its database; mend: remove"
                " that file, or name a new TIMPORA_DATA_DIR"
            )
    if _is_set("secret_key"):
        return settings().secret_key
    if not (folder / "secret_key").exists():
        stop(
            "TIMPORA_SECRET_KEY is not set, and not in the backup, as the old gateway had it from"
            " its environment; mend: set that one"
        )
    return _read(folder / "secret_key")


def _is_set(name: str) -> bool:
    return bool(os.environ.get(PREFIX + name.upper(), "").strip())


def _read(secret: Path) -> str:
    return secret.read_text(encoding="ascii").strip()


def _tell(done: Restored) -> None:
    taken_at = done.manifest.taken_at.astimezone(settings().timezone)
    rows = sum(table.rows for table in done.manifest.tables)
    click.echo(f"{rows} rows put back, as of {taken_at:%d %b %Y %H:%M:%S}")
    click.echo(
        f"Confirmation numbers go on after the {done.last_number + done.skipped}th: {done.skipped}"
        " are passed over, as the old gateway may have given them since"
    )
    if done.queued:
        click.echo(f"{done.queued} messages will be sent, perhaps for the second time")
    if done.held:
        click.echo(
            f"{done.held} messages may have left since, and wait for you:"
            " timpora messages --status unconfirmed"
        )
    click.echo("Look at `timpora doctor`, then start the gateway.")


def _audit(action: str, path: Path) -> None:
    """Keep who took all numbers away; a schema that is older than the audit's is left alone."""
    database = office().database
    if revisions.current(database) != revisions.newest():
        return
    with database.writing() as session:
        office().audit.write(
            session, actor=getpass.getuser(), action=action, subject="everything", reason=path.name
        )


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"

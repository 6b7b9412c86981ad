"""What every command shares: the wiring, clear ends for known errors, and how a list is printed."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import click
from sqlalchemy import exc
from sqlalchemy.engine import make_url

from gateway import logs
from gateway.cli.ending import stop
from gateway.identity import WrongKey
from gateway.replies.catalogue import ReplyError
from gateway.settings import Settings, SettingsError, read_settings
from gateway.wiring import Wiring, wire
from parsers.datafiles import DataError


def begin_start() -> None:
    """Make the secrets of a gateway that is about to start, where they are not there yet."""
    _read_settings(make_secrets=True)
    settings.cache_clear()


@cache
def settings() -> Settings:
    """Read the settings, or end with their problems; only a start makes what is missing."""
    return _read_settings(make_secrets=False)


def _read_settings(*, make_secrets: bool) -> Settings:
    try:
        return read_settings(make_secrets=make_secrets)
    except SettingsError as error:
        stop(str(error))


def demand_gateway() -> None:
    """End where no gateway has ever been started, or with another's key: nothing is made here."""
    found = settings()
    is_here = found.database_url.startswith("sqlite:")
    if is_here and not Path(make_url(found.database_url).database or "").exists():
        stop(
            f"there is no gateway's database at {make_url(found.database_url).database};"
            " mend: go to the gateway's folder, set TIMPORA_DATA_DIR, or start one (timpora run)"
        )
    with office().database.reading() as session:
        office().directory.verify_key(session)


@cache
def office() -> Wiring:
    """Give the wiring, or end with what is wrong in the agency's data."""
    logs.set_up()
    try:
        return wire(settings())
    except (DataError, ReplyError) as error:
        stop(str(error))


#: Errors that a command may end with, and what to tell of them.
KNOWN = (exc.DBAPIError, WrongKey)


def explain(error: Exception) -> NoReturn:
    """End a command that met a database that is away, empty, or another one."""
    if isinstance(error, WrongKey):
        stop(str(error))
    words = str(getattr(error, "orig", error)).splitlines()[0][:200]
    if "no such table" in words or "does not exist" in words:
        stop("the database has no tables yet, or old ones; mend: timpora db upgrade")
    stop(f"the database cannot be used now: {words}; mend: see `timpora doctor`")


def print_json(value: object) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


#: A column that is not the last is cut there.
_WIDEST = 48


def print_table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Print some columns of rows for a person."""
    if not rows:
        click.echo("(none)")
        return
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [
        min(max(len(name), *(len(line[place]) for line in cells)), _WIDEST)
        for place, name in enumerate(columns)
    ]
    for line in [list(columns), *cells]:
        *fixed, last = line
        shown = (text[:width].ljust(width) for text, width in zip(fixed, widths, strict=False))
        click.echo("  ".join([*shown, last]).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ",".join(str(one) for one in value)
    return str(value).replace("\n", " / ")

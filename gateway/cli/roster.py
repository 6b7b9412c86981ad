"""`timpora roster` and `timpora villages`: who may report, and for which villages."""

import getpass
from pathlib import Path
from typing import NoReturn

import click

from gateway.cli.ending import stop
from gateway.cli.office import demand_gateway, office, print_json, print_table
from gateway.roster import demo, people
from gateway.roster import villages as known_villages
from gateway.roster.tables import Imported, ImportRefused, read_file
from parsers.msisdn import BadMsisdn

_FILE = click.Path(path_type=Path, allow_dash=False)


@click.group()
def roster() -> None:
    """Say who may report, each with a phone and a village."""


@roster.command("import")
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="Only check the file, and say what would change.")
def import_people(file: Path, *, dry_run: bool) -> None:
    """Take people from a CSV or XLSX FILE: phone,name,role,village_code. All rows or none."""
    demand_gateway()
    wiring = office()
    try:
        understood = people.understand(read_file(file, people.COLUMNS))
        with wiring.database.reading() if dry_run else wiring.database.writing() as session:
            done = people.store(session, wiring.directory, understood, dry_run=dry_run)
    except ImportRefused as refused:
        _refuse(file, refused)
    _tell(done, "people")
    if dry_run:
        click.echo("A dry run: nothing was kept.")


@roster.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_people(*, as_json: bool) -> None:
    """List the people, ended entries too; a phone is shown by its alias."""
    demand_gateway()
    with office().database.reading() as session:
        rows = people.listing(session, office().settings.timezone)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ("alias", "name", "role", "village_code", "village", "since", "ended"))


@roster.command("remove")
@click.argument("phone")
def remove_phone(phone: str) -> None:
    """End the entries of a PHONE, named by number or alias; earlier reports stay verified."""
    demand_gateway()
    try:
        with office().database.writing() as session:
            ended = people.remove(session, office().directory, phone)
    except BadMsisdn as bad:
        stop(str(bad))
    if not ended:
        stop("this phone is not in the roster; see: timpora roster list")
    click.echo(f"{ended} removed")


@roster.command("remove-demo")
def remove_demo() -> None:
    """End the entries of all demo people."""
    demand_gateway()
    wiring = office()
    with wiring.database.writing() as session:
        officers = demo.officers(session)
        ended = demo.remove_demo(session)
        for alias in officers:
            wiring.audit.write(
                session,
                actor=getpass.getuser(),
                action="officer_removed",
                subject=alias,
                reason="demo people removed",
            )
    click.echo(f"{ended} removed")


@click.group()
def villages() -> None:
    """Say which villages people can report for."""


@villages.command("import")
@click.argument("file", type=_FILE)
def import_villages(file: Path) -> None:
    """Take villages from a FILE: code,kecamatan,name,kind, perhaps timezone. All rows or none."""
    demand_gateway()
    try:
        rows = read_file(file, known_villages.COLUMNS, known_villages.OPTIONAL_COLUMNS)
        with office().database.writing() as session:
            done = known_villages.import_villages(session, rows)
    except ImportRefused as refused:
        _refuse(file, refused)
    _tell(done, "villages")


def _tell(done: Imported, what: str) -> None:
    click.echo(f"{what}: {done.new} new, {done.changed} changed, {done.unchanged} unchanged")
    for notice in done.notices:
        click.echo(f"note: {notice}")


def _refuse(file: Path, refused: ImportRefused) -> NoReturn:
    stop(f"{file.name} was refused, and nothing has changed:\n{refused}")

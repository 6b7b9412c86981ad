"""`timpora officer`: who may look up reports, and the PIN that proves it."""

import getpass
import sys

import click
from sqlalchemy.orm import Session

from gateway.cli.ending import stop
from gateway.cli.office import demand_gateway, office, print_json, print_table
from gateway.officers import pins, register
from gateway.officers.register import BadOfficer
from models.officers import Officer, OfficerRole
from models.people import Phone
from parsers.msisdn import BadMsisdn

_phone = click.option("--phone", required=True, metavar="P", help="The phone's number, or alias.")
_whose = click.option("--phone", "option", metavar="P", help="The same, as with officer pin.")
_NOT_THERE = "no officer has this phone; see: timpora officer list"
_FAULTS = {
    "PIN_BENTUK": "a PIN has 4 to 6 digits",
    "PIN_MUDAH": "this PIN is too easy to guess (one digit, a run, a pair again, a year); choose"
    " another",
}


@click.group()
def officer() -> None:
    """Say who may look up reports, in which area."""


@officer.command("add")
@click.option("--phone", required=True, metavar="P", help="The phone's number.")
@click.option("--name", required=True, metavar="N")
@click.option("--institution", required=True, metavar="I", help="imigrasi, polres, camat ...")
@click.option("--area", required=True, metavar="CODE", help="A code prefix such as 53.02.02.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in OfficerRole]),
    default=OfficerRole.MEMBER.value,
    show_default=True,
)
def add(*, phone: str, name: str, institution: str, area: str, role: str) -> None:
    """Appoint an officer, or move one: the old entry and what it could see end at once."""
    demand_gateway()
    wiring = office()
    try:
        entry = register.read_entry(
            wiring.switchboard.institutions,
            phone=phone,
            name=name,
            institution=institution,
            area=area,
            role=OfficerRole(role),
        )
        with wiring.database.writing() as session:
            added = register.add(
                session, wiring.directory, wiring.audit, entry, actor=getpass.getuser()
            )
            alias = session.get_one(Phone, added.phone_id).alias
            has_pin = added.pin_hash is not None
    except (BadOfficer, BadMsisdn) as bad:
        stop(str(bad))
    click.echo(f"{alias} {entry.institution} {entry.area} {entry.role.value}")
    if not has_pin:
        click.echo(f"Now give a PIN: timpora officer pin --phone {alias}")


@officer.command("pin")
@_phone
def set_pin(*, phone: str) -> None:
    """Set an officer's PIN: asked for, or one line of stdin where that is no terminal."""
    demand_gateway()
    wiring = office()
    with wiring.database.reading() as session:
        if _found(phone, session) is None:
            stop(_NOT_THERE)
    if sys.stdin.isatty():
        pin = click.prompt("PIN", hide_input=True, confirmation_prompt=True)
    else:
        pin = sys.stdin.readline().strip()
    fault = pins.fault_of(pin)
    if fault is not None:
        stop(_FAULTS[fault])
    pin_hash = wiring.switchboard.pins.make_hash(pin)
    with wiring.database.writing() as session:
        found = _found(phone, session)
        if found is None:
            stop(_NOT_THERE)
        wiring.switchboard.pins.set_pin(session, found, pin_hash)
        alias = session.get_one(Phone, found.phone_id).alias
        wiring.audit.write(session, actor=getpass.getuser(), action="pin_set", subject=alias)
    click.echo(f"{alias} has a new PIN")


@officer.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_officers(*, as_json: bool) -> None:
    """List the officers, ended entries too; a phone is shown by its alias."""
    demand_gateway()
    with office().database.reading() as session:
        rows = register.listing(session, office().settings.timezone)
    if as_json:
        print_json(rows)
    else:
        columns = ("alias", "name", "institution", "area", "role", "has_pin", "locked_until")
        print_table(rows, (*columns, "ended"))


@officer.command("remove")
@click.argument("phone", required=False)
@_whose
def remove(*, phone: str | None, option: str | None) -> None:
    """Take off the officer of a PHONE, named by number or alias.

    A dialogue that is under way ends with its next key.
    """
    named = _named(phone, option)
    demand_gateway()
    wiring = office()
    try:
        with wiring.database.writing() as session:
            was_there = register.remove(
                session, wiring.directory, wiring.audit, named, actor=getpass.getuser()
            )
    except BadMsisdn as bad:
        stop(str(bad))
    if not was_there:
        stop(_NOT_THERE)
    click.echo("removed")


@officer.command("unlock")
@click.argument("phone", required=False)
@_whose
def unlock(*, phone: str | None, option: str | None) -> None:
    """Let the officer of a PHONE in again who was locked out by wrong PINs."""
    named = _named(phone, option)
    demand_gateway()
    wiring = office()
    with wiring.database.writing() as session:
        found = _found(named, session)
        if found is None:
            stop(_NOT_THERE)
        wiring.switchboard.pins.unlock(session, found)
        alias = session.get_one(Phone, found.phone_id).alias
        actor = getpass.getuser()
        wiring.audit.write(session, actor=actor, action="officer_unlocked", subject=alias)
    click.echo(f"{alias} is unlocked")


def _named(phone: str | None, option: str | None) -> str:
    """Give the one phone that was named, in either spelling."""
    if phone is not None and option is None:
        return phone
    if option is not None and phone is None:
        return option
    raise click.UsageError("name the phone once, as PHONE or with --phone")


def _found(phone: str, session: Session) -> Officer | None:
    try:
        return register.find(session, office().directory, phone)
    except BadMsisdn as bad:
        stop(str(bad))

"""`timpora evidence`: requests as they came, for when it is disputed what was sent."""

import getpass

import click
import sqlalchemy as sa

from gateway.cli.ending import stop
from gateway.cli.office import demand_gateway, office, print_json, print_table
from gateway.evidence import CannotOpen
from models.evidence import Evidence


@click.group()
def evidence() -> None:
    """Show requests kept as they came, encrypted (where TIMPORA_ENCRYPTION_KEY is set)."""


@evidence.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_(*, as_json: bool) -> None:
    """List what is kept, without opening it."""
    demand_gateway()
    zone = office().settings.timezone
    with office().database.reading() as session:
        rows = [
            {
                "id": row.id,
                "channel": row.channel,
                "message": f"in-{row.inbox_id}" if row.inbox_id else None,
                "received_at": row.received_at.astimezone(zone).isoformat(),
            }
            for row in session.scalars(sa.select(Evidence).order_by(Evidence.id))
        ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ("id", "channel", "message", "received_at"))


@evidence.command()
@click.argument("evidence_id", type=int)
@click.option("--reason", required=True, help="Why; it is kept with who looked.")
def show(*, evidence_id: int, reason: str) -> None:
    """Print one request as it came, numbers and all; who looked, and why, is kept."""
    demand_gateway()
    if not reason.strip():
        stop("a reason is needed: who looked at what, and why, is kept")
    with office().database.writing() as session:
        try:
            told = office().safe.open(
                session, office().audit, evidence_id, getpass.getuser(), reason.strip()
            )
        except CannotOpen as error:
            stop(str(error))
    print_json(told)

"""What workers and sweeper do, in this process: for tests that are not about processes."""

from collections.abc import Iterable

import sqlalchemy as sa

from gateway import clock
from gateway.messaging import sending
from gateway.reporting import draining
from gateway.roster.villages import ensure_shipped
from gateway.wiring import Wiring
from models.people import Reporter, Village
from parsers import msisdn


def do_all_work(office: Wiring) -> None:
    """Handle and send until nothing more is due."""
    while draining.drain_some(office.database, office.desk).handled:
        pass
    while sending.deliver_some(office.database, office.channels):
        pass


def register(office: Wiring, number: str, villages: Iterable[str], name: str = "Kades") -> None:
    """Put a phone into the roster for these villages."""
    with office.database.writing() as session:
        ensure_shipped(session)
        phone = office.directory.phone(session, msisdn.read_sender(number))
        for code in villages:
            assert session.scalars(sa.select(Village).where(Village.code == code)).one()
            session.add(
                Reporter(
                    phone_id=phone.id,
                    village_code=code,
                    name=name,
                    role="kades",
                    since=clock.now(),
                )
            )

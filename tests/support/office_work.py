"""What workers and sweeper do, in this process: for tests that are not about processes."""

from collections.abc import Callable, Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.messaging import sending
from gateway.officers import register as officers
from gateway.reporting import draining
from gateway.roster.villages import ensure_shipped
from gateway.wiring import Wiring
from models.officers import OfficerRole
from models.people import Reporter, Village
from parsers import msisdn


def do_all_work(office: Wiring) -> None:
    """Handle and send until nothing more is due."""
    # Looked at first: a turn for nothing costs several statements and a commit.
    while _finds(office, draining.next_waiting):
        if not draining.drain_some(office.database, office.desk).handled:
            break
    while _finds(office, lambda session: sending.next_due(session, office.channels)):
        if not sending.deliver_some(office.database, office.channels):
            break


def _finds(office: Wiring, look: Callable[[Session], int | None]) -> bool:
    with office.database.reading() as session:
        return look(session) is not None


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


def appoint(  # as a line of a conversation says it
    office: Wiring, number: str, institution: str, area: str, role: str = "member", pin: str = ""
) -> None:
    """Make the owner of a phone an officer, with a PIN if one is given."""
    pins = office.switchboard.pins
    pin_hash = pins.make_hash(pin) if pin else None
    with office.database.writing() as session:
        ensure_shipped(session)
        entry = officers.read_entry(
            office.switchboard.institutions,
            phone=number,
            name=f"Petugas {institution}",
            institution=institution,
            area=area,
            role=OfficerRole(role),
        )
        officer = officers.add(session, office.directory, office.audit, entry, actor="test")
        if pin_hash is not None:
            pins.set_pin(session, officer, pin_hash)


def dismiss(office: Wiring, number: str) -> None:
    """Take an officer off."""
    with office.database.writing() as session:
        assert officers.remove(session, office.directory, office.audit, number, actor="test")

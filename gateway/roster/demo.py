"""Demo people, who must never meet the outside world: their numbers may be somebody's."""

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.audit import Audit
from gateway.environment import PREFIX
from gateway.identity import Directory
from gateway.officers import register
from gateway.roster import people, villages
from gateway.roster.tables import Row
from gateway.settings import Settings
from models.database.locks import lock_name
from models.database.statements import insert_unless_there
from models.officers import Officer, OfficerRole
from models.people import Mark, Phone, Reporter
from parsers.msisdn import read_sender

_MARK = "demo_people"
_FIRST_NUMBER = 6281237000001
_FIRST_OFFICER = 6281237000901
#: The PIN of every demo officer. It opens nothing where there are real people.
DEMO_PIN = "4812"
_OFFICERS = (
    ("Piket Imigrasi", "imigrasi", "53.02", OfficerRole.DUTY),
    ("Piket Polres TTS", "polres", "53.02", OfficerRole.DUTY),
    ("Camat Mollo Selatan", "camat", "53.02.02", OfficerRole.MEMBER),
    ("Admin Timpora", "imigrasi", "53.02", OfficerRole.ADMIN),
)
#: Oinlasi in Mollo Selatan, the village of all examples; it also has a sekdes.
EXAMPLE_VILLAGE = "53.02.02.2008"
#: Neighbours that share one kader, and so one phone.
_SHARED = ("53.02.02.2010", "53.02.02.2012")


class DemoPeopleError(Exception):
    """Demo people are in the roster while messages could leave this machine."""


def is_due(session: Session, settings: Settings) -> bool:
    """Say whether the demo people are still to be loaded."""
    is_loaded = session.get(Mark, _MARK) is not None
    return settings.is_development and not is_loaded


def load_demo(
    session: Session, directory: Directory, settings: Settings, pin_hash: str | None = None
) -> None:
    """Put the demo people into the roster, once in a database's life and in development only.

    `pin_hash` is of DEMO_PIN; it takes too long to be made here, in a transaction. Without it the
    demo officers have no PIN yet.
    """
    if not settings.is_development:
        return
    lock_name(session, villages.ROSTER_LOCK)
    mark = {"name": _MARK, "value": "loaded"}
    if insert_unless_there(session, Mark, mark, Mark.name) is None:
        return
    villages.ensure_shipped(session)
    people.store(session, directory, people.understand(list(_demo_rows())), is_demo=True)
    audit = Audit(settings.secret_key)
    for place, (name, institution, area, role) in enumerate(_OFFICERS):
        phone = read_sender(f"+{_FIRST_OFFICER + place}")
        entry = register.Entry(phone, name, institution, area, role)
        officer = register.add(session, directory, audit, entry, actor="demo", is_demo=True)
        if officer.is_demo:  # a real one keeps place and PIN
            officer.pin_hash, officer.pin_set_at = pin_hash, officer.since


def demo_phone(session: Session, village_code: str) -> str | None:
    """Give the number of a village's demo kades; None where there is none (now)."""
    numbers = _numbers()
    is_there = session.scalar(
        sa.select(sa.literal(1)).where(
            sa.exists().where(
                Reporter.is_demo,
                Reporter.ended_at.is_(None),
                Reporter.village_code == village_code,
                Reporter.role == "kades",
            )
        )
    )
    return numbers.get(village_code) if is_there else None


def officers(session: Session) -> list[str]:
    """Give the aliases of the demo officers that there are now, for the audit of their end."""
    return list(
        session.scalars(
            sa.select(Phone.alias)
            .join(Officer, Officer.phone_id == Phone.id)
            .where(Officer.is_demo, Officer.ended_at.is_(None))
            .order_by(Officer.id)
        )
    )


def remove_demo(session: Session) -> int:
    """End the entries of all demo people; say how many there were."""
    lock_name(session, villages.ROSTER_LOCK)
    ended = session.scalars(
        sa.update(Officer)
        .where(Officer.is_demo, Officer.ended_at.is_(None))
        .values(ended_at=clock.now(), ended_reason="demo people removed")
        .returning(Officer.id)
    )
    return people.end(session, "demo people removed", Reporter.is_demo) + len(ended.all())


def refuse_outside_world(session: Session, settings: Settings) -> None:
    """Raise DemoPeopleError when demo people are active and a provider is not on this machine."""
    outside = list(_outside(settings))
    if not outside:
        return
    active = sa.or_(
        sa.exists().where(Reporter.is_demo, Reporter.ended_at.is_(None)),
        sa.exists().where(Officer.is_demo, Officer.ended_at.is_(None)),
    )
    if session.scalar(sa.select(sa.literal(1)).where(active)):
        raise DemoPeopleError(
            f"there are demo people in the roster, and {'; '.join(outside)}: real phones would get"
            " their messages; mend: timpora roster remove-demo, or a fresh TIMPORA_DATA_DIR"
        )


def _outside(settings: Settings) -> Iterator[str]:
    """Name each setting by which messages would leave this machine."""
    for channel, base_url in settings.accounts.base_urls.items():
        variable = f"{PREFIX}{channel.upper()}_BASE_URL"
        if base_url is None:
            yield f"{variable} is not set, which means the provider itself"
        elif not _is_loopback(base_url):
            yield f"{variable} is not on this machine"


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _numbers() -> dict[str, str]:
    """Give each shipped village, in the order of their codes, the number of its demo kades."""
    codes = sorted(str(row.cells["code"]) for row in villages.shipped_rows())
    return {code: f"+{_FIRST_NUMBER + place}" for place, code in enumerate(codes)}


def _demo_rows() -> Iterator[Row]:
    names = {str(row.cells["code"]): str(row.cells["name"]) for row in villages.shipped_rows()}
    numbers = _numbers()
    for code, number in numbers.items():
        yield _row(number, f"Kades {names[code]}", "kades", code)
    sekdes, kader = (f"+{_FIRST_NUMBER + len(numbers) + place}" for place in range(2))
    yield _row(sekdes, f"Sekdes {names[EXAMPLE_VILLAGE]}", "sekdes", EXAMPLE_VILLAGE)
    both = " dan ".join(names[code] for code in _SHARED)
    for code in _SHARED:
        yield _row(kader, f"Kader {both}", "kader", code)


def _row(phone: str, name: str, role: str, code: str) -> Row:
    return Row(0, {"phone": phone, "name": name, "role": role, "village_code": code})

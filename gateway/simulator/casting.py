"""Who plays a conversation: demo people on phones of their own, so that a file plays twice."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from gateway.officers import register
from gateway.officers.register import BadOfficer
from gateway.roster import demo, people
from gateway.roster.tables import ImportRefused, Row
from gateway.simulator.watching import CAST_NAME
from gateway.wiring import Wiring
from models.officers import OfficerRole
from parsers import msisdn

#: Numbers of this range are given to nobody else here: the demo people have others.
_FIRST_NUMBER = 6281239000000
_NUMBERS = 1_000_000
_MOST = 20
_WHO = re.compile(r"\w[\w.]{0,39}")
_PIN = re.compile(r"([0-9]{4,6})?")
_AREA = re.compile(r"[0-9.]{0,20}")


class BadCast(Exception):
    """Somebody cannot be cast; the text says who, in words for the page."""


@dataclass(frozen=True, slots=True)
class Role:
    """Somebody of a conversation: a reporter of villages, an officer, or a stranger."""

    who: str
    villages: tuple[str, ...] = ()
    institution: str = ""
    area: str = ""
    role: str = ""
    pin_hash: str = ""


def read_roles(wiring: Wiring, asked: Any) -> list[Role]:  # noqa: ANN401  # any JSON
    """Read what the page asks for; PINs are hashed here, before a transaction is open."""
    if not isinstance(asked, list) or not 0 < len(asked) <= _MOST:
        raise BadCast(f"Sebuah percakapan punya 1 sampai {_MOST} HP.")
    return [_role(wiring, one) for one in asked]


def _role(wiring: Wiring, one: Any) -> Role:  # noqa: ANN401
    if not isinstance(one, Mapping):
        raise BadCast("Daftar HP tidak dapat dibaca.")
    who, villages = one.get("who"), one.get("villages") or []
    if not isinstance(who, str) or not _WHO.fullmatch(who) or not isinstance(villages, list):
        raise BadCast("Sebuah HP harus punya nama dari huruf, angka, dan titik.")
    texts = {name: one.get(name) or "" for name in ("institution", "area", "role", "pin")}
    if not all(isinstance(text, str) for text in (*texts.values(), *villages)):
        raise BadCast(f"{who}: isinya harus teks.")
    pin = texts.pop("pin")
    if not _AREA.fullmatch(texts["area"]) or not _PIN.fullmatch(pin):
        raise BadCast(f"{who}: wilayah atau PIN tidak dapat dipakai.")
    pin_hash = wiring.switchboard.pins.make_hash(pin) if pin else ""
    return Role(who, tuple(villages), pin_hash=pin_hash, **texts)


def cast(session: Session, wiring: Wiring, roles: list[Role]) -> dict[str, str]:
    """Give each a fresh number, and a place among the demo people; raise BadCast."""
    numbers: dict[str, str] = {}
    for role in roles:
        # Somebody may report for a village and be an officer too, by one phone.
        number = numbers.get(role.who) or fresh_number(session, wiring)
        numbers[role.who] = number
        try:
            if role.institution:
                _appoint(session, wiring, role, number)
            elif role.villages:
                _register(session, wiring, role, number)
            else:
                wiring.directory.phone(session, msisdn.read_sender(number))
        except (BadOfficer, ImportRefused, ValueError) as error:
            raise BadCast(
                f"{role.who} tidak dapat didaftarkan: periksa desa atau wilayahnya."
            ) from (error)
    # As at a start: nobody is made up where a real phone could get the messages.
    demo.refuse_outside_world(session, wiring.settings)
    return numbers


def fresh_number(session: Session, wiring: Wiring) -> str:
    """Find a number that no phone here has."""
    while True:
        number = f"+{_FIRST_NUMBER + secrets.randbelow(_NUMBERS)}"
        if wiring.directory.known(session, msisdn.read_sender(number)) is None:
            return number


def _register(session: Session, wiring: Wiring, role: Role, number: str) -> None:
    rows = [
        Row(
            place,
            {
                "phone": number,
                "name": f"{CAST_NAME} {role.who}",
                "role": "kades",
                "village_code": village,
            },
        )
        for place, village in enumerate(role.villages, 1)
    ]
    people.store(session, wiring.directory, people.understand(rows), is_demo=True)


def _appoint(session: Session, wiring: Wiring, role: Role, number: str) -> None:
    entry = register.read_entry(
        wiring.switchboard.institutions,
        phone=number,
        name=f"{CAST_NAME} {role.who}",
        institution=role.institution,
        area=role.area,
        role=OfficerRole(role.role or "member"),
    )
    officer = register.add(
        session, wiring.directory, wiring.audit, entry, actor="simulator", is_demo=True
    )
    if role.pin_hash:
        wiring.switchboard.pins.set_pin(session, officer, role.pin_hash)

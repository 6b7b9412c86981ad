"""Which villages get a card: by code, by kecamatan, or all."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.cards.rendering import Place
from gateway.roster.villages import in_chunks
from models.people import Village


class NoSuchVillage(Exception):
    """There is no such village or kecamatan; the text names it, and the mend."""


def by_codes(session: Session, codes: Sequence[str]) -> list[Place]:
    """Give these villages in the order asked for, each once; raise NoSuchVillage."""
    wanted = list(dict.fromkeys(codes))
    found: dict[str, Place] = {}
    for some in in_chunks(wanted):
        rows = session.scalars(sa.select(Village).where(Village.code.in_(some)))
        found |= {row.code: _place(row) for row in rows}
    for code in wanted:
        if code not in found:
            raise NoSuchVillage(_unknown(session, code))
    return [found[code] for code in wanted]


def of_kecamatan(session: Session, code: str) -> list[Place]:
    """Give all villages of a kecamatan; raise NoSuchVillage."""
    rows = session.scalars(
        sa.select(Village).where(Village.kecamatan_code == code).order_by(Village.code)
    )
    places = [_place(row) for row in rows]
    if not places:
        raise NoSuchVillage(
            f"there is no kecamatan {code}; mend: write its code with the dots, as 53.02.02"
        )
    return places


def everyone(session: Session) -> list[Place]:
    """Give all villages in the order of their codes."""
    return [_place(row) for row in session.scalars(sa.select(Village).order_by(Village.code))]


def _place(row: Village) -> Place:
    return Place(row.code, row.name, row.kind, row.kecamatan_code, row.kecamatan)


def _unknown(session: Session, given: str) -> str:
    """Say what is wrong; whoever gave a name instead of a code is told the codes of that name."""
    same = sa.func.lower(Village.name) == given.lower()
    named = session.scalars(sa.select(Village).where(same).order_by(Village.code)).all()
    if named:
        codes = ", ".join(f"{row.code} ({row.kecamatan})" for row in named)
        return f"{given} is a name; mend: give the code, {codes}"
    return (
        f"there is no village {given}; mend: write its code with the dots, as 53.02.02.2008, or"
        " bring it in with `timpora villages import`"
    )

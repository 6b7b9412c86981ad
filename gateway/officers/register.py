"""Who is an officer: appointed, moved and removed, but never forgotten."""

import difflib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.audit import Audit
from gateway.identity import Directory
from gateway.officers import figures
from gateway.officers.institutions import Institution
from models.database.locks import lock_name
from models.database.statements import is_one_of
from models.officers import Officer, OfficerRole
from models.people import Phone, Village
from parsers import msisdn
from parsers.segments import to_gsm7

_LONGEST_NAME = 60
_LOCK = "officers"


class BadOfficer(Exception):
    """What was said of an officer is wrong; the text names the thing and the mend."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An officer as the office names one."""

    phone: msisdn.Sender
    name: str
    institution: str
    area: str
    role: OfficerRole = OfficerRole.MEMBER


def read_entry(
    institutions: Mapping[str, Institution],
    *,
    phone: str,
    name: str,
    institution: str,
    area: str,
    role: OfficerRole = OfficerRole.MEMBER,
) -> Entry:
    """Read what was typed of an officer; raise BadOfficer, or BadMsisdn for the number."""
    if institution not in institutions:
        near = difflib.get_close_matches(institution, institutions, 1)
        hint = f"did you mean {near[0]}?" if near else f"use one of {' '.join(institutions)}"
        raise BadOfficer(f"{institution!r} is no institution; {hint}")
    # As it is kept: what turns into digits only then must not pass as letters.
    typed, name = name, to_gsm7(" ".join(name.split()))
    if not any(letter.isalpha() for letter in name) or len(name) > _LONGEST_NAME:
        raise BadOfficer(f"the name must have letters, and at most {_LONGEST_NAME}")
    if any(msisdn.find_numbers(one) for one in (name, unicodedata.normalize("NFKC", typed))):
        raise BadOfficer("there is a phone number in the name; leave it out")
    sender = msisdn.read_sender(msisdn.normalise(phone))
    return Entry(sender, name, institution, area.strip().strip("."), role)


def add(
    session: Session,
    directory: Directory,
    audit: Audit,
    entry: Entry,
    *,
    actor: str,
    is_demo: bool = False,
) -> Officer:
    """Appoint an officer, or move the one whose phone it is: the old entry ends.

    The PIN goes along with the same person; whoever takes a phone over makes a new one, and so does
    who takes a demo officer's place, whose PIN everybody can read. A demo officer takes no place.
    """
    lock_name(session, _LOCK)
    _demand_area(session, entry.area)
    phone = directory.phone(session, entry.phone)
    before = by_phone(session, phone.id)
    said = (entry.name, entry.institution, entry.area, entry.role)
    if before is not None:
        is_same = (before.name, before.institution, before.area, before.role) == said
        if (is_same and before.is_demo == is_demo) or (is_demo and not before.is_demo):
            return before
        _end(before, "moved")
        session.flush()
    same_person = (
        before is not None
        and before.name.casefold() == entry.name.casefold()
        and before.is_demo == is_demo
    )
    officer = Officer(
        phone_id=phone.id,
        name=entry.name,
        institution=entry.institution,
        area=entry.area,
        role=entry.role,
        is_demo=is_demo,
        since=clock.now(),
        pin_hash=before.pin_hash if before and same_person else None,
        pin_set_at=before.pin_set_at if before and same_person else None,
        locked_until=before.locked_until if before and same_person else None,
    )
    session.add(officer)
    session.flush()
    audit.write(
        session,
        actor=actor,
        action="officer_moved" if before else "officer_added",
        subject=phone.alias,
        reason=f"{entry.institution} {entry.area} {entry.role.value}",
    )
    return officer


def _demand_area(session: Session, area: str) -> None:
    there = sa.select(Village.code).where(figures.inside(area)).limit(1)
    if not area or session.scalars(there).first() is None:
        raise BadOfficer(
            f"no village lies in the area {area!r}; write a code such as 53.02 (kabupaten),"
            " 53.02.02 (kecamatan) or 53.02.02.2003 (desa), or import its villages first"
        )


def remove(
    session: Session, directory: Directory, audit: Audit, phone_text: str, *, actor: str
) -> bool:
    """End an officer's entry at once; say whether there was one."""
    lock_name(session, _LOCK)
    officer = find(session, directory, phone_text)
    if officer is None:
        return False
    _end(officer, "removed")
    alias = session.get_one(Phone, officer.phone_id).alias
    audit.write(session, actor=actor, action="officer_removed", subject=alias)
    return True


def _end(officer: Officer, reason: str) -> None:
    officer.ended_at = clock.now()
    officer.ended_reason = reason


def find(session: Session, directory: Directory, phone_text: str) -> Officer | None:
    """Find an officer by number or alias; raise BadMsisdn when it is neither."""
    phone = directory.named(session, phone_text)
    return by_phone(session, phone.id) if phone else None


def by_phone(session: Session, phone_id: int) -> Officer | None:
    """Find the officer whose phone it is now."""
    return by_phones(session, [phone_id]).get(phone_id)


def by_phones(session: Session, phone_ids: Sequence[int]) -> dict[int, Officer]:
    """Find the officers whose phones these are now, by the phones' ids."""
    found = session.scalars(
        sa.select(Officer).where(
            is_one_of(session, Officer.phone_id, phone_ids), Officer.ended_at.is_(None)
        )
    )
    return {officer.phone_id: officer for officer in found}


def listing(session: Session, zone: tzinfo = UTC) -> list[dict[str, Any]]:
    """List all officers, ended entries too; a phone is shown by its alias alone."""
    rows = session.execute(
        sa.select(Officer, Phone.alias)
        .join(Phone, Phone.id == Officer.phone_id)
        .order_by(Officer.area, Officer.id)
    )
    return [
        {
            "alias": alias,
            "name": officer.name,
            "institution": officer.institution,
            "area": officer.area,
            "role": officer.role.value,
            "has_pin": officer.pin_hash is not None,
            "locked_until": clock.shown(officer.locked_until, zone),
            "since": clock.shown(officer.since, zone),
            "ended": clock.shown(officer.ended_at, zone),
            "ended_reason": officer.ended_reason,
            "is_demo": officer.is_demo,
        }
        for officer, alias in rows
    ]

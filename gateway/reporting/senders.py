"""Who sent a message: a registered reporter of one village or several, or a stranger."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.officers import register
from models.database.statements import is_one_of
from models.officers import Officer
from models.people import Phone, Reporter, Village


@dataclass(frozen=True, slots=True)
class Sender:
    """The phone, and the villages that it reports for now."""

    phone: Phone
    villages: tuple[Village, ...]
    zone: ZoneInfo
    unverified_reason: str | None
    officer: Officer | None = None
    """The officer whose phone this is, who need not report for any village."""

    @property
    def is_registered(self) -> bool:
        """Say whether this phone reports for any village."""
        return bool(self.villages)


def who_sent(
    session: Session, phones: Iterable[Phone], default_zone: ZoneInfo
) -> dict[int, Sender]:
    """Look phones up in the roster, as it stands in this transaction: nothing is remembered.

    Gives the sender for each phone's id.
    """
    phones = list(phones)
    ids = [phone.id for phone in phones]
    entries: dict[int, list[tuple[Village, datetime | None, str | None]]] = defaultdict(list)
    rows = session.execute(
        sa.select(Reporter.phone_id, Village, Reporter.ended_at, Reporter.ended_reason)
        .join(Village, Reporter.village_code == Village.code)
        .where(is_one_of(session, Reporter.phone_id, ids))
        .order_by(Village.code, Reporter.id)
    )
    for phone_id, village, ended_at, why in rows:
        entries[phone_id].append((village, ended_at, why))
    officers = register.by_phones(session, ids)
    return {
        phone.id: _sender(phone, entries[phone.id], officers.get(phone.id), default_zone)
        for phone in phones
    }


def _sender(
    phone: Phone,
    entries: Sequence[tuple[Village, datetime | None, str | None]],
    officer: Officer | None,
    default_zone: ZoneInfo,
) -> Sender:
    villages = tuple(village for village, ended_at, _ in entries if ended_at is None)
    reason = None
    if not villages:
        ended = [why for _, ended_at, why in entries if ended_at is not None]
        reason = f"removed from the roster: {ended[-1]}" if ended else "not in the roster"
    zone = next((v.timezone for v in villages if v.timezone), None)
    return Sender(phone, villages, ZoneInfo(zone) if zone else default_zone, reason, officer)

"""Who sent a message: a registered reporter of one village or several, or a stranger."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.officers import register
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


def who_sent(session: Session, phone: Phone, default_zone: ZoneInfo) -> Sender:
    """Look a phone up in the roster, as it stands in this transaction: nothing is remembered."""
    rows = session.execute(
        sa.select(Village, Reporter.ended_at, Reporter.ended_reason)
        .join(Reporter, Reporter.village_code == Village.code)
        .where(Reporter.phone_id == phone.id)
        .order_by(Village.code)
    ).all()
    villages = tuple(village for village, ended_at, _ in rows if ended_at is None)
    reason = None
    if not villages:
        ended = [why for _, ended_at, why in rows if ended_at is not None]
        reason = f"removed from the roster: {ended[-1]}" if ended else "not in the roster"
    zone = next((v.timezone for v in villages if v.timezone), None)
    officer = register.by_phone(session, phone.id)
    return Sender(phone, villages, ZoneInfo(zone) if zone else default_zone, reason, officer)

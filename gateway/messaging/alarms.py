"""Alarms: each is raised once, stays open while it is so, and is told to the admins once."""

from collections.abc import Collection
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock, logs
from models.channels import Alarm
from models.database.statements import insert_unless_there
from models.states import AlarmKind

_log = logs.logger()

#: What nothing says to be over is taken to be so, when it has not been found again for so long.
_PASSES_AFTER = {
    AlarmKind.FLOOD: timedelta(hours=1),
    AlarmKind.LOCKOUT: timedelta(hours=1),
    AlarmKind.DESTINATION: timedelta(days=1),
}
#: What comes back sooner than this after it was cleared is not told again: it flutters.
_QUIET_FOR = timedelta(hours=6)


def raise_alarm(session: Session, kind: AlarmKind, subject: str, says: str) -> None:
    """Open an alarm, unless it is open already."""
    moment = clock.now()
    told_lately = session.scalars(
        sa.select(Alarm.told_at)
        .where(Alarm.kind == kind, Alarm.subject == subject, Alarm.told_at > moment - _QUIET_FOR)
        .limit(1)
    ).first()
    values = {
        "kind": kind,
        "subject": subject,
        "says": says,
        "raised_at": moment,
        "again_at": moment,
        "told_at": told_lately,
    }
    if insert_unless_there(session, Alarm, values, Alarm.id) is not None:
        _log.warning("alarm_raised", kind=kind.value, subject=subject, says=says)
        return
    is_open = (Alarm.kind == kind, Alarm.subject == subject, Alarm.cleared_at.is_(None))
    session.execute(sa.update(Alarm).where(*is_open).values(again_at=moment))


def clear(session: Session, subject: str, *kinds: AlarmKind) -> None:
    """Close alarms that are no longer so."""
    closed = session.scalars(
        sa.update(Alarm)
        .where(Alarm.subject == subject, Alarm.kind.in_(kinds), Alarm.cleared_at.is_(None))
        .values(cleared_at=clock.now())
        .returning(Alarm.kind)
    ).all()
    for kind in closed:
        _log.info("alarm_cleared", kind=kind.value, subject=subject)


def clear_passed(session: Session) -> None:
    """Close alarms of things that only happen, and have not happened again for a while."""
    for kind, quiet in _PASSES_AFTER.items():
        session.execute(
            sa.update(Alarm)
            .where(
                Alarm.kind == kind,
                Alarm.cleared_at.is_(None),
                Alarm.again_at < clock.now() - quiet,
            )
            .values(cleared_at=clock.now())
        )


def clear_without_subject(
    session: Session, channels: Collection[str], no_longer: Collection[AlarmKind]
) -> None:
    """Close alarms of channels that are not used any more, and of what is not looked for."""
    of_phones = tuple(_PASSES_AFTER)
    is_gone = sa.and_(Alarm.kind.not_in(of_phones), Alarm.subject.not_in(channels))
    session.execute(
        sa.update(Alarm)
        .where(Alarm.cleared_at.is_(None), sa.or_(is_gone, Alarm.kind.in_(no_longer)))
        .values(cleared_at=clock.now())
    )


def open_alarms(session: Session) -> list[Alarm]:
    """List what is wrong now, the oldest first."""
    return list(
        session.scalars(sa.select(Alarm).where(Alarm.cleared_at.is_(None)).order_by(Alarm.id))
    )


def untold(session: Session) -> list[Alarm]:
    """List open alarms that no admin has been told of."""
    return [one for one in open_alarms(session) if one.told_at is None]

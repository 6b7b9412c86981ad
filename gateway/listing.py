"""Read-only lists of what stands in the database, as the commands print them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from models import inbox as inbox_table
from models.inbox import InboundMessage, Quarantined
from models.outbox import OutboundMessage
from models.people import Phone
from models.report import FOR_A_PERSON, WITHDRAWAL_ASKED, Report, ReportEvent
from models.states import MessageStatus, ReportState


def reports_query(
    state: str | None, since: datetime | None, newest: int | None = None
) -> sa.Select[Report]:
    """Choose reports: all but drafts, unless a state is asked for; perhaps so many newest alone."""
    query = sa.select(Report)
    if state is None:
        query = query.where(Report.state != ReportState.DRAFT)
    else:
        query = query.where(Report.state == ReportState(state))
    if since is not None:
        query = query.where(Report.received_at >= since)
    return query if newest is None else query.order_by(Report.id.desc()).limit(newest)


def count_reports(session: Session, query: sa.Select[Report]) -> int:
    """Count what `reports` would list."""
    return session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0


def reports(session: Session, query: sa.Select[Report], zone: ZoneInfo) -> list[dict[str, Any]]:
    """List reports, oldest first, with their history; a reporter is an alias, a time has its zone.

    Sorted here: to a database that sorts by id, reading all of them by it looks cheap.
    """
    found = sorted(session.scalars(query), key=lambda report: report.id)
    aliases = _aliases(session, {report.phone_id for report in found})
    history = _history(session, [report.id for report in found], zone)
    return [
        {
            "number": report.number,
            "code": report.code,
            "state": report.state.value,
            "urgency": report.urgency,
            "village": report.village_code,
            "fields": report.fields,
            "missing": report.missing,
            "problems": report.problems,
            "flags": report.flags,
            "note": report.note,
            "received_at": _shown(report.received_at, zone),
            "network_time": _shown(report.network_time, zone),
            "channel": report.channel,
            "verified": report.verified,
            "reporter": aliases[report.phone_id],
            "history": history[report.id],
        }
        for report in found
    ]


def _history(
    session: Session, ids: Sequence[int], zone: ZoneInfo
) -> defaultdict[int, list[dict[str, Any]]]:
    history: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for some in _chunks(ids):
        events = session.scalars(
            sa.select(ReportEvent).where(ReportEvent.report_id.in_(some)).order_by(ReportEvent.id)
        )
        for event in events:
            history[event.report_id].append(
                {
                    "event": event.event,
                    "at": _shown(event.at, zone),
                    "by": event.by,
                    "state": event.state.value,
                    **({"detail": event.detail} if event.detail else {}),
                }
            )
    return history


def messages(
    session: Session,
    zone: ZoneInfo,
    *,
    direction: str | None = None,
    status: str | None = None,
    newest: int | None = None,
) -> list[dict[str, Any]]:
    """List messages in both directions, oldest first; perhaps so many newest alone."""
    rows: list[dict[str, Any]] = []
    if direction in {None, "in"}:
        rows += _incoming(session, zone, status, newest)
    if direction in {None, "out"}:
        rows += _outgoing(session, zone, status, newest)
    rows.sort(key=lambda row: (row["created_at"], row["direction"]))
    return rows if newest is None else rows[len(rows) - min(newest, len(rows)) :]


def count_messages(session: Session, *, direction: str | None, status: str | None) -> int:
    """Count what `messages` would list."""
    total = 0
    if direction in {None, "in"}:
        incoming = sa.select(sa.func.count()).select_from(InboundMessage)
        total += session.scalar(incoming.where(*_with_inbound_status(status))) or 0
    if direction in {None, "out"}:
        outgoing = sa.select(sa.func.count()).select_from(OutboundMessage)
        total += session.scalar(outgoing.where(*_with_outbound_status(status))) or 0
    return total


#: What stands in the place of a status for a message that came in.
INBOUND_STATUSES: Mapping[str, sa.ColumnElement[bool]] = {
    "waiting": sa.and_(InboundMessage.handled_at.is_(None), InboundMessage.set_aside_at.is_(None)),
    "handled": InboundMessage.handled_at.is_not(None),
    "set_aside": sa.and_(
        InboundMessage.handled_at.is_(None), InboundMessage.set_aside_at.is_not(None)
    ),
}


def _with_inbound_status(status: str | None) -> list[sa.ColumnElement[bool]]:
    if status is None:
        return []
    return [INBOUND_STATUSES.get(status, sa.false())]


def _with_outbound_status(status: str | None) -> list[sa.ColumnElement[bool]]:
    if status is None:
        return []
    if status not in set(MessageStatus):
        return [sa.false()]
    return [OutboundMessage.status == MessageStatus(status)]


def _newest(
    table: type[InboundMessage | OutboundMessage],
    which: Sequence[sa.ColumnElement[bool]],
    newest: int | None,
) -> sa.Select[*tuple[Any, ...]]:
    """Choose messages, each with its phone's alias."""
    query = sa.select(table, Phone.alias).join(Phone, Phone.id == table.phone_id).where(*which)
    return query if newest is None else query.order_by(table.id.desc()).limit(newest)


def _incoming(
    session: Session, zone: ZoneInfo, status: str | None, newest: int | None
) -> list[dict[str, Any]]:
    rows = session.execute(_newest(InboundMessage, _with_inbound_status(status), newest))
    return [
        {
            "id": f"in-{message.id}",
            "direction": "in",
            "channel": message.channel,
            "party": alias,
            "text": message.text,
            "status": _status_of(message),
            "segments": message.segments,
            "created_at": _shown(message.received_at, zone),
            "provider_message_id": message.provider_message_id,
            "in_reply_to": None,
            "network_time": _shown(message.network_time, zone),
            "attempts": message.attempts,
            "parts": message.parts,
            "error": message.last_error,
            "outcome": message.outcome,
            "flags": message.flags,
            "redelivered": message.redelivered,
        }
        for message, alias in rows
    ]


def _status_of(message: InboundMessage) -> str:
    if message.handled_at is not None:
        return "handled"
    return "waiting" if message.set_aside_at is None else "set_aside"


def _outgoing(
    session: Session, zone: ZoneInfo, status: str | None, newest: int | None
) -> list[dict[str, Any]]:
    rows = session.execute(_newest(OutboundMessage, _with_outbound_status(status), newest))
    return [
        {
            "id": f"out-{message.id}",
            "direction": "out",
            "channel": message.channel,
            "party": alias,
            "text": message.text,
            "status": message.status.value,
            "segments": message.segments,
            "created_at": _shown(message.created_at, zone),
            "provider_message_id": message.provider_message_id,
            "in_reply_to": f"in-{message.in_reply_to}" if message.in_reply_to else None,
            "network_time": None,
            "attempts": message.attempts,
            "parts": 1,
            "error": message.error,
            "reply_key": message.reply_key,
            "lane": message.lane.value,
        }
        for message, alias in rows
    ]


def inbox(session: Session, zone: ZoneInfo, newest: int | None = None) -> list[dict[str, Any]]:
    """List what waits for a person, oldest first within each kind.

    Perhaps so many newest alone, of messages, of reports and of what nobody could read each.
    """
    return [
        *_waiting_messages(session, zone, newest),
        *_waiting_reports(session, zone, newest),
        *(
            {
                "kind": "quarantine",
                "id": f"quarantine-{item.id}",
                "at": _shown(item.received_at, zone),
                "party": None,
                "text": item.body,
                "reason": item.reason,
                "times": item.times,
            }
            for item in reversed(
                session.scalars(
                    sa.select(Quarantined).order_by(Quarantined.id.desc()).limit(newest)
                ).all()
            )
        ),
    ]


#: Of what is left out of a list, no more than so many are counted: to count is to read.
MOST_COUNTED = 1000


def left_out_of_inbox(session: Session, newest: int) -> dict[str, int]:
    """Count what `inbox` leaves out with a limit, by what it is; MOST_COUNTED of each at most."""
    everything: Mapping[str, sa.GenerativeSelect] = {
        "messages": sa.select(InboundMessage.id).where(inbox_table.FOR_A_PERSON),
        "reports": _reports_for_a_person(newest + MOST_COUNTED),
        "requests in quarantine": sa.select(Quarantined.id),
    }
    found = {}
    for what, query in everything.items():
        some = query.limit(newest + MOST_COUNTED).subquery()
        count = session.scalar(sa.select(sa.func.count()).select_from(some)) or 0
        found[what] = max(0, count - newest)
    return found


def _waiting_messages(session: Session, zone: ZoneInfo, newest: int | None) -> list[dict[str, Any]]:
    rows = session.execute(
        sa.select(InboundMessage, Phone.alias)
        .join(Phone, Phone.id == InboundMessage.phone_id)
        .where(inbox_table.FOR_A_PERSON)
        .order_by(InboundMessage.id.desc())
        .limit(newest)
    ).all()
    return [
        {
            "kind": "set_aside" if message.set_aside_at else message.outcome,
            "id": f"in-{message.id}",
            "at": _shown(message.received_at, zone),
            "party": alias,
            "text": message.text,
            "reason": message.last_error if message.set_aside_at else None,
            "times": 1 + message.redelivered,
        }
        for message, alias in reversed(rows)
    ]


def _reports_for_a_person(newest: int | None) -> sa.CompoundSelect[Any]:
    """Choose the ids of reports that wait: drafts, unverified ones, those to be withdrawn.

    Two lists, each by its own index; asked in one condition, all reports would be read.
    """
    for_a_person = sa.select(Report.id).where(FOR_A_PERSON).order_by(Report.id.desc())
    to_be_withdrawn = (
        sa.select(ReportEvent.report_id)
        .where(WITHDRAWAL_ASKED)
        .order_by(ReportEvent.report_id.desc())
    )
    # As a list each: SQLite takes no order within a union.
    parts = (one.limit(newest).subquery() for one in (for_a_person, to_be_withdrawn))
    return sa.union(*(sa.select(part) for part in parts))


def _waiting_reports(session: Session, zone: ZoneInfo, newest: int | None) -> list[dict[str, Any]]:
    source = aliased(InboundMessage)
    wants_withdrawal = (
        sa.select(ReportEvent.id)
        .where(ReportEvent.report_id == Report.id, WITHDRAWAL_ASKED)
        .exists()
    )
    rows = session.execute(
        sa.select(Report, Phone.alias, source.text, wants_withdrawal)
        .join(Phone, Phone.id == Report.phone_id)
        .join(source, source.id == Report.inbox_id)
        .where(Report.id.in_(_reports_for_a_person(newest)))
        .order_by(Report.id.desc())
        .limit(newest)
    ).all()
    return [
        {
            "kind": _kind_of(report, wants=wants),
            "id": f"report-{report.number}" if report.number else f"draft-{report.id}",
            "at": _shown(report.received_at, zone),
            "party": alias,
            "text": text,
            "reason": report.unverified_reason,
            "times": 1,
        }
        for report, alias, text, wants in reversed(rows)
    ]


def _kind_of(report: Report, *, wants: bool) -> str:
    if report.state is ReportState.DRAFT:
        return "draft"
    return "withdrawal_asked" if wants else "unverified"


def _aliases(session: Session, ids: set[int]) -> dict[int, str]:
    aliases: dict[int, str] = {}
    for some in _chunks(sorted(ids)):
        found = session.execute(sa.select(Phone.id, Phone.alias).where(Phone.id.in_(some)))
        aliases |= {key: alias for key, alias in found}  # noqa: C416  # a Result has keys
    return aliases


def _chunks(values: Sequence[Any], size: int = 500) -> list[Sequence[Any]]:
    """Cut a long list: a statement takes only so many parameters."""
    return [values[start : start + size] for start in range(0, len(values), size)]


def _shown(moment: datetime | None, zone: ZoneInfo) -> str | None:
    return moment.astimezone(zone).isoformat() if moment else None

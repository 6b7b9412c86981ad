"""What the page shows beside a phone: read-only queries that give plain values.

Real people are not for play: of a phone that stands in the roster or among the officers, and is no
demo phone, nothing is shown.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.officers import figures
from gateway.officers import register as officers
from gateway.reporting.senders import who_sent
from gateway.roster.demo import DEMO_PIN, EXAMPLE_VILLAGE
from gateway.wiring import Wiring
from models.inbox import InboundMessage
from models.officers import DialogueRow, Officer
from models.outbox import OutboundMessage
from models.people import Phone, Reporter, Village
from models.report import Report, ReportEvent
from models.states import MessageStatus
from parsers import msisdn
from parsers.form import Form
from parsers.language import Language
from parsers.reading import explain, read

#: How the name of a demo person begins whom a played conversation brought along.
CAST_NAME = "Pemeran"
#: Whose kades are offered before anything is searched for.
_OFFERED = (EXAMPLE_VILLAGE, "53.02.02.2010", "53.02.02.2003")
_MOST_PEOPLE = 24
_MOST_MESSAGES = 30
_MOST_REPORTS = 12
#: After these nothing more happens to an outgoing message.
_FINAL = {MessageStatus.DELIVERED, MessageStatus.FAILED, MessageStatus.EXPIRED}
#: What a word of a text became, where it is no field of a form.
_BECAME = {
    "code": "kode",
    "note": "catatan",
    "courtesy": "kata pengantar",
    "ref": "nomor laporan",
    "topic": "topik",
    "masked_document": "nomor dokumen, ditutup",
    "month": "bulan",
}


class RealPerson(Exception):
    """The phone belongs to somebody who is really registered."""


def people(session: Session, wiring: Wiring, query: str) -> list[dict[str, Any]]:
    """List demo reporters and officers whose name, village or kecamatan holds these words."""
    words = query.casefold().split()
    found = [*_reporters(session), *_officers(session, wiring)]
    if not words:
        return _suggested(found)
    return [
        one
        for one in found
        if all(
            word in f"{one['name']} {one['place']} {one['role']} kecamatan".casefold()
            for word in words
        )
    ][:_MOST_PEOPLE]


def _suggested(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kades = [
        next((one for one in found if one["role"] == "kades" and place in one["villages"]), None)
        for place in _OFFERED
    ]
    of_two = next((one for one in found if len(one["villages"]) > 1), None)
    chosen = [one for one in (*kades, of_two) if one is not None]
    first = chosen or [one for one in found if one["kind"] == "reporter"][: len(_OFFERED)]
    return [*first, *(one for one in found if one["kind"] == "officer")][:_MOST_PEOPLE]


def _reporters(session: Session) -> list[dict[str, Any]]:
    rows = session.execute(
        sa.select(Reporter, Village, Phone.number)
        .join(Village, Village.code == Reporter.village_code)
        .join(Phone, Phone.id == Reporter.phone_id)
        .where(
            Reporter.is_demo, Reporter.ended_at.is_(None), Reporter.name.not_like(f"{CAST_NAME} %")
        )
        .order_by(Reporter.id)
    )
    people: dict[str, dict[str, Any]] = {}
    for reporter, village, number in rows:
        person = people.setdefault(
            number,
            {
                "kind": "reporter",
                "number": number,
                "phone": reporter.phone_id,
                "name": reporter.name,
                "role": reporter.role,
                "place": "",
                "villages": [],
            },
        )
        person["villages"].append(village.code)
        joint = " dan " if person["place"] else ""
        place = f"Desa {village.name}" if village.kind == "desa" else f"Kel. {village.name}"
        person["place"] += f"{joint}{place}, Kec. {village.kecamatan}"
    return list(people.values())


def _officers(session: Session, wiring: Wiring) -> list[dict[str, Any]]:
    rows = session.execute(
        sa.select(Officer, Phone.number)
        .join(Phone, Phone.id == Officer.phone_id)
        .where(Officer.is_demo, Officer.ended_at.is_(None), Officer.name.not_like(f"{CAST_NAME} %"))
        .order_by(Officer.id)
    ).all()
    return [
        {
            "kind": "officer",
            "number": number,
            "phone": officer.phone_id,
            "name": officer.name,
            "role": officer.role.value,
            "place": f"{_titled(wiring, officer)}, {figures.name_of(session, officer.area)}",
            "institution": officer.institution,
            "area": officer.area,
            "pin": DEMO_PIN,
            "villages": [],
        }
        for officer, number in rows
    ]


def _titled(wiring: Wiring, officer: Officer) -> str:
    known = wiring.switchboard.institutions.get(officer.institution)
    return known.title["id"] if known else officer.institution


def demand_no_real_person(session: Session, phone: Phone) -> None:
    """Raise RealPerson when the phone is a registered one's and no demo phone."""
    reporter = sa.exists().where(
        Reporter.phone_id == phone.id, Reporter.ended_at.is_(None), sa.not_(Reporter.is_demo)
    )
    officer = sa.exists().where(
        Officer.phone_id == phone.id, Officer.ended_at.is_(None), sa.not_(Officer.is_demo)
    )
    if session.scalar(sa.select(sa.literal(1)).where(sa.or_(reporter, officer))):
        raise RealPerson


def timeline(
    session: Session, wiring: Wiring, number: str, after_in: int, after_out: int
) -> dict[str, Any]:
    """Show what a phone sent and got after these rows, and how its reports stand now."""
    phone = wiring.directory.known(session, msisdn.read_sender(number))
    if phone is None:
        return {"known": False, "in": [], "out": [], "reports": [], "dialogue": None}
    demand_no_real_person(session, phone)
    incoming = _latest(session, InboundMessage, phone, after_in)
    outgoing = _latest(session, OutboundMessage, phone, after_out)
    return {
        "known": True,
        "in": [_incoming(session, wiring, phone, one) for one in incoming],
        "out": [_outgoing(one, wiring) for one in outgoing],
        "reports": _reports(session, wiring, phone),
        "dialogue": _dialogue(session, phone),
    }


def _latest(session: Session, table: type[Any], phone: Phone, after: int) -> list[Any]:
    rows = session.scalars(
        sa.select(table)
        .where(table.phone_id == phone.id, table.id > after)
        .order_by(table.id.desc())
        .limit(_MOST_MESSAGES)
    )
    return list(rows)[::-1]


def _incoming(
    session: Session, wiring: Wiring, phone: Phone, message: InboundMessage
) -> dict[str, Any]:
    is_settled = message.handled_at is not None or message.set_aside_at is not None
    waits = message.handle_after if not is_settled else None
    return {
        "id": message.id,
        "text": message.text,
        "segments": message.segments,
        "at": message.received_at.isoformat(),
        "outcome": message.outcome,
        "set_aside": message.handled_at is None and message.set_aside_at is not None,
        "settled": is_settled,
        "waits_until": waits.isoformat() if waits else None,
        **_understood(session, wiring, phone, message),
    }


def _understood(
    session: Session, wiring: Wiring, phone: Phone, message: InboundMessage
) -> dict[str, Any]:
    """Read the text again as it was read: in the zone of its village, on the day it was written."""
    language = wiring.desk.language
    sender = who_sent(session, [phone], wiring.settings.timezone)[phone.id]
    now = clock.spoken_at(message.network_time, message.received_at, sender.zone)
    officer = officers.by_phone(session, phone.id)
    is_officer = officer is not None and not sender.villages
    rows = explain(message.text, language, now=now, sender="officer" if is_officer else "reporter")
    reading = read(message.text, language, now=now, sender="officer" if is_officer else "reporter")
    items = [item.as_json() for item in reading.items]
    labels = _labels(language, [str(item["code"]) for item in items])
    return {
        "words": [{"text": text, "became": labels.get(name, name)} for text, name in rows],
        "items": items,
    }


def _labels(language: Language, codes: Iterable[str]) -> Mapping[str, str]:
    """Give each field its label, the forms that were read first."""
    labels = dict(_BECAME)
    forms = [language.forms[code] for code in codes if code in language.forms]
    for form in (*language.forms.values(), *reversed(forms)):
        labels |= {field.name: field.label["id"] for field in form.fields}
    return labels


def _outgoing(message: OutboundMessage, wiring: Wiring) -> dict[str, Any]:
    leaves = message.channel != "loopback" and message.status is MessageStatus.SENT
    return {
        "id": message.id,
        "text": message.text,
        "segments": message.segments,
        "at": message.created_at.isoformat(),
        "status": message.status.value,
        "channel": message.channel,
        "attempts": message.attempts,
        "provider_id": message.provider_message_id,
        "lane": message.lane.value,
        "reply_key": message.reply_key,
        "in_reply_to": message.in_reply_to,
        "error": message.error,
        "settled": message.status in _FINAL
        or (message.status is MessageStatus.SENT and not leaves)
        or message.created_at < clock.now() - wiring.settings.sending_stuck_after * 10,
    }


def _reports(session: Session, wiring: Wiring, phone: Phone) -> list[dict[str, Any]]:
    rows = session.execute(
        sa.select(Report, Village.name)
        .outerjoin(Village, Village.code == Report.village_code)
        .where(Report.phone_id == phone.id)
        .order_by(Report.id.desc())
        .limit(_MOST_REPORTS)
    ).all()
    events = _events(session, [report.id for report, _ in rows])
    return [_report(wiring, report, village, events) for report, village in rows]


def _events(session: Session, ids: list[int]) -> list[ReportEvent]:
    return list(
        session.scalars(
            sa.select(ReportEvent).where(ReportEvent.report_id.in_(ids)).order_by(ReportEvent.id)
        )
    )


def _report(
    wiring: Wiring, report: Report, village: str | None, events: list[ReportEvent]
) -> dict[str, Any]:
    language, words = wiring.desk.language, wiring.switchboard.texts.words
    form = language.forms.get(report.code)
    labels = _labels(language, [report.code])
    lacking = [*report.missing, *(problem["field"] for problem in report.problems)]
    return {
        "id": report.id,
        "number": report.number,
        "code": report.code,
        "state": report.state.value,
        "state_label": words.get(f"state_{report.state.value}", report.state.value),
        "urgency": report.urgency,
        "urgency_label": words.get(f"urgensi_{report.urgency}", report.urgency),
        "village": village,
        "fields": _fields(language, form, report) if form else [],
        "missing": [labels.get(name, "desa" if name == "village" else name) for name in lacking],
        "note": report.note,
        "flags": report.flags,
        "verified": report.verified,
        "events": [
            {"event": event.event, "at": event.at.isoformat(), "by": event.by}
            for event in events
            if event.report_id == report.id
        ],
    }


def _fields(language: Language, form: Form, report: Report) -> list[dict[str, str]]:
    return [
        {
            "label": field.label["id"],
            "value": language.shown(field.kind, report.fields[field.name]),
        }
        for field in form.fields
        if field.name in report.fields
    ]


def _dialogue(session: Session, phone: Phone) -> dict[str, Any] | None:
    """Say where the phone's open dialogue stands; never what was keyed in."""
    row = session.scalars(
        sa.select(DialogueRow)
        .where(DialogueRow.phone_id == phone.id, DialogueRow.closed_at.is_(None))
        .order_by(DialogueRow.touched_at.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return {
        "at": row.at,
        "way": [stop[0] for stop in row.place.get("trail", [])],
        "steps": len(row.place.get("earlier", [])) + (row.heard_length > 0),
        "channel": "SMS" if row.session_key == "sms" else "USSD",
        "logged_in": row.is_logged_in,
        "started_at": _iso(row.started_at),
        "touched_at": _iso(row.touched_at),
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def numbers_given(session: Session, candidates: Iterable[str]) -> set[str]:
    """Say which of these are confirmation numbers that were really given out."""
    wanted = sorted(set(candidates))[:500]
    return {
        number
        for number in session.scalars(sa.select(Report.number).where(Report.number.in_(wanted)))
        if number is not None
    }

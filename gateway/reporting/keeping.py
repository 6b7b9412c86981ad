"""Reports and drafts in the database: made, completed, added to; each change with its event."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.reporting import linking
from gateway.reporting.rounds import Round
from gateway.reporting.senders import Sender
from gateway.reporting.voice import URGENT, VILLAGE, Kept
from models.inbox import InboundMessage
from models.people import Village
from models.report import Report
from models.states import ReportState
from parsers import cleaning, segments
from parsers.answering import Answer, Question, choice
from parsers.language import Language
from parsers.reading import Item, Outcome, Problem, Reason, read

#: A part of a long SMS has 153 units (67 in UCS-2); apps that cut by themselves may leave a few.
_FULL_GSM7 = 140
_FULL_UCS2 = 60


def keep(round_: Round, message: InboundMessage, sender: Sender, item: Item) -> Report:
    """Store what one item says as a report with its number, or as a draft without one."""
    form = round_.desk.language.forms[item.code or ""]
    village = village_of(sender, message.text)
    missing = list(item.missing)
    is_draft = item.outcome is Outcome.DRAFT
    if sender.is_registered and village is None:
        missing.append(VILLAGE)
        # What must not wait is stored first and asked afterwards.
        is_draft = is_draft or not form.never_waits
    fields = dict(item.fields)
    report = Report(
        code=form.code,
        state=ReportState.DRAFT,
        urgency=item.urgency or form.urgency,
        village_code=village.code if village else None,
        phone_id=sender.phone.id,
        inbox_id=message.id,
        channel=message.channel,
        note=str(fields.pop("note", "")),
        fields=fields,
        missing=missing,
        problems=_stored(item.problems),
        flags=sorted({*item.flags, *message.flags}),
        verified=sender.is_registered,
        unverified_reason=sender.unverified_reason,
        text_key=message.text_key or "",
        asked_at=clock.now() if missing or item.problems else None,
        received_at=message.received_at,
        network_time=message.network_time,
    )
    round_.session.add(report)
    if is_draft:
        round_.tell(report, "drafted", missing=missing, unverified=report.unverified_reason)
    else:
        _receive(round_, report)
    return report


def _receive(round_: Round, report: Report) -> None:
    """Give a report its number and its first state."""
    round_.give_number(report)
    report.move_to(ReportState.RECEIVED)
    round_.tell(report, "received", unverified=report.unverified_reason)
    if round_.desk.language.forms[report.code].first_state == ReportState.CLOSED:
        report.move_to(ReportState.CLOSED)
        round_.tell(report, "closed", by="gateway")


def link_received(round_: Round) -> None:
    """Link what a round has received to what it may repeat, each with its event.

    At the end of the round: then all of it is written, and two of one round find each other.
    """
    round_.write_out()
    alike = linking.link_alike(round_.session, round_.desk.language, round_.received)
    for report, numbers in alike.items():
        round_.tell(report, "linked", by="gateway", alike=numbers)


def take_answer(
    round_: Round,
    sender: Sender,
    report: Report,
    message: InboundMessage,
    answer: Answer | None,
) -> bool:
    """Put an answer into a draft, or into a report that still lacked it; say whether it fits."""
    if answer is not None:
        _complete(round_, sender, report, message, answer)
    elif not _choose_village(round_, sender, report, message):
        return False
    lacks = bool(report.missing or report.problems)
    report.asked_at = clock.now() if lacks else None
    if not lacks and report.state is ReportState.DRAFT:
        _receive(round_, report)
    return True


def _complete(
    round_: Round,
    sender: Sender,
    report: Report,
    message: InboundMessage,
    answer: Answer,
) -> None:
    added = {name: value for name, value in answer.fields.items() if name != "note"}
    village = [VILLAGE] if VILLAGE in report.missing else []
    report.flags = sorted({*report.flags, *answer.flags})
    _take_in(round_.desk.language, sender, report, message, added, begun=answer.begun)
    report.problems = _stored(answer.problems)
    report.missing = [*answer.missing, *village]
    round_.tell(report, "completed", message=message.id, fields=added)


def _take_in(
    language: Language,
    sender: Sender,
    report: Report,
    message: InboundMessage,
    fields: Mapping[str, int | str],
    *,
    begun: bool = False,
) -> None:
    """Put fields into a report, which may make it urgent."""
    report.fields = {**report.fields, **fields}
    if report.urgency != URGENT:
        # What made it urgent may be a word that no field holds: it is never taken back.
        spoken_at = clock.spoken_at(message.network_time, message.received_at, sender.zone)
        form = language.forms[report.code]
        report.urgency = form.urgency_of(report.fields, report.flags, spoken_at, begun=begun)


def correct(
    round_: Round,
    sender: Sender,
    report: Report,
    message: InboundMessage,
    said: Mapping[str, int | str],
) -> None:
    """Put fields of a report right; what stood there before stays in its history."""
    new = {name: value for name, value in said.items() if name != "note"}
    before = {name: report.fields[name] for name in new if name in report.fields}
    _take_in(round_.desk.language, sender, report, message, new)
    report.problems = [one for one in report.problems if one["field"] not in new]
    report.missing = [name for name in report.missing if name not in new]
    if not (report.missing or report.problems):
        report.asked_at = None
    round_.tell(report, "corrected", message=message.id, fields=new, before=before)


def _choose_village(round_: Round, sender: Sender, report: Report, message: InboundMessage) -> bool:
    """Take a message as the answer to `which of your villages`; say whether it was one."""
    if report.missing != [VILLAGE] or report.problems:
        return False
    village = _named_village(sender.villages, message.text)
    if village is None and len(sender.villages) == 2:  # noqa: PLR2004  # asked as 1 or 2
        chosen = choice(message.text, len(sender.villages))
        village = sender.villages[chosen - 1] if chosen else None
    if village is None:
        return False
    report.village_code = village.code
    report.missing = []
    round_.tell(report, "completed", message=message.id, village=village.code)
    return True


def join(
    round_: Round, sender: Sender, message: InboundMessage, spoken_at: datetime
) -> tuple[Report, bool] | None:
    """Add a text without a code to the report that came just before or after it.

    Says with it whether the two are surely pieces of one long SMS: then the first one is full.
    """
    wait = round_.desk.piece_wait
    found = round_.session.execute(
        sa.select(Report, InboundMessage)
        .join(InboundMessage, InboundMessage.id == Report.inbox_id)
        .where(
            Report.phone_id == sender.phone.id,
            Report.received_at >= message.received_at - wait,
            Report.received_at <= message.received_at + wait,
            Report.state != ReportState.INVALID,
        )
        .order_by(Report.id.desc())
        .limit(1)
    ).first()
    if found is None:
        return None
    report, first = found
    add_note(round_, report, message.text, "joined", spoken_at)
    measured = segments.measure(first.text)
    full = _FULL_GSM7 if measured.encoding == "GSM-7" else _FULL_UCS2
    is_piece = measured.units >= full
    if is_piece:
        first.parts += 1
    return report, is_piece


def add_note(round_: Round, report: Report, text: str, event: str, spoken_at: datetime) -> None:
    """Add words to a report; what stood there stays, and it may become more urgent, never less."""
    report.note = f"{report.note}\n{text}".strip()
    round_.tell(report, event, note=text)
    language = round_.desk.language
    read_anew = read(f"{report.code} {text}", language, now=spoken_at).items[0]
    new_flags = set(read_anew.flags) & {"minor", "about_official"} - set(report.flags)
    becomes_urgent = read_anew.urgency == URGENT and report.urgency != URGENT
    if read_anew.code != report.code or not (new_flags or becomes_urgent):
        return
    report.flags = sorted({*report.flags, *new_flags})
    if becomes_urgent:
        report.urgency = URGENT
    round_.tell(report, "raised", by="gateway", flags=sorted(new_flags), urgency=report.urgency)


def withdraw(round_: Round, report: Report) -> str:
    """Withdraw a report if its code and state allow it; give the key of the text that says so."""
    form = round_.desk.language.forms[report.code]
    if report.state is ReportState.INVALID:
        return "OK_BATAL"
    if form.never_waits:
        round_.tell(report, "withdrawal_asked")
        return "OK_BATAL_CATAT"
    untaken = {ReportState.RECEIVED, ReportState.NOTIFIED}
    if form.denies:
        untaken.add(ReportState.CLOSED)
    if report.state in untaken and report.move_to(ReportState.INVALID):
        report.asked_at = None
        round_.tell(report, "withdrawn")
        arrival = linking.arrival_of(round_.session, report)
        if arrival is not None:
            round_.tell(arrival, "departure_withdrawn", by="gateway", number=report.number)
        return "OK_BATAL"
    return "ERR_BATAL_TELAT"


def own_report(session: Session, sender: Sender, number: str) -> Report | None:
    """Find a report by its number, if this very phone sent it."""
    return session.scalars(
        sa.select(Report).where(Report.number == number, Report.phone_id == sender.phone.id)
    ).one_or_none()


def villages_report(session: Session, sender: Sender, number: str, code: str) -> Report | None:
    """Find a report with this code that any phone of the sender's villages has sent."""
    return session.scalars(
        sa.select(Report).where(
            Report.number == number,
            Report.code == code,
            Report.village_code.in_([village.code for village in sender.villages]),
            Report.verified,
        )
    ).one_or_none()


def note_guest(round_: Round, report: Report, event: str, sender: Sender, **detail: object) -> None:
    """Put down what was said of a guest: still here, left, or not left after all."""
    by = "reporter" if report.phone_id == sender.phone.id else "village"
    round_.tell(report, event, by=by, **detail)


def as_kept(report: Report, sender: Sender) -> Kept:
    """Give what a reply tells of a report."""
    if report.village_code is not None:
        names: tuple[str, ...] = tuple(
            village.name for village in sender.villages if village.code == report.village_code
        )
    else:
        names = tuple(village.name for village in sender.villages)
    return Kept(
        code=report.code,
        fields=report.fields,
        missing=tuple(report.missing),
        problems=_problems(report),
        urgency=report.urgency,
        flags=tuple(report.flags),
        number=report.number,
        villages=names,
    )


def question_of(report: Report) -> Question:
    """Give what is asked of a report's sender; the village is asked for apart."""
    return Question(
        code=report.code,
        fields=report.fields,
        missing=tuple(name for name in report.missing if name != VILLAGE),
        problems=_problems(report),
    )


def _problems(report: Report) -> tuple[Problem, ...]:
    return tuple(
        Problem(one["field"], one["given"], Reason(one["reason"]), tuple(one["options"]))
        for one in report.problems
    )


def _stored(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [
        {
            "field": one.field,
            "given": one.given,
            "reason": str(one.reason),
            "options": list(one.options),
        }
        for one in problems
    ]


def village_of(sender: Sender, text: str) -> Village | None:
    """Tell which village a report is for: the only one, or the one that the text names."""
    if len(sender.villages) == 1:
        return sender.villages[0]
    return _named_village(sender.villages, text)


def _named_village(villages: Sequence[Village], text: str) -> Village | None:
    """Find the one village whose name, or whose kecamatan's name, stands in a text."""
    words = f" {_words(text)} "
    for by in ("name", "kecamatan"):
        named = [village for village in villages if f" {_words(getattr(village, by))} " in words]
        if len(named) == 1:
            return named[0]
    return None


def _words(text: str) -> str:
    plain = cleaning.clean(text).casefold().replace("'", "")
    return " ".join(re.findall(r"\w+", plain))

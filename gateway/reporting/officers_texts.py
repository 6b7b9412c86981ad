"""What an officer's phone texts: MENU, then the keys of the menu."""

import re

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.dialogue import talking
from gateway.dialogue.machine import START_BY_SMS
from gateway.dialogue.switchboard import Switchboard
from gateway.reporting.voice import Reply
from models.inbox import InboundMessage
from models.officers import DialogueRow
from models.people import Phone
from models.report import Report
from parsers.reading import Reading

_KEYS = re.compile(r"[\d .\-]{1,20}", re.ASCII)
#: Stands in the place of what was keyed where a code was asked for: it might have been a PIN.
_COVER = "*"


def answer(
    session: Session, board: Switchboard, message: InboundMessage, phone: Phone, reading: Reading
) -> Reply | None:
    """Answer MENU and its keys; None for a text that is neither."""
    if [item.code for item in reading.items] == ["MENU"]:
        said = talking.begin_by_sms(session, board, message.channel, phone)
        return None if said is None else _reply(said)
    if not _KEYS.fullmatch(message.text.strip()):
        return None
    row = talking.sms_dialogue(session, phone.id)
    if row is None or _is_answer_to_newer_question(session, row):
        return None
    keyed = message.text
    if row.at == START_BY_SMS:
        message.text = _COVER * len(keyed)
    return _reply(talking.go_on_by_sms(session, board, row, keyed))


def _reply(text: str) -> Reply:
    return Reply("MENU", text, for_anyone=True)


def _is_answer_to_newer_question(session: Session, row: DialogueRow) -> bool:
    """Tell whether this phone was asked about a report of its own after its last screen."""
    newer = sa.select(Report.id).where(
        Report.phone_id == row.phone_id, Report.asked_at > row.touched_at
    )
    return session.scalars(newer.limit(1)).first() is not None

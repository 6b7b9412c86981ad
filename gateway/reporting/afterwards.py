"""A code or a number that comes after the text it belongs to, and completes it."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from gateway import clock
from gateway.reporting import limits
from gateway.reporting.desk import Desk
from gateway.reporting.rounds import Round
from models.inbox import InboundMessage
from parsers.answering import agrees
from parsers.numbers import read_number
from parsers.reading import Outcome, Reading, has_misspelt, read, read_under

_A_DAY = timedelta(hours=24)
#: What became of a text that named no code; its sender may still name it.
_WITHOUT_CODE = ("chat", "question")
_ENOUGH_FIELDS = 2
_FEW_WORDS = 4


class Whole(NamedTuple):
    """Two texts read as one."""

    reading: Reading
    before: InboundMessage | None
    """The text that had no code by itself; None where the code stands alone."""


def named_code(
    session: Session, desk: Desk, message: InboundMessage, reading: Reading
) -> str | None:
    """Tell a message that is a report's code alone, or `ya` where one code was offered."""
    item = reading.items[0]
    forms = desk.language.forms
    if len(reading.items) > 1:
        return None
    if item.outcome is not Outcome.CHAT and item.code in forms:
        words = [word for word in message.text.upper().split() if word != item.code]
        return item.code if not words else None
    if not agrees(message.text, desk.language):
        return None
    asked = limits.last_sent(session, message.phone_id, clock.now() - _A_DAY)
    asking = (form for form in forms.values() if asked in (form.ask_if_unsure, form.replies.hint))
    return next((form.code for form in asking if asked is not None), None)


def read_with_text_before(
    round_: Round, message: InboundMessage, code: str, spoken_at: datetime
) -> Whole:
    """Read the text before a message under the code that it names, if that had none itself."""
    desk = round_.desk
    before = round_.text_before(message)
    if before is not None and before.outcome in _WITHOUT_CODE:
        whole = read_under(before.text, code, desk.language, now=spoken_at)
        if _is_meant(round_.session, desk, whole, before):
            return Whole(whole, before)
    return Whole(read(code, desk.language, now=spoken_at), None)


def read_with_number(round_: Round, message: InboundMessage, spoken_at: datetime) -> Reading | None:
    """Read a command whose number was asked for and comes now: BATAL, then `104277`."""
    number = read_number(message.text)
    before = round_.text_before(message) if number is not None else None
    if before is None or before.outcome != "command":
        return None
    asked = read(before.text, round_.desk.language, now=spoken_at).items[0]
    if asked.outcome is not Outcome.COMMAND or asked.missing != ("ref",):
        return None
    whole = f"{asked.code} {number} {asked.fields.get('note', '')}"
    return read(whole, round_.desk.language, now=spoken_at)


def _is_meant(session: Session, desk: Desk, whole: Reading, before: InboundMessage) -> bool:
    """Tell whether a text was the report whose code came after it.

    Where the sender was asked for any code at all, one date in a talk about a meeting is not enough
    to make it a report; beside the code itself, misspelt, it is.
    """
    stored = {Outcome.REPORT, Outcome.DRAFT}
    codes = {one.code for one in whole.items if one.outcome in stored}
    if len(codes) != 1 or any(one.outcome not in stored for one in whole.items):
        return False
    code = whole.items[0].code or ""
    form = desk.language.forms[code]
    needed = int(not form.never_waits)
    if limits.last_sent(session, before.phone_id, clock.now() - limits.HOUR) == "ERR_KODE":
        is_short = form.denies and len(before.text.split()) <= _FEW_WORDS
        needed = 1 if is_short or has_misspelt(before.text, code) else _ENOUGH_FIELDS
    return len(whole.items[0].fields.keys() - {"note"}) >= needed

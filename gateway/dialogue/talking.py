"""The ways into an officer's dialogue: a request of a USSD session, its end, an SMS.

One request is one transaction, and what it does commits with where the dialogue then stands. Only
the hash of a PIN takes longer than a transaction may: there the request is cut in two, the try is
kept before the hash is reckoned, and counts as wrong until it is proven right.
"""

from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.dialogue import machine, relayed
from gateway.dialogue.machine import Dialogue
from gateway.dialogue.relayed import Before, News
from gateway.dialogue.switchboard import Switchboard
from gateway.dialogue.talk import SMS_KEY, Pending, Talk, Told
from gateway.officers import register
from gateway.providers.base import DialogueEnd, KeyPress, Screen
from models.database.engine import Database
from models.database.locks import lock_name
from models.officers import DialogueRow, Officer
from models.people import Phone
from parsers import msisdn

#: Longer than any operator keeps a session open, and as long as an SMS dialogue may rest.
_USSD_LASTS = timedelta(minutes=5)
_SMS_LASTS = timedelta(minutes=30)


def answer(database: Database, board: Switchboard, channel: str, press: KeyPress) -> Told:
    """Take one request of a USSD session and give its screen."""
    with database.writing() as session:
        done = _begin(session, board, channel, press)
    while isinstance(done, Pending):
        result = _reckon(board, done)
        with database.writing() as session:
            done = _go_on(session, board, done, result)
    return done


def neutral(board: Switchboard) -> Screen:
    """Give what a phone sees that is no officer's."""
    return Screen(board.texts.text("ERR_USSD"), ends=True)


def trouble(board: Switchboard) -> Screen:
    """Give what is shown when something has failed; silence would tell nobody anything."""
    return Screen(board.texts.screen("GANGGUAN"), ends=True)


def end(session: Session, board: Switchboard, channel: str, notice: DialogueEnd) -> None:
    """Close the session that a provider says is over; what it was at can be gone on with."""
    ours = sa.select(DialogueRow).where(
        DialogueRow.channel == channel,
        DialogueRow.session_key == _session_key(board, channel, notice.session_id),
        DialogueRow.closed_at.is_(None),
    )
    if notice.sender is not None:
        phone = board.directory.known(session, msisdn.read_sender(notice.sender))
        ours = ours.where(DialogueRow.phone_id == (phone.id if phone else 0))
    for row in session.scalars(ours):
        row.closed_at = clock.now()


def _begin(session: Session, board: Switchboard, channel: str, press: KeyPress) -> Told | Pending:
    phone = board.directory.known(session, msisdn.read_sender(press.sender))
    if phone is None:
        return Told(neutral(board))
    # Under the lock: what another session of this phone has just changed must be seen.
    lock_name(session, f"dialogue:{phone.id}")
    officer = register.by_phone(session, phone.id)
    if officer is None:
        return Told(neutral(board))
    key = _session_key(board, channel, press.session_id)
    row = _row(session, channel, key, phone.id)
    before = _before(row, officer)
    news, inputs = relayed.read(press, before, board.directory.digest)
    if row is not None and before is None and not press.begins:
        inputs = ()  # what was keyed before the pause, or before the officer was moved, is over
    talk = Talk(session, board, officer, phone, row or _new_row(session, channel, key, phone))
    if news is News.REPEAT:
        return Told(talk.shown_again())
    talk.note_heard(press, is_start=news is News.START)
    if news is News.START:
        talk.start(machine.START)
    return talk.run(inputs)


def _row(session: Session, channel: str, session_key: str, phone_id: int) -> DialogueRow | None:
    return session.scalars(
        sa.select(DialogueRow).where(
            DialogueRow.channel == channel,
            DialogueRow.session_key == session_key,
            DialogueRow.phone_id == phone_id,
        )
    ).one_or_none()


def _before(row: DialogueRow | None, officer: Officer) -> Before | None:
    """Say what a session has heard, if it still goes on, and with this officer."""
    if row is None or row.officer_id != officer.id:
        return None
    age = clock.now() - row.touched_at
    if age > _USSD_LASTS:
        return None
    return Before(row.heard_length, row.heard_hash, tuple(row.place.get("earlier", ())), age)


def _session_key(board: Switchboard, channel: str, session_id: str) -> str:
    """Give the key of a session's row: a provider's id may be anything, even the phone's number."""
    return board.directory.digest("session", channel, session_id)


def _new_row(session: Session, channel: str, key: str, phone: Phone) -> DialogueRow:
    row = DialogueRow(channel=channel, session_key=key, phone_id=phone.id)
    session.add(row)
    return row


def _reckon(board: Switchboard, pending: Pending) -> str:
    """Do what takes tens of milliseconds, with no transaction open."""
    given = pending.check.given
    if pending.check.name == "new_pin":
        return board.pins.make_hash(given)
    return "right" if board.pins.is_right(given, pending.pin_hash) else "wrong"


def _go_on(session: Session, board: Switchboard, pending: Pending, result: str) -> Told | Pending:
    row = session.get_one(DialogueRow, pending.row_id)
    lock_name(session, f"dialogue:{row.phone_id}")
    session.refresh(row)
    officer = register.by_phone(session, row.phone_id)
    if officer is None or officer.id != row.officer_id:
        return Told(neutral(board))  # taken off between the two halves
    talk = Talk(session, board, officer, session.get_one(Phone, row.phone_id), row)
    if pending.check.name == "pin":
        talk.tried(right=result == "right", wrong="PIN_SALAH")
    elif pending.check.name == "new_pin":
        talk.move(machine.go(talk.dialogue, "pin_again", {"new_pin": result}))
    elif result == "right":
        board.pins.set_pin(session, officer, pending.pin_hash)
        talk.look("pin_changed", talk.alias)
        talk.move(Dialogue(at="pin_changed"))
    else:
        talk.move(replace(Dialogue(at="new_pin"), slip="PIN_BEDA"))
    return talk.run(pending.rest)


def sms_dialogue(session: Session, phone_id: int) -> DialogueRow | None:
    """Find the dialogue that a phone has open by SMS."""
    return session.scalars(
        sa.select(DialogueRow).where(
            DialogueRow.phone_id == phone_id,
            DialogueRow.session_key == SMS_KEY,
            DialogueRow.closed_at.is_(None),
            DialogueRow.touched_at > clock.now() - _SMS_LASTS,
        )
    ).first()


def begin_by_sms(session: Session, board: Switchboard, channel: str, phone: Phone) -> str | None:
    """Open an officer's menu by SMS; None for a phone that is no officer's."""
    officer = register.by_phone(session, phone.id)
    if officer is None:
        return None
    row = session.scalars(
        sa.select(DialogueRow).where(
            DialogueRow.phone_id == phone.id, DialogueRow.session_key == SMS_KEY
        )
    ).first()
    if row is None:
        row = DialogueRow(channel=channel, session_key=SMS_KEY, phone_id=phone.id)
        session.add(row)
    row.channel = channel
    row.heard_length, row.heard_hash = 0, ""
    return Talk(session, board, officer, phone, row).start_by_sms()


def go_on_by_sms(session: Session, board: Switchboard, row: DialogueRow, text: str) -> str:
    """Take an SMS as the next key; give the next screen as the text to answer with."""
    phone = session.get_one(Phone, row.phone_id)
    officer = register.by_phone(session, phone.id)
    if officer is None or officer.id != row.officer_id:
        row.closed_at = clock.now()
        return neutral(board).text
    done = Talk(session, board, officer, phone, row).run((text,))
    assert isinstance(done, Told)  # noqa: S101  # a PIN is never asked for by SMS
    return done.screen.text


#: A dialogue is of no use after that, and tells what an officer looked at.
_KEPT = timedelta(days=1)
_MOST_FORGOTTEN = 100


def forget_old(database: Database) -> None:
    """Delete dialogues that were over long ago, a few at a time; the audit keeps who looked."""
    old = sa.select(DialogueRow.id).where(DialogueRow.touched_at < clock.now() - _KEPT)
    with database.reading() as session:
        ids = session.scalars(old.limit(_MOST_FORGOTTEN)).all()
    if not ids:
        return
    with database.writing() as session:
        # Asked again: one of them may have come to life meanwhile.
        session.execute(
            sa.delete(DialogueRow).where(DialogueRow.id.in_(ids), DialogueRow.id.in_(old))
        )

"""Taking waiting messages from the inbox, a few at a time, and what happens when one fails."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock, logs
from gateway.reporting import handling
from gateway.reporting.desk import Desk
from gateway.reporting.handling import Handled, Told
from gateway.reporting.rounds import Round, in_rounds
from models.database.engine import UNAVAILABLE, Database, Turn
from models.database.locks import lock_name, try_to_lock
from models.database.statements import is_one_of
from models.inbox import InboundMessage
from models.people import Phone, PhoneKind

_log = logs.logger()

#: After a failure, when to try that message again; after the last it is set aside for a person.
_TRY_AGAIN = tuple(timedelta(seconds=s) for s in (1, 5, 15, 60))
#: So many waiting rows are looked at, for each that may be taken, to find phones that nobody else
#: is busy with.
_LOOK_AT = 5


@dataclass(frozen=True, slots=True)
class Drained:
    """What one turn did."""

    messages: Mapping[int, Handled]
    """Each message that had its turn, and what became of it."""

    @property
    def handled(self) -> int:
        """Say how many messages had their turn."""
        return len(self.messages)

    @property
    def is_reply_due(self) -> bool:
        """Say whether anything is to be sent."""
        return any(one.replies for one in self.messages.values())


class _Poison(Exception):
    """Handling one message failed; carries which one, so that the others can go on without it."""

    def __init__(self, message_id: int, cause: Exception) -> None:
        super().__init__(message_id)
        self.message_id = message_id
        self.cause = cause


class _Unclear(Exception):
    """Writing out a round failed; nobody knows which of its messages is at fault."""


def drain_some(database: Database, desk: Desk) -> Drained:
    """Handle the oldest waiting messages in one transaction, at most a turn's worth.

    A message that fails rolls the turn back; it is counted and put off, and the rest is handled in
    the next turn, which therefore must come: the failed one counts as handled here.
    """
    try:
        with desk.hands.emptied():
            drained = _drain_together(database, desk)
    except _Poison as poison:
        with database.writing() as session:
            failed = count_failure(session, desk, poison.message_id, logs.name_of(poison.cause))
            drained = Drained({poison.message_id: failed})
    for message_id, one in drained.messages.items():
        _log.info(
            "message_handled", message=message_id, outcome=one.outcome, replies=list(one.replies)
        )
    return drained


def _drain_together(database: Database, desk: Desk) -> Drained:
    try:
        with database.writing() as session:
            return _drain(session, desk, database.turn(), in_rounds)
    except _Unclear:
        # Once more, each message in a round of its own: what fails then is that one's fault.
        with database.writing() as session:
            return _drain(session, desk, database.turn(), _each_alone)


def _each_alone(messages: Iterable[InboundMessage], _most: int) -> Iterable[list[InboundMessage]]:
    return ([message] for message in messages)


def _drain(
    session: Session,
    desk: Desk,
    turn: Turn,
    part: Callable[[Iterable[InboundMessage], int], Iterable[list[InboundMessage]]],
) -> Drained:
    done: dict[int, Handled] = {}
    for some in part(desk.hands.take(_take(session, turn.rows)), turn.rows_a_round):
        if not turn.goes_on():
            break
        done |= _handle(Round(session, desk, some), some, turn)
    return Drained(done)


def _handle(round_: Round, messages: Sequence[InboundMessage], turn: Turn) -> dict[int, Handled]:
    done: dict[int, Handled] = {}
    ids = [message.id for message in messages]  # asked for now: after an error they can tell none
    for message_id, message in zip(ids, messages, strict=True):
        if message.handled_at is not None:
            continue  # a part of a long message that was joined in this very turn
        if not turn.take():
            break
        try:
            done[message_id] = handling.handle(round_, message)
        except UNAVAILABLE:
            raise
        except Exception as error:
            # A job's time-out too: what cannot be handled in a minute would never be.
            raise _Poison(message_id, error) from error
    try:
        handling.end(round_)
    except UNAVAILABLE:
        raise
    except Exception as error:
        if len(ids) == 1:
            raise _Poison(ids[0], error) from error
        raise _Unclear from error
    return done


def is_waiting() -> sa.ColumnElement[bool]:
    """Tell messages that may be handled now."""
    return sa.and_(
        InboundMessage.handled_at.is_(None),
        InboundMessage.set_aside_at.is_(None),
        sa.or_(InboundMessage.handle_after.is_(None), InboundMessage.handle_after <= clock.now()),
    )


def _take(session: Session, most: int) -> list[InboundMessage]:
    """Lock the phones of the oldest waiting messages, and give those phones' messages in order.

    The lock is the phone's, not the row's: a worker that skipped locked rows would handle
    somebody's second text before the first. The rows are read again under the lock, as they may be
    done by now.
    """
    phones = session.scalars(
        sa.select(InboundMessage.phone_id)
        .where(is_waiting())
        .order_by(InboundMessage.id)
        .limit(_LOOK_AT * most)
    ).all()
    ours = try_to_lock(session, "phone", phones, most)
    if not ours:
        return []
    return list(
        session.scalars(
            sa.select(InboundMessage)
            .where(is_waiting(), is_one_of(session, InboundMessage.phone_id, ours))
            .order_by(InboundMessage.id)
            .limit(most)
        )
    )


def count_failure(
    session: Session,
    desk: Desk,
    message_id: int,
    error: str,
    *,
    puts_off_from: int = 1,
    tried: int | None = None,
) -> Handled:
    """Count a failure; after the last try set the message aside and tell its sender it is kept.

    `puts_off_from` is the failure from which on it is put off. `tried` says how many had been
    counted when it was taken in hand: if others were counted since, this one may be among them, and
    is not counted.
    """
    message = session.get_one(InboundMessage, message_id)
    lock_name(session, f"phone:{message.phone_id}")
    session.refresh(message)
    if message.handled_at is not None or message.set_aside_at is not None:
        return Handled("handled_by_another")
    if tried is not None and message.attempts != tried:
        return Handled("counted_by_another")
    message.attempts += 1
    message.last_error = error
    _log.error(
        "handling_failed", message=message.id, attempts=message.attempts, error=message.last_error
    )
    if message.attempts <= len(_TRY_AGAIN):
        if message.attempts >= puts_off_from:
            message.handle_after = clock.now() + _TRY_AGAIN[message.attempts - 1]
        return Handled("put_off")
    message.set_aside_at = clock.now()
    if session.get_one(Phone, message.phone_id).kind is not PhoneKind.MOBILE:
        return Handled("set_aside")
    reply = desk.voice.say("ERR_SISTEM")
    alone = Round(session, desk, [message])
    handling.send_back(alone, message, reply, Told("set_aside"))
    handling.end(alone)
    return Handled("set_aside", (reply.key,))


def next_waiting(session: Session) -> int | None:
    """Name the oldest message that could be handled now."""
    return session.scalars(
        sa.select(InboundMessage.id).where(is_waiting()).order_by(InboundMessage.id).limit(1)
    ).first()


def requeue(session: Session, ids: list[int] | None) -> list[int]:
    """Let messages that were set aside be handled again; say which."""
    query = sa.select(InboundMessage).where(InboundMessage.set_aside_at.is_not(None))
    if ids:
        query = query.where(InboundMessage.id.in_(ids))
    messages = session.scalars(query.order_by(InboundMessage.id)).all()
    for message in messages:
        message.set_aside_at = None
        message.handle_after = None
        message.attempts = 0
    return [message.id for message in messages]

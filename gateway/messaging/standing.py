"""How channels stand with us: which of them rest, and what sends and calls tell of them.

A channel whose credit is out, or whose account is refused, would meet every message with the same:
it rests, and the message that comes after the rest tries it again. Nothing of this fails a message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.accounts import ChannelRules
from gateway.messaging import alarms
from gateway.messaging.channels import LOOPBACK, Channels
from gateway.providers.base import (
    AccountRefused,
    OutOfCredit,
    SendDeferred,
    Throttled,
)
from models.channels import ChannelState
from models.database.locks import lock_name
from models.database.statements import insert_or_count, insert_unless_there
from models.outbox import OutboundMessage
from models.states import AlarmKind, Fault, Lane, MessageStatus

_REST_WITHOUT_CREDIT = timedelta(minutes=15)
_REST_UNREACHABLE = timedelta(minutes=2)
#: A phone lets an app send so many in half an hour; its operator, in an hour.
_REST_AT_LIMIT = timedelta(minutes=30)
_LONGEST_REST = timedelta(hours=2)
#: So many sends in a row that found nobody, and the channel rests.
_FAILURES_TO_REST = 3
#: Shorter than this a channel may be away, as a phone is that starts anew.
DOWN_FOR = timedelta(minutes=5)
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_EAGER = (Lane.URGENT, Lane.REPLY)
#: So often a reply is tried by one channel before another is tried; what is urgent, once.
_TRIES_BY_ONE = 2
#: Of a quota, what follow-ups and bulk leave for urgent messages and replies.
_SHARE_OF_THE_PATIENT = 0.8
#: A channel's signs of life are written down so often at most by a process.
NOTED_EVERY = timedelta(minutes=1)
#: What a channel that sends again is no longer.
_MENDED = (AlarmKind.CREDIT, AlarmKind.ACCOUNT, AlarmKind.UNREACHABLE, AlarmKind.SIM)


@dataclass(frozen=True, slots=True)
class Way:
    """How a message is to leave now."""

    channel: str
    line: str | None
    """Which of the channel's SIMs; None where it has no named ones."""


@dataclass(frozen=True, slots=True)
class Openings:
    """Which channels can take a message now, and by which line, for messages of each patience."""

    channels: Channels
    eager: Mapping[str, str | None]
    """Each channel that takes urgent messages and replies, and its line with most room."""
    patient: Mapping[str, str | None]
    """The same for follow-ups and bulk, which leave a share of the quota to the others."""
    troubled: frozenset[str] = frozenset()
    """Those of which there is something to clear when they send again."""

    def may_leave(self) -> sa.ColumnElement[bool]:
        """Tell messages for which some channel is open; nobody need look at the others now."""
        if self.channels.is_loopback:
            return sa.true()
        is_eager = OutboundMessage.lane.in_(_EAGER)
        return sa.and_(
            sa.not_(sa.and_(is_eager, OutboundMessage.channel.in_(self._stuck(self.eager)))),
            sa.not_(
                sa.and_(sa.not_(is_eager), OutboundMessage.channel.in_(self._stuck(self.patient)))
            ),
        )

    def way(self, message: OutboundMessage, number: str) -> Way | None:
        """Find the channel for a message: its own, else another one; None where none may."""
        if self.channels.is_loopback:
            return Way(message.channel, None)
        is_open = self.eager if message.lane in _EAGER else self.patient
        if message.channel == LOOPBACK and LOOPBACK in self.channels.by_name:
            return Way(LOOPBACK, None)
        own = None
        if message.channel in is_open and message.channel not in message.refused_by:
            own = Way(message.channel, is_open[message.channel])
        if message.is_bound or (own is not None and not _was_tried_enough(message)):
            return own
        shut = {name for name in self.channels.that_send if name not in is_open}
        found = self.channels.instead(message.channel, number, shut | set(message.refused_by))
        return own if found is None else Way(found, is_open[found])

    def _stuck(self, is_open: Mapping[str, str | None]) -> list[str]:
        """Name the channels that are shut while nothing else is open."""
        return [] if is_open else list(self.channels.that_send)


def _was_tried_enough(message: OutboundMessage) -> bool:
    """Say whether a message should try another way: in a quiet village no other one tells of it."""
    return message.attempts >= (1 if message.lane is Lane.URGENT else _TRIES_BY_ONE)


def openings(session: Session, channels: Channels, moment: datetime) -> Openings:
    """Look which channels neither rest nor are full.

    Two workers must not both see the last place of a quota: whoever asks holds it until it commits.
    """
    if channels.is_loopback:
        return Openings(channels, {}, {})
    rows = session.scalars(sa.select(ChannelState)).all()
    resting = {row.channel for row in rows if row.paused_until and row.paused_until > moment}
    down = {row.channel for row in rows if _is_down(row, moment)}
    eager: dict[str, str | None] = {}
    patient: dict[str, str | None] = {}
    for name in channels.that_send:
        if name in resting:
            continue
        rules = channels.rules_of(name)
        used = _used(session, name, moment) if rules.is_bounded else {}
        for lanes, share in ((eager, 1.0), (patient, _SHARE_OF_THE_PATIENT)):
            line, left = _emptiest(rules, used, share)
            if left >= 1:
                lanes[name] = line
    troubled = frozenset(row.channel for row in rows if row.paused_until or row.failures)
    return Openings(channels, _well(eager, down), _well(patient, down), troubled)


def _is_down(state: ChannelState, moment: datetime) -> bool:
    return (
        state.is_up is False and state.up_since is not None and moment - state.up_since >= DOWN_FOR
    )


def _well(is_open: Mapping[str, str | None], down: set[str]) -> Mapping[str, str | None]:
    """Leave out the channels that say of themselves that they are down, if any other is open.

    A modem's program takes messages while its modem is dead: they would lie there.
    """
    return {name: line for name, line in is_open.items() if name not in down} or is_open


def _used(session: Session, channel: str, moment: datetime) -> dict[str | None, tuple[int, int]]:
    """Count what each line of a channel has sent in the last hour and minute, in segments."""
    lock_name(session, f"quota:{channel}")
    in_minute = sa.case(
        (OutboundMessage.claimed_at > moment - _MINUTE, OutboundMessage.segments), else_=0
    )
    rows = session.execute(
        sa.select(
            OutboundMessage.line, sa.func.sum(OutboundMessage.segments), sa.func.sum(in_minute)
        )
        .where(OutboundMessage.channel == channel, OutboundMessage.claimed_at > moment - _HOUR)
        .group_by(OutboundMessage.line)
    )
    return {line: (int(hour), int(minute)) for line, hour, minute in rows}


def _emptiest(
    rules: ChannelRules, used: Mapping[str | None, tuple[int, int]], share: float
) -> tuple[str | None, float]:
    lines: Sequence[str | None] = rules.lines or (None,)

    def left(line: str | None) -> float:
        in_hour, in_minute = used.get(line, (0, 0))
        # At least one: a share of a small quota would let none through, ever.
        hour, minute = (max(1.0, most * share) for most in (rules.per_hour, rules.per_minute))
        return min(hour - in_hour, minute - in_minute)

    best = max(lines, key=left)
    return best, left(best)


def note_failure(session: Session, channel: str, error: SendDeferred) -> None:
    """Let a channel rest, as what a send met is the channel's fault and not the message's."""
    if isinstance(error, Throttled):
        _rest(session, channel, min(error.rest, _LONGEST_REST), "throttled")
    elif isinstance(error, OutOfCredit):
        _rest(session, channel, _REST_WITHOUT_CREDIT, "credit")
        alarms.raise_alarm(session, AlarmKind.CREDIT, channel, str(error))
    elif isinstance(error, AccountRefused):
        _rest(session, channel, _REST_WITHOUT_CREDIT, "account")
        alarms.raise_alarm(session, AlarmKind.ACCOUNT, channel, str(error))
    else:
        insert_or_count(
            session,
            ChannelState,
            {"channel": channel, "failures": 1},
            ["channel"],
            "failures",
        )
        state = session.get_one(ChannelState, channel, populate_existing=True)
        if state.failures >= _FAILURES_TO_REST:
            _rest(session, channel, _REST_UNREACHABLE, "unreachable")
            alarms.raise_alarm(session, AlarmKind.UNREACHABLE, channel, str(error))


def note_fault(session: Session, channel: str, fault: Fault, said: str) -> None:
    """Let a channel rest that took messages and did not send them, or tell that its SIM is ill.

    Called when what became of the message is written down: the last ones of the channel count.
    """
    session.flush()
    if fault is Fault.THROTTLED:
        _rest(session, channel, _REST_AT_LIMIT, "throttled")
        return
    latest = session.scalars(
        sa.select(OutboundMessage.status)
        .where(OutboundMessage.channel == channel, OutboundMessage.claimed_at.is_not(None))
        .order_by(OutboundMessage.claimed_at.desc())
        .limit(_FAILURES_TO_REST)
    ).all()
    unsent = {MessageStatus.QUEUED, MessageStatus.FAILED}
    if len(latest) == _FAILURES_TO_REST and set(latest) <= unsent:
        _rest(session, channel, _REST_WITHOUT_CREDIT, "sim")
        alarms.raise_alarm(session, AlarmKind.SIM, channel, said)


def note_success(session: Session, channel: str) -> None:
    """Take a channel that was in trouble as well again."""
    session.execute(
        sa.update(ChannelState)
        .where(ChannelState.channel == channel)
        .values(paused_until=None, pause_reason=None, failures=0)
    )
    alarms.clear(session, channel, *_MENDED)


def resume(session: Session, channel: str) -> bool:
    """End a channel's rest and all its alarms by a person's word; say whether it rested."""
    state = session.get(ChannelState, channel)
    was_resting = state is not None and state.paused_until is not None
    note_success(session, channel)
    alarms.clear(session, channel, *AlarmKind)
    return was_resting


def note_heard(session: Session, channel: str, *, with_message: bool) -> None:
    """Write down that a channel called us, or answered."""
    make_row(session, channel)
    moment = clock.now()
    values = {"heard_at": moment, **({"inbound_at": moment} if with_message else {})}
    session.execute(sa.update(ChannelState).where(ChannelState.channel == channel).values(**values))
    if with_message:
        alarms.clear(session, channel, AlarmKind.DEAF)


def _rest(session: Session, channel: str, rest: timedelta, reason: str) -> None:
    make_row(session, channel)
    session.execute(
        sa.update(ChannelState)
        .where(ChannelState.channel == channel)
        .values(paused_until=clock.now() + rest, pause_reason=reason)
    )


def make_row(session: Session, channel: str) -> None:
    """Make a channel's row, if it is not there."""
    insert_unless_there(
        session, ChannelState, {"channel": channel, "failures": 0}, ChannelState.channel
    )

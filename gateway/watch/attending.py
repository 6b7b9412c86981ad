"""Attending to one channel: asking it for what its webhook missed, and how it is.

Each channel is attended to by itself, so that one that hangs keeps no other waiting, and no row
that waits in the database either.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock, logs
from gateway.accounts import ChannelRules
from gateway.clock import Timetable
from gateway.identity import Directory
from gateway.messaging import alarms, receiving, standing
from gateway.messaging.channels import Channels
from gateway.providers.base import (
    Health,
    NotReached,
    Polled,
    PolledProvider,
    Provider,
    WatchedProvider,
)
from models.channels import ChannelState
from models.database.engine import Database
from models.inbox import PollCursor
from models.states import AlarmKind

_log = logs.logger()

HEALTH_EVERY = timedelta(minutes=1)
#: What is older than this is left out when a channel is read for the first time.
_FIRST_READ = timedelta(days=2)
_WEAK_SIGNAL = 10
_LOW_BATTERY = 20
_LONG_BACKLOG = 100
_OF_HEALTH = (AlarmKind.DOWN, AlarmKind.SIGNAL, AlarmKind.BATTERY, AlarmKind.BACKLOG)


def poll(
    database: Database, directory: Directory, channels: Channels, provider: PolledProvider
) -> list[int]:
    """Ask a channel for what is new, keep it, and give the new messages to ring for.

    Raises NotReached where it does not answer: the next poll brings what this one did not.
    """
    name = provider.name
    with database.reading() as session:
        cursor = receiving.poll_cursor(session, name)
    since, mark = cursor.since if cursor else None, _mark(cursor)
    begun_at = cursor.begun_at if cursor else clock.now()
    polled = provider.poll(since)
    if provider.inbox_keeps_old:
        polled = _without_old(polled, name, begun_at - _FIRST_READ)
    if not polled.brings_anything(since):
        return []
    with database.writing() as session:
        if _mark(receiving.poll_cursor(session, name)) != mark:
            # By another sweeper, while this one was stopped: from its mark the next poll goes on.
            _log.warning("polled_by_another", channel=name)
            return []
        accepted = receiving.accept_polled(
            session,
            directory,
            name,
            polled,
            clock.now(),
            channels,
        )
        if accepted:
            standing.note_heard(session, name, with_message=True)
    try:
        provider.kept(polled)
    except NotReached as error:
        # It brings the same again, which is recognised; what was accepted is handled now.
        _log.warning("poll_not_noted", channel=name, error=str(error))
    return accepted


def _mark(cursor: PollCursor | None) -> tuple[str, datetime] | None:
    return (cursor.since, cursor.polled_at) if cursor else None


def _without_old(polled: Polled, channel: str, oldest: datetime) -> Polled:
    """Leave out what was old when the channel was read for the first time.

    An inbox that was in use before us holds what somebody else has long answered: it would all be
    reported anew.
    """
    messages = polled.intake.messages
    kept = tuple(one for one in messages if one.network_time is None or one.network_time >= oldest)
    if len(kept) < len(messages):
        _log.warning("old_messages_left_out", channel=channel, messages=len(messages) - len(kept))
    return replace(polled, intake=replace(polled.intake, messages=kept))


def look_after(database: Database, channels: Channels, provider: WatchedProvider) -> None:
    """Ask a channel how it is, keep what it says, and raise or clear the alarms about it."""
    try:
        health = provider.health()
    except NotReached as error:
        health = Health(is_up=False, says=str(error))
    moment = clock.now()
    with database.writing() as session:
        since = _keep(session, provider.name, health, moment)
        wrong = dict(_what_is_wrong(health, moment - since))
        _judge_balance(session, provider.name, health, channels.rules_of(provider.name))
        for kind, says in wrong.items():
            alarms.raise_alarm(session, kind, provider.name, says)
        mended = [kind for kind in _OF_HEALTH if kind not in wrong]
        alarms.clear(session, provider.name, *mended)


def attend(
    database: Database,
    directory: Directory,
    channels: Channels,
    provider: Provider,
    timetable: Timetable,
) -> list[int]:
    """Do what is due for one channel; give the new messages to ring for."""
    accepted: list[int] = []
    if isinstance(provider, PolledProvider) and timetable.is_due(
        f"poll {provider.name}", provider.poll_every
    ):
        try:
            accepted = poll(database, directory, channels, provider)
        except NotReached as error:
            _log.warning("poll_failed", channel=provider.name, error=str(error))
    if isinstance(provider, WatchedProvider) and timetable.is_due(
        f"health {provider.name}", HEALTH_EVERY
    ):
        look_after(database, channels, provider)
    return accepted


def _keep(session: Session, channel: str, health: Health, moment: datetime) -> datetime:
    """Write down what a channel says; give since when it has been up, or down."""
    standing.make_row(session, channel)
    state = session.get_one(ChannelState, channel, populate_existing=True)
    if state.is_up is not health.is_up or state.up_since is None:
        state.up_since = moment
    state.asked_at = moment
    state.is_up = health.is_up
    state.says = health.says[:200]
    if health.is_up:
        state.signal = health.signal
        state.battery = health.battery
        state.balance = health.balance
        state.backlog = health.backlog
    return state.up_since


def _what_is_wrong(health: Health, so_for: timedelta) -> list[tuple[AlarmKind, str]]:
    if not health.is_up:
        return [(AlarmKind.DOWN, health.says)] if so_for >= standing.DOWN_FOR else []
    wrong = []
    if health.signal is not None and health.signal < _WEAK_SIGNAL:
        wrong.append((AlarmKind.SIGNAL, f"signal {health.signal} %"))
    if health.battery is not None and health.battery < _LOW_BATTERY:
        wrong.append((AlarmKind.BATTERY, f"battery {health.battery} %"))
    if health.backlog is not None and health.backlog > _LONG_BACKLOG:
        wrong.append((AlarmKind.BACKLOG, f"{health.backlog} messages wait there"))
    return wrong


def _judge_balance(session: Session, channel: str, health: Health, rules: ChannelRules) -> None:
    """Raise or clear the alarm of a low balance; one that cannot be read is none."""
    digits = "".join(one for one in health.balance or "" if one.isdigit() or one == ".")
    if not rules.low_balance or not digits.strip("."):
        return
    try:
        is_low = float(digits) < rules.low_balance
    except ValueError:
        return
    if is_low:
        says = f"the balance is {health.balance}"
        alarms.raise_alarm(session, AlarmKind.CREDIT, channel, says)
    else:
        alarms.clear(session, channel, AlarmKind.CREDIT)


def look_for_deaf(
    session: Session, channels: Channels, deaf_after: timedelta, watched_since: datetime
) -> None:
    """Raise an alarm for each channel that once brought messages and has brought none for too long.

    A phone whose chats have moved to another service looks well and calls us, and brings nothing
    any more. While nobody watched, nothing could come: those hours do not count.
    """
    moment = clock.now()
    if not deaf_after or moment - watched_since < deaf_after:
        return
    silent = session.scalars(
        sa.select(ChannelState.channel).where(
            ChannelState.inbound_at < moment - deaf_after,
            ChannelState.channel.in_(channels.that_send),
        )
    ).all()
    hours = deaf_after.total_seconds() / 3600
    for channel in silent:
        says = f"no message came by it for {hours:g} hours"
        alarms.raise_alarm(session, AlarmKind.DEAF, channel, says)

"""How every channel is, in one place: for `timpora channels`, the doctor and the figures."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.messaging import alarms, canaries
from gateway.messaging.channels import Channels
from models.channels import ChannelState
from models.outbox import OutboundMessage
from models.states import MessageStatus

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One channel as it is now; None for what is not known of it."""

    channel: str
    sends: bool
    is_default: bool
    resting_until: datetime | None
    resting_for: str | None
    """Why it rests: credit, account, throttled, unreachable."""
    is_up: bool | None
    says: str | None
    signal: int | None
    battery: int | None
    balance: str | None
    backlog: int | None
    """What the provider has taken and not sent yet."""
    waiting: int
    """What waits with us to leave by it."""
    sent_last_hour: int
    """Segments."""
    heard_at: datetime | None
    last_inbound_at: datetime | None
    last_outbound_at: datetime | None
    canary_back_at: datetime | None
    canary_seconds: float | None
    alarms: tuple[tuple[str, str], ...]
    """The kind of each open alarm, and what it says."""

    @property
    def is_well(self) -> bool:
        """Say whether nothing is wrong with it."""
        return not self.alarms and self.resting_until is None and self.is_up is not False


def overview(session: Session, channels: Channels) -> list[ChannelView]:
    """Look at all channels, in the order of their names."""
    states = {state.channel: state for state in session.scalars(sa.select(ChannelState))}
    moment = clock.now()
    waiting = _waiting(session)
    open_ = alarms.open_alarms(session)
    views = []
    for name, provider in sorted(channels.by_name.items()):
        state = states.get(name) or ChannelState(channel=name)
        rests = state.paused_until is not None and state.paused_until > moment
        back = canaries.last_round(session, name)
        views.append(
            ChannelView(
                channel=name,
                sends=provider.can_send,
                is_default=name == channels.default,
                resting_until=state.paused_until if rests else None,
                resting_for=state.pause_reason if rests else None,
                is_up=state.is_up,
                says=state.says,
                signal=state.signal,
                battery=state.battery,
                balance=state.balance,
                backlog=state.backlog,
                waiting=waiting.get(name, 0),
                sent_last_hour=_sent(session, name, moment - _HOUR),
                heard_at=state.heard_at,
                last_inbound_at=state.inbound_at,
                last_outbound_at=_last_outbound(session, name),
                canary_back_at=back[0] if back else None,
                canary_seconds=back[1].total_seconds() if back else None,
                alarms=tuple((one.kind.value, one.says) for one in open_ if one.subject == name),
            )
        )
    return views


def _waiting(session: Session) -> dict[str, int]:
    rows = session.execute(
        sa.select(OutboundMessage.channel, sa.func.count())
        .where(OutboundMessage.status == MessageStatus.QUEUED)
        .group_by(OutboundMessage.channel)
    )
    return {channel: number for channel, number in rows}  # noqa: C416  # a Result has keys


def _sent(session: Session, channel: str, since: datetime) -> int:
    """Count segments; channel by channel, as only so an index finds them."""
    return (
        session.scalar(
            sa.select(sa.func.sum(OutboundMessage.segments)).where(
                OutboundMessage.channel == channel, OutboundMessage.claimed_at > since
            )
        )
        or 0
    )


def _last_outbound(session: Session, channel: str) -> datetime | None:
    return session.scalars(
        sa.select(OutboundMessage.claimed_at)
        .where(OutboundMessage.channel == channel, OutboundMessage.claimed_at.is_not(None))
        .order_by(OutboundMessage.claimed_at.desc())
        .limit(1)
    ).first()

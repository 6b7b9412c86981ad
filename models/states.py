"""Every state of a report and status of a message, and every legal move between them.

Late and repeated events ask for moves that are not listed; they are ignored, so that a delivery
report that comes twice, or after a better one, changes nothing.
"""

from collections.abc import Mapping
from enum import StrEnum


class ReportState(StrEnum):
    """Where a report stands in the SOP."""

    DRAFT = "draft"
    RECEIVED = "received"
    NOTIFIED = "notified"
    TAKEN = "taken"
    VERIFIED = "verified"
    ACTED = "acted"
    CLOSED = "closed"
    INVALID = "invalid"
    DUPLICATE = "duplicate"


class MessageStatus(StrEnum):
    """What has become of an outgoing message."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    EXPIRED = "expired"


class Lane(StrEnum):
    """Which outgoing messages go first: declared in that order."""

    URGENT = "urgent"
    REPLY = "reply"
    FOLLOW_UP = "follow_up"
    BULK = "bulk"


class AlarmKind(StrEnum):
    """What may be wrong with a channel, or with a phone that texts us."""

    CREDIT = "credit"
    ACCOUNT = "account"
    UNREACHABLE = "unreachable"
    DOWN = "down"
    DEAF = "deaf"
    SIM = "sim"
    SIGNAL = "signal"
    BATTERY = "battery"
    BACKLOG = "backlog"
    CANARY = "canary"
    FLOOD = "flood"
    LOCKOUT = "lockout"
    DESTINATION = "destination"


class Fault(StrEnum):
    """Why a message that a provider had taken did not leave after all."""

    THROTTLED = "throttled"
    """Too many in this hour: it was not sent, and may be later."""
    SIM = "sim"
    """The SIM did not send it: mostly no credit, or no signal."""


_R = ReportState
#: From each state, where a report may go next.
REPORT_MOVES: Mapping[ReportState, frozenset[ReportState]] = {
    _R.DRAFT: frozenset({_R.RECEIVED, _R.CLOSED, _R.INVALID}),
    _R.RECEIVED: frozenset({_R.NOTIFIED, _R.CLOSED, _R.INVALID, _R.DUPLICATE}),
    _R.NOTIFIED: frozenset({_R.TAKEN, _R.CLOSED, _R.INVALID, _R.DUPLICATE}),
    _R.TAKEN: frozenset({_R.NOTIFIED, _R.VERIFIED, _R.INVALID, _R.DUPLICATE}),
    _R.VERIFIED: frozenset({_R.ACTED, _R.CLOSED, _R.INVALID, _R.DUPLICATE}),
    _R.ACTED: frozenset({_R.CLOSED}),
    # A report that there is nothing is closed at once, and its sender may still withdraw it.
    _R.CLOSED: frozenset({_R.INVALID}),
    _R.INVALID: frozenset(),
    _R.DUPLICATE: frozenset(),
}

_M = MessageStatus
#: From each status, where an outgoing message may go next. `sent` never overwrites a final status;
#: one that was never confirmed is settled by a person, or by the answer that comes after all.
MESSAGE_MOVES: Mapping[MessageStatus, frozenset[MessageStatus]] = {
    _M.QUEUED: frozenset({_M.SENDING, _M.EXPIRED, _M.FAILED}),
    _M.SENDING: frozenset({_M.SENT, _M.QUEUED, _M.FAILED, _M.UNCONFIRMED}),
    # Back to the queue only where the channel says after all that it did not send it, and may.
    _M.SENT: frozenset({_M.DELIVERED, _M.FAILED, _M.QUEUED}),
    _M.UNCONFIRMED: frozenset({_M.SENT, _M.DELIVERED, _M.FAILED, _M.QUEUED}),
    _M.DELIVERED: frozenset(),
    _M.FAILED: frozenset(),
    _M.EXPIRED: frozenset(),
}


def may_move(now: ReportState, then: ReportState) -> bool:
    """Say whether a report may go from one state to the other."""
    return then in REPORT_MOVES[now]


def may_become(now: MessageStatus, then: MessageStatus) -> bool:
    """Say whether an outgoing message may go from one status to the other."""
    return then in MESSAGE_MOVES[now]

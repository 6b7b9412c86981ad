"""How the gateway is: for the one who runs it, and for the machines that watch it."""

import hmac
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from flask import Blueprint, Response, jsonify, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from gateway import clock, current
from gateway.listing import INBOUND_STATUSES
from gateway.messaging import alarms
from gateway.messaging.channels import Channels
from gateway.watch.leader import leader
from gateway.watch.overview import ChannelView, overview
from gateway.wiring import Wiring
from models import revisions
from models.database.engine import UNAVAILABLE
from models.inbox import InboundMessage, Quarantined
from models.outbox import OutboundMessage
from models.states import MessageStatus

blueprint = Blueprint("health", __name__)

#: Less room than this and nothing more is taken in: better a provider that sends again than a
#: database that cannot write.
ROOM_NEEDED = 50 * 1024 * 1024


@blueprint.get("/healthz")
def healthz() -> Response:
    """Say that the process is up."""
    return jsonify(status="up")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Say whether messages can be taken; Redis is shown, not required."""
    office = current.office()
    checks = {
        "database": _database_state(office),
        "data_dir": _room_state(office),
    }
    is_ready = all(state in {"ok", "newer"} for state in checks.values())
    redis = "ok" if office.doorbell.is_up() else "down"
    return jsonify(ready=is_ready, **checks, redis=redis), 200 if is_ready else 503


def _database_state(office: Wiring) -> str:
    try:
        current = revisions.current(office.database)
    except UNAVAILABLE:
        return "unreachable"
    if revisions.is_newer(current):
        return "newer"
    return "ok" if current == revisions.newest() else "schema is not current"


def _room_state(office: Wiring) -> str:
    data_dir = office.settings.data_dir
    if not os.access(data_dir, os.W_OK):
        return "not writable"
    return "ok" if shutil.disk_usage(data_dir).free > ROOM_NEEDED else "full"


@blueprint.get("/metrics")
def metrics() -> Response:
    """Give the figures in Prometheus' text form, to this machine or to who has the token."""
    office = current.office()
    if not _may_see_figures(office):
        return Response(status=404)
    registry = CollectorRegistry()
    registry.register(_Figures(office))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_see_figures(office: Wiring) -> bool:
    """Let in who has the token; without one set, this machine, unless a proxy on it asks."""
    token = office.settings.metrics_token
    if token is None:
        is_proxied = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
        return request.remote_addr in {"127.0.0.1", "::1"} and not is_proxied
    given = request.headers.get("Authorization", "").encode()
    return hmac.compare_digest(given, f"Bearer {token}".encode())


class _Figures(Collector):
    """Backlog and ages, read from the database when asked."""

    def __init__(self, office: Wiring) -> None:
        self._office = office

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read and give all figures."""
        with self._office.database.reading() as session:
            yield _gauge(
                "timpora_inbox_waiting",
                "Messages not handled yet, those put off among them",
                _count(session, INBOUND_STATUSES["waiting"]),
            )
            yield _gauge(
                "timpora_inbox_oldest_seconds",
                "Age of the oldest message not handled yet",
                _age(
                    session.scalar(
                        sa.select(sa.func.min(InboundMessage.received_at)).where(
                            INBOUND_STATUSES["waiting"]
                        )
                    )
                ),
            )
            yield _gauge(
                "timpora_inbox_set_aside",
                "Messages that could not be handled",
                _count(session, InboundMessage.set_aside_at.is_not(None)),
            )
            yield _gauge(
                "timpora_quarantine",
                "Requests of the last 30 days that could not be read",
                session.scalar(
                    sa.select(sa.func.count())
                    .select_from(Quarantined)
                    .where(Quarantined.received_at > clock.now() - timedelta(days=30))
                )
                or 0,
            )
            yield _by_status(
                "timpora_outbox",
                "Outgoing messages that have not left, or perhaps not",
                {status: _count_outgoing(session, status) for status in _OPEN},
            )
            yield _by_status(
                "timpora_outbox_last_hour",
                "Outgoing messages last tried within the hour, by what has become of them",
                _tried_since(session, self._office.channels, clock.now() - timedelta(hours=1)),
            )
            yield _gauge(
                "timpora_outbox_oldest_seconds",
                "Age of the oldest message not sent yet",
                _age(
                    session.scalar(
                        sa.select(sa.func.min(OutboundMessage.created_at)).where(
                            OutboundMessage.status == MessageStatus.QUEUED
                        )
                    )
                ),
            )
            yield from _of_channels(overview(session, self._office.channels))
            open_ = GaugeMetricFamily(
                "timpora_alarms", "Open alarms by kind and channel", labels=["kind", "subject"]
            )
            for alarm in alarms.open_alarms(session):
                open_.add_metric([alarm.kind.value, alarm.subject], 1)
            yield open_
        is_led = leader(self._office.database) is not None
        yield _gauge("timpora_sweeper_leads", "Some sweeper leads", int(is_led))
        yield _gauge("timpora_redis_up", "Redis answers", int(self._office.doorbell.is_up()))


#: What has not ended. Each of these has an index of its own: what has ended is never counted, as it
#: is all that was ever sent.
_OPEN = (MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.UNCONFIRMED)


def _count_outgoing(session: Session, status: MessageStatus) -> int:
    of_status = sa.select(sa.func.count()).where(OutboundMessage.status == status)
    return session.scalar(of_status) or 0


def _tried_since(
    session: Session, channels: Channels, since: datetime
) -> Mapping[MessageStatus, int]:
    rows = session.execute(
        sa.select(OutboundMessage.status, sa.func.count())
        .where(
            OutboundMessage.channel.in_(sorted(channels.by_name)),
            OutboundMessage.claimed_at > since,
        )
        .group_by(OutboundMessage.status)
    )
    found = {status: count for status, count in rows}  # noqa: C416  # a Result has keys
    return {status: found.get(status, 0) for status in MessageStatus}


def _by_status(name: str, what: str, counts: Mapping[MessageStatus, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=["status"])
    for status, count in counts.items():
        family.add_metric([status.value], count)
    return family


#: What is told of each channel: the figure's name, what it means, and where it stands.
_OF_A_CHANNEL: tuple[tuple[str, str, Callable[[ChannelView], float | None]], ...] = (
    ("up", "It answers (1) or not (0)", lambda view: view.is_up),
    ("resting", "Nothing is sent by it for now", lambda view: view.resting_until is not None),
    ("signal_percent", "Signal", lambda view: view.signal),
    ("battery_percent", "Battery", lambda view: view.battery),
    ("provider_backlog", "Messages that it took and has not sent", lambda view: view.backlog),
    ("waiting", "Messages that wait to leave by it", lambda view: view.waiting),
    ("sent_last_hour", "Segments sent in the last hour", lambda view: view.sent_last_hour),
    ("heard_seconds", "Since it last called us", lambda view: _since(view.heard_at)),
    ("inbound_seconds", "Since its last message came in", lambda v: _since(v.last_inbound_at)),
    ("outbound_seconds", "Since its last message left", lambda v: _since(v.last_outbound_at)),
    ("canary_seconds", "How long its last canary took", lambda view: view.canary_seconds),
)


def _of_channels(views: Sequence[ChannelView]) -> Iterator[GaugeMetricFamily]:
    """Give each figure for the channels that know it."""
    for name, what, value_of in _OF_A_CHANNEL:
        family = GaugeMetricFamily(f"timpora_channel_{name}", what, labels=["channel"])
        for view in views:
            value = value_of(view)
            if value is not None:
                family.add_metric([view.channel], float(value))
        yield family


def _since(moment: datetime | None) -> float | None:
    return None if moment is None else _age(moment)


def _gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=value)


def _count(session: Session, which: sa.ColumnElement[bool]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(InboundMessage).where(which)) or 0


def _age(moment: datetime | None) -> float:
    return (clock.now() - moment).total_seconds() if moment else 0.0

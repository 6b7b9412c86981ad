"""The outbox of a test: puts messages in, and looks at what became of them."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from support.payloads import phone

from gateway import clock
from gateway.identity import Directory
from gateway.messaging import deliveries, sending
from gateway.messaging.channels import Channels
from gateway.messaging.sending import deliver_some
from gateway.providers.base import ReportedDelivery
from models.channels import Alarm, ChannelState
from models.database.engine import Database
from models.outbox import DeliveryReport, OutboundMessage
from models.states import AlarmKind, Lane, MessageStatus
from parsers import msisdn


class Outbox:
    """Queues messages to new phones, and looks at what became of them."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self.database = database
        self._directory = directory
        self._numbers = 0

    def queue(self, text: str = "Terima kasih.", number: str = "", **fields: Any) -> int:
        """Queue a message, to a new phone unless a number is given."""
        self._numbers += 1
        plain = {
            "channel": "africastalking",
            "reply_key": "OK_WNA",
            "lane": Lane.REPLY,
            "counted_from": datetime.now(UTC),
        }
        with self.database.writing() as session:
            sender = msisdn.read_sender(number or phone(self._numbers))
            to = self._directory.phone(session, sender)
            message = sending.queue(session, phone_id=to.id, text=text, **(plain | fields))
            session.flush()
            return message.id

    def get(self, message_id: int) -> OutboundMessage:
        with self.database.reading() as session:
            return session.get_one(OutboundMessage, message_id)

    def statuses(self) -> Mapping[MessageStatus, int]:
        with self.database.reading() as session:
            return Counter(session.scalars(sa.select(OutboundMessage.status)))

    def change(self, message_id: int, **values: Any) -> None:
        with self.database.writing() as session:
            session.execute(
                sa.update(OutboundMessage).where(OutboundMessage.id == message_id).values(values)
            )

    def let_time_pass(self, message_id: int) -> None:
        """Make a message that waits for its next attempt due, and end its channel's rest."""
        self.change(message_id, next_attempt_at=datetime.now(UTC) - timedelta(seconds=1))
        self.let_rest_end()

    def let_rest_end(self) -> None:
        """End the rest of every channel, as time would."""
        with self.database.writing() as session:
            session.execute(sa.update(ChannelState).values(paused_until=clock.now()))

    def report(
        self, given_id: str, status: MessageStatus | None, raw: str = "", reason: str = ""
    ) -> None:
        """Record a delivery report in a transaction of its own, as the webhook does."""
        said = raw or (status.value if status else "Unheard")
        with self.database.writing() as session:
            deliveries.record(
                session, "africastalking", ReportedDelivery(given_id, said, reason, status)
            )

    def reports(self) -> list[DeliveryReport]:
        with self.database.reading() as session:
            return list(session.scalars(sa.select(DeliveryReport).order_by(DeliveryReport.id)))

    def state(self, channel: str = "africastalking") -> ChannelState | None:
        with self.database.reading() as session:
            return session.get(ChannelState, channel)

    def alarms(self) -> list[tuple[AlarmKind, str]]:
        """List what is wrong now."""
        with self.database.reading() as session:
            rows = session.scalars(sa.select(Alarm).where(Alarm.cleared_at.is_(None)))
            return [(row.kind, row.subject) for row in rows]


def drain(database: Database, channels: Channels) -> None:
    """Send what is due, as a worker does."""
    while deliver_some(database, channels):
        pass

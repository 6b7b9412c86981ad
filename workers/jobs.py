"""The jobs: woken for one row, they do what waits in short transactions, and ring for the rest.

Each is safe to run twice and safe to lose: the row says whether it is done, and the sweeper rings
again for a row that is late.
"""

import time
from functools import cache

from gateway import logs
from gateway.messaging import sending
from gateway.messaging.queues import Job
from gateway.reporting import draining
from gateway.settings import read_settings
from gateway.wiring import Wiring, wire
from models.database.engine import UNAVAILABLE

_log = logs.logger()

#: A job goes on while rows wait, but gives the worker back after so many seconds, so that a stop is
#: obeyed and the other queue gets its turn; it rings for the rest.
_LONGEST_DRAIN = 5.0


class Pace:
    """Says how long a job may go on: not past its time, and not past the wish to stop."""

    is_stopping = False

    def __init__(self) -> None:
        """Begin now."""
        self._until = time.monotonic() + _LONGEST_DRAIN

    @property
    def is_over(self) -> bool:
        """Say whether the job is to end after what it is doing."""
        return self.is_stopping or time.monotonic() >= self._until


@cache
def wiring() -> Wiring:
    """Give this process's wiring, made at its first job."""
    return wire(read_settings())


def validate_message(message_id: int) -> None:
    """Handle the message with this id and what else waits in the inbox."""
    office = wiring()
    office.doorbell.answered(Job.VALIDATE_MESSAGE)
    pace = Pace()
    try:
        while (drained := draining.drain_some(office.database, office.desk)).handled:
            if drained.is_reply_due:
                office.doorbell.ring(Job.SEND_MESSAGE, message_id)
            if pace.is_over:
                office.doorbell.ring(Job.VALIDATE_MESSAGE, message_id)
                return
    except UNAVAILABLE as error:
        _log.error("database_unavailable", job="validate_message", error=type(error).__name__)


def send_message(message_id: int) -> None:
    """Send the message with this id and what else waits in the outbox."""
    office = wiring()
    office.doorbell.answered(Job.SEND_MESSAGE)
    pace = Pace()
    try:
        while sending.deliver_some(office.database, office.channels):
            if pace.is_over:
                office.doorbell.ring(Job.SEND_MESSAGE, message_id)
                return
    except UNAVAILABLE as error:
        _log.error("database_unavailable", job="send_message", error=type(error).__name__)

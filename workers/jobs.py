"""The jobs: woken for one row, they do what waits in short transactions, and ring for the rest.

Each is safe to run twice and safe to lose: the row says whether it is done, and the sweeper rings
again for a row that is late.
"""

import time
from collections.abc import Callable
from functools import cache

from gateway import logs
from gateway.messaging import sending
from gateway.messaging.queues import Job
from gateway.reporting import draining
from gateway.settings import read_settings
from gateway.wiring import Wiring, wire
from models.database.engine import UNAVAILABLE
from workers.stopping import own_stop

_log = logs.logger()

#: A job goes on while rows wait, but gives the worker back after so many seconds, so that a stop is
#: obeyed and the other queue gets its turn; it rings for the rest.
_LONGEST_DRAIN = 5.0


class Pace:
    """Says how long a job may go on: not past its time, and not past the wish to stop."""

    def __init__(self) -> None:
        """Begin now."""
        self._until = time.monotonic() + _LONGEST_DRAIN

    @property
    def is_over(self) -> bool:
        """Say whether the job is to end after what it is doing."""
        return own_stop().is_asked or time.monotonic() >= self._until


@cache
def wiring() -> Wiring:
    """Give this process's wiring, made at its first job."""
    return wire(read_settings())


def validate_message(message_id: int) -> None:
    """Handle the message with this id and what else waits in the inbox."""
    office = wiring()

    def handle() -> bool:
        drained = draining.drain_some(office.database, office.desk)
        if drained.is_reply_due:
            office.doorbell.ring(Job.SEND_MESSAGE, message_id)
        return bool(drained.handled)

    _while_any_waits(Job.VALIDATE_MESSAGE, message_id, handle)


def send_message(message_id: int) -> None:
    """Send the message with this id and what else waits in the outbox."""
    office = wiring()

    def send() -> bool:
        return sending.deliver_some(office.database, office.channels)

    _while_any_waits(Job.SEND_MESSAGE, message_id, send)


def _while_any_waits(job: Job, row_id: int, take_some: Callable[[], bool]) -> None:
    """Take what waits, turn after turn, until nothing does or the time is over.

    The bell is cleared when nothing is left, and then it is looked once more. While much comes in,
    one ring so lasts for all of it, and costs no job for each turn.
    """
    doorbell, pace = wiring().doorbell, Pace()
    is_cleared = False
    try:
        while True:
            if not take_some():
                if is_cleared:
                    return
                doorbell.answered(job)
                is_cleared = True
            elif pace.is_over:
                doorbell.answered(job)
                doorbell.ring(job, row_id)
                return
    except UNAVAILABLE as error:
        _log.error("database_unavailable", job=job.name.lower(), error=type(error).__name__)

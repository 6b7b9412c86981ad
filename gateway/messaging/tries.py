"""When a message that did not leave is tried again, and when it has been tried often enough."""

import random
from datetime import datetime, timedelta

from models.outbox import OutboundMessage
from models.states import MessageStatus

#: After a deferred send, when to try again; then it has failed. Days in the hills are long: people
#: come back to a signal after hours.
BACKOFF = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 120, 240, 480))


def is_last(message: OutboundMessage) -> bool:
    """Say whether a message has had all its tries."""
    return message.attempts > len(BACKOFF)


def defer(message: OutboundMessage, moment: datetime) -> None:
    """Put back a message that surely did not leave, with a delay that grows; then let it fail."""
    if is_last(message):
        message.become(MessageStatus.FAILED)
        return
    wait = BACKOFF[message.attempts - 1]
    message.become(MessageStatus.QUEUED)
    # Jitter: after an outage the whole queue must not come back in one second.
    message.next_attempt_at = moment + wait * random.uniform(0.8, 1.2)  # noqa: S311

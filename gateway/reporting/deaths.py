"""Counting the sudden deaths of workers against the messages that they had in hand."""

from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from gateway import logs
from gateway.reporting import draining, hands
from gateway.reporting.desk import Desk
from models.database.engine import Database
from models.inbox import InboundMessage

_log = logs.logger()

#: What stands as the error of a message in whose hands a worker died.
KILLED = "the worker died while it had this message in hand"


def count(database: Database, desk: Desk, folder: Path) -> int:
    """Count each message that a dead worker of this machine had in hand; say how many there were.

    The first time may be nobody's fault: an operator, the power, or the message beside it. So it
    is not put off, and its sender's next one stays behind it; but it is handled alone from then on,
    and whoever dies again had only the guilty one in hand.
    """
    found = 0
    with closing(hands.of_the_dead(folder)) as dead:
        for held in dead:
            if held.messages:
                _log.error("worker_died", messages=list(held.messages))
            for message_id in held.messages:
                found += _count_one(database, desk, message_id)
                # One at a time, as the database may go away in the midst of them: counted twice for
                # one death, a message would be put off, and its sender's next one overtake it.
                held.cross_off(message_id)
    return found


def _count_one(database: Database, desk: Desk, message_id: int) -> bool:
    with database.writing() as session:
        is_waiting = session.scalar(
            sa.select(InboundMessage.handled_at.is_(None)).where(InboundMessage.id == message_id)
        )
        if not is_waiting:
            return False  # its turn was committed before the death, or it is of another database
        draining.count_failure(session, desk, message_id, KILLED, puts_off_first=False)
        return True

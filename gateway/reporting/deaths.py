"""Counting the sudden deaths of workers against the messages that they had in hand."""

from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from gateway import logs
from gateway.reporting import draining, hands
from gateway.reporting.desk import Desk
from gateway.reporting.hands import InHand
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
            if held:
                _log.error("worker_died", messages=[one.id for one in held])
            for one in held:
                found += _count_one(database, desk, one)
    return found


def _count_one(database: Database, desk: Desk, held: InHand) -> bool:
    with database.writing() as session:
        attempts = session.scalar(
            sa.select(InboundMessage.attempts).where(
                InboundMessage.id == held.id,
                InboundMessage.handled_at.is_(None),
                InboundMessage.set_aside_at.is_(None),
            )
        )
        # Its turn was committed before the death; or it is of another database; or somebody stopped
        # in the midst of this note, who had counted it. Counted again for one death it would be put
        # off, and its sender's next one overtake it.
        if attempts != held.attempts:
            return False
        draining.count_failure(session, desk, held.id, KILLED, puts_off_first=False)
        return True

"""Counting the sudden deaths of workers against the messages that they had in hand."""

from contextlib import closing
from pathlib import Path

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

    The first times may be nobody's fault: an operator, the power, or the message beside it. So it
    is not put off, and its sender's next one stays behind it; but it is handled alone from then on,
    and whoever dies again had only this one in hand.
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
        if session.get(InboundMessage, held.id) is None:
            return False  # it is of another database
        # Of two workers in whose hands it was, one had lost its transaction before; and who counts
        # may die before the note is gone. Either would have one death counted as two.
        counted = draining.count_failure(
            session,
            desk,
            held.id,
            KILLED,
            puts_off_from=hands.BLAMED_FROM,
            tried=held.attempts,
        )
        return counted.outcome in {"put_off", "set_aside"}

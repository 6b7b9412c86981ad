"""Our gateway as it is measured: by its own entry points, with its own settings."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from support.gateway_process import Gateway
from support.waiting import wait_until

from bench import messages
from models.database.engine import Database
from models.inbox import InboundMessage
from models.outbox import OutboundMessage
from models.report import Report
from models.states import MessageStatus

#: So that a database can be made like another one, and its phones are still known.
SECRET_KEY = "bench-" * 8
#: As shipped; the tests' gateway is made hastier than that.
_AS_SHIPPED = {
    "TIMPORA_SECRET_KEY": SECRET_KEY,
    "TIMPORA_PIECE_WAIT": "20",
    "TIMPORA_SWEEP_EVERY": "2",
    "TIMPORA_SENDING_STUCK_AFTER": "60",
}
_OUT = (MessageStatus.SENT, MessageStatus.DELIVERED)


@dataclass(frozen=True, slots=True)
class Counts:
    """What stands in the database."""

    inbox: int
    reports: int
    reported: int
    """Incoming messages of which there is a report."""
    replies: int
    answered: int
    """Incoming messages to which a reply was handed out."""

    def complain_unless(self, number: int) -> None:
        """Raise unless there is one of each for so many messages: nothing lost, nothing doubled."""
        wanted = Counts(number, number, number, number, number)
        if self != wanted:
            raise RuntimeError(f"lost or doubled: {self} instead of {wanted}")


@contextmanager
def gateway(folder: Path, *, database_url: str = "", **settings: str) -> Iterator[Gateway]:
    """Prepare a gateway with the settings that it is shipped with; nothing is started yet."""
    ours = Gateway(folder, database_url=database_url, cold=True, **(_AS_SHIPPED | settings))
    try:
        yield ours
    finally:
        ours.close()


def prepare(ours: Gateway, phones: int) -> None:
    """Make the tables, and register phones for the shipped villages."""
    # The villages come with the first start.
    first = ours.run()
    first.terminate()
    first.wait(20)
    file = ours.folder / "roster.csv"
    file.write_text(messages.roster(phones, messages.VILLAGES))
    ours.cli("roster", "import", str(file))


def counts(database: Database) -> Counts:
    """Count messages, their reports and their replies."""
    with database.reading() as session:
        out = OutboundMessage.status.in_(_OUT)
        return Counts(
            inbox=_count(session.scalar(sa.select(sa.func.count(InboundMessage.id)))),
            reports=_count(session.scalar(sa.select(sa.func.count(Report.id)))),
            reported=_count(session.scalar(sa.select(sa.func.count(Report.inbox_id.distinct())))),
            replies=_count(session.scalar(sa.select(sa.func.count(OutboundMessage.id)))),
            answered=_count(
                session.scalar(
                    sa.select(sa.func.count(OutboundMessage.in_reply_to.distinct())).where(out)
                )
            ),
        )


def _count(found: int | None) -> int:
    return found or 0


def wait_until_handed_out(database: Database, number: int, within: float) -> float:
    """Wait until so many replies were handed out, and give the Unix time of the last."""
    waiting_or_new = sa.select(sa.func.count(OutboundMessage.id)).where(
        OutboundMessage.status.in_(_OUT)
    )

    def all_out() -> bool:
        with database.reading() as session:
            return _count(session.scalar(waiting_or_new)) >= number

    wait_until(all_out, within=within, what=f"{number} replies were handed out", every=0.25)
    with database.reading() as session:
        last = session.scalar(sa.select(sa.func.max(OutboundMessage.sent_at)))
    return last.timestamp() if last else time.time()

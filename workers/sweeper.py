"""The sweeper: `python -m workers.sweeper`. It rings for late rows and asks the polled channels.

Whatever was lost between a commit and a ring is found here, so nothing depends on Redis. Sweeping
twice at once does no harm.
"""

import os
import signal
import sys
import threading
from types import FrameType

from gateway import clock, logs
from gateway.dialogue import talking
from gateway.messaging import receiving, sending
from gateway.messaging.queues import Job
from gateway.providers.base import PolledProvider
from gateway.reporting import draining
from gateway.settings import read_settings
from gateway.wiring import START_ERRORS, Wiring, wire
from models.database import UNAVAILABLE

_log = logs.logger()


def let_go_of_stuck_sends(office: Wiring) -> None:
    """Give up waiting for sends whose worker died."""
    sending.sweep_outbox(office.database, office.settings.sending_stuck_after)


def ring_for_late_rows(office: Wiring) -> None:
    """Look once for what is late, and ring for it."""
    with office.database.reading() as session:
        waiting = draining.next_waiting(session)
        due = sending.next_due(session)
    if waiting is not None:
        office.doorbell.ring(Job.VALIDATE_MESSAGE, waiting)
    if due is not None:
        office.doorbell.ring(Job.SEND_MESSAGE, due)


def forget_old_dialogues(office: Wiring) -> None:
    """Delete officers' dialogues of yesterday."""
    talking.forget_old(office.database)


def ask_polled_channels(office: Wiring) -> None:
    """Ask each channel that does not call us for what is new, and keep it."""
    for name, provider in office.channels.by_name.items():
        if not isinstance(provider, PolledProvider):
            continue
        with office.database.reading() as session:
            since = receiving.poll_mark(session, name)
        polled = provider.poll(since)
        with office.database.writing() as session:
            accepted = receiving.accept_polled(session, office.directory, name, polled, clock.now())
        for message_id in accepted:
            office.doorbell.ring(Job.VALIDATE_MESSAGE, message_id)


def run(office: Wiring, stop: threading.Event) -> None:
    """Sweep until asked to stop; a sweep that fails is logged, and the next one comes."""
    pause = office.settings.sweep_every.total_seconds()
    steps = (
        ring_for_late_rows,
        let_go_of_stuck_sends,
        ask_polled_channels,
        forget_old_dialogues,
    )
    while not stop.wait(pause):
        for step in steps:
            try:
                step(office)
            except UNAVAILABLE as error:
                _log.error("database_unavailable", step=step.__name__, error=type(error).__name__)
            except Exception as error:  # noqa: BLE001  # the next sweep must come all the same
                _log.error("sweep_failed", step=step.__name__, error=logs.name_of(error))


def main() -> None:
    """Run the sweeper."""
    logs.set_up()
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for which in (signal.SIGTERM, signal.SIGINT):
        signal.signal(which, ask_to_stop)
    try:
        office = wire(read_settings())
    except START_ERRORS as error:
        sys.exit(f"timpora: {error}")
    _log.info("sweeper_started", pid=os.getpid())
    run(office, stop)
    _log.info("sweeper_stopped", pid=os.getpid())


if __name__ == "__main__":
    main()

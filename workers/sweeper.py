"""The sweeper: `python -m workers.sweeper`. It rings for late rows and asks the polled channels.

Whatever was lost between a commit and a ring is found here, so nothing depends on Redis. Sweeping
twice at once does no harm.
"""

import os
import signal
import sys
import threading
import time
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from gateway import clock, logs
from gateway.dialogue import talking
from gateway.messaging import receiving, sending
from gateway.messaging.queues import Job
from gateway.providers.base import NotReached, PolledProvider
from gateway.reporting import draining
from gateway.settings import read_settings
from gateway.wiring import START_ERRORS, Wiring, wire
from models.database import UNAVAILABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_log = logs.logger()


def let_go_of_stuck_sends(office: Wiring) -> None:
    """Give up waiting for sends whose worker died."""
    sending.sweep_outbox(office.database, office.settings.sending_stuck_after)


def ring_for_late_rows(office: Wiring) -> None:
    """Look once for what is late, and ring for it."""
    with office.database.reading() as session:
        waiting = draining.next_waiting(session)
        due = sending.next_due(session, office.channels)
    if waiting is not None:
        office.doorbell.ring(Job.VALIDATE_MESSAGE, waiting)
    if due is not None:
        office.doorbell.ring(Job.SEND_MESSAGE, due)


def forget_old_dialogues(office: Wiring) -> None:
    """Delete officers' dialogues of yesterday."""
    talking.forget_old(office.database)


class Timetable:
    """When each thing was last done by this sweeper: a new one begins with all of them at once.

    So a gateway that was away asks every channel what it has missed as soon as it is back.
    """

    def __init__(self) -> None:
        """Begin with nothing done."""
        self._done: dict[str, float] = {}

    def is_due(self, what: str, every: timedelta) -> bool:
        """Say whether it is time for something again; if so, it counts as done now."""
        now = time.monotonic()
        last = self._done.get(what)
        if last is not None and now - last < every.total_seconds():
            return False
        self._done[what] = now
        return True


def ask_polled_channels(office: Wiring, timetable: Timetable) -> None:
    """Ask each channel for what is new, or for what its webhook missed, and keep it.

    One that does not answer keeps none of the others waiting for its next turn.
    """
    for name, provider in office.channels.by_name.items():
        if not isinstance(provider, PolledProvider):
            continue
        if not timetable.is_due(f"poll {name}", provider.poll_every):
            continue
        try:
            _ask(office, name, provider)
        except NotReached as error:
            _log.warning("poll_failed", channel=name, error=str(error))


def _ask(office: Wiring, name: str, provider: PolledProvider) -> None:
    with office.database.reading() as session:
        since = receiving.poll_mark(session, name)
    polled = provider.poll(since)
    if not polled.brings_anything(since):
        return
    with office.database.writing() as session:
        accepted = receiving.accept_polled(session, office.directory, name, polled, clock.now())
    for message_id in accepted:
        office.doorbell.ring(Job.VALIDATE_MESSAGE, message_id)
    provider.kept(polled)


def run(office: Wiring, stop: threading.Event) -> None:
    """Sweep until asked to stop; a sweep that fails is logged, and the next one comes."""
    pause = office.settings.sweep_every.total_seconds()
    timetable = Timetable()
    steps: Mapping[str, Callable[[Wiring], None]] = {
        "ring_for_late_rows": ring_for_late_rows,
        "let_go_of_stuck_sends": let_go_of_stuck_sends,
        "ask_polled_channels": partial(ask_polled_channels, timetable=timetable),
        "forget_old_dialogues": forget_old_dialogues,
    }
    while not stop.wait(pause):
        for name, step in steps.items():
            try:
                step(office)
            except UNAVAILABLE as error:
                _log.error("database_unavailable", step=name, error=type(error).__name__)
            except Exception as error:  # noqa: BLE001  # the next sweep must come all the same
                _log.error("sweep_failed", step=name, error=logs.name_of(error))


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

"""The sweeper: `python -m workers.sweeper`. It rings for late rows and asks the polled channels.

Whatever was lost between a commit and a ring is found here, so nothing depends on Redis. Sweeping
twice at once does no harm.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import FrameType

from gateway import clock, evidence, logs
from gateway.clock import Timetable
from gateway.dialogue import talking
from gateway.messaging import alarms, canaries, sending
from gateway.messaging.queues import Job
from gateway.providers.base import PolledProvider, Provider, WatchedProvider
from gateway.reporting import draining
from gateway.settings import read_settings
from gateway.watch import attending, telling
from gateway.wiring import START_ERRORS, Wiring, wire
from models.database import UNAVAILABLE, lock_name
from models.states import AlarmKind

_log = logs.logger()

#: How often Redis is looked at for what would keep our bells from ringing.
_MEND_EVERY = timedelta(seconds=5)
#: How often canaries, deaf channels and alarms are looked at.
_WATCH_EVERY = timedelta(seconds=20)


def let_go_of_stuck_sends(office: Wiring) -> None:
    """Give up waiting for sends whose worker died."""
    sending.sweep_outbox(office.database, office.channels, office.settings.sending_stuck_after)


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


def keep_watch(office: Wiring, watched_since: datetime) -> None:
    """Send canaries, look for deaf channels, tell what is wrong, and delete old evidence."""
    settings = office.settings
    with office.database.writing() as session:
        # Of several sweepers one does it: each SMS that two would send costs twice.
        lock_name(session, "watch")
        if settings.canary_every:
            canaries.send_due(session, office.directory, office.channels, settings.canary_every)
        attending.look_for_deaf(session, office.channels, settings.deaf_after, watched_since)
        alarms.clear_passed(session)
        looked_for = {AlarmKind.CANARY: settings.canary_every, AlarmKind.DEAF: settings.deaf_after}
        no_longer = [kind for kind, every in looked_for.items() if not every]
        alarms.clear_without_subject(session, office.channels.that_send, no_longer)
        evidence.forget_old(session, settings.evidence_kept_for)
        telling.tell(session, office.channels, office.texts, settings.timezone)


def attend_to_channel(office: Wiring, provider: Provider, stop: threading.Event) -> None:
    """Poll one channel and ask how it is, until asked to stop."""
    timetable = Timetable()
    pause = office.settings.sweep_every.total_seconds()
    while not stop.wait(pause):
        with _survived(f"attend to {provider.name}"):
            accepted = attending.attend(
                office.database, office.directory, office.channels, provider, timetable
            )
            for message_id in accepted:
                office.doorbell.ring(Job.VALIDATE_MESSAGE, message_id)


@contextmanager
def _survived(step: str) -> Iterator[None]:
    """Log what goes wrong in a step: the next one must come all the same."""
    try:
        yield
    except UNAVAILABLE as error:
        _log.error("database_unavailable", step=step, error=type(error).__name__)
    except Exception as error:  # noqa: BLE001
        _log.error("sweep_failed", step=step, error=logs.name_of(error))


def run(office: Wiring, stop: threading.Event) -> None:
    """Sweep until asked to stop; a sweep that fails is logged, and the next one comes.

    Each channel has a thread of its own: what waits for a provider keeps no row waiting.
    """
    pause = office.settings.sweep_every.total_seconds()
    timetable = Timetable()
    began = clock.now()
    attendants = [
        threading.Thread(target=attend_to_channel, args=(office, provider, stop), daemon=True)
        for provider in office.channels.by_name.values()
        # Without an account there is nobody to ask.
        if provider.can_send and isinstance(provider, PolledProvider | WatchedProvider)
    ]
    for attendant in attendants:
        attendant.start()
    while not stop.wait(pause):
        if timetable.is_due("mend", _MEND_EVERY):
            office.doorbell.mend()
        with _survived("ring for late rows"):
            ring_for_late_rows(office)
        with _survived("let go of stuck sends"):
            let_go_of_stuck_sends(office)
        with _survived("forget old dialogues"):
            forget_old_dialogues(office)
        if timetable.is_due("watch", _WATCH_EVERY):
            with _survived("keep watch"):
                keep_watch(office, began)


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

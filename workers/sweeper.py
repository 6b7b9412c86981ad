"""The sweeper: `python -m workers.sweeper`. It rings for late rows and asks the polled channels.

Whatever was lost between a commit and a ring is found here, so nothing depends on Redis. Of several
sweepers one leads, and the others wait to take over; see `workers.leading`.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from gateway import clock, evidence, logs
from gateway.clock import Timetable
from gateway.dialogue import talking
from gateway.lasting import keep_what_is_loaded
from gateway.messaging import alarms, canaries, sending
from gateway.messaging.queues import Job
from gateway.providers.base import PolledProvider, Provider, WatchedProvider
from gateway.reporting import deaths, draining
from gateway.settings import read_settings
from gateway.watch import attending, telling
from gateway.wiring import START_ERRORS, Wiring, refuse_wrong_start, wire
from models.database.engine import UNAVAILABLE
from models.database.holding import NotLeading, hold
from models.database.locks import lock_name
from models.states import AlarmKind
from workers.leading import Lead
from workers.stopping import Stop, own_stop

_log = logs.logger()

#: How often Redis is looked at for what would keep our bells from ringing.
_MEND_EVERY = timedelta(seconds=5)
#: How often canaries, deaf channels and alarms are looked at.
_WATCH_EVERY = timedelta(seconds=20)
#: Longer than a poll and a question how it is, in seconds: for so long no other sweeper asks a
#: channel whose sweeper is silent.
_ALONE_FOR = 30.0
#: At a stop, wait so long for a look at the lead that is under way, in seconds.
_LAST_LOOK = 0.5


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


def count_deaths(office: Wiring) -> None:
    """Count the messages that dead workers of this machine had in hand."""
    deaths.count(office.database, office.desk, office.settings.hands_dir)


def forget_old_dialogues(office: Wiring) -> None:
    """Delete officers' dialogues of yesterday."""
    talking.forget_old(office.database)


def keep_watch(office: Wiring, watched_since: datetime) -> None:
    """Send canaries, look for deaf channels, tell what is wrong, and delete old evidence."""
    settings = office.settings
    with office.database.writing() as session:
        # One at a time, whoever leads: each SMS that two would send costs twice.
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


def attend_to_channel(office: Wiring, lead: Lead, provider: Provider, stop: Stop) -> None:
    """Poll one channel and ask how it is while we lead, until asked to stop."""
    timetable = Timetable()
    pause = office.settings.sweep_every.total_seconds()
    # Its own, beside the lead: who has just lost that may still be in the midst of a poll.
    alone = hold(office.database, f"channel-{provider.name}", max(_ALONE_FOR, 3 * pause))
    while not stop.wait(pause):
        if not lead.is_ours:
            alone.let_go()
            continue
        with _survived(f"attend to {provider.name}"):
            if not alone.take():
                continue
            accepted = attending.attend(
                office.database, office.directory, office.channels, provider, timetable
            )
            for message_id in accepted:
                office.doorbell.ring(Job.VALIDATE_MESSAGE, message_id)
    alone.let_go()


@contextmanager
def _survived(step: str) -> Iterator[None]:
    """Log what goes wrong in a step: the next one must come all the same."""
    try:
        yield
    except NotLeading:
        _log.warning("step_left_to_the_leader", step=step)
    except UNAVAILABLE as error:
        _log.error("database_unavailable", step=step, error=type(error).__name__)
    except Exception as error:  # noqa: BLE001
        _log.error("sweep_failed", step=step, error=logs.name_of(error))


def run(office: Wiring, stop: Stop) -> None:
    """Sweep while we lead, until asked to stop; a sweep that fails is logged, and the next comes.

    Each channel has a thread of its own: what waits for a provider keeps no row waiting. All write
    through the lead's database, which refuses them as soon as another one leads; only the dead of
    this machine are counted whoever leads.
    """
    began = clock.now()
    machine = office
    lead = Lead(office.database)
    office = replace(office, database=lead.database)
    lead.look()
    threads = [threading.Thread(target=lead.keep_looking, args=(stop,), daemon=True)]
    threads += [
        threading.Thread(target=attend_to_channel, args=(office, lead, provider, stop), daemon=True)
        for provider in office.channels.by_name.values()
        # Without an account there is nobody to ask.
        if provider.can_send and isinstance(provider, PolledProvider | WatchedProvider)
    ]
    for thread in threads:
        thread.start()
    timetable = Timetable()
    while not stop.wait(office.settings.sweep_every.total_seconds()):
        # Before the ring: another worker would die of the same message, with those beside it.
        with _survived("count deaths"):
            count_deaths(machine)
        _sweep(office, lead, timetable, began)
    threads[0].join(_LAST_LOOK)
    lead.let_go()


def _sweep(office: Wiring, lead: Lead, timetable: Timetable, began: datetime) -> None:
    """Do each step that is due, as long as we lead."""
    steps: list[tuple[str, Callable[[], None]]] = [
        ("ring for late rows", lambda: ring_for_late_rows(office)),
        ("let go of stuck sends", lambda: let_go_of_stuck_sends(office)),
        ("forget old dialogues", lambda: forget_old_dialogues(office)),
    ]
    if lead.is_ours and timetable.is_due("mend", _MEND_EVERY):
        steps.insert(0, ("mend Redis", office.doorbell.mend))
    if lead.is_ours and timetable.is_due("watch", _WATCH_EVERY):
        steps.append(("keep watch", lambda: keep_watch(office, began)))
    for name, step in steps:
        if not lead.is_ours:
            return
        with _survived(name):
            step()


def main() -> None:
    """Run the sweeper."""
    logs.set_up()
    own_stop().listen()
    try:
        office = wire(read_settings())
        # With another secret key it would keep what it polls under names that nobody finds.
        refuse_wrong_start(office)
    except START_ERRORS as error:
        sys.exit(f"timpora: {error}")
    keep_what_is_loaded()
    _log.info("sweeper_started", pid=os.getpid())
    run(office, own_stop())
    _log.info("sweeper_stopped", pid=os.getpid())


if __name__ == "__main__":
    main()

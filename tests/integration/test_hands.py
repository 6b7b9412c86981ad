"""What a worker had in hand when it died: counted once, and against nobody else for long."""

import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.office_work import do_all_work, register
from support.payloads import phone
from support.repository import ROOT
from support.waiting import wait_until

from gateway.messaging import receiving
from gateway.providers.base import InboundSms, Intake
from gateway.reporting import deaths, draining, hands
from gateway.reporting.hands import Hands
from gateway.wiring import Wiring
from models.inbox import InboundMessage
from models.outbox import OutboundMessage
from workers import sweeper
from workers.leading import Lead
from workers.stopping import Stop

KADES, OTHER = phone(1), phone(2)
OINLASI = "53.02.02.2008"
DIES = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from gateway.reporting.hands import Hands
folder, *ids = sys.argv[1:]
hands = Hands(Path(folder))
hands.take([SimpleNamespace(id=int(one), attempts=0) for one in ids])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "hands"


def die_with(folder: Path, *ids: int) -> None:
    """Have a process die with these messages in hand."""
    command = [sys.executable, "-c", DIES, str(folder), *map(str, ids)]
    assert subprocess.run(command, cwd=ROOT, timeout=60, check=False).returncode < 0  # noqa: S603


def leave_note(folder: Path, *ids: int, attempts: int = 0) -> None:
    """Leave what a dead process leaves: a note that nobody locks."""
    folder.mkdir(exist_ok=True)
    (folder / "1-dead.hand").write_text(" ".join(f"{one}:{attempts}" for one in ids) + "\n")


def take_in(office: Wiring, *messages: tuple[str, str]) -> list[int]:
    for number in {sender for _, sender in messages}:
        register(office, number, [OINLASI])
    taken = tuple(InboundSms(sender=sender, recipient="1", text=text) for text, sender in messages)
    with office.database.writing() as session:
        return receiving.accept(session, office.directory, "africastalking", Intake(messages=taken))


def inbox(office: Wiring) -> list[InboundMessage]:
    with office.database.reading() as session:
        return list(session.scalars(sa.select(InboundMessage).order_by(InboundMessage.id)))


def count(office: Wiring, folder: Path) -> int:
    return deaths.count(office.database, office.desk, folder)


def test_the_first_death_is_counted_once_and_puts_nothing_off(office: Wiring, folder: Path):
    ids = take_in(office, ("WNA 2 AUS wisata", KADES), ("PMI 3 Malaysia lusa", KADES))
    die_with(folder, *ids)

    assert count(office, folder) == 2
    assert count(office, folder) == 0

    rows = inbox(office)
    assert [(row.attempts, row.handle_after, row.last_error) for row in rows] == [
        (1, None, deaths.KILLED)
    ] * 2
    assert list(folder.iterdir()) == []
    do_all_work(office)
    assert [row.outcome for row in inbox(office)] == ["report", "report"]


def test_a_database_that_goes_away_in_the_midst_has_no_death_counted_twice(
    office: Wiring, folder: Path
):
    ids = take_in(office, ("WNA 2 AUS wisata", KADES), ("PMI 3 Malaysia lusa", OTHER))
    leave_note(folder, *ids)
    commits: list[object] = []

    def go_away(connection: object) -> None:
        commits.append(connection)
        if len(commits) == 2:
            raise sa.exc.OperationalError("COMMIT", None, Exception("the server went away"))

    sa.event.listen(office.database.engine, "commit", go_away)
    with pytest.raises(sa.exc.OperationalError):
        count(office, folder)
    sa.event.remove(office.database.engine, "commit", go_away)

    assert count(office, folder) == 1
    assert [row.attempts for row in inbox(office)] == [1, 1]
    assert list(folder.iterdir()) == []


def test_a_death_that_was_counted_by_who_died_before_the_note_was_gone_is_not_counted_again(
    office: Wiring, folder: Path
):
    ids = take_in(office, ("WNA 2 AUS wisata", KADES), ("PMI 3 Malaysia lusa", KADES))
    for expected in (2, 0):
        leave_note(folder, *ids)
        assert count(office, folder) == expected

    assert [(row.attempts, row.handle_after) for row in inbox(office)] == [(1, None)] * 2


def test_one_message_in_two_hands_that_are_counted_at_once_is_counted_once(
    office: Wiring, folder: Path
):
    (message_id,) = take_in(office, ("WNA 2 AUS wisata", KADES))
    leave_note(folder, message_id)
    found: list[int] = []
    counting = threading.Thread(target=lambda: found.append(count(office, folder)), daemon=True)

    with office.database.writing() as session:
        draining.count_failure(session, office.desk, message_id, deaths.KILLED, tried=0)
        session.flush()
        counting.start()
        counting.join(0.5)
        assert counting.is_alive(), "it waits until the other one is counted"
    counting.join(20)

    assert found == [0]
    assert inbox(office)[0].attempts == 1


def test_a_second_death_does_not_let_its_senders_next_one_overtake_it(office: Wiring, folder: Path):
    ids = take_in(office, ("WNA 2 AUS wisata", KADES), ("PMI 3 Malaysia lusa", KADES))
    for attempts in range(2):
        leave_note(folder, ids[0], attempts=attempts)
        assert count(office, folder) == 1

    assert [one for turn in turns(office) for one in turn] == ids


def test_a_sweeper_that_does_not_lead_counts_the_dead_of_its_machine(office: Wiring):
    (message_id,) = take_in(office, ("WNA 2 AUS wisata", KADES))
    leader, stop = Lead(office.database), Stop()

    def is_counted() -> bool:
        leader.look()
        assert leader.is_ours
        return bool(inbox(office)[0].attempts)

    assert not is_counted()
    leave_note(office.settings.hands_dir, message_id)
    sweeping = threading.Thread(target=sweeper.run, args=(office, stop), daemon=True)
    sweeping.start()
    try:
        wait_until(is_counted, within=20, what="the death is counted")
    finally:
        stop.ask()
        sweeping.join(20)

    assert inbox(office)[0].last_error == deaths.KILLED
    assert list(office.settings.hands_dir.iterdir()) == []
    leader.let_go()


def test_after_five_deaths_it_is_set_aside_and_its_sender_told(office: Wiring, folder: Path):
    (poison,) = take_in(office, ("WNA 2 AUS wisata", KADES))
    for attempts in range(5):
        leave_note(folder, poison, attempts=attempts)
        assert count(office, folder) == 1

    (row,) = inbox(office)
    assert row.set_aside_at is not None
    with office.database.reading() as session:
        keys = session.scalars(sa.select(OutboundMessage.reply_key)).all()
    assert keys == ["ERR_SISTEM"]
    leave_note(folder, poison, attempts=5)
    assert count(office, folder) == 0
    assert inbox(office)[0].attempts == 5


def test_what_was_handled_before_the_death_or_is_of_another_database_is_not_counted(
    office: Wiring, folder: Path
):
    (done,) = take_in(office, ("WNA 2 AUS wisata", KADES))
    do_all_work(office)
    die_with(folder, done, 4711)

    assert count(office, folder) == 0

    assert inbox(office)[0].attempts == 0


def test_what_a_living_worker_has_in_hand_is_left_alone(office: Wiring, folder: Path):
    take_in(office, ("WNA 2 AUS wisata", KADES))
    living = Hands(folder)
    living.take(inbox(office))

    assert count(office, folder) == 0

    with living.emptied():
        pass
    assert len(list(folder.iterdir())) == 1


def test_a_note_that_could_not_be_counted_is_there_for_the_next_look(folder: Path):
    die_with(folder, 1)

    with closing(hands.of_the_dead(folder)) as dead:
        assert next(dead) == ((1, 0),)
    assert list(hands.of_the_dead(folder)) == [((1, 0),)]

    assert list(hands.of_the_dead(folder)) == []


def set_attempts(office: Wiring, message_id: int, attempts: int) -> None:
    with office.database.writing() as session:
        session.get_one(InboundMessage, message_id).attempts = attempts


def turns(office: Wiring) -> Iterable[list[int]]:
    """Give the messages of each turn in which anything was handled."""
    while (drained := draining.drain_some(office.database, office.desk)).handled:
        yield list(drained.messages)


@pytest.mark.parametrize("suspected", [1, 2])
def test_a_suspect_has_a_turn_of_its_own_in_its_place_and_the_guilty_goes_last(
    office: Wiring, suspected: int
):
    guilty, first, suspect, last = take_in(
        office,
        ("WNA 1 AUS wisata", OTHER),
        ("WNA 2 AUS wisata", KADES),
        ("PMI 3 Malaysia lusa", KADES),
        ("WNA 4 Jerman riset", KADES),
    )
    set_attempts(office, suspect, suspected)
    set_attempts(office, guilty, 3)

    seen = list(turns(office))

    assert [one for turn in seen for one in turn] == [first, suspect, last, guilty]
    assert [suspect] in seen
    assert [guilty] in seen


def test_where_nothing_can_be_noted_work_goes_on(office: Wiring, tmp_path: Path):
    in_the_way = tmp_path / "a file"
    in_the_way.write_text("")
    take_in(office, ("WNA 2 AUS wisata", KADES))

    desk = replace(office.desk, hands=Hands(in_the_way))

    assert draining.drain_some(office.database, desk).handled == 1

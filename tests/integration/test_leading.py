"""Of several sweepers one leads: nobody else writes as one, and another takes over."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.polled_provider import Modem, ModemTable
from support.waiting import wait_until

from gateway import clock
from gateway.app import create_app
from gateway.clock import Timetable
from gateway.messaging import receiving
from gateway.messaging.channels import Channels
from gateway.providers.base import Polled
from gateway.watch import attending
from gateway.watch.leader import leader
from gateway.wiring import Wiring
from models.base import Base
from models.database.engine import Database
from models.database.holding import NotLeading, hold
from models.inbox import InboundMessage, PollCursor
from workers import sweeper
from workers.leading import Lead
from workers.stopping import Stop

PHONE = "+6281290000001"
WITHIN = 40


@pytest.fixture(autouse=True)
def _a_machine_that_may_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told apart by seconds has a test of its own; here a busy machine changes nothing."""
    monkeypatch.setattr("workers.leading._BELIEVED_FOR", 120.0)
    monkeypatch.setattr("models.database.holding._HOLD_LASTS", 120.0)


@pytest.fixture
def leads(database: Database) -> Iterator[tuple[Lead, Lead]]:
    """Two sweepers' leads, as in two processes: nothing is shared but the database."""
    two = (Lead(database), Lead(database))
    yield two
    for one in two:
        one.let_go()


def cut_off(database: Database) -> int | None:
    """Take the lead from its holder without its knowing, as a broken network does."""
    if database.is_sqlite:
        Path(f"{database.url.database}.leader").unlink()
        return None
    pid = leader_pid(database)
    with database.reading() as session:
        session.execute(sa.select(sa.func.pg_terminate_backend(pid)))
    return pid


def leader_pid(database: Database) -> int | None:
    with database.reading() as session:
        pid: int | None = session.scalar(
            sa.text(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
                " AND (classid::bigint << 32) | objid::bigint"
                " = hashtextextended('timpora leader', 0)"
            )
        )
        return pid


def take_over(lead: Lead) -> None:
    wait_until(lead.look, within=WITHIN, what="the other one leads")


def test_one_leads_and_the_other_waits_until_it_lets_go(leads: tuple[Lead, Lead]):
    first, second = leads
    assert first.look()
    assert not second.look()
    assert (first.is_ours, second.is_ours) == (True, False)
    assert first.look(), "it keeps what it has"

    first.let_go()

    assert second.look()
    assert not first.look()


def test_two_that_begin_at_once_do_not_both_lead(database: Database):
    leads = [Lead(database) for _ in range(6)]
    barrier = threading.Barrier(len(leads))
    lead: list[bool] = []

    def begin(one: Lead) -> None:
        barrier.wait(WITHIN)
        lead.append(one.look())

    threads = [threading.Thread(target=begin, args=(one,)) for one in leads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WITHIN)
    for one in leads:
        one.let_go()

    assert sorted(lead) == [False] * (len(leads) - 1) + [True]


def test_who_lost_the_lead_writes_nothing_though_it_does_not_know_yet(
    database: Database, leads: tuple[Lead, Lead]
):
    first, second = leads
    first.look()
    cut_off(database)
    take_over(second)

    assert first.is_ours, "it has not looked yet"
    with pytest.raises(NotLeading), first.database.writing():
        pytest.fail("a transaction was given to who leads no longer")
    with second.database.writing() as session:
        session.execute(sa.select(1))
    assert not first.look()
    assert not first.is_ours


def test_who_never_led_cannot_write(leads: tuple[Lead, Lead]):
    with pytest.raises(NotLeading), leads[1].database.writing():
        pytest.fail("a transaction was given to who does not lead")


# On SQLite an flock is lost with its process alone, and its transaction with it.
@pytest.mark.parametrize("kind", ["postgresql"])
def test_the_next_leader_begins_when_the_last_transaction_of_the_one_before_has_ended(
    database: Database, leads: tuple[Lead, Lead]
):
    first, second = leads
    first.look()
    done: list[str] = []
    with first.database.writing() as session:
        session.execute(sa.select(1))
        cut_off(database)
        waiting = threading.Thread(
            target=lambda: (take_over(second), done.append("the second leads")), daemon=True
        )
        waiting.start()
        fence = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        with database.reading() as other:
            wait_until(lambda: other.scalar(fence), within=WITHIN, what="the second waits")
        assert not second.is_ours
        done.append("the first has written")
    waiting.join(WITHIN)

    assert done == ["the first has written", "the second leads"]


def test_who_could_not_look_for_a_while_does_not_believe_that_it_leads(
    leads: tuple[Lead, Lead], monkeypatch: pytest.MonkeyPatch
):
    first, _ = leads
    first.look()
    monkeypatch.setattr("workers.leading._BELIEVED_FOR", 0.0)
    assert not first.is_ours


@pytest.mark.parametrize("kind", ["postgresql"])
def test_a_leader_that_is_silent_loses_the_lead_without_being_cut_off(
    leads: tuple[Lead, Lead], monkeypatch: pytest.MonkeyPatch
):
    first, second = leads
    monkeypatch.setattr("models.database.holding._HOLD_LASTS", 1.0)
    silent = Lead(Database(first.database.url))
    assert silent.look()
    take_over(second)
    assert not silent.look()
    silent.let_go()


def test_who_leads_is_told_by_machine_and_process(database: Database, leads: tuple[Lead, Lead]):
    assert leader(database) is None
    leads[0].look()
    assert "process" in (leader(database) or "")
    leads[0].let_go()
    wait_until(lambda: leader(database) is None, within=WITHIN, what="nobody leads")


def test_the_figures_tell_whether_a_sweeper_leads(office: Wiring):
    client = create_app(office).test_client()
    assert "timpora_sweeper_leads 0.0" in client.get("/metrics").text
    lead = Lead(office.database)
    lead.look()
    assert "timpora_sweeper_leads 1.0" in client.get("/metrics").text
    lead.let_go()


# What each step does when another has taken over --------------------------------------------------


class SlowModem(ModemTable):
    """A modem whose answer can be held back; it can send, or nobody would attend to it."""

    can_send = True

    def __init__(self, modem: Modem) -> None:
        super().__init__(modem.path)
        self.modem = modem
        self.polls = 0
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def poll(self, since: str | None) -> Polled:
        self.polls += 1
        answer = super().poll(since)
        self.asked.set()
        assert self.may_answer.wait(WITHIN)
        return answer


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlowModem:
    # The day of the messages: what is old when a channel is read for the first time is left out.
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 1, 6, 10, tzinfo=UTC))
    modem = Modem(tmp_path / "modem.db")
    modem.gets(PHONE, "NIHIL")
    return SlowModem(modem)


def led(office: Wiring, lead: Lead, modem: ModemTable) -> Wiring:
    channels = Channels({"modem": modem}, "modem")
    return replace(office, channels=channels, database=lead.database)


def attend(office: Wiring) -> list[int]:
    modem = office.channels.by_name["modem"]
    return attending.attend(office.database, office.directory, office.channels, modem, Timetable())


def kept(database: Database) -> tuple[list[tuple[str, int]], str | None]:
    with database.reading() as session:
        rows = session.execute(sa.select(InboundMessage.text, InboundMessage.redelivered))
        cursor = receiving.poll_cursor(session, "modem")
        return [(text, times) for text, times in rows], cursor.since if cursor else None


def test_a_poll_that_answers_after_another_took_over_is_dropped(
    office: Wiring, slow: SlowModem, leads: tuple[Lead, Lead]
):
    first, second = leads
    first.look()
    slow.may_answer.clear()
    dropped: list[type[BaseException]] = []

    def poll() -> None:
        try:
            attend(led(office, first, slow))
        except NotLeading as error:
            dropped.append(type(error))

    late = threading.Thread(target=poll, daemon=True)
    late.start()
    assert slow.asked.wait(WITHIN)
    cut_off(office.database)
    take_over(second)
    quick = ModemTable(slow.modem.path)
    slow.modem.gets(PHONE, "WNA 2 Australia wisata")
    assert len(attend(led(office, second, quick))) == 2

    slow.may_answer.set()
    late.join(WITHIN)

    assert dropped == [NotLeading]
    assert kept(office.database) == ([("NIHIL", 0), ("WNA 2 Australia wisata", 0)], "2")


def test_a_poll_that_overslept_a_whole_reign_of_another_does_not_set_the_mark_back(
    office: Wiring, slow: SlowModem, leads: tuple[Lead, Lead]
):
    first, second = leads
    first.look()
    slow.may_answer.clear()
    late_ids: list[int] = []
    late = threading.Thread(
        target=lambda: late_ids.extend(attend(led(office, first, slow))), daemon=True
    )
    late.start()
    assert slow.asked.wait(WITHIN)
    cut_off(office.database)
    take_over(second)
    slow.modem.gets(PHONE, "WNA 2 Australia wisata")
    attend(led(office, second, ModemTable(slow.modem.path)))
    second.let_go()
    take_over(first)

    slow.may_answer.set()
    late.join(WITHIN)

    assert late_ids == []
    assert kept(office.database) == ([("NIHIL", 0), ("WNA 2 Australia wisata", 0)], "2")


def test_two_sweepers_never_poll_a_channel_at_once_though_the_lead_is_cut_off(
    office: Wiring, slow: SlowModem, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("workers.leading._LOOK_EVERY", 0.05)
    settings = replace(office.settings, sweep_every=timedelta(seconds=0.05))
    slow.poll_every = timedelta(0)
    both = replace(office, settings=settings, channels=Channels({"modem": slow}, "modem"))
    slow.may_answer.clear()
    with two_sweepers(both):
        assert slow.asked.wait(WITHIN)
        if not office.database.is_sqlite:
            cut = cut_off(office.database)
            wait_until(
                lambda: leader_pid(office.database) not in {None, cut},
                within=WITHIN,
                what="somebody leads again",
            )
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert slow.polls == 1, "a second one asked while the first had no answer yet"
            time.sleep(0.05)
        slow.may_answer.set()
        wait_until(lambda: slow.polls > 1, within=WITHIN, what="it is polled again")
        wait_until(lambda: kept(office.database)[0], within=WITHIN, what="what came is kept")
    assert kept(office.database)[0] == [("NIHIL", 0)]


@contextmanager
def two_sweepers(office: Wiring) -> Iterator[None]:
    stop = Stop()
    sweepers = [
        threading.Thread(target=sweeper.run, args=(office, stop), daemon=True) for _ in range(2)
    ]
    for one in sweepers:
        one.start()
    try:
        yield
    finally:
        stop.ask()
        for one in sweepers:
            one.join(WITHIN)


@pytest.mark.parametrize(
    "step",
    [
        sweeper.let_go_of_stuck_sends,
        lambda office: sweeper.keep_watch(office, clock.now()),
    ],
    ids=["stuck sends", "watch"],
)
def test_no_step_that_writes_is_done_by_who_leads_no_longer(
    office: Wiring, leads: tuple[Lead, Lead], step: Callable[[Wiring], None]
):
    first, second = leads
    first.look()
    cut_off(office.database)
    take_over(second)

    before = everything(office.database)
    with pytest.raises(NotLeading):
        step(replace(office, database=first.database))
    step(replace(office, database=second.database))
    assert everything(office.database) == before


def everything(database: Database) -> dict[str, int]:
    with database.reading() as session:
        return {
            table.name: session.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }


def test_a_lock_of_one_database_is_none_of_another(
    kind: str, database: Database, request: pytest.FixtureRequest, tmp_path: Path
):
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path / 'other.db'}"
    else:
        url = request.getfixturevalue("postgres").new_database()
    here, there = hold(database, "leader"), hold(Database(url), "leader")

    assert here.take()
    assert there.take()
    here.let_go()
    there.let_go()


def test_a_cursor_is_compared_and_not_only_its_being_there(
    office: Wiring, slow: SlowModem, leads: tuple[Lead, Lead]
):
    leads[0].look()
    attend(led(office, leads[0], slow))
    with office.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(PollCursor)) == 1
    slow.modem.gets(PHONE, "WNA 2 Australia wisata")
    assert len(attend(led(office, leads[0], slow))) == 1

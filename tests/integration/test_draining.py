"""Handling from the inbox: once, in order for each phone; and what cannot be handled."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from rq.timeouts import JobTimeoutException
from support.office_work import do_all_work, register

from gateway import clock
from gateway.messaging import receiving
from gateway.providers.base import InboundSms, Intake
from gateway.replies import catalogue
from gateway.reporting import draining, rounds
from gateway.reporting.desk import Desk
from gateway.reporting.voice import Voice
from gateway.wiring import Wiring
from models.database.engine import Database
from models.inbox import InboundMessage
from models.outbox import OutboundMessage
from models.report import ConfirmationNumber, Report
from parsers import numbers

KADES = "+6281237000111"
OINLASI = "53.02.02.2008"


def take_in(office: Wiring, messages: Iterable[InboundSms]) -> list[int]:
    with office.database.writing() as session:
        return receiving.accept(
            session, office.directory, "africastalking", Intake(messages=tuple(messages))
        )


def sms(text: str, sender: str = KADES, **more: object) -> InboundSms:
    return InboundSms(sender=sender, recipient="22345", text=text, **more)  # type: ignore[arg-type]


def rows(office: Wiring, model: type) -> list:
    with office.database.reading() as session:
        return list(session.scalars(sa.select(model).order_by(model.id)))


def without_text(office: Wiring, key: str) -> Desk:
    """A desk whose agency lost one text: what needs it cannot be handled."""
    whole = catalogue.load(None)["id"]
    # The general text would stand in for the special one, so both are lost.
    texts = {name: it for name, it in whole.texts.items() if name not in {key, "OK_LAPORAN"}}
    broken = replace(whole, texts=texts)
    return replace(office.desk, voice=Voice(office.desk.language, broken))


def test_a_message_that_fails_does_not_stop_those_beside_it(office: Wiring) -> None:
    register(office, KADES, [OINLASI])
    texts = ["WNA 2 AUS wisata", "PMI 3 Malaysia lusa", "WNA 1 Jerman riset"]
    ids = take_in(office, [sms(text) for text in texts])
    desk = without_text(office, "OK_PMI")
    while draining.drain_some(office.database, desk).handled:
        pass
    first, poison, last = rows(office, InboundMessage)
    assert [first.outcome, last.outcome] == ["report", "report"]
    assert poison.id == ids[1]
    assert poison.handled_at is None
    assert poison.attempts == 1
    assert poison.last_error.startswith("KeyError at ")
    assert [report.code for report in rows(office, Report)] == ["WNA", "WNA"]


def test_after_five_tries_it_is_set_aside_its_sender_told_and_it_can_be_run_again(
    office: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(office, KADES, [OINLASI])
    take_in(office, [sms("PMI 3 Malaysia lusa")])
    moment = datetime(2026, 11, 25, 2, 10, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: moment)
    desk = without_text(office, "OK_PMI")
    for _ in range(8):
        draining.drain_some(office.database, desk)
        moment += timedelta(minutes=2)
    (message,) = rows(office, InboundMessage)
    assert message.attempts == 5
    assert message.set_aside_at is not None
    assert [out.reply_key for out in rows(office, OutboundMessage)] == ["ERR_SISTEM"]
    assert rows(office, Report) == []
    with office.database.writing() as session:
        assert draining.requeue(session, None) == [message.id]
    do_all_work(office)
    assert [report.code for report in rows(office, Report)] == ["PMI"]
    assert [out.reply_key for out in rows(office, OutboundMessage)] == ["ERR_SISTEM", "OK_PMI"]


def test_an_error_is_kept_without_what_the_person_wrote(office: Wiring) -> None:
    register(office, KADES, [OINLASI])
    take_in(office, [sms("PMI 3 Malaysia lusa dengan rahasia")])
    draining.drain_some(office.database, without_text(office, "OK_PMI"))
    (message,) = rows(office, InboundMessage)
    assert "rahasia" not in message.last_error


def test_many_workers_at_once_handle_each_message_once_and_in_order(office: Wiring) -> None:
    phones = [f"+62812370{n:05d}" for n in range(12)]
    for phone in phones:
        register(office, phone, [OINLASI])
    # Each phone sends an incomplete report, and then the answer: only in that order is it a report.
    for phone in phones:
        take_in(office, [sms("WNA 2 wisata", phone), sms("australia", phone)])

    def work(_: int) -> None:
        database = Database(office.database.url)
        while draining.drain_some(database, office.desk).handled:
            pass
        database.dispose()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    do_all_work(office)
    reports = rows(office, Report)
    assert len(reports) == 12
    assert all(report.fields["country"] == "AU" for report in reports)
    given = {report.number for report in reports}
    assert len(given) == 12
    assert all(numbers.is_well_formed(number) for number in given)
    assert len(rows(office, ConfirmationNumber)) == 12
    assert len(rows(office, OutboundMessage)) == 24


def test_a_text_without_a_code_waits_and_joins_the_report_it_belongs_to(
    office: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(office, KADES, [OINLASI])
    moment = datetime(2026, 11, 25, 2, 10, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: moment)
    desk = replace(office.desk, piece_wait=timedelta(seconds=20))
    take_in(office, [sms("dong pung ana su sakit lama betul")])
    assert draining.drain_some(office.database, desk).handled == 1
    assert rows(office, OutboundMessage) == []
    moment += timedelta(seconds=1)
    begin = (
        "PMI 3 Malaysia lusa calo su kasi doi di dong pung mama deng bapa, katanya nanti kerja di"
    )
    take_in(office, [sms(f"{begin} kebun sawit gaji besar sekali tiap bulan 5 juta, tapi")])
    draining.drain_some(office.database, desk)
    moment += timedelta(seconds=20)
    draining.drain_some(office.database, desk)
    piece, whole = rows(office, InboundMessage)
    assert [piece.outcome, whole.outcome] == ["joined", "report"]
    (report,) = rows(office, Report)
    assert "dong pung ana" in report.note
    assert [out.reply_key for out in rows(office, OutboundMessage)] == ["OK_PMI"]


def test_a_text_after_a_short_report_joins_it_and_its_sender_is_told(
    office: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(office, KADES, [OINLASI])
    moment = datetime(2026, 11, 25, 2, 10, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: moment)
    desk = replace(office.desk, piece_wait=timedelta(seconds=20))
    take_in(office, [sms("WNA 2 Australia wisata")])
    draining.drain_some(office.database, desk)
    moment += timedelta(seconds=5)
    take_in(office, [sms("dong pake oto putih")])
    draining.drain_some(office.database, desk)
    (report,) = rows(office, Report)
    assert report.note == "dong pake oto putih"
    assert [out.reply_key for out in rows(office, OutboundMessage)] == ["OK_WNA", "OK_SAMBUNG"]


def test_a_lone_text_without_a_code_gets_its_help_after_the_wait(
    office: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(office, KADES, [OINLASI])
    moment = datetime(2026, 11, 25, 2, 10, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: moment)
    desk = replace(office.desk, piece_wait=timedelta(seconds=20))
    take_in(office, [sms("besok jadi rapat jam 7")])
    draining.drain_some(office.database, desk)
    assert rows(office, OutboundMessage) == []
    moment += timedelta(seconds=21)
    draining.drain_some(office.database, desk)
    assert [out.reply_key for out in rows(office, OutboundMessage)] == ["ERR_KODE"]


def test_a_redelivery_is_invisible_and_a_true_second_message_is_not(office: Wiring) -> None:
    register(office, KADES, [OINLASI])
    at = datetime(2026, 11, 25, 2, 10, tzinfo=UTC)
    same = sms("NIHIL", provider_message_id="A1", network_time=at)
    assert len(take_in(office, [same])) == 1
    assert take_in(office, [same]) == []
    # By another id, but the same words at the same moment: still the same message.
    assert take_in(office, [sms("NIHIL", provider_message_id="A2", network_time=at)]) == []
    # The same id for another text: the provider's ids collide, and both are kept.
    assert len(take_in(office, [sms("WNA 1 AUS wisata", provider_message_id="A1")])) == 1
    # No id at all, ten times: ten messages.
    assert len(take_in(office, [sms(f"halo {n}") for n in range(10)])) == 10
    assert [row.redelivered for row in rows(office, InboundMessage)][:2] == [2, 0]


def test_an_id_that_is_only_a_hash_of_the_text_needs_the_time_beside_it(office: Wiring) -> None:
    monday = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
    weekly = [
        sms("NIHIL", provider_message_id="h", id_is_a_hash=True, network_time=monday + week)
        for week in (timedelta(0), timedelta(days=7))
    ]
    assert len(take_in(office, weekly)) == 2


@pytest.fixture
def refused_word(office: Wiring) -> Iterator[str]:
    """A word that the database refuses in a report's note."""
    word = "racun"
    if office.database.is_sqlite:
        refuse = (
            f"CREATE TRIGGER refusal BEFORE INSERT ON reports WHEN NEW.note LIKE '%{word}%'"
            " BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        allow = "DROP TRIGGER refusal"
    else:
        refuse = f"ALTER TABLE reports ADD CONSTRAINT refusal CHECK (note NOT LIKE '%{word}%')"
        allow = "ALTER TABLE reports DROP CONSTRAINT refusal"
    with office.database.writing() as session:
        session.execute(sa.text(refuse))
    yield word
    with office.database.writing() as session:
        session.execute(sa.text(allow))


def test_what_only_the_database_refuses_is_its_own_messages_fault(
    office: Wiring, refused_word: str
) -> None:
    register(office, KADES, [OINLASI])
    other = "+6281237000112"
    register(office, other, [OINLASI])
    texts = [sms(f"PMI 3 Malaysia lusa bersama {refused_word}"), sms("WNA 2 AUS wisata", other)]
    take_in(office, texts)
    while draining.drain_some(office.database, office.desk).handled:
        pass
    poison, innocent = rows(office, InboundMessage)
    assert (poison.attempts, poison.handled_at) == (1, None)
    assert (innocent.attempts, innocent.outcome) == (0, "report")


def test_a_job_that_runs_out_of_time_counts_against_the_message_it_was_at(
    office: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(office, KADES, [OINLASI])
    take_in(office, [sms("WNA 2 AUS wisata")])

    def too_slow(*_: object, **__: object) -> None:
        raise JobTimeoutException("too slow")

    monkeypatch.setattr(rounds, "read", too_slow)
    assert draining.drain_some(office.database, office.desk).handled == 1
    (message,) = rows(office, InboundMessage)
    assert message.attempts == 1
    assert message.last_error.startswith("JobTimeoutException")


def test_on_a_slow_machine_what_was_looked_up_for_a_round_is_not_in_vain(
    office: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.database.engine._SQLITE_TURN", 0.0)
    senders = [f"+62812900000{n:02d}" for n in range(office.database.turn().rows_a_round)]
    for sender in senders:
        register(office, sender, [OINLASI])
    take_in(office, [sms("WNA 2 AUS wisata", sender) for sender in senders])
    drained = draining.drain_some(office.database, office.desk)
    assert drained.handled == len(senders) > 1


def test_a_turn_that_is_over_begins_no_other_round(
    office: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.database.engine._SQLITE_TURN", 0.0)
    monkeypatch.setattr("models.database.engine._LONGEST_TURN", 0.0)
    register(office, KADES, [OINLASI])
    take_in(office, [sms("WNA 2 AUS wisata"), sms("WNA 3 JPN wisata")])
    assert draining.drain_some(office.database, office.desk).handled == 1
    assert draining.drain_some(office.database, office.desk).handled == 1
    assert [one.code for one in rows(office, Report)] == ["WNA", "WNA"]
    assert [one.fields["count"] for one in rows(office, Report)] == [2, 3]


def test_a_turn_that_ends_early_draws_no_number_in_vain(
    office: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.database.engine._SQLITE_TURN", 0.0001)
    senders = [f"+62812900000{n:02d}" for n in range(40)]
    for sender in senders:
        register(office, sender, [OINLASI])
    take_in(office, [sms("WNA 2 AUS wisata", sender) for sender in senders])
    do_all_work(office)
    assert len(rows(office, ConfirmationNumber)) == len(rows(office, Report)) == len(senders)

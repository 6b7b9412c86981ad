"""Public bug reports about queues, deliveries and storage, as they stand with us.

Each test names its case of our case list. Cases of these kinds that are held elsewhere, each whole,
do not come again here: those of deduplication and of delivery reports in
`test_dedupe_field_cases.py` and `test_field_cases_of_channels.py`, a Redis that is away and comes
back in `tests/e2e/test_redis_and_database_lost.py`.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import redis
import sqlalchemy as sa
from click.testing import CliRunner
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import event
from support.office_work import do_all_work, register
from support.payloads import phone
from support.redis_server import RedisServer
from support.scripted_provider import Does, Handed, Ledger, ScriptedProvider

from gateway import clock
from gateway.cli import doctor
from gateway.cli.main import timpora
from gateway.messaging import receiving, sending
from gateway.messaging.channels import Channels
from gateway.messaging.queues import QUEUES, Doorbell, Job
from gateway.providers.base import InboundSms, Intake
from gateway.replies import catalogue
from gateway.reporting import draining, keeping
from gateway.wiring import Wiring
from models.database.engine import Database
from models.inbox import InboundMessage
from models.outbox import OutboundMessage
from models.people import Village
from models.report import ConfirmationNumber, Report
from models.states import MessageStatus
from workers import guarded, jobs, sweeper
from workers.guarded import GuardedWorker

HEADS = [phone(number) for number in range(1, 6)]
OINLASI = "53.02.02.2008"
SWEEPER_COMES = timedelta(seconds=60)


@pytest.fixture
def village(office: Wiring) -> Wiring:
    for head in HEADS:
        register(office, head, [OINLASI])
    return office


@pytest.fixture
def work(office: Wiring, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Have a worker of ours, in this process, do what stands in the queues; then it goes."""
    handlers = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}

    def work(given: Wiring = office) -> None:
        monkeypatch.setattr(jobs, "wiring", lambda: given)
        with redis.Redis.from_url(given.settings.redis_url) as connection:
            GuardedWorker(connection).work(burst=True, logging_level="ERROR")

    yield work
    for which, handler in handlers.items():
        signal.signal(which, handler)


def accept(office: Wiring, text: str, head: str = HEADS[0], given: str | None = None) -> int:
    """Keep a message as a webhook does; nobody has been rung for yet."""
    message = InboundSms(head, "22345", text, given)
    with office.database.writing() as session:
        (row_id,) = receiving.accept(
            session, office.directory, "africastalking", Intake(messages=(message,))
        )
    return row_id


def rows(office: Wiring, model: type) -> list[Any]:
    with office.database.reading() as session:
        return list(session.scalars(sa.select(model).order_by(model.id)))


def at_once(*steps: Callable[[], object]) -> None:
    """Do all steps in threads that begin together; an error of one is an error of all."""
    barrier = threading.Barrier(len(steps))
    errors: list[BaseException] = []

    def run(step: Callable[[], object]) -> None:
        try:
            barrier.wait(10)
            step()
        except BaseException as error:  # noqa: BLE001  # raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error


def in_queue(client: redis.Redis) -> list[str]:
    """Name the jobs that wait to have messages handled."""
    queue = Queue(QUEUES[Job.VALIDATE_MESSAGE], connection=client, serializer=JSONSerializer)
    return queue.get_job_ids()


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    with redis_server.client() as connection:
        yield connection


# Queues -------------------------------------------------------------------------------------------


def test_two_that_ring_at_once_put_one_job_and_a_second_one_does_no_harm(
    village: Wiring, work: Callable[..., None], client: redis.Redis
):
    """queue-already-queued-race."""
    row_id = accept(village, "WNA 2 AUS wisata")
    bells = [Doorbell(village.settings.redis_url) for _ in range(2)]
    at_once(*(lambda bell=bell: bell.ring(Job.VALIDATE_MESSAGE, row_id) for bell in bells))
    assert len(in_queue(client)) == 1

    bells[0].answered(Job.VALIDATE_MESSAGE)
    bells[0].ring(Job.VALIDATE_MESSAGE, row_id)
    assert len(in_queue(client)) == 2
    work()

    assert [report.code for report in rows(village, Report)] == ["WNA"]
    assert [one.reply_key for one in rows(village, OutboundMessage)] == ["OK_WNA"]


def test_a_job_whose_data_redis_threw_away_is_rung_for_again_and_the_doctor_warns(
    village: Wiring,
    work: Callable[..., None],
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
):
    """queue-eviction."""
    row_id = accept(village, "WNA 2 AUS wisata")
    village.doorbell.ring(Job.VALIDATE_MESSAGE, row_id)
    for job_id in in_queue(client):
        client.delete(f"rq:job:{job_id}")  # its id stays in the queue
    work()
    assert rows(village, Report) == []

    village.doorbell.answered(Job.VALIDATE_MESSAGE)
    sweeper.ring_for_late_rows(village)
    work()
    assert [report.code for report in rows(village, Report)] == ["WNA"]

    monkeypatch.setattr(doctor, "settings", lambda: village.settings)
    monkeypatch.setattr(doctor, "office", lambda: village)
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        said = CliRunner().invoke(timpora, ["doctor"]).output
    finally:
        client.config_set("maxmemory-policy", "noeviction")
    assert "set maxmemory-policy noeviction" in said


def test_a_job_that_is_run_again_after_it_had_ended_makes_no_second_report(
    village: Wiring, work: Callable[..., None], client: redis.Redis
):
    """queue-finished-then-abandoned."""
    row_id = accept(village, "WNA 2 AUS wisata")
    village.doorbell.ring(Job.VALIDATE_MESSAGE, row_id)
    work()
    queue = Queue(QUEUES[Job.VALIDATE_MESSAGE], connection=client, serializer=JSONSerializer)
    ended = queue.enqueue_call(Job.VALIDATE_MESSAGE.value, args=[row_id])
    client.lrem(queue.key, 0, ended.id)
    queue.failed_job_registry.add(ended, ttl=1000)

    queue.failed_job_registry.requeue(ended.id)
    work()

    assert len(rows(village, Report)) == 1
    assert [one.status for one in rows(village, OutboundMessage)] == [MessageStatus.SENT]
    assert client.zcard(queue.failed_job_registry.key) == 0


def test_two_messages_of_one_second_have_rows_and_jobs_of_their_own(
    village: Wiring, work: Callable[..., None], client: redis.Redis
):
    """queue-job-id-reused."""
    for text in ("WNA 2 AUS wisata", "PMI 3 Malaysia besok"):
        village.doorbell.answered(Job.VALIDATE_MESSAGE)
        village.doorbell.ring(Job.VALIDATE_MESSAGE, accept(village, text))
    assert len(set(in_queue(client))) == 2
    work()
    assert [report.code for report in rows(village, Report)] == ["WNA", "PMI"]


def test_a_day_is_the_villages_own_whatever_the_zone_of_the_server(
    office: Wiring, monkeypatch: pytest.MonkeyPatch
):
    """queue-naive-local-time: nothing is planned by a local time; days are said by villages."""
    zones = {"Asia/Jakarta": "53.02.02.2008", "Asia/Jayapura": "53.02.02.2010"}
    # An hour before midnight in the west, an hour after it in the east of Indonesia.
    moment = datetime(2026, 11, 25, 16, 0, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: moment)
    for number, (zone, code) in enumerate(zones.items()):
        register(office, HEADS[number], [code])
        with office.database.writing() as session:
            session.execute(sa.update(Village).where(Village.code == code).values(timezone=zone))
        accept(office, "WNA 2 AUS wisata hari ini", HEADS[number])
    do_all_work(office)

    days = [report.fields["event_date"] for report in rows(office, Report)]
    assert days == [f"{moment.astimezone(ZoneInfo(zone)).date()}" for zone in zones]
    assert days == ["2026-11-25", "2026-11-26"]
    assert {report.received_at for report in rows(office, Report)} == {moment}


@pytest.mark.timeout(100, method="thread")  # the job's own time-out uses the signal
def test_a_send_that_outlasts_its_job_ends_with_it_and_is_not_made_again(
    village: Wiring, work: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    """queue-timeout-swallowed."""
    hangs = threading.Event()
    ledger = Ledger()

    def hang(_: Handed) -> None:
        hangs.wait(60)

    channels = Channels({"slow": ScriptedProvider("slow", ledger, 1, hang)}, "slow")
    office = replace(village, channels=channels, desk=replace(village.desk, channels=channels))
    accept(office, "WNA 2 AUS wisata")
    while draining.drain_some(office.database, office.desk).handled:
        pass
    monkeypatch.setattr(guarded, "JOB_TIMEOUTS", dict.fromkeys(Job, 1))
    office.doorbell.ring(Job.SEND_MESSAGE, 1)
    work(office)

    (reply,) = rows(office, OutboundMessage)
    assert reply.status is MessageStatus.SENDING, "nobody claims to know what became of it"
    with redis.Redis.from_url(office.settings.redis_url) as connection:
        assert connection.zcard("rq:failed:outbound") == 1, "the job ended, and as failed"
    moment = datetime.now(UTC) + SWEEPER_COMES
    monkeypatch.setattr(clock, "now", lambda: moment)
    sending.sweep_outbox(office.database, office.channels, timedelta(seconds=30))
    assert not sending.deliver_some(office.database, office.channels)
    (reply,) = rows(office, OutboundMessage)
    assert reply.status is MessageStatus.UNCONFIRMED
    assert [one.does for one in ledger.handed] == [Does.ACCEPTS]


def test_jobs_of_a_function_that_was_renamed_fail_to_be_seen_and_their_messages_are_handled(
    village: Wiring, work: Callable[..., None], client: redis.Redis
):
    """queue-unreadable-job-after-deploy."""
    queue = Queue(QUEUES[Job.VALIDATE_MESSAGE], connection=client, serializer=JSONSerializer)
    for number, head in enumerate(HEADS, 1):
        row_id = accept(village, f"WNA {number} AUS wisata", head)
        queue.enqueue_call("workers.jobs.handle_message", args=[row_id])
    work()
    assert client.zcard(queue.failed_job_registry.key) == 5
    assert rows(village, Report) == []

    sweeper.ring_for_late_rows(village)
    work()
    assert [report.fields["count"] for report in rows(village, Report)] == [1, 2, 3, 4, 5]


def test_a_job_that_redis_lost_in_the_middle_is_done_after_the_next_sweep(
    village: Wiring, work: Callable[..., None], redis_server: RedisServer, client: redis.Redis
):
    """queue-wip-after-redis-restart: nothing waits for a job that was in progress."""
    row_id = accept(village, "WNA 2 AUS wisata")
    client.zadd("rq:wip:inbound", {f"lost-{row_id}:1": 10**12})
    client.hset(f"rq:job:lost-{row_id}", mapping={"data": b"[]", "status": "started"})

    sweeper.ring_for_late_rows(village)
    work()

    assert [report.code for report in rows(village, Report)] == ["WNA"]
    redis_server.wipe()


# Deliveries ---------------------------------------------------------------------------------------


def test_every_head_is_answered_in_indonesian(village: Wiring):
    """delivery-wrong-language: there is one language of people, and no setting to get it wrong."""
    texts = catalogue.load(None)
    for text in ("WNA 2 AUS wisata", "WNA 2 wisata", "BANTU", "STATUS 104277", "halo apa kabar"):
        accept(village, text)
    accept(village, "WNA 2 AUS wisata", phone(99))
    do_all_work(village)

    sent = rows(village, OutboundMessage)
    assert len(sent) >= 5
    for one in sent:
        plain = {language: texts[language].texts.get(one.reply_key) for language in ("id", "en")}
        begins = {language: str(text).partition("{")[0] for language, text in plain.items() if text}
        assert one.text.startswith(begins["id"])
        assert begins["id"] != begins.get("en")


# Storage ------------------------------------------------------------------------------------------


def test_a_report_leads_to_the_text_it_was_made_of_exactly_as_it_came(village: Wiring):
    """parser-original-text-kept-on-success."""
    text = "wna 2 aus  wisata \u201ckantor desa\u201d"
    row_id = accept(village, text)
    do_all_work(village)

    (report,) = rows(village, Report)
    assert report.inbox_id == row_id
    (message,) = rows(village, InboundMessage)
    assert message.text == text


def test_five_hundred_jobs_leave_no_session_and_no_connection_behind(
    village: Wiring, monkeypatch: pytest.MonkeyPatch
):
    """store-flask-session-outside-request: a session ends with its transaction, failed or not."""
    monkeypatch.setattr(jobs, "wiring", lambda: village)
    connections = village.database.engine.pool
    accept(village, "WNA 2 AUS wisata")
    with monkeypatch.context() as broken:
        broken.setattr(keeping, "keep", None)  # what handles it fails, and its turn is undone
        jobs.validate_message(1)
    for _ in range(250):
        jobs.validate_message(1)
        jobs.send_message(1)
    assert connections.checkedout() == 0  # type: ignore[attr-defined]
    assert connections.checkedin() == 1, "one connection did for all"  # type: ignore[attr-defined]


def test_five_reports_of_one_moment_have_five_numbers(village: Wiring):
    """store-number-race."""
    for head in HEADS:
        accept(village, "WNA 2 AUS wisata", head)
    at_once(*[lambda: draining.drain_some(village.database, village.desk)] * len(HEADS))
    do_all_work(village)
    assert_numbers_differ(village)


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)  # on SQLite no two ever overlap
def test_transactions_that_overlap_take_different_numbers(village: Wiring):
    """store-number-atomic."""
    accept(village, "WNA 2 AUS wisata", HEADS[0])
    first = Database(village.settings.database_url)

    def before_commit(_: sa.Connection) -> None:
        # The first has taken its number, and nobody else can see that yet.
        for head in HEADS[1:]:
            accept(village, "WNA 2 AUS wisata", head)
        while draining.drain_some(village.database, village.desk).handled:
            pass
        assert len(rows(village, Report)) == len(HEADS) - 1

    event.listen(first.engine, "commit", before_commit, once=True)
    draining.drain_some(first, village.desk)
    first.dispose()
    assert_numbers_differ(village)


def assert_numbers_differ(office: Wiring) -> None:
    numbers = [report.number for report in rows(office, Report)]
    assert len(numbers) == len(set(numbers)) == len(HEADS)
    assert len(rows(office, ConfirmationNumber)) == len(HEADS)


def test_a_moment_is_read_as_it_was_written_on_either_database(village: Wiring):
    """store-tz-sqlite."""
    moment = datetime(2026, 3, 1, 23, 30, tzinfo=timezone(timedelta(hours=8)))
    row_id = accept(village, "WNA 2 AUS wisata")
    with village.database.writing() as session:
        session.get_one(InboundMessage, row_id).network_time = moment
    (message,) = rows(village, InboundMessage)
    assert message.network_time == moment
    assert message.network_time.isoformat() == "2026-03-01T15:30:00+00:00"
    with village.database.reading() as session:
        stored = session.scalar(sa.text("SELECT network_time FROM inbox"))
    assert str(stored).startswith("2026-03-01 15:30:00")
    with pytest.raises(sa.exc.StatementError), village.database.writing() as session:
        session.get_one(InboundMessage, row_id).network_time = moment.replace(tzinfo=None)

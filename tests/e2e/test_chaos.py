"""Everything that can break is broken under load, one thing after the other; then it is counted.

The last test lets all of it happen at once, drawn by lot: see docs/durability.md, `make chaos`.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from rq import Callback, Queue
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer
from support.accounts import Books, assert_all_accounted, assert_shown
from support.africastalking_server import AfricasTalkingServer, ReceivedRequest
from support.database_dump import connected
from support.databases import DATABASES
from support.delivery_storm import DeliveryStorm
from support.mishaps import Mishaps
from support.payloads import phone
from support.postgres import PostgresServer
from support.redis_server import RedisServer
from support.site import LONG_ROUND, Site, pause, seed_of_this_run
from support.tally import Measure
from support.traffic import NO_ANSWER, Form, Heard, Traffic, Wire, reports_of
from support.waiting import wait_until

from models.inbox import InboundMessage
from models.report import Report

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.chaos,
    pytest.mark.timeout(480 + 3 * LONG_ROUND),
]

PHONES = [phone(number) for number in range(600)]
OWN_NUMBER, ADMIN = phone(990_001), phone(990_002)
TWO_DAYS = timedelta(days=2)
#: What a provider does to some numbers: in the end each such reply has left once, or never.
ODD_ANSWERS = ("close", "refuse:403", "empty:InvalidSenderId", "slow:0.3")


class Ground:
    """A site that many tests break in turn; each takes phones that have sent nothing yet."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.storm: DeliveryStorm | None = None
        self._next = count()
        self._heard = Heard()

    def phones(self, number: int) -> list[str]:
        """Take phones that have sent nothing yet."""
        return [PHONES[next(self._next)] for _ in range(number)]

    def traffic(self, senders: int, each: int, *, gives_up: float = 0, copies: int = 0) -> Traffic:
        """Make load from new senders, over the webhooks of all machines."""
        batches = reports_of(self.phones(senders), each)
        return Traffic(self.site.webhooks(), batches, pause=0.02, gives_up=gives_up, copies=copies)

    def assert_accounted(self, *heard: Heard) -> Books:
        """Mend what is broken, and count these messages and those of all tests before."""
        for one in heard:
            self._heard.answered += one.answered
            self._heard.unanswered += one.unanswered
            self._heard.late += one.late
        self.site.heal()
        return assert_all_accounted(self.site.gateway, self.site.provider, heard=self._heard)

    def tell(self, request: ReceivedRequest) -> None:
        """Let delivery reports follow, while there is a storm of them."""
        if self.storm is not None:
            self.storm.tell(request)


def flows(traffic: Traffic, more_than: int = 10) -> None:
    """Wait until so many messages were answered 200."""
    wait_until(
        lambda: traffic.is_over or len(traffic.heard.answered) > more_than,
        within=60,
        what="traffic flows",
    )


@pytest.fixture(scope="module")
def own_postgres(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A server that these tests may stop; the shared one has shown that one can be had."""
    assert postgres
    with PostgresServer.start() as server:
        yield server


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=pytest.mark.xdist_group(kind)) for kind in DATABASES],
)
def standing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    server = request.getfixturevalue("own_postgres") if request.param == "postgresql" else None
    grounds: list[Ground] = []

    def tell(given: ReceivedRequest) -> None:
        grounds[0].tell(given)

    with (
        RedisServer.running() as redis_server,
        AfricasTalkingServer.running(on_request=tell) as provider,
    ):
        site = Site(
            tmp_path_factory.mktemp("chaos"),
            provider=provider,
            redis=redis_server,
            postgres=server,
            TIMPORA_AFRICASTALKING_NUMBERS=f"31234,{OWN_NUMBER}",
            TIMPORA_CANARY_EVERY="3600",
        )
        grounds.append(Ground(site))
        try:
            site.gateway.prepare(PHONES)
            whose = ("--name", "Ani", "--institution", "imigrasi", "--area", "53.02")
            site.gateway.cli("officer", "add", "--phone", ADMIN, *whose, "--role", "admin")
            yield grounds[0]
        finally:
            site.close()


@pytest.fixture
def ground(standing: Ground) -> Ground:
    standing.site.provider.behave("accept")
    standing.site.heal()
    return standing


def test_processes_that_are_asked_to_stop_under_load_end_what_they_do(ground: Ground):
    site = ground.site
    site.provider.behave("slow:0.1")
    with ground.traffic(20, 4) as traffic:
        for role in ("worker", "web", "sweeper"):
            flows(traffic, len(traffic.heard.answered) + 5)
            seat = site.of(role)[0]
            assert seat.ask_to_stop()
            assert seat.wait_stopped() == 0
            seat.start()

    books = ground.assert_accounted(traffic.wait())

    # A send that a worker had begun is ended and recorded before it goes.
    assert {row["status"] for row in books.outbox} == {"sent"}


def test_redis_started_from_an_old_dump_does_nothing_twice(ground: Ground):
    site = ground.site
    for seat in site.of("worker", "sweeper"):
        seat.kill()
    with ground.traffic(20, 1) as first:
        first.wait()
    # It holds rings for all of them, and a bell that says that it was rung.
    old = site.redis.snapshot()
    ground.assert_accounted(first.heard)

    with ground.traffic(20, 3) as second:
        flows(second)
        site.redis.kill()
        site.redis.start(old)

    ground.assert_accounted(second.wait())


def test_redis_that_evicts_what_it_holds_costs_time_and_no_message(ground: Ground):
    limit = ground.site.redis.limit_memory
    with ground.traffic(20, 4) as traffic:
        flows(traffic)
        limit(1, "allkeys-lru")
        flows(traffic, 50)
        limit(0)

    assert traffic.wait().statuses.keys() <= {200, NO_ANSWER}
    ground.assert_accounted(traffic.heard)


def test_a_database_that_is_away_under_load_loses_nothing_that_was_answered(
    ground: Ground, measured: Measure
):
    site = ground.site
    with ground.traffic(20, 6) as traffic:
        flows(traffic)
        if site.postgres:
            site.postgres.restart()
            flows(traffic, len(traffic.heard.answered) + 5)
            site.postgres.kill()
            said_of_it = [
                requests.get(f"{site.gateway.url}/{name}", timeout=30).status_code
                for name in ("readyz", "healthz")
            ]
            pause(30 if LONG_ROUND else 3)
            site.postgres.launch()
            assert said_of_it == [503, 200]
            flows(traffic, len(traffic.heard.answered) + 5)
            said = Counter(traffic.heard.statuses), dict(traffic.heard.slowest)
            with site.database_frozen():
                pause(30 if LONG_ROUND else 2)
        else:
            with site.database_locked():
                pause(10)
            said = Counter({503: 1}), {}  # it may also be late, and then 200
    heard = traffic.wait()

    statuses, slowest = said
    measured("slowest_answer", round(max(heard.slowest.values()), 1))
    assert statuses[503] > 0, "what cannot be kept is not answered 200"
    assert all(seconds < 10 for seconds in slowest.values()), f"answers in time: {slowest}"
    ground.assert_accounted(heard)


def test_a_full_disk_is_answered_503_where_the_database_is_on_it_and_all_goes_on_with_room(
    ground: Ground,
):
    site = ground.site
    with ground.traffic(10, 4) as traffic:
        flows(traffic)
        with site.disk_full():
            (sms,) = reports_of(ground.phones(1), 1)[0]
            answers = [
                requests.post(webhook, data=sms, timeout=30).status_code
                for webhook in site.webhooks()
            ]
            is_kept = sms["id"] in Books.read(site.gateway.database_url).by_message
    heard = traffic.wait()

    if site.postgres:
        # The database is elsewhere: that a web machine has no room for a log line stops nothing.
        assert (answers, is_kept) == ([200, 200], True)
        heard.late.append(sms)
    else:
        assert (answers, is_kept) == ([503, 503], False)
        heard.unanswered.append(sms)
    assert heard.statuses.keys() <= {200, 503, NO_ANSWER}
    ground.assert_accounted(heard)


def test_jobs_of_another_release_or_of_somebody_else_are_set_aside_and_the_queue_goes_on(
    ground: Ground, tmp_path: Path
):
    site = ground.site
    mark = tmp_path / "ran"
    workers = [seat.process for seat in site.of("worker")]
    with site.redis.client() as client:
        ours = Queue("inbound", connection=client, serializer=JSONSerializer)
        pickled = Queue("inbound", connection=client)
        said = Callback("os.system")
        jobs = [
            pickled.enqueue("workers.jobs.validate_message", 1),
            pickled.enqueue("os.system", f"touch {mark}"),
            ours.enqueue("os.system", f"touch {mark}"),
            ours.enqueue("workers.jobs.read_message", 1),
            ours.enqueue("workers.jobs.validate_message", 1, "more", on_failure=said),
            ours.enqueue("workers.jobs.validate_message", 1, on_success=said),
        ]
        client.hset(ours.enqueue("workers.jobs.validate_message", 1).key, "data", b"\xff\x00")
        client.rpush(ours.key, "no-such-job")
        with ground.traffic(10, 1) as traffic:
            traffic.wait()
        wait_until(lambda: ours.count == 0, within=120, what="the queue is empty")
        failed = set(FailedJobRegistry(queue=ours).get_job_ids())

    # Set aside for whoever looks; those that name what is ours were run, without a callback.
    assert {job.id for job in jobs[:5]} <= failed
    assert jobs[5].id not in failed
    assert not mark.exists()
    assert [seat.process for seat in site.of("worker") if seat.runs] == workers
    ground.assert_accounted(traffic.heard)


def test_a_storm_of_everything_at_once_is_accounted_for_to_the_last_message(
    ground: Ground, measured: Measure
):
    seed = seed_of_this_run()
    mishaps = Mishaps(ground.site, seed)
    try:
        heard = weather(ground, mishaps, seed)
        books = ground.assert_accounted(heard)
        assert ground.storm
        delivered = ground.storm.delivered
        told = {row["id"]: row for row in books.outbox if row["provider_message_id"] in delivered}
        assert {row["status"] for row in told.values()} == {"delivered"}
        measured("messages_in_the_storm", len(heard.answered))
        come_again(ground, heard, seed)
        ground.assert_accounted()
        assert_shown(ground.site.gateway, Books.read(ground.site.gateway.database_url))
    except BaseException as failure:
        happened = ", ".join(mishaps.happened)
        failure.add_note(f"again with: make chaos SEED={seed}; what happened: {happened}")
        raise
    finally:
        ground.storm = None


def weather(ground: Ground, mishaps: Mishaps, seed: int) -> Heard:
    """Let the mishaps happen, each once or for as long as was asked, while villages text."""
    site, chance = ground.site, random.Random(f"{seed}/weather")  # noqa: S311
    of_each = (100, 6) if not LONG_ROUND else (200, 150)
    senders = ground.phones(of_each[0])
    for number in chance.sample(senders, len(senders) // 4):
        site.provider.behave(chance.choice(ODD_ANSWERS), number=number)
    batches = reports_of(senders, of_each[1])
    # The network was slow: written two days ago, and new to us.
    ago = (datetime.now(UTC) - TWO_DAYS).strftime("%Y-%m-%d %H:%M:%S")
    batches += reports_of(ground.phones(5), 2, date=ago)
    ground.storm = DeliveryStorm(seed)
    ground.storm.webhooks = site.webhooks("dlr")
    traffic = Traffic(site.webhooks(), batches, seed=seed, pause=0.02, gives_up=0.05, copies=4)
    with ground.storm:
        with traffic:
            until = time.monotonic() + LONG_ROUND
            for happened in count(1):
                mishaps.one()
                # Now and then the next one comes while the last is not mended yet.
                if chance.random() < 0.7:
                    flows(traffic, len(traffic.heard.answered) + 8)
                if traffic.is_over or (happened >= mishaps.number and time.monotonic() >= until):
                    break
        site.heal()
        heard = traffic.wait()
        # Whatever waits is sent while delivery reports are still told.
        wait_until(
            lambda: not Books.read(site.gateway.database_url).unfinished([]),
            within=120,
            every=0.5,
            what="nothing is under way",
        )
    return heard


def come_again(ground: Ground, heard: Heard, seed: int) -> None:
    """Bring it all once more, two days late, by the webhooks and out of the provider's inbox.

    Meanwhile all sweepers are killed again and again: of several, one tells, and once.
    """
    site, chance = ground.site, random.Random(f"{seed}/again")  # noqa: S311
    before = Books.read(site.gateway.database_url)
    make_older(site.gateway.database_url, TWO_DAYS)
    forms = [*heard.answered, *heard.late]
    again = chance.sample(forms, min(len(forms), 200))
    wire = Wire(site.webhooks())
    assert {wire.post(form, at) for at, form in enumerate(again)} == {200}
    flood = again[0]
    assert {wire.post(flood, 0) for _ in range(25)} == {200}
    wire.hang_up()
    for form in chance.sample(forms, min(len(forms), 50)):
        put_in_the_inbox(site, form)
    missed = [batch[0] for batch in reports_of(ground.phones(5), 1)]
    for at, form in enumerate(missed):
        form["id"] = str(900_001 + at)
        put_in_the_inbox(site, form, row_id=form["id"])
    for _ in range(2):
        for seat in site.of("sweeper"):
            seat.kill()
        for seat in site.of("sweeper"):
            seat.start()
        pause(chance.uniform(1, 3))

    ids = {form["id"] for form in missed}
    books = wait_until(
        lambda: look_for(site.gateway.database_url, ids), within=60, every=0.3, what="all is polled"
    )
    assert len(books.inbox) == len(before.inbox) + len(missed)
    assert len(books.reports) == len(before.reports) + len(missed)
    heard.late += missed
    once_each(site, books)


def look_for(url: str, ids: set[str]) -> Books | None:
    """Read the books if they hold these messages, handled, and an alarm that was told."""
    books = Books.read(url)
    has_told = any(row["reply_key"] == "ALARM_KANAL" for row in books.outbox)
    is_done = not books.unfinished(ids)
    return books if has_told and is_done else None


def once_each(site: Site, books: Books) -> None:
    """Check that of an alarm and a canary there is one each, however many sweepers there were."""
    keys = Counter(row["reply_key"] for row in books.outbox if row["in_reply_to"] is None)
    assert keys == {"ALARM_KANAL": 1, "CANARY": 1}
    assert len(site.provider.sent_to(ADMIN)) == 1
    assert len(site.provider.sent_to(OWN_NUMBER)) <= 1


def put_in_the_inbox(site: Site, form: Form, row_id: str | None = None) -> None:
    """Let the provider's inbox hold a message, as it does whatever its webhook brings."""
    date = form["date"].replace(" ", "T") + ".000Z"
    site.provider.gets(form["from"], form["text"], to=form["to"], date=date, row_id=row_id)


def make_older(url: str, by: timedelta) -> None:
    """Let everything have come so much earlier."""
    with connected(url) as connection:
        for table in (InboundMessage, Report):
            rows = connection.execute(sa.select(table.id, table.received_at)).all()
            moments: Sequence[dict[str, object]] = [
                {"row": row.id, "moment": row.received_at - by} for row in rows
            ]
            connection.execute(
                sa.update(table.__table__)
                .where(table.__table__.c.id == sa.bindparam("row"))
                .values(received_at=sa.bindparam("moment")),
                moments,
            )
        connection.commit()

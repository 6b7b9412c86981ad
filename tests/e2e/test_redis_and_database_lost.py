"""Redis and the database come and go; what was answered 200 is handled once, and only once."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from support.accounts import assert_each_once
from support.africastalking_server import AfricasTalkingServer
from support.gateway_process import Gateway
from support.payloads import incoming_sms, phone
from support.postgres import PostgresServer
from support.redis_server import RedisServer
from support.tally import Measure
from support.waiting import wait_until

pytestmark = pytest.mark.e2e

MANY = 200
DELIVERIES = 5


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_two_hundred_messages_delivered_five_times_survive_the_loss_of_redis(
    gateway: Gateway, provider: AfricasTalkingServer, redis_server: RedisServer, measured: Measure
):
    phones = [phone(number) for number in range(MANY)]
    gateway.prepare(phones)
    gateway.start_web()
    forms = [incoming_sms(sender=number) for number in phones]

    with ThreadPoolExecutor(DELIVERIES) as pool:
        # map() hands out in order, so the five copies of a message arrive at the same moment.
        copies = [form for form in forms for _ in range(DELIVERIES)]
        answers = Counter(pool.map(lambda form: gateway.post_sms(form).status_code, copies))
    redis_server.wipe()
    began = time.monotonic()
    gateway.start_worker()
    gateway.start_sweeper()

    assert answers == {200: MANY * DELIVERIES}
    wait_until(
        lambda: len(provider.requests) >= MANY,
        within=120,
        every=0.2,
        what=f"{MANY} replies leave",
    )
    measured("seconds_to_drain", round(time.monotonic() - began, 1))
    assert_each_once(gateway, provider, forms, within=60)
    assert len(gateway.reports()) == MANY
    assert len(gateway.messages()) == 2 * MANY
    assert len(provider.requests) == MANY


def test_redis_wiped_while_workers_run_stops_nothing(
    gateway: Gateway, provider: AfricasTalkingServer, redis_server: RedisServer
):
    phones = [phone(number) for number in range(20)]
    gateway.prepare(phones)
    gateway.start_web()
    gateway.start_worker()
    gateway.start_sweeper()
    forms = [incoming_sms(sender=number) for number in phones]

    for form in forms:
        assert gateway.post_sms(form).status_code == 200
        redis_server.wipe()

    assert_each_once(gateway, provider, forms)


@pytest.mark.alone
def test_a_message_that_comes_while_redis_is_down_is_kept_and_handled_when_it_is_back(
    gateway: Gateway, provider: AfricasTalkingServer, redis_server: RedisServer, measured: Measure
):
    gateway.prepare([phone(1), phone(2)])
    gateway.start_web()
    gateway.start_worker()
    gateway.start_sweeper()
    first = incoming_sms(sender=phone(1))
    gateway.post_sms(first)
    assert_each_once(gateway, provider, [first])

    redis_server.kill()
    second = incoming_sms(sender=phone(2))
    began = time.monotonic()
    answer = gateway.post_sms(second)
    took = time.monotonic() - began
    measured("seconds_without_redis", round(took, 3))
    assert answer.status_code == 200
    assert took < 5
    assert gateway.is_ready()
    redis_server.start()

    assert_each_once(gateway, provider, [first, second])


@pytest.fixture
def private_postgres(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A server that a test may stop; the shared one has shown that one can be had."""
    assert postgres
    with PostgresServer.start() as server:
        yield server


@pytest.mark.alone
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_without_its_database_it_says_send_again_and_takes_the_message_once_it_is_back(
    tmp_path: Path,
    private_postgres: PostgresServer,
    redis_server: RedisServer,
    provider: AfricasTalkingServer,
    how: str,
):
    gateway = Gateway(
        tmp_path / "gw",
        database_url=private_postgres.new_database(),
        redis_url=redis_server.url,
        provider_url=provider.url,
    )
    try:
        gateway.prepare([phone(1), phone(2)])
        gateway.start_web()
        gateway.start_worker()
        gateway.start_sweeper()
        first, second = (incoming_sms(sender=phone(number)) for number in (1, 2))
        gateway.post_sms(first)
        assert_each_once(gateway, provider, [first])

        getattr(private_postgres, how)()
        began = time.monotonic()
        answer = gateway.post_sms(second)
        took = time.monotonic() - began
        ready = requests.get(f"{gateway.url}/readyz", timeout=30).status_code
        alive = requests.get(f"{gateway.url}/healthz", timeout=30).status_code
        private_postgres.launch()

        assert (answer.status_code, ready, alive) == (503, 503, 200)
        assert took < 10
        wait_until(
            lambda: gateway.post_sms(second).status_code == 200,
            within=15,
            every=0.5,
            what="the message is taken",
        )
        assert_each_once(gateway, provider, [first, second])
    finally:
        gateway.close()

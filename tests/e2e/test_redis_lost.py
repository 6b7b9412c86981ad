"""Redis comes and goes; what was answered 200 is handled once, and only once."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.accounts import assert_each_once
from support.africastalking_server import AfricasTalkingServer
from support.gateway_process import Gateway
from support.payloads import incoming_sms, phone
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

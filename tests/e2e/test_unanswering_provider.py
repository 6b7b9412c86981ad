"""A provider that takes a request and does not answer holds us no longer than ten seconds."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.accounts import assert_each_once
from support.africastalking_server import AfricasTalkingServer
from support.gateway_process import Gateway
from support.payloads import incoming_sms, phone
from support.redis_server import RedisServer
from support.waiting import wait_until

pytestmark = pytest.mark.e2e

SILENCES = ("silent", "drip", "drip-headers")


@pytest.fixture
def one_box(
    tmp_path: Path, redis_server: RedisServer, provider: AfricasTalkingServer
) -> Iterator[Gateway]:
    # Longer than a send may last: here the send itself must end, not be given up by the sweeper.
    deployment = Gateway(
        tmp_path / "gw",
        redis_url=redis_server.url,
        provider_url=provider.url,
        TIMPORA_SENDING_STUCK_AFTER="60",
    )
    yield deployment
    deployment.close()


@pytest.mark.alone
@pytest.mark.timeout(180)
def test_a_send_without_an_answer_ends_in_ten_seconds_and_is_unconfirmed(
    one_box: Gateway, provider: AfricasTalkingServer
):
    phones = {behaviour: phone(at) for at, behaviour in enumerate(SILENCES)}
    one_box.prepare(phones.values())
    one_box.start_web()
    one_box.start_worker()
    one_box.start_sweeper()
    for behaviour, number in phones.items():
        provider.behave(behaviour, number=number)
    forms = [incoming_sms(sender=number) for number in phones.values()]

    for form in forms:
        assert one_box.post_sms(form).status_code == 200

    replies = assert_each_once(one_box, provider, forms, within=60)
    assert {rows[0]["status"] for rows in replies.values()} == {"unconfirmed"}
    # The one that drips notices at its next byte that we have gone.
    wait_until(
        lambda: all(request.ended_after for request in provider.requests),
        within=15,
        what="we have hung up",
    )
    lasted = {request.behaviour: request.ended_after or 0 for request in provider.requests}
    assert set(lasted) == set(SILENCES)
    assert all(seconds < 13 for seconds in lasted.values()), lasted


@pytest.mark.alone
@pytest.mark.timeout(180)
def test_a_message_comes_in_and_is_kept_at_once_while_the_provider_is_silent(
    one_box: Gateway, provider: AfricasTalkingServer
):
    one_box.prepare([phone(1), phone(2)])
    one_box.start_web()
    one_box.start_worker()
    one_box.start_sweeper()
    provider.behave("silent", number=phone(1))
    first, second = (incoming_sms(sender=phone(number)) for number in (1, 2))
    one_box.post_sms(first)
    wait_until(lambda: provider.sent_to(phone(1)), within=15, what="the first send hangs")

    began = time.monotonic()
    answer = one_box.post_sms(second)
    took = time.monotonic() - began

    assert answer.status_code == 200
    assert took < 2
    replies = assert_each_once(one_box, provider, [first, second], within=40)
    assert replies[second["id"]][0]["status"] == "sent"

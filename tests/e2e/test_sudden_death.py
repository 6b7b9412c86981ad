"""kill -9 between each pair of steps: nothing that was answered 200 is lost, nothing is doubled."""

import signal
from collections.abc import Iterator
from itertools import count

import pytest
import requests
from support.accounts import assert_each_once, wait_until_at_rest
from support.africastalking_server import AfricasTalkingServer
from support.databases import DATABASES, database_url_for
from support.gateway_process import Gateway, ProductProcess, post_form
from support.payloads import incoming_sms, phone
from support.redis_server import RedisServer
from support.waiting import free_port, wait_until

pytestmark = pytest.mark.e2e

PHONES = [phone(number) for number in range(200)]
KILLED = -signal.SIGKILL
#: Seconds: a process that starts and dies of its work, on a machine that has other things to do.
STARTS_WITHIN = 60

#: Where the worker dies, how often the provider gets the reply, and what becomes of that.
#: Its first commit is the report with its reply, its second the claim, its third what became of it.
WORKER_DEATHS = [
    pytest.param("before-bell", 1, 1, "sent", id="before the bell is answered"),
    pytest.param("after-bell", 1, 1, "sent", id="after the bell is answered"),
    pytest.param("before-commit", 1, 1, "sent", id="before the report is kept"),
    pytest.param("after-commit", 1, 1, "sent", id="after the report is kept"),
    pytest.param("before-commit", 2, 1, "sent", id="before the claim is kept"),
    pytest.param("after-commit", 2, 0, "unconfirmed", id="after the claim is kept"),
    pytest.param("before-request", 1, 0, "unconfirmed", id="before the request is out"),
    pytest.param("after-request", 1, 1, "unconfirmed", id="after the request is out"),
    pytest.param("after-answer", 1, 1, "unconfirmed", id="after the answer came"),
    pytest.param("before-commit", 3, 1, "unconfirmed", id="before the sending is recorded"),
    pytest.param("after-commit", 3, 1, "sent", id="after the sending is recorded"),
]


class Standing:
    """A deployment with web and no worker, for many tests; each takes a phone of its own."""

    def __init__(
        self, gateway: Gateway, provider: AfricasTalkingServer, redis: RedisServer
    ) -> None:
        self.gateway = gateway
        self.provider = provider
        self.redis = redis
        self._next = count()

    def sms(self) -> dict[str, str]:
        """Return a report from a phone that has sent none yet."""
        return incoming_sms(sender=PHONES[next(self._next)])

    def recover(self) -> list[ProductProcess]:
        """Start a worker and a sweeper that are well."""
        return [self.gateway.start_worker(), self.gateway.start_sweeper()]


@pytest.fixture(scope="module", params=DATABASES)
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standing]:
    database_url = database_url_for(request.param, request)
    with AfricasTalkingServer.running() as provider, RedisServer.running() as redis:
        gateway = Gateway(
            tmp_path_factory.mktemp("standing") / "gw",
            database_url=database_url,
            redis_url=redis.url,
            provider_url=provider.url,
        )
        try:
            gateway.prepare(PHONES)
            gateway.start_web()
            yield Standing(gateway, provider, redis)
        finally:
            gateway.close()


@pytest.fixture
def standing(deployment: Standing) -> Iterator[Standing]:
    """The deployment; workers and sweepers that a test started are gone after it."""
    before = len(deployment.gateway.processes)
    yield deployment
    for process in deployment.gateway.processes[before:]:
        if process.running:
            process.kill_with_children()


@pytest.mark.parametrize(("point", "nth", "sends", "status"), WORKER_DEATHS)
def test_a_worker_killed_between_two_steps_neither_loses_nor_doubles(
    standing: Standing, point: str, nth: int, sends: int, status: str
):
    gateway = standing.gateway
    worker = gateway.start_dying("worker", point, nth)
    gateway.arm()
    sms = standing.sms()
    assert gateway.post_sms(sms).status_code == 200
    assert worker.wait(STARTS_WITHIN) == KILLED, worker.text()

    standing.recover()

    (reply,) = assert_each_once(gateway, standing.provider, [sms])[sms["id"]]
    assert reply["status"] == status
    assert len(standing.provider.sent_to(sms["from"])) == sends


@pytest.mark.parametrize("point", ["before-commit", "after-commit", "after-bell"])
def test_a_web_process_killed_about_its_commit_has_said_nothing_and_the_next_try_counts_once(
    standing: Standing, point: str
):
    gateway = standing.gateway
    port = free_port()
    web = gateway.start_dying("web", point, port=port)
    other = gateway.webhook("sms").replace(gateway.url, f"http://127.0.0.1:{port}")

    def listens() -> bool:
        assert web.running, web.text()
        try:
            return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    wait_until(listens, within=60, what="the web process that will die is ready")
    gateway.arm()
    sms = standing.sms()
    with pytest.raises(requests.ConnectionError):
        post_form(other, sms)
    assert web.wait(10) == KILLED, web.text()

    assert gateway.post_sms(sms).status_code == 200
    standing.recover()

    (reply,) = assert_each_once(gateway, standing.provider, [sms])[sms["id"]]
    assert reply["status"] == "sent"


#: Its first commits are those of its steps: stuck sends, old dialogues, the watch, each channel.
SWEEPER_DEATHS = [(point, nth) for nth in (1, 2, 3) for point in ("before-commit", "after-commit")]


@pytest.mark.parametrize(("point", "nth"), SWEEPER_DEATHS)
def test_a_sweeper_killed_about_any_of_its_commits_leaves_the_rest_to_the_next(
    standing: Standing, point: str, nth: int
):
    gateway = standing.gateway
    worker = gateway.start_dying("worker", "after-request")
    gateway.arm()
    sms = standing.sms()
    assert gateway.post_sms(sms).status_code == 200
    assert worker.wait(STARTS_WITHIN) == KILLED, worker.text()
    sweeper = gateway.start_dying("sweeper", point, nth)
    gateway.arm()
    assert sweeper.wait(STARTS_WITHIN) == KILLED, sweeper.text()

    standing.recover()

    (reply,) = assert_each_once(gateway, standing.provider, [sms])[sms["id"]]
    assert reply["status"] == "unconfirmed"
    assert len(standing.provider.sent_to(sms["from"])) == 1


@pytest.mark.parametrize("point", ["before-bell", "after-bell"])
def test_a_sweeper_killed_while_it_rings_leaves_the_ringing_to_the_next(
    standing: Standing, point: str
):
    gateway = standing.gateway
    sms = standing.sms()
    assert gateway.post_sms(sms).status_code == 200
    standing.redis.wipe()
    sweeper = gateway.start_dying("sweeper", point)
    gateway.arm()
    assert sweeper.wait(STARTS_WITHIN) == KILLED, sweeper.text()

    standing.recover()

    (reply,) = assert_each_once(gateway, standing.provider, [sms])[sms["id"]]
    assert reply["status"] == "sent"


def test_a_reply_marked_unconfirmed_is_sent_again_only_when_an_operator_says_so(
    standing: Standing,
):
    gateway = standing.gateway
    worker = gateway.start_dying("worker", "after-request")
    gateway.arm()
    sms = standing.sms()
    gateway.post_sms(sms)
    assert worker.wait(STARTS_WITHIN) == KILLED, worker.text()
    standing.recover()
    (reply,) = wait_until_at_rest(gateway, [sms], within=20)[sms["id"]]
    assert reply["status"] == "unconfirmed"

    gateway.cli("messages", "settle", f"out-{reply['id']}", "--resend")

    wait_until(
        lambda: len(standing.provider.sent_to(sms["from"])) == 2, within=15, what="it is sent again"
    )

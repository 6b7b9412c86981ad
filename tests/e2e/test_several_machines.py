"""One deployment on several machines: each has a data folder of its own, and one sweeper leads."""

import signal
import sys
import time
from pathlib import Path

import pytest
import requests
from support.accounts import assert_each_once
from support.africastalking_server import AfricasTalkingServer
from support.gateway_process import Gateway, ProductProcess, post_form
from support.payloads import incoming_sms, phone
from support.redis_server import RedisServer
from support.tally import Measure
from support.waiting import free_port, wait_until

pytestmark = pytest.mark.e2e

#: A machine that is busy starts a process slowly; what the lead itself takes is seconds.
STARTS_WITHIN = 60
TAKES_OVER_WITHIN = 30


def start_sweeper(gateway: Gateway, folder: Path, name: str) -> ProductProcess:
    """Start a sweeper with a data folder of its own, as on another machine."""
    (folder / name).mkdir()
    return gateway.start(
        name,
        [sys.executable, "-m", "workers.sweeper"],
        {} if "sqlite" in gateway.database_url else {"TIMPORA_DATA_DIR": str(folder / name)},
    )


def times_it_led(sweeper: ProductProcess) -> int:
    return sweeper.text().count('"leading"')


def who_leads(gateway: Gateway) -> str:
    lines = gateway.cli("doctor", check=False).stdout.splitlines()
    (line,) = [line for line in lines if line.split()[1] == "sweeper"]
    return line


@pytest.fixture
def pair(gateway: Gateway, tmp_path: Path) -> tuple[ProductProcess, ProductProcess]:
    """A leader and one that waits; web and worker run beside them."""
    gateway.prepare([phone(number) for number in range(4)])
    gateway.start_web()
    leader = start_sweeper(gateway, tmp_path, "first")
    wait_until(lambda: times_it_led(leader), within=STARTS_WITHIN, what="the first leads")
    waiting = start_sweeper(gateway, tmp_path, "second")
    wait_until(
        lambda: "sweeper_started" in waiting.text(), within=STARTS_WITHIN, what="the second runs"
    )
    return leader, waiting


def test_another_sweeper_takes_over_when_the_leader_is_killed(
    gateway: Gateway,
    provider: AfricasTalkingServer,
    redis_server: RedisServer,
    pair: tuple[ProductProcess, ProductProcess],
    measured: Measure,
):
    leader, waiting = pair
    assert f"process {leader.popen.pid} leads" in who_leads(gateway)
    assert times_it_led(waiting) == 0
    sms = incoming_sms(sender=phone(0))
    assert gateway.post_sms(sms).status_code == 200
    redis_server.wipe()

    leader.kill()
    killed = time.monotonic()
    wait_until(lambda: times_it_led(waiting), within=TAKES_OVER_WITHIN, what="the second leads")
    measured("seconds until another sweeper leads", round(time.monotonic() - killed, 1))

    assert f"process {waiting.popen.pid} leads" in who_leads(gateway)
    # The ring for it was lost with Redis: only who sweeps rings again.
    gateway.start_worker()
    assert_each_once(gateway, provider, [sms])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_leader_that_was_stopped_and_wakes_up_does_not_lead_any_more(
    gateway: Gateway, pair: tuple[ProductProcess, ProductProcess], measured: Measure
):
    leader, waiting = pair
    leader.popen.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        wait_until(lambda: times_it_led(waiting), within=60, what="the second leads")
        measured("seconds until a stopped leader is replaced", round(time.monotonic() - stopped, 1))
    finally:
        leader.popen.send_signal(signal.SIGCONT)

    wait_until(lambda: "lead_lost" in leader.text(), within=TAKES_OVER_WITHIN, what="it knows")
    assert f"process {waiting.popen.pid} leads" in who_leads(gateway)
    assert times_it_led(leader) == 1
    assert times_it_led(waiting) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_sweeper_with_another_secret_key_does_not_start(gateway: Gateway):
    gateway.prepare([phone(0)])
    sweeper = gateway.start(
        "wrong", [sys.executable, "-m", "workers.sweeper"], {"TIMPORA_SECRET_KEY": "x" * 64}
    )
    assert sweeper.wait(STARTS_WITHIN) == 1
    assert "TIMPORA_SECRET_KEY" in sweeper.text()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_machines_that_share_a_database_and_a_redis_share_the_work(
    gateway: Gateway, provider: AfricasTalkingServer, tmp_path: Path
):
    """Two web processes, three workers and two sweepers, as in deploy/compose."""
    phones = [phone(number) for number in range(20)]
    gateway.prepare(phones)
    machines = [tmp_path / f"machine{number}" for number in range(7)]
    for folder in machines:
        folder.mkdir()
    of = [{"TIMPORA_DATA_DIR": str(folder)} for folder in machines]
    port = free_port()
    web = [sys.executable, "-m", "gateway.web_server"]
    gateway.start("web1", web, of[0])
    gateway.start("web2", web, of[1] | {"TIMPORA_BIND": f"127.0.0.1:{port}"})
    for place in of[2:5]:
        gateway.start("worker", [sys.executable, "-m", "workers"], place)
    sweepers = [
        gateway.start("sweeper", [sys.executable, "-m", "workers.sweeper"], place)
        for place in of[5:]
    ]
    other = gateway.webhook("sms").replace(gateway.url, f"http://127.0.0.1:{port}")
    wait_until(
        lambda: gateway.is_ready() and is_ready(f"http://127.0.0.1:{port}"),
        within=STARTS_WITHIN,
        what="both web processes are ready",
    )

    forms = [incoming_sms(sender=one) for one in phones]
    for number, form in enumerate(forms):
        assert post_form(gateway.webhook("sms") if number % 2 else other, form).status_code == 200
        # The provider heard nothing and sends it again: to the other machine.
        assert post_form(other if number % 2 else gateway.webhook("sms"), form).status_code == 200

    assert_each_once(gateway, provider, forms, within=60)
    assert sum(times_it_led(one) for one in sweepers) == 1


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=5).status_code == 200
    except requests.RequestException:
        return False

"""`timpora run`: one command starts everything, and nothing outlives it."""

import os
import re
import signal
import stat
import time

import pytest
from support.accounts import assert_each_once, confirmation_number
from support.africastalking_server import AfricasTalkingServer
from support.database_dump import dump_database
from support.gateway_process import Gateway, ProductProcess
from support.payloads import incoming_sms, phone
from support.processes import ProcessId, alive, marked
from support.waiting import free_port, wait_until

pytestmark = pytest.mark.e2e

KADES = phone(1)


def stop(supervisor: ProductProcess, how: str) -> None:
    """End it as a terminal does, or as a service manager does."""
    if how == "ctrl-c":
        supervisor.interrupt()
    else:
        supervisor.terminate()


@pytest.mark.parametrize("how", ["ctrl-c", "terminate"])
def test_it_stops_in_order_with_status_0_and_leaves_no_process(all_in_one: Gateway, how: str):
    supervisor = all_in_one.run()
    # Ready means that messages are taken; the others may still be starting.
    wait_until(
        lambda: len(supervisor.tree()) >= 4, within=10, what="web, worker, sweeper and Redis run"
    )
    children = supervisor.tree()

    stop(supervisor, how)

    assert supervisor.wait(15) == 0
    wait_until(lambda: not alive(children), within=1, what=f"{children} are gone")
    assert marked("HOME", str(all_in_one.folder)) == []
    assert "Traceback" not in supervisor.text()


@pytest.mark.parametrize("how", ["ctrl-c", "terminate"])
def test_what_is_in_flight_when_it_stops_is_neither_lost_nor_doubled(
    all_in_one: Gateway, provider: AfricasTalkingServer, how: str
):
    phones = [phone(number) for number in range(8)]
    all_in_one.prepare(phones)
    supervisor = all_in_one.run()
    provider.behave("slow:2")
    forms = [incoming_sms(sender=number) for number in phones]
    for form in forms:
        assert all_in_one.post_sms(form).status_code == 200
    wait_until(lambda: provider.requests, within=15, what="a reply is on its way")

    stop(supervisor, how)
    assert supervisor.wait(15) == 0
    provider.behave("accept")
    all_in_one.run()

    replies = assert_each_once(all_in_one, provider, forms)
    assert [rows[0]["status"] for rows in replies.values()] == ["sent"] * len(forms)


@pytest.mark.alone
@pytest.mark.parametrize("how", ["ctrl-c", "terminate", "kill"])
def test_a_send_that_hangs_holds_up_no_end_and_is_not_made_twice(
    all_in_one: Gateway, provider: AfricasTalkingServer, how: str
):
    all_in_one.prepare([KADES])
    supervisor = all_in_one.run()
    children = supervisor.tree()
    provider.behave("silent")
    sms = incoming_sms(sender=KADES)
    all_in_one.post_sms(sms)
    wait_until(lambda: provider.requests, within=15, what="the send hangs")

    if how == "kill":
        supervisor.kill()
    else:
        stop(supervisor, how)
        assert supervisor.wait(15) == 0

    # A worker that lost its supervisor may end its send first: ten seconds, and no more.
    wait_until(lambda: not alive(children), within=15, what=f"{children} are gone")
    provider.behave("accept")
    all_in_one.run()
    (reply,) = assert_each_once(all_in_one, provider, [sms])[sms["id"]]
    assert reply["status"] == "unconfirmed"


def test_killed_with_9_it_takes_its_children_along_and_a_second_start_finds_the_data(
    all_in_one: Gateway, provider: AfricasTalkingServer
):
    all_in_one.prepare([KADES, phone(2)])
    supervisor = all_in_one.run()
    first = incoming_sms(sender=KADES)
    all_in_one.post_sms(first)
    assert_each_once(all_in_one, provider, [first])
    before = all_in_one.reports()
    children = supervisor.tree()

    supervisor.kill()

    wait_until(lambda: not alive(children), within=5, what=f"{children} are gone")
    assert marked("HOME", str(all_in_one.folder)) == []
    all_in_one.run()
    assert all_in_one.reports() == before
    second = incoming_sms(sender=phone(2))
    all_in_one.post_sms(second)
    assert_each_once(all_in_one, provider, [first, second])


def test_a_second_start_on_the_same_data_is_refused_and_the_first_goes_on(all_in_one: Gateway):
    first = all_in_one.run()

    second = all_in_one.start(
        "second",
        [
            "timpora",
            "run",
            "--port",
            str(free_port()),
            "--data-dir",
            str(all_in_one.data),
            "--no-demo",
        ],
    )

    assert second.wait(20) != 0
    assert re.search(r"already|running|in use", second.text())
    assert str(all_in_one.data) in second.text()
    assert "Traceback" not in second.text()
    assert first.running
    assert all_in_one.is_ready()


def test_a_child_that_dies_is_started_again_whichever_it_is(
    all_in_one: Gateway, provider: AfricasTalkingServer
):
    all_in_one.prepare([KADES])
    supervisor = all_in_one.run()

    def only_what_stays() -> list[ProcessId]:
        tree = supervisor.tree()
        # One that is just ending has no command any more, and is not gone yet.
        is_over = all(one.command and "preparing" not in one.command for one in tree)
        return tree if is_over and "Ctrl-C stops it" in supervisor.text() else []

    children = wait_until(only_what_stays, within=15, what="all are started")
    number = len(children)

    for child in children:
        if not alive([child]):
            continue  # Gone with the parent that was killed before.
        os.kill(child.pid, signal.SIGKILL)
        wait_until(
            lambda killed=child: not alive([killed]) and len(supervisor.tree()) >= number,
            within=20,
            what=f"another is there for {child}",
        )
    wait_until(all_in_one.is_ready, within=20, every=0.2, what="it is ready again")
    sms = incoming_sms(sender=KADES)
    assert all_in_one.post_sms(sms).status_code == 200
    assert_each_once(all_in_one, provider, [sms])
    assert supervisor.running


def preparing(supervisor: ProductProcess) -> ProcessId:
    """Wait for the process that prepares, and return it."""

    def found() -> list[ProcessId]:
        return [one for one in supervisor.tree() if "preparing" in one.command]

    return wait_until(found, within=20, every=0.01, what="it prepares")[0]


def test_a_start_whose_preparing_is_killed_ends_with_a_word_and_leaves_nothing(
    all_in_one: Gateway,
):
    supervisor = all_in_one.run(ready=False)

    os.kill(preparing(supervisor).pid, signal.SIGKILL)

    assert supervisor.wait(15) == 1
    assert "preparing was killed (signal 9)" in supervisor.text()
    assert marked("HOME", str(all_in_one.folder)) == []


@pytest.mark.parametrize("how", ["ctrl-c", "terminate", "kill"])
def test_it_can_be_stopped_while_it_prepares(all_in_one: Gateway, how: str):
    supervisor = all_in_one.run(ready=False)
    preparing(supervisor)

    if how == "kill":
        supervisor.kill()
    else:
        stop(supervisor, how)
        assert supervisor.wait(5) == 0

    nothing = wait_until(
        lambda: marked("HOME", str(all_in_one.folder)) == [], within=5, what="nothing is left"
    )
    assert nothing
    assert "Traceback" not in supervisor.text()


def test_secrets_are_made_once_and_only_their_owner_can_read_them(all_in_one: Gateway):
    del all_in_one.environment["TIMPORA_WEBHOOK_SECRET"]
    del all_in_one.environment["TIMPORA_SECRET_KEY"]
    supervisor = all_in_one.run()
    files = [all_in_one.data / name for name in ("webhook_secret", "secret_key")]
    made = [file.read_text() for file in files]
    all_in_one.secret = made[0].strip()

    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    assert all_in_one.post_sms(incoming_sms()).status_code == 200
    supervisor.interrupt()
    supervisor.wait(15)
    all_in_one.run()
    assert [file.read_text() for file in files] == made


def test_the_first_start_has_demo_people_who_can_report_at_once(all_in_one: Gateway):
    for name in [name for name in all_in_one.environment if "AFRICASTALKING" in name]:
        del all_in_one.environment[name]
    all_in_one.environment["TIMPORA_CHANNEL"] = "loopback"
    began = time.monotonic()
    supervisor = all_in_one.run("--demo")
    assert time.monotonic() - began < 30
    wait_until(
        lambda: all_in_one.url in supervisor.text(), within=10, what="it says where to go next"
    )
    people = all_in_one.run_cli("roster", "list", "--json")
    assert len({row["village_code"] for row in people}) == 278
    # No command shows a demo person's number, so this looks behind the product's back.
    sender = str(dump_database(all_in_one.database_url)["phones"][0]["number"])

    all_in_one.post_sms(incoming_sms(sender=sender))

    def answered() -> list[str]:
        return [row["text"] for row in all_in_one.messages("out") if row["status"] == "sent"]

    (text,) = wait_until(answered, within=20, every=0.3, what="the demo person is answered")
    assert confirmation_number(text)


def test_two_web_processes_and_two_workers_share_the_work(
    all_in_one: Gateway, provider: AfricasTalkingServer
):
    phones = [phone(number) for number in range(40)]
    all_in_one.prepare(phones)
    all_in_one.run("--web", "2", "--workers", "2")
    forms = [incoming_sms(sender=number) for number in phones]

    for form in forms:
        assert all_in_one.post_sms(form).status_code == 200

    assert_each_once(all_in_one, provider, forms)

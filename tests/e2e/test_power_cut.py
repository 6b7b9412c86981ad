"""The power goes: every process dies at once, and all is started again on the same files.

A killed process leaves what it wrote with the kernel, which a power cut does not. So the other test
counts that before each 200 the disk was told to keep it.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from sqlalchemy.engine import make_url
from support import debian
from support.accounts import assert_each_once
from support.africastalking_server import AfricasTalkingServer
from support.databases import DATABASES
from support.gateway_process import Gateway
from support.payloads import incoming_sms, phone
from support.postgres import PostgresServer
from support.processes import ProcessId, alive, descendants, identify, kill_all, marked
from support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MANY = 60
SYNC = re.compile(r"\b(?:fsync|fdatasync)\(")
SAID_YES = re.compile(r"\b(?:sendto|sendmsg|writev?)\(.*HTTP/1\.1 200")


@pytest.fixture(params=DATABASES)
def own_postgres(request: pytest.FixtureRequest) -> Iterator[PostgresServer | None]:
    """A PostgreSQL that a test may kill, or none: then it is SQLite."""
    if request.param == DATABASES[0]:
        yield None
        return
    assert request.getfixturevalue("postgres"), "one can be had"
    with PostgresServer.start() as server:
        yield server


@pytest.fixture
def box(
    tmp_path: Path, own_postgres: PostgresServer | None, provider: AfricasTalkingServer
) -> Iterator[Gateway]:
    """A gateway under one supervisor, with its own Redis."""
    url = own_postgres.new_database() if own_postgres else ""
    deployment = Gateway(tmp_path / "gw", database_url=url, provider_url=provider.url)
    yield deployment
    deployment.close()


def cut_power(box: Gateway, postgres: PostgresServer | None) -> None:
    """End every process: none of them does anything more once another is gone."""
    family = marked("HOME", str(box.folder))
    assert len(family) >= 5, "supervisor, Redis, web, worker and sweeper"
    for process in family:
        os.kill(process.pid, signal.SIGSTOP)
    if postgres:
        postgres.kill()
    kill_all(family)
    wait_until(lambda: not alive(family), within=15, what="all of it is gone")


def test_after_a_power_cut_nothing_acknowledged_is_lost_and_nothing_is_doubled(
    box: Gateway, own_postgres: PostgresServer | None, provider: AfricasTalkingServer
):
    box.prepare(phone(number) for number in range(MANY))
    box.run()
    forms = [incoming_sms(sender=phone(number)) for number in range(MANY)]
    assert box.post_sms(forms[0]).status_code == 200
    wait_until(lambda: provider.requests, within=60, what="the worker is there and answers")
    heard = {forms[0]["id"]}

    def post(form: dict[str, str]) -> None:
        try:
            if box.post_sms(form).status_code == 200:
                heard.add(form["id"])
        except requests.RequestException:
            pass  # the power is gone; the provider sends it again

    with ThreadPoolExecutor(4) as pool:
        posts = [pool.submit(post, form) for form in forms[1:]]
        wait_until(lambda: len(heard) >= MANY // 4, within=60, what="messages come in", every=0.002)
        cut_power(box, own_postgres)
        for one in posts:
            one.result()
    acknowledged = set(heard)
    assert len(acknowledged) < MANY, "it happened in the midst of it"

    if own_postgres:
        own_postgres.launch()
    box.run()
    kept = {row["provider_message_id"] for row in box.messages("in")}
    assert acknowledged <= kept
    for form in forms:
        if form["id"] not in acknowledged:
            assert box.post_sms(form).status_code == 200

    assert_each_once(box, provider, forms, within=60)


@contextmanager
def traced(processes: list[ProcessId], output: Path) -> Iterator[None]:
    """Write down what these processes tell the disk and say to others."""
    pids = [argument for process in processes for argument in ("-p", str(process.pid))]
    command = [
        "strace",
        "-f",
        "-s",
        "64",
        "-e",
        "trace=fsync,fdatasync,sendto,sendmsg,write,writev",
        *pids,
    ]
    tracer = subprocess.Popen(  # noqa: S603
        [*command, "-o", str(output)], stderr=subprocess.PIPE, text=True
    )
    try:
        for _ in processes:
            line = tracer.stderr.readline() if tracer.stderr else ""
            if "attached" not in line:
                pytest.skip(f"strace may not look at processes here: {line.strip()}")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=30)


def who_commits(gateway: Gateway) -> list[ProcessId]:
    """List the web processes; on PostgreSQL those of the server that write for them, too."""
    web = [*gateway.processes[-1].tree(), identify(gateway.processes[-1].popen.pid)]
    database = make_url(gateway.database_url).database or ""
    backends = [one for one in descendants(os.getpid()) if f" {database} [" in one.command]
    return [one for one in web if one] + backends


def test_before_each_200_the_disk_was_told_to_keep_the_message(gateway: Gateway, tmp_path: Path):
    debian.demand(("strace",), lambda: [] if shutil.which("strace") else ["strace"])
    gateway.prepare([phone(1)])
    gateway.start_web()
    # The connection to the database is open from then on.
    assert gateway.post_sms(incoming_sms(sender=phone(1))).status_code == 200
    output = tmp_path / "calls"

    with traced(who_commits(gateway), output):
        for _ in range(5):
            assert gateway.post_sms(incoming_sms(sender=phone(1))).status_code == 200

    synced, answers = 0, []
    for line in output.read_text(errors="replace").splitlines():
        if SYNC.search(line):
            synced += 1
        elif SAID_YES.search(line):
            answers.append(synced)
            synced = 0
    assert len(answers) == 5
    assert min(answers) >= 1

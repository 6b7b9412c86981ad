"""What tests fork shares its imports; in all else it is as the installed one and started alone."""

import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateway_process import Gateway, ProductProcess, product
from support.payloads import phone
from support.processes import alive, identify
from support.redis_server import RedisServer
from support.waiting import wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """A deployment that never runs: it has a kades, and an officer without a PIN."""
    deployment = Gateway(tmp_path_factory.mktemp("commands") / "gw")
    deployment.prepare([phone(1)])
    who = ("--name", "Ani", "--institution", "imigrasi", "--area", "53.02")
    deployment.cli("officer", "add", "--phone", phone(2), *who)
    return deployment


@pytest.mark.parametrize(
    "arguments",
    [
        ["messages", "--json"],
        ["roster", "list"],
        ["reports", "--count"],
        ["reports", "--state", "no such state"],
        ["no-such-command"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_a_command_says_and_ends_as_the_installed_one_does(gateway: Gateway, arguments: list[str]):
    forked = gateway.cli(*arguments, check=False)
    installed = gateway.run_installed(*arguments)

    assert (forked.returncode, forked.stdout, forked.stderr) == (
        installed.returncode,
        installed.stdout,
        installed.stderr,
    )


def test_what_is_typed_reaches_it(gateway: Gateway):
    to_set = ("officer", "pin", "--phone", phone(2))

    refused = gateway.cli(*to_set, given="1\n", check=False)
    gateway.cli(*to_set, given="739164\n")

    assert refused.returncode == 1
    assert "PIN" in refused.stderr


def test_one_deployment_never_sees_the_settings_of_another(gateway: Gateway, tmp_path: Path):
    other = Gateway(tmp_path / "other", TIMPORA_TIMEZONE="Mars")

    assert "TIMPORA_TIMEZONE" in other.cli("reports", check=False).stderr
    assert len(gateway.run_cli("roster", "list", "--json")) == 1


def test_one_that_takes_too_long_is_ended(tmp_path: Path):
    # A database that takes the connection and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        url = f"postgresql+psycopg://x@{host}:{port}/x"
        with pytest.raises(subprocess.TimeoutExpired):
            Gateway(tmp_path / "gw", database_url=url).cli("reports", within=1)

    wait_until(lambda: not product().tree(), within=10, what="the command is gone")


@pytest.fixture(params=[False, True], ids=["forked", "cold"])
def sweeper(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer
) -> Iterator[ProductProcess]:
    deployment = Gateway(tmp_path / "gw", redis_url=redis_server.url, cold=request.param)
    deployment.prepare()
    process = deployment.start_sweeper()
    wait_until(lambda: "leading" in process.text(), within=30, what="it leads")
    yield process
    deployment.close()


@pytest.mark.parametrize(
    ("which", "status", "last"),
    [
        (signal.SIGTERM, 0, "sweeper_stopped"),
        (signal.SIGKILL, -signal.SIGKILL, "leading"),
    ],
)
def test_a_process_begins_and_ends_as_one_that_is_started_alone(
    sweeper: ProductProcess, which: signal.Signals, status: int, last: str
):
    assert os.getsid(sweeper.popen.pid) == sweeper.popen.pid

    sweeper.popen.send_signal(which)

    assert sweeper.wait(20) == status
    assert not sweeper.running
    assert json.loads(sweeper.text().splitlines()[-1])["event"] == last


def test_a_process_is_gone_with_whoever_started_it(gateway: Gateway):
    with tempfile.TemporaryFile() as stream:
        process = product().start(
            "workers.sweeper",
            ["sweeper"],
            environment=gateway.environment,
            folder=gateway.folder,
            streams=[stream] * 3,
        )
    named = identify(process.pid)
    assert named

    process.hang_up()

    wait_until(lambda: not alive([named]), within=10, what="it is gone")

"""A process that is asked to stop before it has begun, while its database does not answer."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateway_process import Gateway
from support.processes import heeds
from support.waiting import wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Gateway]:
    """A deployment whose PostgreSQL takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        deployment = Gateway(
            tmp_path / "gw",
            database_url=f"postgresql+psycopg://timpora@127.0.0.1:{port}/timpora",
            redis_url="redis://127.0.0.1:9/0",
            TIMPORA_CHANNEL="loopback",
        )
        yield deployment
        deployment.close()


@pytest.mark.parametrize("role", ["worker", "sweeper"])
def test_it_ends_in_order(waiting: Gateway, role: str):
    process = waiting.start_worker() if role == "worker" else waiting.start_sweeper()
    wait_until(
        lambda: heeds(process.popen.pid, signal.SIGTERM), within=30, what="it can be asked to stop"
    )
    assert f"{role}_started" not in process.text(), "it waits for its database"

    process.terminate()

    assert process.wait(20) == 0
    assert "Traceback" not in process.text()

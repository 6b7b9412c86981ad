"""A process that is asked to stop: not yet begun, in the midst of anything, without Redis."""

import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateway_process import Gateway, ProductProcess
from support.processes import heeds
from support.redis_server import RedisServer
from support.waiting import wait_until

from gateway.messaging.queues import Doorbell, Job
from gateway.supervisor import STOP_WITHIN

pytestmark = pytest.mark.e2e

#: A worker that is asked to stop where RQ calls Redis, by what swallows every error there.
ASKED_WHERE_ERRORS_ARE_SWALLOWED = """
import os, runpy, signal, sys
from rq import SimpleWorker
beat = SimpleWorker.heartbeat
def beat_and_ask(self, *arguments, **more):
    beat(self, *arguments, **more)
    if os.path.exists(sys.argv[1]):
        try:
            signal.raise_signal(signal.SIGTERM)
        except Exception:
            pass
SimpleWorker.heartbeat = beat_and_ask
runpy.run_module("workers", run_name="__main__")
"""


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


@pytest.fixture
def idle(tmp_path: Path, redis_server: RedisServer) -> Iterator[Gateway]:
    """A deployment with nothing to do."""
    deployment = Gateway(tmp_path / "gw", redis_url=redis_server.url, TIMPORA_CHANNEL="loopback")
    deployment.prepare()
    yield deployment
    deployment.close()


def listens_for_jobs(worker: ProductProcess, redis_server: RedisServer) -> None:
    """Wait until a worker waits for Redis to give it something to do."""

    def is_blocked() -> bool:
        with redis_server.client() as client:
            return bool(client.info("clients")["blocked_clients"])

    wait_until(is_blocked, within=30, what="the worker waits for jobs")
    assert worker.running


@pytest.mark.parametrize("role", ["worker", "sweeper"])
def test_one_that_waits_for_its_database_ends_in_order(waiting: Gateway, role: str):
    process = waiting.start_worker() if role == "worker" else waiting.start_sweeper()
    wait_until(
        lambda: heeds(process.popen.pid, signal.SIGTERM), within=30, what="it can be asked to stop"
    )
    assert f"{role}_started" not in process.text(), "it waits for its database"

    process.terminate()

    assert process.wait(20) == 0
    assert "Traceback" not in process.text()


def test_a_worker_that_is_asked_where_every_error_is_swallowed_stops(
    idle: Gateway, redis_server: RedisServer, tmp_path: Path
):
    told = tmp_path / "told"
    command = [sys.executable, "-c", ASKED_WHERE_ERRORS_ARE_SWALLOWED, str(told)]
    worker = idle.start("worker", command)
    listens_for_jobs(worker, redis_server)

    told.touch()

    assert worker.wait(STOP_WITHIN["worker"]) == 0
    assert "worker_stopped" in worker.text()


@pytest.mark.parametrize("when", ["at first", "after it was noticed"])
def test_a_worker_stops_while_redis_answers_nobody(
    idle: Gateway, redis_server: RedisServer, when: str
):
    worker = idle.start_worker()
    listens_for_jobs(worker, redis_server)

    with redis_server.frozen():
        if when == "after it was noticed":
            wait_until(lambda: "redis_lost" in worker.text(), within=30, what="it is noticed")
        worker.terminate()

        assert worker.wait(STOP_WITHIN["worker"]) == 0
    assert "Traceback" not in worker.text()


def test_a_worker_that_lost_redis_works_when_it_is_back(idle: Gateway, redis_server: RedisServer):
    worker = idle.start_worker()
    listens_for_jobs(worker, redis_server)

    with redis_server.frozen():
        wait_until(lambda: "redis_lost" in worker.text(), within=30, what="the loss is noticed")

    listens_for_jobs(worker, redis_server)
    bell = Doorbell(redis_server.url)
    assert bell.ring(Job.VALIDATE_MESSAGE, 1)
    wait_until(lambda: not bell.waiting(), within=30, what="it takes what it is rung for")
    worker.terminate()
    assert worker.wait(STOP_WITHIN["worker"]) == 0

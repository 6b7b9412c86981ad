"""Whatever stands in Redis: a worker runs only our jobs, nothing stops it, and the queue goes on.

A real worker, a real Redis, and what others, older versions or a bad day may have left there.
"""

import json
import pickle
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer
from support.gateway_process import Gateway, ProductProcess
from support.payloads import phone
from support.raw_server import RawServer, http_answer
from support.redis_server import RedisServer
from support.waiting import wait_until

from gateway.identity import Directory
from gateway.messaging import receiving
from gateway.messaging.queues import Doorbell, Job
from gateway.providers.base import InboundSms, Intake
from models import schema
from models.database.engine import Database
from models.inbox import InboundMessage

OURS = Job.VALIDATE_MESSAGE.value
INBOUND = "rq:queue:inbound"
#: Much longer than it takes, as the machine may be busy with other things.
GOES_ON_WITHIN = 100.0
#: Less than half of what a bomb holds.
MOST_MEMORY_MB = 35
BOMB = 80_000_000
REGISTRIES = ("wip", "failed", "finished", "deferred", "ready", "scheduled", "canceled")

#: A module that leaves a trace when it is imported, and when anything of it is called.
TRAP = """
from pathlib import Path
Path({trace!r}).touch()
def spring(*_, **__):
    Path({trace!r}).touch()
"""


class Unpickled:
    """Leaves the trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self._trace,)


@dataclass
class Plant:
    """What puts things into Redis as somebody else would."""

    redis: redis.Redis
    trace: Path
    url: str
    ids: list[str] = field(default_factory=list)

    def job(
        self,
        data: bytes | None = None,
        *,
        queue: str = INBOUND,
        job_id: str = "",
        rings: bool = True,
        **fields: Any,
    ) -> str:
        """Put a job there; the function is the trap's unless other data are given."""
        job_id = job_id or uuid4().hex
        plain = {
            "data": said("trap.spring") if data is None else data,
            "created_at": "2026-11-25T02:10:00.000000Z",
            "origin": "inbound",
            "timeout": "180",
            "status": "queued",
        }
        self.redis.hset(f"rq:job:{job_id}", mapping=plain | fields)
        if rings:
            self.redis.rpush(queue, job_id)
        self.ids.append(job_id)
        return job_id


def said(function: str, *args: Any, instance: Any = None, **kwargs: Any) -> bytes:
    """Write what a job carries."""
    return zlib.compress(json.dumps([function, instance, args, kwargs]).encode())


@dataclass
class Deployment:
    """A worker and a sweeper that run, and the means to see that it does its work."""

    gateway: Gateway
    redis: RedisServer
    database: Database
    worker: ProductProcess
    trace: Path
    server: RawServer

    @property
    def doorbell(self) -> Doorbell:
        return Doorbell(self.redis.url)

    def goes_on(self) -> None:
        """See that a message is handled as ever, by a bell that is rung as ever."""
        directory = Directory(self.gateway.environment["TIMPORA_SECRET_KEY"])
        sms = InboundSms(phone(1), "22345", "BANTU", uuid4().hex)
        with self.database.writing() as session:
            (row_id,) = receiving.accept(session, directory, "loopback", Intake(messages=(sms,)))
        doorbell = self.doorbell

        def is_handled() -> bool:
            doorbell.ring(Job.VALIDATE_MESSAGE, row_id)
            with self.database.reading() as session:
                return session.get_one(InboundMessage, row_id).handled_at is not None

        wait_until(is_handled, within=GOES_ON_WITHIN, what="a message is handled", every=0.1)
        with self.redis.client() as client:
            # One worker takes one job after the other: what was before this one is over with it.
            last = Plant(client, self.trace, self.server.url).job(said(OURS, row_id))
            wait_until(
                lambda: not client.exists(f"rq:job:{last}"),
                within=GOES_ON_WITHIN,
                what="a job ends",
            )
        assert self.worker.running

    def new_worker(self) -> None:
        """Have another worker, which finds in Redis what was put there."""
        self.worker.terminate()
        self.worker.wait(15)
        self.worker = self.gateway.start_worker()

    def entry(self) -> bytes:
        """Have a new worker, and give the key under which Redis knows it."""
        self.new_worker()
        with self.redis.client() as client:
            keys = wait_until(
                lambda: client.smembers("rq:workers"), within=GOES_ON_WITHIN, what="it is known"
            )
        (key,) = keys
        return bytes(key)

    def memory(self) -> float:
        """Say how many MB the worker has ever had."""
        status = Path(f"/proc/{self.worker.popen.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "trap").mkdir()
    trace = folder / "trace"
    (folder / "trap" / "trap.py").write_text(TRAP.format(trace=str(trace)))
    with RedisServer.running() as server, RawServer.answering(http_answer(b"")) as outside:
        trap = str(folder / "trap")
        gateway = Gateway(folder / "gw", redis_url=server.url, cold=True, PYTHONPATH=trap)
        try:
            database = Database(f"sqlite:///{gateway.data / 'timpora.db'}")
            schema.upgrade(database)
            worker = gateway.start_worker()
            gateway.start_sweeper()
            yield Deployment(gateway, server, database, worker, trace, outside)
            database.dispose()
        finally:
            gateway.close()


@pytest.fixture
def deployment(running: Deployment) -> Deployment:
    running.redis.wipe()
    running.trace.unlink(missing_ok=True)
    running.server.requests.clear()
    if not running.worker.running:
        running.worker = running.gateway.start_worker()
    return running


@pytest.fixture
def plant(deployment: Deployment) -> Iterator[Plant]:
    with deployment.redis.client() as client:
        yield Plant(client, deployment.trace, deployment.server.url)


def callbacks(_: Plant) -> Mapping[str, Any]:
    names = ("success", "failure", "stopped")
    return {f"{name}_callback_name": "trap.spring" for name in names}


def webhooks(plant: Plant) -> Mapping[str, Any]:
    told = [{"url": plant.url, "job_status": status} for status in ("finished", "failed")]
    return {"webhooks": json.dumps(told)}


#: Jobs of others, and fields of a job that RQ would heed.
FOREIGN: Mapping[str, Callable[[Plant], object]] = {
    "a function that was renamed": lambda it: it.job(said("workers.jobs.old_name", 1)),
    "a function of ours that is no job": lambda it: it.job(said("workers.jobs.wiring")),
    "a function of the standard library": lambda it: it.job(said("os.mkdir", str(it.trace))),
    "a function of a module that is there": lambda it: it.job(),
    "an attribute of a module of ours": lambda it: it.job(said("workers.jobs.time.sleep", 600)),
    "pickle": lambda it: it.job(pickle.dumps(("trap.spring", None, (), {}))),
    "pickle that runs when it is read": lambda it: it.job(
        zlib.compress(pickle.dumps(Unpickled(it.trace)))
    ),
    "a method of an instance": lambda it: it.job(said("spring", instance={"a": 1})),
    "callbacks of a job of ours": lambda it: it.job(said(OURS, 1), **callbacks(it)),
    "callbacks of a foreign job": lambda it: it.job(**callbacks(it)),
    "addresses to call about a job of ours": lambda it: it.job(said(OURS, 1), **webhooks(it)),
    "addresses to call about a foreign job": lambda it: it.job(**webhooks(it)),
    "a repeat without end": lambda it: it.job(
        said(OURS, 1), repeats_left=10**9, repeat_intervals="[0]"
    ),
    "a repeat of a foreign job": lambda it: it.job(repeats_left=10**9, repeat_intervals="[0]"),
    "retries without end": lambda it: it.job(retries_left=10**9),
    "a retry later": lambda it: it.job(retries_left=1, retry_intervals="[1]"),
    "a rate limit": lambda it: it.job(said(OURS, 1), rate_limit_key="k", rate_limit_concurrency=1),
    "dependents": lambda it: it.redis.sadd(
        f"rq:job:{it.job(said(OURS, 1))}:dependents", it.job(rings=False)
    ),
    "a job that is its own dependent": lambda it: it.redis.sadd(
        "rq:job:circle:dependents", it.job(said(OURS, 1), job_id="circle")
    ),
    "dependents of another type": lambda it: it.redis.set(
        f"rq:job:{it.job(said(OURS, 1))}:dependents", "x"
    ),
    "a dependency": lambda it: it.job(said(OURS, 1), dependency_ids='["nobody"]'),
    "a group": lambda it: it.job(said(OURS, 1), group_id="g"),
    "meta that is pickle": lambda it: it.job(said(OURS, 1), meta=pickle.dumps(Unpickled(it.trace))),
    "a result that is pickle": lambda it: it.job(
        said(OURS, 1), result=pickle.dumps(Unpickled(it.trace))
    ),
    "an origin that is no text": lambda it: it.job(said(OURS, 1), origin=b"\xff\xfe"),
    "another origin": lambda it: it.job(said(OURS, 1), origin="elsewhere"),
    "a field that is no text": lambda it: it.redis.hset(
        f"rq:job:{it.job(said(OURS, 1))}", b"\xff", b"\xff"
    ),
    "numbers that are none": lambda it: it.job(
        said(OURS, 1), timeout="soon", result_ttl="x", failure_ttl="x", repeats_left="x"
    ),
    "a status that is none": lambda it: it.job(said(OURS, 1), status="nonsense"),
    "dates that are none": lambda it: it.job(said(OURS, 1), created_at="x", enqueued_at=b"\xff"),
    "no time to run": lambda it: it.job(said(OURS, 1), timeout="-1"),
    "no data": lambda it: it.redis.hdel(f"rq:job:{it.job()}", "data"),
    "data that are no list": lambda it: it.job(zlib.compress(b'{"a": 1}')),
    "data that are no JSON": lambda it: it.job(b"\x00\xff"),
    "lists in lists": lambda it: it.job(zlib.compress(b"[" * 900)),
    "half of its data": lambda it: it.job(said(OURS, 1)[:-4]),
    "a function that is no name": lambda it: it.job(
        zlib.compress(json.dumps([[OURS], None, [1], {}]).encode())
    ),
    "no job": lambda it: it.redis.rpush(INBOUND, uuid4().hex),
    "no text": lambda it: it.redis.rpush(INBOUND, b"\xff\xfe\x00"),
    "nothing": lambda it: it.redis.rpush(INBOUND, b""),
    "no id": lambda it: it.redis.rpush(INBOUND, "a b/c", ":", "a:b:c", "x" * 100_000),
    "a key that is no job": lambda it: (
        it.redis.set("rq:job:text", "x"),
        it.redis.rpush(INBOUND, "text"),
    ),
    "executions of another type": lambda it: it.redis.set(
        f"rq:executions:{it.job(said(OURS, 1))}", "x"
    ),
    "results of another type": lambda it: it.redis.set(f"rq:results:{it.job()}", "x"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_job_runs_nothing_and_the_next_of_ours_is_done(
    deployment: Deployment, plant: Plant, what: str
):
    FOREIGN[what](plant)
    worker = deployment.worker.popen.pid

    deployment.goes_on()

    assert not deployment.trace.exists(), "code that is not ours was run"
    assert deployment.server.requests == [], "an address that is not ours was called"
    assert deployment.worker.popen.pid == worker
    assert not plant.redis.llen(INBOUND)
    assert not plant.redis.zcard("rq:scheduled:inbound")


@pytest.mark.parametrize(
    "arguments",
    [
        {"args": ["satu"]},
        {"args": []},
        {"args": [1, 2]},
        {"args": [True]},
        {"args": [1.5]},
        {"args": [-1]},
        {"args": [2**63]},
        {"args": [None]},
        {"args": {"message_id": 1}},
        {"args": [1], "kwargs": {"more": 1}},
    ],
    ids=str,
)
def test_a_job_of_ours_with_anything_but_one_row_is_none(
    deployment: Deployment, plant: Plant, arguments: dict[str, Any]
):
    given = {"args": [], "kwargs": {}} | arguments
    job_id = plant.job(json.dumps([OURS, None, given["args"], given["kwargs"]]).encode())

    deployment.goes_on()

    assert plant.redis.zscore("rq:failed:inbound", job_id) is not None


@pytest.mark.parametrize("what", ["data", "packed data", "meta", "callback"])
def test_a_job_of_any_size_takes_no_memory(deployment: Deployment, plant: Plant, what: str):
    deployment.goes_on()
    before = deployment.memory()
    if what == "packed data":
        packer = zlib.compressobj(9)
        packed = b"".join(packer.compress(bytes(10_000_000)) for _ in range(BOMB * 4 // 10_000_000))
        plant.job(packed + packer.flush())
    elif what == "data":
        plant.job(bytes(BOMB))
    elif what == "meta":
        plant.job(said(OURS, 1), meta=bytes(BOMB))
    else:
        plant.job(said(OURS, 1), success_callback_name=bytes(BOMB))

    deployment.goes_on()

    assert deployment.memory() < before + MOST_MEMORY_MB


#: Keys of RQ that nothing of ours has made so, whatever their names promise.
STATES: Mapping[str, Callable[[Plant], object]] = {
    "a queue of another type": lambda it: (it.redis.delete(INBOUND), it.redis.set(INBOUND, "x")),
    "the other queue of another type": lambda it: it.redis.set("rq:queue:outbound", "x"),
    "lists of queues and workers of another type": lambda it: [
        it.redis.copy("x", key, replace=True)
        for key in ("rq:queues", "rq:workers", "rq:workers:inbound", "rq:groups", "rq:rate-limits")
        if it.redis.set("x", "x")
    ],
    "registries of another type": lambda it: [
        it.redis.copy("x", f"rq:{name}:inbound", replace=True)
        for name in (*REGISTRIES, "queue:inbound:intermediate")
        if it.redis.set("x", "x")
    ],
    "a list for a lock": lambda it: it.redis.rpush("rq:clean_registries:inbound", "x"),
    "a bell that nobody will ever answer": lambda it: it.redis.set(
        "timpora:rung:validate_message", "1"
    ),
    "a bell of another type": lambda it: (
        it.redis.delete("timpora:rung:validate_message"),
        it.redis.rpush("timpora:rung:validate_message", "1"),
    ),
    "suspended workers": lambda it: it.redis.set("rq:suspended", "1"),
    "names that are no text": lambda it: (
        it.redis.sadd("rq:queues", b"\xff", "x"),
        it.redis.sadd("rq:workers", b"\xff", "x"),
        it.redis.sadd("rq:workers:inbound", b"\xff", "x"),
        it.redis.sadd("rq:groups", b"\xff", "x"),
    ),
    "entries that are no text": lambda it: [
        it.redis.zadd(f"rq:{name}:inbound", {b"\xff:\xff": 1, "a": 1, "a:b:c": 1, "": 1})
        for name in REGISTRIES
    ],
    "foreign jobs in every registry": lambda it: [
        it.redis.zadd(f"rq:{name}:inbound", {entry: 1})
        for name in REGISTRIES
        for job_id in [it.job(rings=False, retries_left=9, **callbacks(it), **webhooks(it))]
        for entry in [f"{job_id}:{uuid4().hex}" if name == "wip" else job_id]
    ],
    "a timetable": lambda it: (
        it.redis.sadd("rq:cron_schedulers", "it"),
        it.redis.zadd("rq:scheduled:inbound", {it.job(rings=False): 1}),
        it.redis.hset("rq:cron_job:it", mapping={"func_name": "trap.spring", "cron": "* * * * *"}),
    ),
    "a group of foreign jobs": lambda it: (
        it.redis.sadd("rq:groups", "g"),
        it.redis.sadd("rq:group:g", it.job(rings=False)),
    ),
    "a foreign job between two queues": lambda it: it.redis.rpush(
        "rq:queue:inbound:intermediate", it.job(rings=False)
    ),
}


@pytest.mark.parametrize("found", ["by a worker that runs", "by a new worker"])
@pytest.mark.parametrize("what", STATES)
def test_what_stands_in_redis_stops_no_worker(
    deployment: Deployment, plant: Plant, what: str, found: str
):
    deployment.goes_on()
    STATES[what](plant)
    if found == "by a new worker":
        deployment.new_worker()

    deployment.goes_on()

    assert not deployment.trace.exists(), "code that is not ours was run"
    assert deployment.server.requests == [], "an address that is not ours was called"


def test_a_worker_obeys_no_command_of_others(deployment: Deployment, plant: Plant):
    name = deployment.entry().decode().removeprefix("rq:worker:")
    for command in ("shutdown", "kill-horse", "stop-job"):
        payload = {"command": command, "job_id": "x", "execution_id": "x"}
        assert plant.redis.publish(f"rq:pubsub:{name}", json.dumps(payload)) == 0, "it listens"
    deployment.goes_on()


def test_a_worker_whose_own_entry_was_taken_goes_on(deployment: Deployment, plant: Plant):
    key = deployment.entry()
    plant.redis.delete(key)
    plant.redis.set(key, "x")
    deployment.goes_on()


def test_a_foreign_job_that_an_operator_requeues_fails_once_more(
    deployment: Deployment, plant: Plant
):
    job_id = plant.job()
    deployment.goes_on()
    assert plant.redis.zscore("rq:failed:inbound", job_id) is not None

    queue = Queue("inbound", connection=plant.redis, serializer=JSONSerializer)
    queue.failed_job_registry.requeue(job_id)
    deployment.goes_on()

    assert not deployment.trace.exists()
    assert plant.redis.zscore("rq:failed:inbound", job_id) is not None


def test_of_a_foreign_job_only_its_name_and_place_are_logged(deployment: Deployment, plant: Plant):
    number = phone(77)
    plant.job(said(f"trap.{number}", f"WNA dari {number}"), description=number)
    plant.job(said(OURS, number), description=number)
    deployment.goes_on()

    log = deployment.worker.text()
    assert number not in log
    assert '"event": "job_failed"' in log

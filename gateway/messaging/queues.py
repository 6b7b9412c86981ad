"""The doorbell: RQ jobs that wake a worker for a row. Lose all of Redis and nothing is lost.

The database is the mailbox. A job carries one row's id; the worker drains what else is waiting, so
under load one ring is enough for many rows: while a ring has not been answered yet, further ones
are left out. The sweeper rings again for whatever is late.
"""

import time
from enum import StrEnum

import redis
from rq import Queue
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException

from gateway import logs

_log = logs.logger()


#: What is raised in the midst of a job whose time is over; who swallows it gives the job no end.
OUT_OF_TIME = JobTimeoutException


class Job(StrEnum):
    """The jobs there are, by the name of their function; each takes one row's id."""

    VALIDATE_MESSAGE = "workers.jobs.validate_message"
    SEND_MESSAGE = "workers.jobs.send_message"


#: The queue of each job.
QUEUES = {Job.SEND_MESSAGE: "outbound", Job.VALIDATE_MESSAGE: "inbound"}

#: Longer than the longest job of its kind. A drain of five seconds has thirty for its last message;
#: what cannot be handled in that time counts as failed. A send of ten has its record, which is
#: tried again and again while the database is away.
JOB_TIMEOUTS = {Job.VALIDATE_MESSAGE: 35, Job.SEND_MESSAGE: 180}
#: How long RQ remembers a job that failed, in seconds.
FAILURE_TTL = 86400
#: A ring that no worker has answered by then is rung again: it may be lost.
_RING_LASTS_MS = 1000
#: Redis answers within so many seconds, or is taken to be away.
ANSWERS_WITHIN = 2
#: After Redis did not answer, no web request waits for it again for so long, in seconds.
_PAUSE = 1.0


def connect(url: str) -> redis.Redis:
    """Connect to Redis with time-outs short enough for a webhook's path and a worker's stop."""
    return redis.Redis.from_url(url, socket_connect_timeout=0.5, socket_timeout=ANSWERS_WITHIN)


class Doorbell:
    """Rings for rows. Never raises: whatever Redis does, the row is kept."""

    def __init__(self, url: str) -> None:
        """Prepare to ring; nothing is opened yet."""
        self._redis = connect(url)
        self._queues = {
            job: Queue(name, connection=self._redis, serializer=JSONSerializer)
            for job, name in QUEUES.items()
        }
        self._quiet_until = 0.0

    def ring(self, job: Job, row_id: int) -> bool:
        """Wake a worker for a row, unless one has been rung for and has not come yet."""
        if time.monotonic() < self._quiet_until:
            return False
        try:
            if self._redis.set(_bell(job), b"1", nx=True, px=_RING_LASTS_MS):
                self._queues[job].enqueue_call(
                    job.value,
                    args=[row_id],
                    timeout=JOB_TIMEOUTS[job],
                    result_ttl=0,
                    failure_ttl=FAILURE_TTL,
                    description=job.name.lower(),
                )
        except (redis.RedisError, OSError) as error:
            self._quiet_until = time.monotonic() + _PAUSE
            _log.warning("ring_failed", job=job.name, error=type(error).__name__)
            return False
        return True

    def answered(self, job: Job) -> None:
        """Say that a ring is done with: who rings from now on needs another one.

        Called before the worker looks for rows for the last time. A row that is committed before
        this was called is seen by that look; one that is committed after it rings again.
        """
        try:
            self._redis.delete(_bell(job))
        except (redis.RedisError, OSError) as error:
            _log.warning("ring_not_cleared", job=job.name, error=type(error).__name__)

    def mend(self) -> None:
        """Delete what would keep the bells from ringing; see `mend`."""
        try:
            mend(self._redis)
        except (redis.RedisError, OSError) as error:
            _log.warning("redis_not_mended", error=type(error).__name__)

    def waiting(self) -> int:
        """Count the jobs in the queues; raises what Redis raises."""
        return sum(queue.count for queue in self._queues.values())

    def is_up(self) -> bool:
        """Say whether Redis answers."""
        try:
            return bool(self._redis.ping())
        except (redis.RedisError, OSError):
            return False


def _bell(job: Job) -> str:
    return f"timpora:rung:{job.name.lower()}"


def mend(connection: redis.Redis) -> None:
    """Delete our keys that hold something else than they should; raises what Redis raises.

    Nothing in Redis is worth anything, but a queue that is no list, or a bell that rings for ever,
    would keep every message waiting.
    """
    wanted = {"rq:queues": b"set", "rq:workers": b"set"}
    for name in QUEUES.values():
        queue = Queue(name, connection=connection, serializer=JSONSerializer)
        wanted |= {
            queue.key: b"list",
            queue.intermediate_queue_key: b"list",
            f"rq:workers:{name}": b"set",
        }
        registries = (
            queue.started_job_registry,
            queue.finished_job_registry,
            queue.failed_job_registry,
            queue.deferred_job_registry,
            queue.ready_job_registry,
            queue.scheduled_job_registry,
            queue.canceled_job_registry,
        )
        wanted |= {registry.key: b"zset" for registry in registries}
    bells = [_bell(job) for job in Job]
    with connection.pipeline(transaction=False) as pipeline:
        for key in wanted:
            pipeline.type(key)
        for bell in bells:
            pipeline.pttl(bell)
        found = pipeline.execute()
    types, left = found[: len(wanted)], found[len(wanted) :]
    wrong = [
        key
        for (key, kind), is_now in zip(wanted.items(), types, strict=True)
        if is_now not in {kind, b"none"}
    ]
    # A bell always has its time; Redis says -1 where a key has none, and -2 where there is no key.
    wrong += [bell for bell, ms in zip(bells, left, strict=True) if ms == -1]
    if wrong:
        connection.delete(*wrong)
        _log.warning("redis_mended", keys=wrong)

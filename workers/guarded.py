"""RQ, so that whatever stands in Redis runs nothing of others and stops no worker for good.

Who can write to Redis can write jobs, and all that RQ knows beside them: callbacks, addresses to
call, repeats, retries, dependents, registries, a word to suspend or to stop. We use none of it. Of
a job, only its data are read, of a bounded size; and the jobs there are take one row's id.
"""

import faulthandler
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, cast

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout, DeserializationError, NoSuchJobError, StopRequested
from rq.executions import Execution
from rq.job import Job as RqJob
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer, Serializer
from rq.timeouts import BaseDeathPenalty
from rq.utils import now
from rq.worker import WorkerStatus

from gateway import logs
from gateway.messaging.queues import ANSWERS_WITHIN, FAILURE_TTL, JOB_TIMEOUTS, QUEUES, Job
from workers import jobs
from workers.stopping import own_stop

_log = logs.logger()

#: Longer than the data of any job of ours, in bytes, packed or not.
_LONGEST_DATA = 1000
_LARGEST_ID = 2**63 - 1
#: Wait so long for a job, in seconds, before it is looked whether to stop: shorter than the
#: time-out of a connection to Redis.
_WAIT_FOR_A_JOB = 1
#: How often registries are cleared of what is over, in seconds; the doctor shows their length.
_CLEAN_EVERY = 300
#: A job that has not ended so long after its time-out cannot be ended from inside: the interpreter
#: is held by a library that never comes back.
_BEYOND_HELP_AFTER = 15


class NotOurJob(Exception):
    """A job is none of ours."""


class AllowedJob(RqJob):
    """A job that can only be one of ours, whatever stands in Redis.

    RQ imports whatever function a job names, with JSON as well: who can write to Redis could run
    anything.
    """

    def refresh(self) -> None:
        """Read the job's data alone: neither its size nor another field of it can do harm."""
        try:
            size = self.connection.hstrlen(self.key, "data")
            data = self.connection.hget(self.key, "data") if size <= _LONGEST_DATA else b"\0"
        except redis.ResponseError:
            data = None  # a key of another type
        if not data:
            raise NoSuchJobError(f"no job {self.id}")
        self.restore({b"data": cast("bytes", data)})

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Take the data of what Redis holds; all else is as we would have written it."""
        super().restore({b"data": b"[]"})
        self.result_ttl, self.failure_ttl = 0, FAILURE_TTL
        self.data = _plain(raw_data.get(b"data", b""))
        try:
            job = Job(self.func_name or "")
        except (DeserializationError, ValueError, TypeError):
            job = Job.VALIDATE_MESSAGE
        self.origin, self.timeout = QUEUES[job], JOB_TIMEOUTS[job]

    @property
    def func(self) -> Callable[..., Any]:
        """Give the function, if the job is one of ours."""
        ours = {
            Job.VALIDATE_MESSAGE.value: jobs.validate_message,
            Job.SEND_MESSAGE.value: jobs.send_message,
        }
        match self.func_name, self.instance, self.args, self.kwargs:
            case str(name), None, [int(row_id)], {**more} if (
                name in ours
                and not more
                and not isinstance(row_id, bool)
                and 0 <= row_id <= _LARGEST_ID
            ):
                return ours[name]
        raise NotOurJob(f"job {self.id} is none of ours")


def _plain(data: bytes) -> bytes:
    """Unpack a job's data, unless they are longer than ours can be."""
    try:
        plain = zlib.decompressobj().decompress(data, _LONGEST_DATA + 1)
    except zlib.error:
        plain = data
    return plain if len(plain) <= _LONGEST_DATA else b""


class _GuardedQueue(Queue):
    """A queue that hands out what can be read as a job, and knows no jobs that wait for others."""

    @classmethod
    def dequeue_any(  # as RQ has it
        cls,
        queues: Iterable[Queue],
        timeout: int | None,
        connection: redis.Redis,
        job_class: type[RqJob] | None = None,
        serializer: Serializer | str | None = None,
        death_penalty_class: type[BaseDeathPenalty] | None = None,
    ) -> tuple[RqJob, Queue] | None:
        """Take the next job, and pass over what is no job's id."""
        while True:
            try:
                return super().dequeue_any(
                    queues, timeout, connection, job_class, serializer, death_penalty_class
                )
            except (ValueError, TypeError) as error:
                _log.warning("queue_entry_passed_over", error=type(error).__name__)

    def move_dependents_to_ready(self, *_: object, **__: object) -> dict[str, list[str]]:
        """Move none: none of ours waits for another."""
        return {}

    def enqueue_dependents(self, *_: object, **__: object) -> dict[str, list[str]]:
        """Enqueue none."""
        return {}


class GuardedWorker(SimpleWorker):
    """A worker that no key in Redis and no remote command suspends or stops."""

    def __init__(self, connection: redis.Redis) -> None:
        """Listen to our queues; nothing is read before the work begins."""
        super().__init__(
            [
                _GuardedQueue(
                    name, connection=connection, serializer=JSONSerializer, job_class=AllowedJob
                )
                for name in QUEUES.values()
            ],
            connection=connection,
            serializer=JSONSerializer,
            job_class=AllowedJob,
            queue_class=_GuardedQueue,
            log_job_description=False,
            maintenance_interval=_CLEAN_EVERY,
        )

    @property
    def dequeue_timeout(self) -> int:
        """Wait so long for a job, in seconds."""
        return _WAIT_FOR_A_JOB

    @property
    def connection_timeout(self) -> int:
        """Wait for an answer of Redis as all others do; RQ would give some connections longer."""
        return ANSWERS_WITHIN

    def _install_signal_handlers(self) -> None:
        """Install none: RQ's raise an error wherever they come, and who swallows it never stops."""

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,
        max_idle_time: int | None = None,  # noqa: ARG002  # as RQ has it
    ) -> tuple[RqJob, Queue] | None:
        """Wait for a job until asked to stop; None when there is none, and none is waited for.

        When Redis is lost this worker ends and another begins. RQ would wait here until Redis is
        back, and would not hear.
        """
        self.set_state(WorkerStatus.IDLE)
        while not own_stop().is_asked:
            try:
                self.heartbeat()
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()
                found = _GuardedQueue.dequeue_any(
                    self._ordered_queues, timeout, self.connection, AllowedJob, self.serializer
                )
            except DequeueTimeout:
                continue
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _log.warning("redis_lost", error=type(error).__name__)
                break
            if found:
                self.reorder_queues(found[1])
            return found
        raise StopRequested

    def teardown(self) -> None:
        """Tell Redis that this worker is no more, if it listens."""
        with suppress(redis.RedisError, OSError):
            super().teardown()  # type: ignore[no-untyped-call]

    def perform_job(self, job: RqJob, queue: Queue, execution: Execution) -> bool:
        """Do a job; one that neither ends nor can be ended ends this process.

        Its time-out is a signal, which Python hears only between two of its own steps. A thread of
        C needs none: it writes where the job hangs, and exits. Another worker is started, and what
        was in hand is counted.
        """
        faulthandler.dump_traceback_later((job.timeout or 0) + _BEYOND_HELP_AFTER, exit=True)
        try:
            return super().perform_job(job, queue, execution)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def subscribe(self) -> None:
        """Listen to no commands: nobody needs them, and it polls."""

    def unsubscribe(self) -> None:
        """Have nothing to end."""

    def check_for_suspension(self, burst: bool) -> None:  # noqa: FBT001  # as RQ has it
        """Work: a key in Redis must not keep a village's message waiting."""

    def run_maintenance_tasks(self) -> None:
        """Clear the registries of what is over; what cannot be read there stops no work."""
        try:
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]
        except (redis.ConnectionError, redis.TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001  # RQ's own books, and nobody needs them
            _log.warning("maintenance_failed", error=type(error).__name__)
            self.last_cleaned_at = now()  # type: ignore[assignment]

    def handle_exception(
        self, job: RqJob, *exc_info: *tuple[type[BaseException], BaseException, TracebackType]
    ) -> None:
        """Log which job failed and where: RQ would log what it carries, and the error's text."""
        _log.error("job_failed", job=job.id[:36], error=logs.name_of(exc_info[1]))

    def handle_job_failure(
        self,
        job: RqJob,
        queue: Queue,
        started_job_registry: StartedJobRegistry | None = None,
        exc_string: str = "",  # noqa: ARG002  # with the error's text, which may quote anything
        execution: Execution | None = None,
    ) -> None:
        """Keep of a failure what is logged of it."""
        error = sys.exc_info()[1]
        named = logs.name_of(error) if error else ""
        super().handle_job_failure(job, queue, started_job_registry, named, execution)

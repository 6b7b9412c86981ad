"""The worker process: `python -m workers`. No forks, JSON jobs, and none but ours."""

import faulthandler
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer
from rq.worker import DequeueStrategy

from gateway import logs
from gateway.messaging.queues import QUEUES, Job, connect
from gateway.reporting import deaths
from gateway.settings import read_settings
from gateway.wiring import START_ERRORS, refuse_wrong_start
from models.database import NOT_MIGRATED, UNAVAILABLE
from workers import jobs

_log = logs.logger()

_RETRY_REDIS = 0.5
#: A job that has not ended so long after its time-out cannot be ended from inside: the interpreter
#: is held by a library that never comes back.
_BEYOND_HELP_AFTER = 15


class NotOurJob(Exception):
    """A job names a function that is none of ours."""


class AllowedJob(RqJob):
    """A job that can only be one of ours, whatever stands in Redis.

    RQ imports whatever function a job names, with JSON as well: who can write to Redis could run
    anything. Callbacks are imported by name too, and we use none.
    """

    @property
    def func(self) -> Callable[..., Any]:
        """Give the function, if it is one of ours."""
        ours = {
            Job.VALIDATE_MESSAGE.value: jobs.validate_message,
            Job.SEND_MESSAGE.value: jobs.send_message,
        }
        try:
            return ours[self.func_name or ""]
        except KeyError:
            raise NotOurJob(f"job {self.id} names a function that is none of ours") from None

    @property
    def success_callback(self) -> None:
        """Run none."""
        return

    @property
    def failure_callback(self) -> None:
        """Run none."""
        return

    @property
    def stopped_callback(self) -> None:
        """Run none."""
        return


class _QuietWorker(SimpleWorker):
    """A worker without the channel for remote commands: nobody needs it, and it polls."""

    #: When Redis is back, so is the worker, two seconds later at most.
    max_connection_wait_time = 2
    was_asked_to_stop = False

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Remember that a stop was asked for, so that it is not taken for a lost connection."""
        self.was_asked_to_stop = True
        jobs.Pace.is_stopping = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

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
        """Listen to no commands."""

    def unsubscribe(self) -> None:
        """Have nothing to end."""


class _Stop:
    """Remembers that this process was asked to stop, while RQ is not running to be told."""

    def __init__(self) -> None:
        self.is_asked = False
        self.listen()

    def listen(self) -> None:
        for which in (signal.SIGTERM, signal.SIGINT):
            signal.signal(which, self._ask)

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        self.is_asked = True


def work(url: str) -> None:
    """Work until asked to stop; when Redis goes away, wait for it and go on."""
    stop = _Stop()
    while not stop.is_asked:
        connection = connect(url, waits_for_jobs=True)
        if not _answers(connection):
            time.sleep(_RETRY_REDIS)
            continue
        queues = [
            Queue(name, connection=connection, serializer=JSONSerializer, job_class=AllowedJob)
            for name in QUEUES.values()
        ]
        worker = _QuietWorker(
            queues,
            connection=connection,
            serializer=JSONSerializer,
            job_class=AllowedJob,
            log_job_description=False,
        )
        try:
            # In turn: a provider that hangs must not keep what comes in from being handled.
            worker.work(logging_level="WARNING", dequeue_strategy=DequeueStrategy.ROUND_ROBIN)
        except (redis.RedisError, OSError) as error:
            _log.warning("redis_lost", error=type(error).__name__)
        if worker.was_asked_to_stop:
            return
        stop.listen()


def _answers(connection: redis.Redis) -> bool:
    try:
        return bool(connection.ping())
    except (redis.RedisError, OSError):
        return False


def _count_deaths() -> None:
    """Count what the worker before this one died of, before it can be tried with others beside."""
    office = jobs.wiring()
    try:
        deaths.count(office.database, office.desk, office.settings.hands_dir)
    except (*UNAVAILABLE, *NOT_MIGRATED) as error:
        _log.warning("deaths_not_counted", error=type(error).__name__)  # the sweeper does it


def main() -> None:
    """Run one worker."""
    logs.set_up()
    logging.getLogger("rq.worker").setLevel(logging.ERROR)
    try:
        settings = read_settings()
        refuse_wrong_start(jobs.wiring())
    except START_ERRORS as error:
        sys.exit(f"timpora: {error}")
    _log.info("worker_started", pid=os.getpid())
    _count_deaths()
    work(settings.redis_url)
    _log.info("worker_stopped", pid=os.getpid())


if __name__ == "__main__":
    main()

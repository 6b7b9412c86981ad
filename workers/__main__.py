"""The worker process: `python -m workers`. No forks, JSON jobs, and none but ours."""

import logging
import os
import sys

import redis
from rq.worker import DequeueStrategy

from gateway import logs
from gateway.lasting import keep_what_is_loaded
from gateway.messaging.queues import connect, mend
from gateway.reporting import deaths
from gateway.settings import read_settings
from gateway.wiring import START_ERRORS, refuse_wrong_start
from models.database.engine import NOT_MIGRATED, UNAVAILABLE
from workers import jobs
from workers.guarded import GuardedWorker
from workers.stopping import own_stop

_log = logs.logger()

_PAUSE = 0.5


def work(url: str) -> None:
    """Work until asked to stop; when Redis goes away, wait for it and go on."""
    while not own_stop().is_asked:
        connection = connect(url)
        if not _answers(connection):
            own_stop().wait(_PAUSE)
            continue
        worker = GuardedWorker(connection)
        try:
            mend(connection)
            # In turn: a provider that hangs must not keep what comes in from being handled.
            worker.work(logging_level="WARNING", dequeue_strategy=DequeueStrategy.ROUND_ROBIN)
        except (redis.RedisError, OSError) as error:
            _log.warning("redis_lost", error=type(error).__name__)
        # Whatever it was that stood in the way: never again and again without a pause.
        own_stop().wait(_PAUSE)


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
    own_stop().listen()
    logging.getLogger("rq.worker").setLevel(logging.ERROR)
    try:
        settings = read_settings()
        refuse_wrong_start(jobs.wiring())
    except START_ERRORS as error:
        sys.exit(f"timpora: {error}")
    _log.info("worker_started", pid=os.getpid())
    _count_deaths()
    jobs.wiring().desk.language.words.get_ready()
    keep_what_is_loaded()
    work(settings.redis_url)
    _log.info("worker_stopped", pid=os.getpid())


if __name__ == "__main__":
    main()

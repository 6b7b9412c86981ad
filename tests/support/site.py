"""Several machines that share one database and one Redis, and everything that can happen to them.

Each machine has a data folder and processes of its own, as if they had been set up one by one. With
SQLite they are folders of one machine, as its file can be shared no further.
"""

import os
import random
import resource
import signal
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support.africastalking_server import AfricasTalkingServer
from support.gateway_process import READY_WITHIN, Gateway, ProductProcess
from support.postgres import PostgresServer
from support.processes import heeds, identify
from support.redis_server import RedisServer
from support.waiting import wait_until

#: Set by `make chaos`: how long a random round lasts, in seconds; nought for the short one of
#: `make test`.
LONG_ROUND = float(os.environ.get("CHAOS_SECONDS") or 0)


def seed_of_this_run() -> int:
    """Give the seed that was asked for, or one drawn by lot."""
    return int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))


@dataclass
class Seat:
    """A place on a machine where one process of the product is to run at all times."""

    machine: Gateway
    role: str
    process: ProductProcess | None = None

    def start(self) -> None:
        """Start the process; a web process may not be ready yet."""
        starts: Mapping[str, Callable[[], ProductProcess]] = {
            "web": lambda: self.machine.start_web(ready=False),
            "worker": self.machine.start_worker,
            "sweeper": self.machine.start_sweeper,
        }
        self.process = starts[self.role]()

    @property
    def runs(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.running

    def kill(self) -> None:
        """End it without warning, with its children."""
        if self.process is not None and self.process.running:
            self.process.kill_with_children()

    def kill_a_child(self) -> None:
        """End what does the work without warning, where that is a child: a web worker."""
        if self.process is None:
            return
        for child in self.process.tree():
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)

    def ask_to_stop(self) -> bool:
        """Ask it to end what it does, as a service manager does; say whether it could hear that.

        One that is still loading has nothing to end, and dies of being asked.
        """
        if self.process is None or not self.process.running:
            return False
        heard = heeds(self.process.popen.pid, signal.SIGTERM)
        self.process.terminate()
        return heard

    def wait_stopped(self, within: float = 20) -> int:
        """Wait for its end, and return its status."""
        return self.process.wait(within) if self.process is not None else 0


class Site:
    """The machines, what they share, and what can be done to all of that."""

    def __init__(
        self,
        folder: Path,
        *,
        provider: AfricasTalkingServer,
        redis: RedisServer,
        postgres: PostgresServer | None,
        workers: Iterable[int] = (2, 1),
        cold: bool = False,
        **settings: str,
    ) -> None:
        """Describe it, one machine for each number of workers; `postgres` none means SQLite."""
        self.provider = provider
        self.redis = redis
        self.postgres = postgres
        folder.mkdir(parents=True, exist_ok=True)
        self.sqlite_file = folder / "shared.db"
        url = postgres.new_database() if postgres else f"sqlite:///{self.sqlite_file}"
        self.machines: list[Gateway] = []
        self.seats: list[Seat] = []
        for at, number in enumerate(workers):
            machine = Gateway(
                folder / f"machine-{at}",
                database_url=url,
                redis_url=redis.url,
                provider_url=provider.url,
                cold=cold,
                **settings,
            )
            if self.machines:
                first = self.machines[0]
                machine.secret = first.secret
                for name in ("TIMPORA_SECRET_KEY", "TIMPORA_WEBHOOK_SECRET"):
                    machine.environment[name] = first.environment[name]
            self.machines.append(machine)
            roles = ["web", *("worker",) * number, "sweeper"]
            self.seats += [Seat(machine, role) for role in roles]

    @property
    def gateway(self) -> Gateway:
        """The machine by which commands are given."""
        return self.machines[0]

    def webhooks(self, kind: str = "sms") -> list[str]:
        """The address of a webhook on each machine."""
        return [machine.webhook(kind) for machine in self.machines]

    def of(self, *roles: str) -> list[Seat]:
        """The seats of some roles."""
        return [seat for seat in self.seats if seat.role in roles]

    def heal(self) -> None:
        """Start what does not run, and wait until every machine takes messages."""
        for seat in self.seats:
            if not seat.runs:
                seat.start()
        for machine in self.machines:
            wait_until(machine.is_ready, within=READY_WITHIN, every=0.1, what="a machine is ready")

    def close(self) -> None:
        """End whatever runs."""
        for machine in self.machines:
            machine.close()

    def log_text(self) -> str:
        """Return what every process wrote."""
        return "\n".join(text for machine in self.machines for text in machine.log_texts().values())

    # What can happen

    @contextmanager
    def database_locked(self) -> Iterator[None]:
        """Let somebody else hold SQLite's one write lock for the length of a with block."""
        other = sqlite3.connect(self.sqlite_file, isolation_level=None, timeout=10)
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        finally:
            other.close()

    @contextmanager
    def database_frozen(self) -> Iterator[None]:
        """Let nothing of PostgreSQL run, and nobody hear that, for the length of a with block."""
        assert self.postgres
        self.postgres.freeze()
        try:
            yield
        finally:
            self.postgres.thaw()

    @contextmanager
    def disk_full(self) -> Iterator[None]:
        """Let no file of a web process grow, whatever its size, for the length of a with block.

        To a program that is a full disk: each write that would need more room fails. It needs no
        root, and other programs keep their room.
        """
        self._limit_files_of_web(0)
        try:
            yield
        finally:
            self._limit_files_of_web(resource.RLIM_INFINITY)

    def _limit_files_of_web(self, most: int) -> None:
        for seat in self.of("web"):
            if seat.process is not None:
                # The parent first: a child that it starts from now on has its limit.
                _limit_files(seat.process.popen.pid, most)
                for child in seat.process.tree():
                    _limit_files(child.pid, most)


def _limit_files(pid: int, most: int) -> None:
    if identify(pid):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def pause(seconds: float) -> None:
    """Let trouble last: the time itself is what the test is about."""
    time.sleep(seconds)

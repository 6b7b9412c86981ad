"""From the post of a message to its reply being handed out: we and RapidSMS 2.2, side by side.

Both on one PostgreSQL server with one set of server settings, the same Redis binary, the same load
generator, 300 registered phones; rounds take turns. A round is a new database, processes started
for it, a warm-up, and a burst posted as fast as it is taken. The clock runs from the first post
to the last reply that was handed out: ours `sent`, the peer's `S` with Celery, and with the
blocking router the last answer, as all has happened by then. After each round it is counted that
no message was lost or doubled.

`python -m bench.end_to_end` tries the manners in which each may be run.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.gateway_process import Gateway, ProductProcess
from support.postgres import PostgresServer
from support.processes import descendants, marked

from bench import messages, ours, peer
from bench.bare.serving import serving
from bench.cpu import used
from bench.figures import Figure, at_least, at_most
from bench.load import Order, Outcome, post_all
from bench.peer import Manner
from models.database.engine import Database

PHONES = 300
_ROUNDS = int(os.environ.get("ROUNDS", "3"))
_WARM_UP = 100
#: Long enough for some ten seconds each.
_OURS, _DURABLE, _BLOCKING, _BARE = (
    int(number) for number in os.environ.get("MESSAGES", "6000,500,1500,4000").split(",")
)
_WITHIN = 300.0
#: What `search` found to be best on two cores.
WEB, WORKERS, CONNECTIONS = 1, 2, 32
BEST_DURABLE = peer.durable(1, 4, 2)
BEST_BLOCKING = peer.blocking(1, 4)


@dataclass(slots=True)
class Round:
    """One burst, from the first post to the last reply."""

    a_second: float
    outcome: Outcome
    cpu: float = 0.0
    """Milliseconds of CPU for a message: its processes and PostgreSQL's, without the generator."""


@dataclass(slots=True)
class _Rounds:
    """What one system did in all its rounds."""

    rounds: list[Round] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(one.a_second for one in self.rounds)

    @property
    def cpu(self) -> float:
        return median(one.cpu for one in self.rounds)

    def __str__(self) -> str:
        rates = sorted(one.a_second for one in self.rounds)
        return f"{self.median:.0f} ({rates[0]:.0f}-{rates[-1]:.0f})"


class Ground:
    """One PostgreSQL server, with prepared databases to copy for each round."""

    def __init__(
        self, server: PostgresServer, folder: Path, *, phones: int = PHONES, with_peer: bool = True
    ) -> None:
        """Prepare a database of ours with the phones registered, and an empty one of the peer."""
        self._server = server
        self._folder = folder
        self._phones = phones
        self._rounds = 0
        self.ours = server.new_database()
        with ours.gateway(folder / "preparing", database_url=self.ours) as gateway:
            ours.prepare(gateway, phones)
        self.peers = server.new_database()
        if with_peer:
            peer.migrate(BEST_DURABLE, self.peers)

    def new_folder(self) -> Path:
        """Give a folder for one round."""
        self._rounds += 1
        return self._folder / f"round-{self._rounds}"

    def our_round(
        self,
        number: int,
        *,
        web: int = WEB,
        workers: int = WORKERS,
        connections: int = CONNECTIONS,
        rate: float = 0.0,
        during: Callable[[Gateway, ProductProcess], None] | None = None,
    ) -> Round:
        """Let our gateway take a burst."""
        url = self._server.new_database(like=self.ours)
        with ours.gateway(self.new_folder(), database_url=url) as gateway:
            supervisor = gateway.run("--web", str(web), "--workers", str(workers))
            database = Database(url)
            try:
                for first, some in ((0, _WARM_UP), (_WARM_UP, number)):
                    forms = messages.mixed_forms(first, some, self._phones)
                    if during is not None and first:
                        during(gateway, supervisor)
                    before = self._cpu(gateway.folder)
                    path = gateway.webhook("sms").removeprefix(gateway.url)
                    outcome = post_all(Order(gateway.port, path, forms, connections, rate))
                    last = ours.wait_until_handed_out(database, first + some, _WITHIN)
                    cpu = self._cpu(gateway.folder) - before
                ours.counts(database).complain_unless(_WARM_UP + number)
            finally:
                database.dispose()
        return Round(number / (last - outcome.began_at), outcome, cpu / number * 1000)

    def _cpu(self, home: Path) -> float:
        """Give the seconds used by the processes with that home, and by PostgreSQL."""
        own = [process.pid for process in marked("HOME", str(home))]
        server = [process.pid for process in descendants(self._server.pid)]
        return used([*own, *server, self._server.pid])

    def peer_round(self, manner: Manner, number: int, *, connections: int = CONNECTIONS) -> Round:
        """Let the peer take a burst."""
        url = self._server.new_database(like=self.peers)
        with peer.running(manner, url) as system:
            for first, some in ((0, _WARM_UP), (_WARM_UP, number)):
                forms = messages.mixed_forms(first, some, self._phones)
                before = self._cpu(system.folder)
                outcome = post_all(Order(system.port, "/sms/", forms, connections))
                last = outcome.ended_at
                if manner.is_durable:
                    last = system.wait_until_handed_out(first + some, _WITHIN)
                cpu = self._cpu(system.folder) - before
            system.complain_unless(_WARM_UP + number)
        return Round(number / (last - outcome.began_at), outcome, cpu / number * 1000)

    def bare_round(self, name: str, number: int, *, web: int = WEB, rate: float = 0.0) -> Round:
        """Let a bare application take a burst."""
        url = self._server.new_database() if name == "one_row" else ""
        with serving(name, web, url) as port:
            for some in (_WARM_UP, number):
                forms = messages.mixed_forms(0, some, self._phones)
                outcome = post_all(Order(port, "/sms", forms, CONNECTIONS, rate))
        return Round(outcome.a_second, outcome)


def measure() -> Iterator[Figure]:
    """Let all of them take turns, and compare."""
    found = {name: _Rounds() for name in ("ours", "durable", "blocking", "idle", "one_row")}
    with (
        tempfile.TemporaryDirectory(prefix="timpora-bench-") as folder,
        PostgresServer.start() as server,
    ):
        ground = Ground(server, Path(folder))
        for _ in range(_ROUNDS):
            found["ours"].rounds.append(ground.our_round(_OURS))
            found["durable"].rounds.append(ground.peer_round(BEST_DURABLE, _DURABLE))
            found["blocking"].rounds.append(ground.peer_round(BEST_BLOCKING, _BLOCKING))
            found["idle"].rounds.append(ground.bare_round("idle", _BARE))
            found["one_row"].rounds.append(ground.bare_round("one_row", _BARE))
    yield from _compared(found)


def _compared(found: dict[str, _Rounds]) -> Iterator[Figure]:
    names = {
        "ours": f"ours, {WEB} web, {WORKERS} worker",
        "durable": f"RapidSMS, database router, {BEST_DURABLE}",
        "blocking": f"RapidSMS, blocking router, {BEST_BLOCKING}",
        "idle": f"bare: Flask does nothing, {WEB} web",
        "one_row": f"bare: Flask commits one row, {WEB} web",
    }
    for name, says in names.items():
        yield Figure(f"end to end, messages/s: {says}", str(found[name]))
    for name, one in found.items():
        if one.cpu:
            yield Figure(f"CPU a message, PostgreSQL included, ms: {name}", f"{one.cpu:.1f}")
    rate = found["ours"].median
    yield at_least("ours / RapidSMS, database router", rate / found["durable"].median, 20, ".1f")
    yield at_least("ours / RapidSMS, blocking router", rate / found["blocking"].median, 2, ".2f")
    # Its part of the two cores, which the gateway could else have.
    own = max(one.outcome.cpu_milliseconds_each / one.cpu for one in found["ours"].rounds)
    yield at_most("load generator, % of the CPU of a message", own * 100, 5, ".1f")


def search() -> None:
    """Try the manners in which each may be run, one round each."""
    with (
        tempfile.TemporaryDirectory(prefix="timpora-bench-") as folder,
        PostgresServer.start() as server,
    ):
        ground = Ground(server, Path(folder))
        for web, workers in ((1, 1), (2, 1), (1, 2), (2, 2)):
            for connections in (16, 32):
                done = ground.our_round(1000, web=web, workers=workers, connections=connections)
                _say(f"ours, {web} web, {workers} workers, {connections} connections", done)
        for web, threads in ((1, 1), (1, 4), (2, 1), (2, 2), (2, 4), (4, 1), (4, 2)):
            done = ground.peer_round(peer.blocking(web, threads), 1000)
            _say(f"blocking, {peer.blocking(web, threads)}", done)
        for web, threads in ((1, 1), (1, 4), (2, 2)):
            for celery in (1, 2, 3, 4):
                for prefetch in (4, 64):
                    manner = peer.durable(web, threads, celery, prefetch)
                    done = ground.peer_round(manner, 400)
                    _say(f"durable, {manner}, prefetch {prefetch}", done)


def _say(what: str, done: Round) -> None:
    kept = done.outcome.a_second
    says = f"{done.a_second:>7.1f}/s, kept {kept:.0f}/s, {done.cpu:.1f} ms of CPU each"
    print(f"{what:<64} {says}", flush=True)  # noqa: T201


if __name__ == "__main__":
    search()

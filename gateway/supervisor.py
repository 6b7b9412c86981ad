"""The processes of `timpora run` under one parent: started, started again, stopped in order.

Each child is told by the kernel when its parent dies, even by kill -9, and stops; each has a
session of its own, so that Ctrl-C in a terminal reaches the parent alone.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from gateway.lifeline import tie_to_parent

_LOOK_EVERY = 0.2
#: A child that dies sooner than this after its start is started again with a growing pause.
_SETTLED_AFTER = 5.0
_LONGEST_PAUSE = 10.0
#: All children must be gone within 15 s, one kind after the other; each kind has so long before it
#: is killed. A worker may be in the midst of a send, which ends within ten seconds.
STOP_WITHIN = {"web": 2.5, "worker": 10.2, "sweeper": 1.0, "redis": 0.8}


class AlreadyRunning(Exception):
    """Another gateway has this data folder."""


class Lock:
    """Holds a data folder for one supervisor, until the process ends in whatever way."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lock or raise AlreadyRunning."""
        self._path = data_dir / "supervisor.lock"
        self._file = self._path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            pid = self._file.read().strip() or "unknown"
            self._file.close()
            raise AlreadyRunning(
                f"a gateway is running on {data_dir} already (process {pid});"
                " stop it, or give this one a --data-dir of its own"
            ) from error
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()


class Child:
    """One process to keep alive."""

    def __init__(
        self, name: str, kind: str, argv: Sequence[str], environ: Mapping[str, str]
    ) -> None:
        """Describe it; `start` starts it."""
        self.name = name
        self.kind = kind
        self._argv = list(argv)
        self._environ = dict(environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = 0.0

    def start(self, stdin: int = subprocess.DEVNULL) -> None:
        """Start the process, tied to the life of this one."""
        parent = os.getpid()
        self._started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603  # our own command lines
            self._argv,
            env=self._environ,
            stdin=stdin,
            start_new_session=True,
            # This process has one thread.
            preexec_fn=lambda: tie_to_parent(parent, signal.SIGTERM),  # noqa: PLW1509
        )

    @property
    def is_alive(self) -> bool:
        """Say whether it runs."""
        return self._process is not None and self._process.poll() is None

    def revive(self) -> None:
        """Start it again if it died, and not too often."""
        if self.is_alive:
            if time.monotonic() - self._started > _SETTLED_AFTER:
                self._pause = 0.0
            return
        if time.monotonic() - self._started < self._pause:
            return
        code = self._process.returncode if self._process else None
        _warn("child_died", child=self.name, exit_code=code)
        self._pause = min(max(self._pause * 2, 0.5), _LONGEST_PAUSE)
        self.start()

    def ask_to_stop(self) -> None:
        """Ask it to end what it does and stop."""
        if self._process is not None and self.is_alive:
            self._process.terminate()

    def wait(self, until: float) -> None:
        """Wait for its end, and end it by force when its time is over."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            _warn("child_killed", child=self.name)
            self._kill_group()
            self._process.wait()

    def _kill_group(self) -> None:
        """Kill it with the children that it may have."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


class Supervisor:
    """Starts children in order, keeps them alive, and stops them in the order of their stops."""

    #: Web first, so that nothing comes in that nobody handles; Redis last, as all others use it.
    STOP_ORDER = ("web", "worker", "sweeper", "redis")

    def __init__(self) -> None:
        """Listen for the wish to stop from now on."""
        self._children: list[Child] = []
        self._stop = False
        for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(which, self._ask_to_stop)

    def _ask_to_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop = True

    def start(self, child: Child, stdin: int = subprocess.DEVNULL) -> None:
        """Start a child and keep it from now on; one that is started anew has no stdin."""
        child.start(stdin)
        self._children.append(child)

    def wait_until(self, is_so: Callable[[], bool], within: float) -> bool:
        """Wait for something, while children are kept alive; say whether it came to be."""
        until = time.monotonic() + within
        while not self._stop and time.monotonic() < until:
            if is_so():
                return True
            time.sleep(0.05)
            self._look_after()
        return False

    def watch(self) -> None:
        """Keep the children alive until asked to stop."""
        while not self._stop:
            time.sleep(_LOOK_EVERY)
            self._look_after()

    def _look_after(self) -> None:
        for child in self._children:
            if not self._stop:
                child.revive()

    def stop(self) -> None:
        """Stop all children, kind after kind."""
        self._stop = True
        for kind in self.STOP_ORDER:
            some = [child for child in self._children if child.kind == kind]
            for child in some:
                child.ask_to_stop()
            until = time.monotonic() + STOP_WITHIN[kind]
            for child in some:
                child.wait(until)


def _warn(event: str, **details: object) -> None:
    # Not before: a supervisor stays for as long as the gateway runs, and seldom has a word to say.
    from gateway import logs  # noqa: PLC0415

    logs.set_up()
    logs.logger().warning(event, **details)


def python(*arguments: str) -> list[str]:
    """Give the command line of one of our own processes."""
    return [sys.executable, *arguments]

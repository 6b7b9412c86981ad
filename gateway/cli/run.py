"""`timpora run`: the whole gateway on this machine under one supervisor.

The supervisor stays, so it loads nothing of the product: what has to be prepared is prepared by
`gateway.cli.preparing`, in a process that ends.
"""

import json
import math
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from gateway import supervisor
from gateway.cli.ending import stop
from gateway.lifeline import tie_to_parent
from gateway.supervisor import AlreadyRunning, Child, Supervisor

#: After the start of all processes, until the user has been told where to go, in seconds.
_WELCOMED_WITHIN = 60
#: How many pools of memory the C library has for threads; by itself eight for each core. With two
#: the web process was measured to hold 6 MB less after 500 messages.
_ARENAS = "2"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Default: ./var")
@click.option("--web", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option("--no-demo", is_flag=True, help="Leave out the demo people.")
def run(
    *, host: str, port: int, data_dir: Path | None, web: int, workers: int, no_demo: bool
) -> None:
    """Start everything on this machine; Ctrl-C stops it."""
    if data_dir is not None:
        os.environ["TIMPORA_DATA_DIR"] = str(data_dir.absolute())
    bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    url = f"http://{bind}".replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    environ = {
        "MALLOC_ARENA_MAX": _ARENAS,
        **os.environ,
        "TIMPORA_BIND": bind,
        "WEB_CONCURRENCY": str(web),
        # Where a provider on this machine finds our webhooks, unless it is told otherwise.
        "TIMPORA_PUBLIC_URL": os.environ.get("TIMPORA_PUBLIC_URL") or f"http://127.0.0.1:{port}",
    }
    data_dir = Path(os.environ.get("TIMPORA_DATA_DIR") or "var").absolute()
    environ["TIMPORA_DATA_DIR"] = str(data_dir)
    lock = _lock(data_dir)
    _demand_free(host, port)
    keeper = Supervisor()
    try:
        with _preparing("no demo" if no_demo else "demo", url) as preparing:
            _start(keeper, preparing, environ, workers)
        keeper.watch()
    finally:
        keeper.stop()
        del lock


def _lock(data_dir: Path) -> supervisor.Lock:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return supervisor.Lock(data_dir)
    except AlreadyRunning as error:
        stop(str(error))
    except OSError as error:
        stop(f"cannot write in the folder {data_dir} ({error.strerror}); choose a --data-dir")


def _start(
    keeper: Supervisor, preparing: "_Preparing", environ: dict[str, str], workers: int
) -> None:
    """Start each process as soon as it is of use, or stop half-way when all is to stop."""
    web = Child("web", "web", supervisor.python("-m", "gateway.web_server", "--wait"), environ)
    waits, gate = os.pipe()
    # It loads meanwhile, and looks at nothing before all is prepared.
    keeper.start(web, stdin=waits)
    os.close(waits)
    redis = preparing.next_news(keeper).get("redis")
    if redis:
        keeper.start(Child("redis", "redis", redis, environ))
    if not preparing.next_news(keeper):
        return
    os.close(gate)
    # What comes in before they are there is kept: on a small box they would make the web wait. Now
    # that all is prepared, an end of preparing is no reason to stop.
    preparing.go_on()
    if not keeper.wait_until(preparing.has_news, math.inf):
        return
    for number in range(workers):
        argv = supervisor.python("-m", "workers")
        keeper.start(Child(f"worker {number + 1}", "worker", argv, environ))
    keeper.start(Child("sweeper", "sweeper", supervisor.python("-m", "workers.sweeper"), environ))
    keeper.wait_until(preparing.has_ended, _WELCOMED_WITHIN)


class _Preparing:
    """The process that prepares, and tells how far it is."""

    def __init__(self, process: subprocess.Popen[bytes], line: socket.socket) -> None:
        self._process = process
        self._line = line
        self._stream = line.makefile("rw", encoding="utf-8")
        self._is_waiting = False

    def next_news(self, keeper: Supervisor) -> dict[str, Any]:
        """Let it go on, and wait for what it tells next; nothing when all is to stop meanwhile."""
        self.go_on()
        if not keeper.wait_until(self.has_news, math.inf):
            return {}
        line = self._stream.readline()
        if not line:
            status = self._process.wait()
            if status < 0:
                stop(f"preparing was killed (signal {-status})")
            sys.exit(status or 1)  # it has said why
        self._is_waiting = True
        news: dict[str, Any] = json.loads(line)
        return news

    def go_on(self) -> None:
        """Tell it that our part is done, where it waits for that."""
        if self._is_waiting:
            self._is_waiting = False
            with suppress(BrokenPipeError):  # it has ended, and there is nothing more to read
                self._stream.write("\n")
                self._stream.flush()

    def has_ended(self) -> bool:
        """Say whether it is gone."""
        return self._process.poll() is not None

    def has_news(self) -> bool:
        """Say whether it tells something, or has ended."""
        return bool(select.select([self._line], [], [], 0)[0])


@contextmanager
def _preparing(*arguments: str) -> Iterator[_Preparing]:
    """Have a process prepare for the length of the block; it never outlives that."""
    ours, its = socket.socketpair()
    parent = os.getpid()
    argv = supervisor.python("-m", "gateway.cli.preparing", str(its.fileno()), *arguments)
    with ours:
        process = subprocess.Popen(  # noqa: S603  # our own command line
            argv,
            stdin=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
            start_new_session=True,
            # This process has one thread.
            preexec_fn=lambda: tie_to_parent(parent, signal.SIGTERM),  # noqa: PLW1509
        )
        its.close()
        try:
            yield _Preparing(process, ours)
        finally:
            process.kill()
            process.wait()


def _demand_free(host: str, port: int) -> None:
    """End with a clear word when the port is taken, before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            stop(f"cannot listen on {host}:{port} ({error.strerror}); choose another --port")

"""The product's commands and processes without the wait for what they load: a fork has it.

A command takes a second or two to be imported, half of one to load the shipped words, and a tenth
to do its work; end-to-end tests call hundreds, and start and kill hundreds of workers. Each still
is a process of its own, from its entry point, with settings, folder and streams of its own, and
shares nothing with another but what had been loaded before.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self
from uuid import uuid4

from support.die_with_parent import launch
from support.forking_product import NUMBER
from support.processes import ProcessId, descendants

SCRIPT = Path(__file__).with_name("forking_product.py")
COMMAND = ""
"""The entry of the `timpora` command."""


class ForkedProcess:
    """A process in a session of its own, as subprocess.Popen has it; it ends when we do."""

    def __init__(self, arguments: Sequence[str], connection: socket.socket) -> None:
        self.args = list(arguments)
        self.returncode: int | None = None
        self._connection = connection
        self.pid = self._number()

    def _number(self) -> int:
        answer = self._connection.recv(NUMBER.size, socket.MSG_WAITALL)
        if len(answer) < NUMBER.size:
            raise RuntimeError(f"who stands between {self.args} and us is gone")
        (number,) = NUMBER.unpack(answer)
        return int(number)

    def poll(self) -> int | None:
        """Return its status if it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its status: negative for a signal."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                status = self._number()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self.returncode = os.waitstatus_to_exitcode(status)
            self.hang_up()
        return self.returncode

    def send_signal(self, which: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, which)

    def hang_up(self) -> None:
        """Leave it alone, which ends it."""
        self._connection.close()

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it without warning."""
        self.send_signal(signal.SIGKILL)


class ProductServer:
    """The process that has loaded the product; ask it from as many threads as you like."""

    def __init__(self) -> None:
        # A name and a file without a place: nothing of it is left, however this process ends.
        self._address = f"\0timpora-tests-product-{uuid4().hex}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - for as long as the server
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self, root: Path, path: str) -> Self:
        """Start it in the product's folder, with `path` as its PATH; it dies with us."""
        self._process = launch(
            [sys.executable, str(SCRIPT), self._address.removeprefix("\0")],
            output=self._log,
            environment={"PATH": path, "HOME": "/"},
            folder=root,
        )
        return self

    def tree(self) -> list[ProcessId]:
        """List the commands that run, and what stands between them and us."""
        return descendants(self._process.pid) if self._process else []

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None
        self._log.close()

    def start(
        self,
        entry: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        streams: Sequence[IO[bytes]],
    ) -> ForkedProcess:
        """Start a process with these stdin, stdout and stderr.

        `entry` is COMMAND, a module as for `python -m`, or the path of a script; `arguments` are
        its argv, with its own name first.
        """
        request = {"entry": entry, "argv": arguments, "env": environment, "folder": str(folder)}
        body = json.dumps(request).encode()
        connection = self._connected()
        numbers = [one.fileno() for one in streams]
        socket.send_fds(connection, [NUMBER.pack(len(body))], numbers)
        connection.sendall(body)
        return ForkedProcess(arguments, connection)

    def run(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        given: str,
        timeout: float,
    ) -> subprocess.CompletedProcess[str]:
        """Run `timpora` with these arguments, as subprocess.run does; `timeout` is in seconds."""
        command = ["timpora", *arguments]
        with (
            tempfile.TemporaryFile() as stdin,
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
        ):
            stdin.write(given.encode())
            stdin.seek(0)
            streams = (stdin, stdout, stderr)
            process = self.start(
                COMMAND, command, environment=environment, folder=folder, streams=streams
            )
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired as late:
                process.kill()
                process.wait(10)
                late.output = _read(stdout)
                raise
            return subprocess.CompletedProcess(command, status, _read(stdout), _read(stderr))

    def _connected(self) -> socket.socket:
        deadline = time.monotonic() + 60
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(self._address)
            except OSError:
                connection.close()
                if self._process is None or self._process.poll() is not None:
                    raise RuntimeError(f"no product server: {_read(self._log)[-2000:]}") from None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return connection


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()

"""`timpora` commands without the wait for their imports: one process has them, and forks for each.

A command takes a second or two to be imported and a tenth to do its work, and end-to-end tests
call hundreds. Each still runs in a process of its own, from its entry point, with settings, folder
and streams of its own, and shares nothing with another but what had been imported before.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self
from uuid import uuid4

from support.die_with_parent import launch
from support.forking_commands import NUMBER
from support.processes import ProcessId, descendants

SCRIPT = Path(__file__).with_name("forking_commands.py")


class CommandServer:
    """The process that has imported the commands; ask it from as many threads as you like."""

    def __init__(self) -> None:
        # A name and a file without a place: nothing of it is left, however this process ends.
        self._address = f"\0timpora-tests-commands-{uuid4().hex}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - for as long as the server
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, root: Path, path: str) -> Self:
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
            self._connected() as connection,
        ):
            stdin.write(given.encode())
            stdin.seek(0)
            request = {"argv": command, "env": dict(environment), "folder": str(folder)}
            body = json.dumps(request).encode()
            streams = [one.fileno() for one in (stdin, stdout, stderr)]
            socket.send_fds(connection, [NUMBER.pack(len(body))], streams)
            connection.sendall(body)
            connection.settimeout(timeout)
            try:
                answer = connection.recv(NUMBER.size)
            except TimeoutError:
                # Closing the connection is what ends it.
                raise subprocess.TimeoutExpired(command, timeout, _read(stdout)) from None
            if len(answer) < NUMBER.size:
                raise RuntimeError(f"the command server is gone: {self._log_text()}")
            status = os.waitstatus_to_exitcode(NUMBER.unpack(answer)[0])
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
                    raise RuntimeError(f"no command server: {self._log_text()}") from None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return connection

    def _log_text(self) -> str:
        return _read(self._log)[-2000:]


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()

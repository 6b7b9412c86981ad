"""A real Redis of the test run's own, which can be stopped, killed, wiped and read back."""

import os
import shutil
import signal
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import redis
from support.die_with_parent import launch
from support.waiting import wait_until

from gateway.redis_server import find_binary


class RedisUnavailableError(Exception):
    """Redis does not start on this machine; the text says why."""


class RedisServer:
    """One Redis on a private unix socket, empty whenever it is started.

    It writes down every command that changes something, so that a test can look at what was ever
    in it: most jobs are gone again after milliseconds.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="timpora-redis-"))
        self._socket = self._folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Run a server for the length of a with block."""
        server = cls()
        try:
            server.start()
            yield server
        finally:
            server.close()

    @property
    def url(self) -> str:
        """The address for TIMPORA_REDIS_URL."""
        return f"unix://{self._socket}?db=0"

    def start(self, snapshot: Path | None = None) -> None:
        """Start the server, empty or with what a snapshot holds, and wait until it answers."""
        data = self._folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        if snapshot:
            shutil.copytree(snapshot, data)
        else:
            data.mkdir()
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "600",
            "dir": str(data),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "no",
            "auto-aof-rewrite-percentage": "0",
            "aof-use-rdb-preamble": "no",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (self._folder / "log").open("ab") as log:
            self._process = launch(
                [find_binary(), *arguments],
                output=log,
                environment={"PATH": os.environ.get("PATH", os.defpath)},
                folder=self._folder,
            )
        wait_until(self._answers, within=15, what="Redis answers")

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            log = (self._folder / "log").read_text(errors="replace")
            raise RedisUnavailableError(f"Redis did not start: {log[-1000:]}")
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def client(self) -> redis.Redis:
        """Return a client; close it, or use it in a with block."""
        return redis.Redis(unix_socket_path=str(self._socket))

    def stop(self) -> None:
        """Stop as an operator would."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process = None

    def kill(self) -> None:
        """End the server at once."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(10)
        self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it answer nobody for the length of a with block, with all connections open."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def snapshot(self) -> Path:
        """Keep what is in it now, to start with it later; gone when the server is."""
        folder = Path(tempfile.mkdtemp(prefix="snapshot-", dir=self._folder)) / "data"
        shutil.copytree(self._folder / "data", folder)
        return folder

    def limit_memory(self, most: int, policy: str = "noeviction") -> None:
        """Let it hold no more than so many bytes, nought for any number; say what it does then."""
        with self.client() as client:
            client.config_set("maxmemory-policy", policy)
            client.config_set("maxmemory", most)

    def wipe(self) -> None:
        """Lose everything, while the server goes on."""
        with self.client() as client:
            client.flushall()

    def dump(self) -> bytes:
        """Return all that was written into Redis since its start, deleted or not, readable.

        RQ compresses the body of a job; the plain body is added.
        """
        parts: list[bytes] = []
        for path in sorted((self._folder / "data").rglob("*.aof")):
            content = path.read_bytes()
            parts.append(content)
            parts += _inflated(content)
        return b"\n".join(parts)

    def close(self) -> None:
        """Stop for good and remove the folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _inflated(content: bytes) -> Iterator[bytes]:
    """Find zlib streams among the bytes, and yield what they hold."""
    at = content.find(b"\x78")
    while at != -1:
        # Only the usual second bytes of a zlib header, or every x in a text would be tried.
        if content[at + 1 : at + 2] in {b"\x01", b"\x5e", b"\x9c", b"\xda"}:
            with suppress(zlib.error):
                yield zlib.decompressobj().decompress(content[at:])
        at = content.find(b"\x78", at + 1)

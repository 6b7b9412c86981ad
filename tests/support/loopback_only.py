"""A guard: nothing that Python does may leave this machine while a test runs.

It listens to the interpreter's own audit events, so it replaces nothing of ours or of a library.
"""

import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_EVENTS = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}


class LeftLoopbackError(OSError):
    """A connection or a name look-up would have left this machine."""


class _Guard:
    """One for the process: an audit hook cannot be taken away, only told to be quiet."""

    def __init__(self) -> None:
        self.is_installed = False
        self.is_on = False
        self.caught: list[str] = []

    def install(self) -> None:
        if not self.is_installed:
            self.is_installed = True
            sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.is_on or event not in _EVENTS:
            return
        named = arguments[1] if event in {"socket.connect", "socket.sendto"} else arguments[0]
        # A path is a unix socket, which has no way out.
        host = named[0] if isinstance(named, tuple) else named if "get" in event else None
        if not _is_loopback(host):
            self.caught.append(f"{event} {host!r}")
            raise LeftLoopbackError(self.caught[-1])


_guard = _Guard()


def _is_loopback(host: object) -> bool:
    if host is None or host in ("", b"", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(
            host.decode() if isinstance(host, bytes) else str(host)
        ).is_loopback
    except ValueError:
        return False


@contextmanager
def loopback_only() -> Iterator[list[str]]:
    """Refuse whatever would leave this machine, and give the list of what was refused."""
    _guard.install()
    _guard.caught = []
    _guard.is_on = True
    try:
        yield _guard.caught
    finally:
        _guard.is_on = False

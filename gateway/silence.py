"""Hanging up on a client that fell silent in the midst of its request.

A phone that lost its signal between two packets says nothing more, not even that it is gone, and an
operator's proxy may go on answering for it. Whatever waits for the rest of its request would wait
for good: the web server bounds how long headers may take, and not how long a body may.
"""

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

#: How long a client may say nothing while its request is under way, in seconds. Longer than one
#: statement may take (`models.database.engine`), since who only waits for its answer is silent too.
SILENT_FOR = 20.0
_LOOKS_EVERY = 2.0
_OWN_DESCRIPTORS = Path("/proc/self/fd")
#: Where `tcp_info` of linux/tcp.h has tcpi_last_data_recv: milliseconds since a client said
#: something, 32 bits.
_LAST_HEARD_AT, _LAST_HEARD = 52, struct.Struct("=I")


class UnderWay:
    """The requests that are under way in this process, and since when."""

    def __init__(self) -> None:
        """Begin with none."""
        self._since: dict[object, float] = {}

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Count one request for the length of the block."""
        mark = object()
        self._since[mark] = time.monotonic()
        try:
            yield
        finally:
            del self._since[mark]

    def oldest(self) -> float:
        """Tell for how many seconds the oldest of them has been under way; 0 if there is none."""
        began = list(self._since.values())
        return time.monotonic() - min(began) if began else 0.0


def watch(under_way: UnderWay, port: int) -> None:
    """Hang up, from a thread of its own, on clients of a port that fell silent in their request."""
    given = (under_way, port)
    threading.Thread(target=_keep_watching, args=given, name="silence", daemon=True).start()


def _keep_watching(under_way: UnderWay, port: int) -> None:
    while True:
        time.sleep(_LOOKS_EVERY)
        if under_way.oldest() > SILENT_FOR:
            # Where so many are connected that no file can be opened, the next look has another try.
            with contextlib.suppress(OSError):
                _hang_up(port)


def _hang_up(port: int) -> None:
    for descriptor in _OWN_DESCRIPTORS.iterdir():
        # What is no socket, or closed by now, raises as well.
        with contextlib.suppress(OSError), _borrowed(int(descriptor.name)) as line:
            if _is_clients(line, port) and _is_silent(line):
                # To the web server it looks as if the client had hung up.
                line.shutdown(socket.SHUT_RD)


@contextlib.contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """Open a descriptor's socket; raise OSError where it is closed by now, or none."""
    # By a descriptor of our own: in a moment the number may be another one's.
    ours = os.dup(descriptor)
    try:
        line = socket.socket(fileno=ours)
    except OSError:
        os.close(ours)
        raise
    with line:
        yield line


def _is_clients(line: socket.socket, port: int) -> bool:
    return (
        line.family in {socket.AF_INET, socket.AF_INET6}
        and line.getsockname()[1] == port
        and not line.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    )


def _is_silent(line: socket.socket) -> bool:
    told = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_HEARD_AT + _LAST_HEARD.size)
    (milliseconds,) = _LAST_HEARD.unpack_from(told, _LAST_HEARD_AT)
    return bool(milliseconds > SILENT_FOR * 1000)

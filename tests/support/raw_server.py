"""A server that answers with bytes as they are told: whole, in drops, or not at all."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self
from urllib.parse import parse_qsl

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class RawServer:
    """Takes one request on each connection, answers, and hangs up."""

    def __init__(self) -> None:
        self.answer: Callable[[bytes], bytes] = lambda _request: b""
        self.pause = 0.0
        """Between two bytes of the answer; none means that all are sent at once."""
        self.speaks_first = False
        self.requests: list[bytes] = []
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @classmethod
    @contextmanager
    def answering(cls, answer: bytes | Callable[[bytes], bytes] = b"") -> Iterator[Self]:
        """Run the server for the length of a with block."""
        server = cls()
        server.answer = answer if callable(answer) else lambda _request: answer
        server._thread.start()
        try:
            yield server
        finally:
            server._stopping.set()
            # A connection of our own wakes the thread that waits for one.
            socket.create_connection(server._listener.getsockname()).close()
            server._thread.join()
            server._listener.close()

    @property
    def url(self) -> str:
        """The address to send to."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def forms(self) -> list[dict[str, str]]:
        """Return the form in each request so far."""
        return [
            dict(parse_qsl(body_of(one).decode(), keep_blank_values=True)) for one in self.requests
        ]

    def heads(self) -> list[tuple[str, dict[str, str]]]:
        """Return the path and the headers of each request so far."""
        found = []
        for one in self.requests:
            first, *lines = one.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
            found.append((first.split()[1], dict(line.split(": ", 1) for line in lines)))
        return found

    def _accept(self) -> None:
        while not self._stopping.is_set():
            connection, _ = self._listener.accept()
            with connection, suppress(OSError):
                connection.settimeout(5)
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        request = b"" if self.speaks_first else _read(connection)
        if request:
            self.requests.append(request)
        if not self.pause:
            connection.sendall(self.answer(request))
            return
        for byte in self.answer(request):
            if self._stopping.wait(self.pause):
                return
            connection.sendall(bytes([byte]))


def _read(connection: socket.socket) -> bytes:
    request = b""
    while not _is_whole(request):
        piece = connection.recv(65536)
        if not piece:
            return b""
        request += piece
    return request


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


def body_of(request: bytes) -> bytes:
    """Return what follows the headers."""
    return request.partition(b"\r\n\r\n")[2]


def http_answer(
    body: bytes | str, status: str = "201 Created", content_type: str = "application/json"
) -> bytes:
    """Write an HTTP answer; without a content type it has no such header."""
    content = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    head = f"HTTP/1.1 {status}\r\n{kind}Content-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


@contextmanager
def lasting_at_most(seconds: float) -> Iterator[None]:
    """Fail when the block takes longer."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took <= seconds, f"took {took:.1f} s, not {seconds:g} s"

"""What every local stand-in for a provider's API is: it listens, records, and leaves nothing."""

import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Generic, TypeVar

Seen = TypeVar("Seen")


class StandIn(Generic[Seen]):
    """A server on a loopback port, one thread per connection; `Seen` is a request as it came."""

    BEHAVIOURS = r"accept"
    """What it can be told to do, as a pattern."""

    def __init__(
        self,
        handler: type[BaseHTTPRequestHandler],
        port: int = 0,
        on_request: Callable[[Seen], None] | None = None,
        server: type[ThreadingHTTPServer] = ThreadingHTTPServer,
    ) -> None:
        self._behaviour = "accept"
        self._requests: list[Seen] = []
        self._lock = threading.Lock()
        self._on_request = on_request
        self._http = server(("127.0.0.1", port), type("Handler", (handler,), {"stand_in": self}))
        self._http.daemon_threads = False
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """The address for the channel's TIMPORA_…_BASE_URL."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Wait for every thread."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def behave(self, behaviour: str) -> None:
        """Change what happens to every new message."""
        if not re.fullmatch(self.BEHAVIOURS, behaviour, re.DOTALL):
            raise ValueError(f"unknown behaviour {behaviour!r}; it can be {self.BEHAVIOURS}")
        self._behaviour = behaviour

    @property
    def behaviour(self) -> str:
        """What happens to a new message."""
        return self._behaviour

    @property
    def requests(self) -> list[Seen]:
        """Every message that was given to it so far."""
        with self._lock:
            return list(self._requests)

    def record(self, request: Seen) -> None:
        """Keep a request."""
        with self._lock:
            self._requests.append(request)
        if self._on_request:
            self._on_request(request)

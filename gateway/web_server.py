"""The web process: `python -m gateway.web_server`. One that listens, and workers that answer.

The one that listens holds the socket, so that who calls while a worker is started anew waits and is
not refused; it loads nothing of the product. Granian reads the requests and calls the application
in threads; what it leaves to the application to see to stands in `_Screened`.
"""

import argparse
import contextlib
import io
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer

from gateway import silence
from gateway.lasting import keep_what_is_loaded
from gateway.lifeline import tie_to_parent

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: Requests under way are ended within so many seconds of the wish to stop; then they are cut off.
STOPS_WITHIN = 2
#: A client whose request drips in holds a thread, so there are more of them than there is work for
#: at once, and one that falls silent is hung up on (`silence`). They are started as they are needed
#: and end when idle. Fewer than may be kept together (`doorstep`), and more than the database has
#: connections for: those that wait for others' commit hold none.
_THREADS = 32
#: From its beginning until a request's headers are there, in milliseconds; also how long a
#: connection may stay open without a request.
_HEADERS_WITHIN = 10_000
#: Request line and headers together, in bytes; more is answered 431. A text of ten parts in UCS-2,
#: percent-encoded in a query, has some 7,000.
_LARGEST_HEAD = 32 * 1024
#: A body in chunks is read to its end before anybody looks at it; one that is larger than a
#: webhook's largest is refused.
LARGEST_IN_CHUNKS = 64 * 1024
_BACKLOG = 1024
_MOST_WORKERS = 64
#: Where the lines of the server go: as those of all libraries, from errors on. It warns of the
#: number of threads, which is meant.
_LOG_LEVEL = LogLevels.error
_STDERR = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "ours"}
_LOGGING = {
    "formatters": {"ours": {"format": "granian: %(message)s"}},
    "handlers": {"console": _STDERR, "access": _STDERR},
}


def serve(load: Callable[[], "WSGIApplication"], bind: str, workers: int) -> None:
    """Serve what `load` gives in each worker, until SIGTERM or SIGINT; end the process otherwise.

    `bind` is host:port, an IPv6 address in brackets. Ends with status 1 when the address cannot be
    had, when `load` ends its process (its text is shown once), or when workers die one after the
    other.
    """
    host, port = _address(bind)
    refusal = _Refusal()
    server = _Server(_listen(host, port), workers)
    # A terminal that is closed, or a `reload`: there is nothing to read anew. Workers inherit it.
    server.on_startup(lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    listener = os.getpid()

    def begin_worker(_target: str) -> "WSGIApplication":
        # By force: it may be in the midst of anything, and what was not answered is sent again.
        tie_to_parent(listener, signal.SIGKILL)
        # Ctrl-C in a terminal is for the one that listens, which stops us in its turn.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        # That is still the handler of the one that listens; a stop may come while we load.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            application = load()
        except SystemExit as end:
            refusal.pronounce(str(end.code), listener)
        _keep_from_requests(os.environ)
        under_way = silence.UnderWay()
        silence.watch(under_way, port)
        return _Screened(application, under_way)

    with contextlib.suppress(SystemExit):
        server.serve(target_loader=begin_worker)
    if refusal.was_pronounced() or not server.interrupt_signal:
        sys.exit(1)


class _Server(MPServer):
    """Granian, with a socket that is there for as long as the process is.

    By itself each of its workers makes a socket with SO_REUSEPORT. A second gateway on that port
    would take a share of the messages without a word, and between a worker and the next one whoever
    calls would be refused.
    """

    def __init__(self, listener: socket.socket, workers: int) -> None:
        """Serve those who call at a socket."""
        super().__init__(
            "",
            interface=Interfaces.WSGI,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(
                header_read_timeout=_HEADERS_WITHIN, max_buffer_size=_LARGEST_HEAD
            ),
            websockets=False,
            backlog=_BACKLOG,
            workers=workers,
            blocking_threads=_THREADS,
            respawn_failed_workers=True,
            workers_kill_timeout=STOPS_WITHIN,
            log_level=_LOG_LEVEL,
            log_dictconfig=_LOGGING,
        )
        self._listener = listener

    def _init_shared_socket(self) -> None:
        holder: Any = SocketHolder  # its stub knows no arguments
        self._sso = self._listener
        self._shd = holder(self._listener.fileno(), False, _BACKLOG)  # noqa: FBT003


class _Refusal:
    """One worker's word that no start can come to anything, for all of them."""

    def __init__(self) -> None:
        """Put a token where the first worker that refuses takes it."""
        self._tokens, put = os.pipe()
        os.write(put, b".")
        os.close(put)

    def pronounce(self, why: str, listener: int) -> NoReturn:
        """Tell why, if no other worker did, and have all of it end."""
        if self._take():
            print(why, file=sys.stderr, flush=True)  # noqa: T201
            os.kill(listener, signal.SIGTERM)
        os._exit(1)

    def was_pronounced(self) -> bool:
        """Say whether a worker refused; to be asked once, at the end."""
        return not self._take()

    def _take(self) -> bool:
        return bool(os.read(self._tokens, 1))


_NOTHING = [("Content-Length", "0"), ("Connection", "close")]


class _Screened:
    """The application, with what this server does not see to."""

    def __init__(self, application: "WSGIApplication", under_way: silence.UnderWay) -> None:
        self._application = application
        self._under_way = under_way

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """Answer a request, unless nobody could tell whether it is whole."""
        with self._under_way.one():
            return self._answer(environ, start)

    def _answer(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        if "HTTP_TRANSFER_ENCODING" in environ and not self._is_read(environ):
            # In chunks nothing can be counted. Half of a JSON document is none; half a form is one.
            is_json = "json" in environ.get("CONTENT_TYPE", "")
            start("413 Content Too Large" if is_json else "411 Length Required", _NOTHING)
            return [b""]
        # Granian takes a body for ended when its sender is gone, and says that what is there is
        # all. Without that word werkzeug counts, and a text that is cut off is no message.
        del environ["wsgi.input_terminated"]
        query = environ["QUERY_STRING"]
        if not query.isascii():
            # Sent as it is, not percent-encoded; to WSGI each character is one byte of it.
            environ["QUERY_STRING"] = query.encode().decode("latin-1")
        return self._application(environ, start)

    @staticmethod
    def _is_read(environ: "WSGIEnvironment") -> bool:
        """Read a body that came in chunks, where it is whole or nothing, and count it."""
        if "json" not in environ.get("CONTENT_TYPE", ""):
            return False
        body = b""
        while piece := environ["wsgi.input"].read(LARGEST_IN_CHUNKS + 1 - len(body)):
            body += piece
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        return len(body) <= LARGEST_IN_CHUNKS


def _keep_from_requests(environ: "os._Environ[str]") -> None:
    """Forget what Granian would put into each request, and what would look like a header there."""
    for name in list(environ):
        if name.startswith(("TIMPORA_", "HTTP_")) or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
            del environ[name]


def _workers(given: str) -> int:
    if given.isascii() and given.isdigit() and 1 <= int(given) <= _MOST_WORKERS:
        return int(given)
    sys.exit(f"timpora: WEB_CONCURRENCY is {given!r}; allowed is 1 to {_MOST_WORKERS}")


def _address(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and int(port) <= 65535):  # noqa: PLR2004
        sys.exit(f"timpora: TIMPORA_BIND is {bind!r}; allowed is host:port, as 127.0.0.1:8000")
    return host.strip("[]"), int(port)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server(
            (host, port),
            family=family,
            backlog=_BACKLOG,
            dualstack_ipv6=family == socket.AF_INET6 and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        sys.exit(f"timpora: cannot listen on {host}:{port} ({why}); choose another TIMPORA_BIND")
    listener.setblocking(False)  # noqa: FBT003
    return listener


def _loader(gate: int | None) -> Callable[[], "WSGIApplication"]:
    """Load the gateway, in a worker alone; where there is a gate, begin when that ends."""

    def load() -> "WSGIApplication":
        from gateway.app import create_app  # noqa: PLC0415

        while gate is not None and os.read(gate, 1):
            pass
        application = create_app()
        keep_what_is_loaded()
        return application

    return load


def main() -> None:
    """Run the web server of the gateway."""
    parser = argparse.ArgumentParser("python -m gateway.web_server", description=__doc__)
    parser.add_argument("--bind", help="host:port; default: TIMPORA_BIND, or 127.0.0.1:8000")
    parser.add_argument(
        "--wait", action="store_true", help="load, and begin when stdin has come to its end"
    )
    given = parser.parse_args()
    bind = given.bind or os.environ.get("TIMPORA_BIND") or "127.0.0.1:8000"
    # Another descriptor of it: workers are made without stdin.
    gate = os.dup(0) if given.wait else None
    serve(_loader(gate), bind, _workers(os.environ.get("WEB_CONCURRENCY") or "1"))


if __name__ == "__main__":
    main()

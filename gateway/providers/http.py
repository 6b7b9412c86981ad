"""One HTTP request that ends in time, whatever the other side does.

A read timeout bounds the wait for the next byte, so an answer that drips a byte a second can hold a
worker for ever. Here a watch shuts the socket when the time for the whole call is over.
"""

import logging
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from html import escape
from http import HTTPStatus
from json import dumps
from typing import Any
from urllib.parse import quote, quote_plus

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from gateway.providers.base import (
    SEND_WITHIN,
    AccountRefused,
    NotReached,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Throttled,
)
from parsers import msisdn

# Its lines for debugging hold whole addresses, and some gateways want a password in theirs.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

_CONNECT_WITHIN = 3.05
_SHUT_WITHIN = 0.2
_LONGEST_ANSWER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """A request to make. It is not shown: it holds keys, numbers and texts."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] | bytes = field(default_factory=dict, repr=False)
    """The query: names and values, or bytes that are escaped already."""
    data: Mapping[str, Any] | bytes | None = field(default=None, repr=False)
    """A form, or the body as it is."""
    json: Any = field(default=None, repr=False)
    """The body as JSON, in place of `data`."""
    login: tuple[str, str] | None = field(default=None, repr=False)
    """Name and password, for Basic authentication."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the other side said."""

    status: int
    text: str


class _Watched(HTTPAdapter):
    """Holds on to the sockets that its request opens, so that another thread can shut them."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # theirs
        """Let connections hand us their socket at once, and say when they are ready to be used."""
        self.is_connected = False
        self._is_over = False
        self._held: list[socket.socket] = []
        watched = self

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return watched._hold(super()._new_conn())

            def connect(self) -> None:
                super().connect()
                watched.is_connected = True

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return watched._hold(super()._new_conn())

            def connect(self) -> None:
                super().connect()
                watched.is_connected = True

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    def _hold(self, opened: socket.socket) -> socket.socket:
        # A second handle: TLS takes the first one over before its handshake, which can drip too.
        self._held.append(opened.dup())
        if self._is_over:
            opened.close()
            raise TimeoutError("connected too late")
        return opened

    def read(self, response: requests.Response) -> HttpAnswer:
        """Read the whole answer, if it came in time."""
        body = response.raw.read(_LONGEST_ANSWER, decode_content=True)
        if self._is_over:
            # A connection that we shut can look like the end of the headers, or of the body.
            raise TimeoutError("answered too late")
        return HttpAnswer(response.status_code, body.decode("utf-8", "replace"))

    def shut(self) -> None:
        """End the request now; its reader sees a lost connection."""
        self._is_over = True
        for held in self._held:
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the sockets."""
        super().close()
        for held in self._held:
            held.close()


def send(call: Call, within: timedelta = SEND_WITHIN) -> HttpAnswer:
    """Make a request that sends a message, and read the whole answer in the given time.

    Raises SendDeferred when no connection came about, so that nothing can have left, and
    SendUnconfirmed when one did and no whole answer came. Neither carries the error below it, which
    may quote a header with a key or the form.
    """
    said, is_connected = _ended_in_time(call, within)
    if isinstance(said, HttpAnswer):
        return said
    if not is_connected:
        raise SendDeferred(f"no connection ({said})")
    raise SendUnconfirmed(f"no whole answer within {within.total_seconds():g} s ({said})")


def ask(call: Call, within: timedelta = SEND_WITHIN) -> HttpAnswer:
    """Make a request that sends nothing; raise NotReached when no whole answer came in time."""
    said, is_connected = _ended_in_time(call, within)
    if isinstance(said, HttpAnswer):
        return said
    if not is_connected:
        raise NotReached(f"no connection ({said})")
    raise NotReached(f"no answer within {within.total_seconds():g} s ({said})")


def check_taken(answer: HttpAnswer, private: tuple[str, ...]) -> None:
    """Raise what an HTTP status other than 2xx means for the message that was sent by it.

    For gateways that give a status its usual meaning; `private` is what must not be quoted.
    """
    said = f"HTTP {answer.status}"
    if 200 <= answer.status < 300:  # noqa: PLR2004
        return
    if answer.status == HTTPStatus.GATEWAY_TIMEOUT:
        raise SendUnconfirmed(said)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Throttled(said)
    if answer.status >= 500:  # noqa: PLR2004
        raise SendDeferred(said)
    said = f"{said}: {quotable(answer.text, private)}"
    # 401 (our key) and 3xx (our address) mend nothing by being tried again, but the message can
    # still leave once somebody has mended the settings.
    if answer.status in {401, 403} or answer.status < 400:  # noqa: PLR2004
        raise AccountRefused(said)
    raise SendRefused(said)


def quotable(said: str, private: tuple[str, ...]) -> str:
    """Quote them without what is ours alone: an error page may repeat the whole request."""
    for secret in private:
        for form in {
            secret,
            quote_plus(secret, errors="replace"),
            quote(secret, safe="", errors="replace"),
            dumps(secret)[1:-1],
            escape(secret),
        } - {""}:
            said = said.replace(form, "...")
    return msisdn.hide_numbers(said)[:120]


def _ended_in_time(call: Call, within: timedelta) -> tuple[HttpAnswer | str, bool]:
    """Give the answer, or the name of what went wrong; and whether a connection came about."""
    seconds = within.total_seconds()
    adapter = _Watched(max_retries=0)
    outcome: list[HttpAnswer | str] = []

    def work() -> None:
        try:
            outcome.append(_make(adapter, call, seconds))
        except Exception as error:  # noqa: BLE001  # requests', urllib3's, the socket's: all alike
            outcome.append(type(error).__name__)

    # In a thread of its own: nothing else ends the look-up of a name, or a walk of dead addresses.
    # What comes late finds the door shut: a connection that is made after the time is refused.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        adapter.shut()
        thread.join(_SHUT_WITHIN)
    return outcome[0] if outcome else "no end", adapter.is_connected


def _make(adapter: _Watched, call: Call, seconds: float) -> HttpAnswer:
    # Each call has a connection of its own: a kept one may be dead, and a request that is lost on
    # it could not be told from one that arrived.
    with requests.Session() as session:
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        session.trust_env = False
        with session.request(
            call.method,
            call.url,
            headers=dict(call.headers),
            params=call.params,
            data=call.data,
            json=call.json,
            auth=call.login,
            timeout=(min(_CONNECT_WITHIN, seconds), seconds),
            stream=True,
            allow_redirects=False,
        ) as response:
            return adapter.read(response)

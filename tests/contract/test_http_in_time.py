"""One request ends in time and says what may have become of it, whatever the other side does."""

import socket
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from support.africastalking_server import API_KEY, SEND_PATH, AfricasTalkingServer
from support.raw_server import RawServer, http_answer, lasting_at_most
from support.waiting import free_port, wait_until

from gateway.providers import http
from gateway.providers.base import SendDeferred, SendUnconfirmed

SOON = timedelta(seconds=0.6)
WITH_SOME_GRACE = 1.6
FORM = {"username": "timpora", "to": "+6281290000001", "message": "Terima kasih"}
HEADERS = {"apiKey": API_KEY, "Accept": "application/json"}


def post(url: str) -> http.HttpAnswer:
    return http.send(http.Call("POST", url, headers=HEADERS, data=FORM), SOON)


DRIPS = {
    "the headers": b"HTTP/1.1 201 Created\r\nX-Drip: " + b"x" * 5000,
    "the body": http_answer(b"x" * 5000),
    "a body of no length": b"HTTP/1.1 201 Created\r\n\r\n" + b"x" * 5000,
    "the chunks": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"1\r\n{\r\n" * 999,
}


@pytest.mark.parametrize("behaviour", ["silent", "slow:30"])
def test_an_answer_that_does_not_come_in_time_leaves_the_message_unconfirmed(behaviour: str):
    with AfricasTalkingServer.running() as stand_in:
        stand_in.behave(behaviour)

        with lasting_at_most(WITH_SOME_GRACE), pytest.raises(SendUnconfirmed):
            post(stand_in.url + SEND_PATH)

        assert len(stand_in.requests) == 1


@pytest.mark.parametrize("part", DRIPS)
def test_an_answer_that_drips_leaves_the_message_unconfirmed_in_time(part: str):
    with RawServer.answering(DRIPS[part]) as server:
        # Each byte is in time for a time limit on reads; only all together are late.
        server.pause = 0.005

        with lasting_at_most(WITH_SOME_GRACE), pytest.raises(SendUnconfirmed):
            post(server.url)

        assert len(server.requests) == 1


def test_a_tls_handshake_that_drips_does_not_hold_it_and_nothing_has_left():
    # A record of 16 KB that never ends: each byte in time for a time-out of its own.
    with RawServer.answering(b"\x16\x03\x03\x40\x00\x02" + b"\x00" * 16384) as server:
        server.speaks_first = True
        server.pause = 0.05

        with lasting_at_most(WITH_SOME_GRACE), pytest.raises(SendDeferred):
            post(server.url.replace("http:", "https:"))


def test_a_tls_handshake_with_a_stranger_sends_nothing():
    with RawServer.answering(b"220 mail.example ESMTP\r\n") as server:
        server.speaks_first = True

        with pytest.raises(SendDeferred, match="SSLError"):
            post(server.url.replace("http:", "https:"))

        assert server.requests == []


def test_a_server_that_takes_no_connection_is_given_up():
    # A queue that is full: the kernel drops what comes on top, as a firewall does.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = []
        try:
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)  # noqa: FBT003
                filler.connect_ex(address)
                fillers.append(filler)

            with lasting_at_most(WITH_SOME_GRACE), pytest.raises(SendDeferred):
                post(f"http://127.0.0.1:{address[1]}")
        finally:
            for filler in fillers:
                filler.close()


def test_nobody_there_means_that_nothing_has_left():
    with pytest.raises(SendDeferred, match=r"^no connection \(ConnectionError\)$"):
        post(f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/", "http://127.0.0.1:99999/"])
def test_an_address_that_is_none_means_that_nothing_has_left(url: str):
    with pytest.raises(SendDeferred):
        post(url)


def test_an_answer_too_long_to_be_theirs_is_cut():
    with RawServer.answering(http_answer(b"x" * 1_000_000)) as server:
        assert len(post(server.url).text) == 64 * 1024


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with RawServer.answering(http_answer("ok")) as server:
        assert post(server.url) == http.HttpAnswer(201, "ok")


def test_a_redirect_is_not_followed():
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n"
    with RawServer.answering(moved) as server:
        assert post(server.url).status == 302


def test_a_name_that_does_not_resolve_in_time_is_deferred_in_time_and_nothing_leaves_later(
    monkeypatch: pytest.MonkeyPatch,
):
    resolve = socket.getaddrinfo
    asked = threading.Event()
    answered = threading.Event()

    def slowly(*arguments: Any, **options: Any) -> Any:
        asked.set()
        time.sleep(SOON.total_seconds() * 2)
        try:
            return resolve(*arguments, **options)
        finally:
            answered.set()

    with AfricasTalkingServer.running() as stand_in:
        monkeypatch.setattr(socket, "getaddrinfo", slowly)
        with lasting_at_most(WITH_SOME_GRACE), pytest.raises(SendDeferred):
            post(stand_in.url + SEND_PATH)
        assert asked.is_set()
        assert answered.wait(5)
        wait_until(
            lambda: not [one for one in threading.enumerate() if "(work)" in one.name],
            within=5,
            what="the late thread has ended",
        )
        assert stand_in.requests == []

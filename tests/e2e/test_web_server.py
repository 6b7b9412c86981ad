"""The web process with whatever clients, signals and deaths may come to it, on SQLite."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import pytest
import requests
from support.gateway_process import READY_WITHIN, ROOT, Gateway, ProductProcess
from support.payloads import incoming_sms, phone
from support.processes import alive
from support.waiting import wait_until

from gateway import silence, supervisor, web_server

pytestmark = pytest.mark.e2e

PROMISED = supervisor.STOP_WITHIN["web"]
LARGEST = 64 * 1024
THREADS = web_server._THREADS  # noqa: SLF001
SILENT_FOR = 8
"""Longer than any answer takes here."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Gateway]:
    """A deployment without worker, Redis or provider: messages are taken, and wait."""
    deployment = Gateway(
        tmp_path / "gw", redis_url="redis://127.0.0.1:9/0", cold=True, TIMPORA_CHANNEL="loopback"
    )
    deployment.prepare([phone(1)])
    yield deployment
    deployment.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One web process behind one proxy, for all who only talk to it; nothing may end it."""
    deployment = Gateway(
        tmp_path_factory.mktemp("web") / "gw",
        redis_url="redis://127.0.0.1:9/0",
        TIMPORA_CHANNEL="loopback",
        TIMPORA_PROXIES="1",
        TIMPORA_KANNEL_BASE_URL="http://127.0.0.1:9",
        TIMPORA_KANNEL_USERNAME="timpora",
        TIMPORA_KANNEL_PASSWORD="x" * 12,
        TIMPORA_SMSGATE_ALLOWED_FROM="192.0.2.7",
    )
    deployment.prepare([phone(1)])
    web = deployment.start_web()
    before = web.tree()
    yield deployment
    after = web.tree()
    text = web.text()
    deployment.close()
    assert after == before, "no worker ended"
    assert deployment.secret not in text
    assert "request_failed" not in text
    assert "Traceback" not in text


def raw(gateway: Gateway, request: bytes, *, cut: bool = False) -> bytes:
    """Send bytes and return all that comes back until the other side hangs up."""
    with socket.create_connection(("127.0.0.1", gateway.port), SILENT_FOR) as line:
        line.sendall(request)
        if cut:
            line.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := line.recv(65536):
            answer += piece
        return answer


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    assert found, answer
    return int(found[1])


def post(gateway: Gateway, body: bytes, *headers: str, path: str = "") -> bytes:
    """Write a request, with a length unless the headers tell of chunks."""
    path = path or f"/webhooks/africastalking/{gateway.secret}/sms"
    lines = [f"POST {path} HTTP/1.1", "Host: gateway", "Connection: close", *headers]
    if not any("chunked" in line for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    if not any(line.startswith("Content-Type") for line in headers):
        lines.append("Content-Type: application/x-www-form-urlencoded")
    return "\r\n".join([*lines, "", ""]).encode() + body


def form(text: str = "WNA 2 Australia wisata", sender: str = "") -> bytes:
    return urlencode(incoming_sms(text, sender or phone(1))).encode()


def worker_of(web: ProductProcess) -> int:
    (child,) = web.tree()
    return child.pid


# What comes over the wire


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(b"a=" + b"b" * LARGEST, (), id="with a length"),
        pytest.param(
            b"%x\r\n" % (LARGEST + 1) + b"1" * (LARGEST + 1) + b"\r\n0\r\n\r\n",
            ("Transfer-Encoding: chunked", "Content-Type: application/json"),
            id="in chunks",
        ),
    ],
)
def test_a_body_that_is_too_large_is_refused(
    running: Gateway, body: bytes, headers: tuple[str, ...]
):
    assert status(raw(running, post(running, body, *headers))) == 413


def test_a_body_that_is_just_small_enough_is_read(running: Gateway):
    body = form()
    assert (
        status(raw(running, post(running, body + b"&x=" + b"y" * (LARGEST - len(body) - 3)))) == 200
    )


def test_a_message_that_is_cut_off_in_its_body_is_no_message(running: Gateway):
    """Its sender is gone, and what it had sent so far looks like a shorter text."""
    before = (running.messages("in"), running.inbox())
    whole = post(running, form("WNA 2 Australia wisata di rumah Pak Yos"))

    assert status(raw(running, whole[:-60], cut=True)) == 400

    assert (running.messages("in"), running.inbox()) == before


def test_a_form_in_chunks_is_refused_as_nobody_could_tell_whether_it_is_whole(running: Gateway):
    body = form()
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert status(raw(running, post(running, chunks, "Transfer-Encoding: chunked"))) == 411


def test_a_long_text_in_a_query_is_read_and_one_without_end_is_refused(running: Gateway):
    def ask(text: str) -> int:
        query = urlencode({"from": phone(1), "to": "22345", "text": text})
        return status(raw(running, get(f"/webhooks/kannel/{running.secret}/sms?{query}", HOST)))

    assert ask("ж" * 670) == 200  # ten parts in UCS-2: 4,020 bytes when percent-encoded
    assert ask("#" * 3000) == 200
    assert ask("a" * 70_000) == 431


def get(target: str, *headers: bytes) -> bytes:
    lines = [f"GET {target} HTTP/1.1".encode(), b"Connection: close", *headers]
    return b"\r\n".join([*lines, b"", b""])


HOST = b"Host: gateway"
#: What a client says, and the status that it is answered.
SAID = {
    "HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500, 400),
    "HEAD": (get("/healthz", HOST).replace(b"GET", b"HEAD"), 200),
    "no method": (get("/healthz", HOST).replace(b"GET", b"G@T"), 400),
    "a path in percents": (get("/%68ealthz", HOST), 200),
    "bytes in percents": (get("/nothing/%ff%fe?a=%ff", HOST), 404),
    "bytes in the path": (get("/ab", HOST).replace(b"ab", b"\xff\xfe"), 400),
    "bytes in the query": (get("/x?ab", HOST).replace(b"ab", b"\xff\xfe"), 400),
    "UTF-8 in path and query": (get("/ж?a=€", HOST), 404),
    "bytes in a header": (get("/x", HOST, b"X-A: \xff\xe9"), 404),
    "bytes for a host": (get("/x", b"Host: \xff"), 404),
    "no host": (get("/healthz"), 200),
    "many headers": (get("/x", HOST, *(b"X-%d: a" % number for number in range(200))), 431),
    "two lengths": (get("/x", HOST, b"Content-Length: 1", b"Content-Length: 2"), 400),
    "a length below nought": (get("/x", HOST, b"Content-Length: -1"), 400),
    "a length that is a word": (get("/x", HOST, b"Content_Length: a"), 404),
}


@pytest.mark.parametrize("kind", SAID)
def test_whatever_is_said_gets_an_answer_and_breaks_nothing(running: Gateway, kind: str):
    said, wanted = SAID[kind]
    assert status(raw(running, said)) == wanted


def test_a_query_that_is_not_percent_encoded_is_a_message_all_the_same(running: Gateway):
    before = len(running.messages("in"))
    query = f"from={phone(1).replace('+', '%2B')}&to=22345&text=rumah%20caf\u00e9%20\u20ac"
    asked = get(f"/webhooks/kannel/{running.secret}/sms?{query}", HOST)

    assert status(raw(running, asked)) == 200

    assert len(running.messages("in")) == before + 1


def test_requests_on_one_connection_are_answered_in_their_order(running: Gateway):
    one = b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n"
    refused = post(running, form(), path="/webhooks/africastalking/wrong/sms")
    refused = refused.replace(b"Connection: close\r\n", b"")
    last = b"GET /readyz HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n"

    answers = raw(running, one + refused + one + last)

    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"404", b"200", b"200"]


def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(running: Gateway):
    whole = post(running, form(), "Expect: 100-continue")
    head, _, body = whole.partition(b"\r\n\r\n")
    with socket.create_connection(("127.0.0.1", running.port), SILENT_FOR) as line:
        line.sendall(head + b"\r\n\r\n")
        assert line.recv(4096).startswith(b"HTTP/1.1 100 ")
        line.sendall(body)
        assert status(line.recv(4096)) == 200


def test_the_address_that_counts_is_what_the_proxy_added(running: Gateway):
    path = f"/webhooks/smsgate/{running.secret}/sms"

    def ask(*headers: str) -> int:
        return status(raw(running, post(running, b"{}", *headers, path=path)))

    assert ask() == 404
    assert ask("X-Forwarded-For: 192.0.2.7") != 404
    assert ask("X-Forwarded-For: 192.0.2.7, 198.51.100.1") == 404
    assert ask("X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: 198.51.100.1") == 404


def test_what_the_server_s_environment_holds_is_no_header(site: Gateway):
    site.environment |= {
        "HTTP_X_FORWARDED_FOR": "192.0.2.7",
        "TIMPORA_PROXIES": "1",
        "TIMPORA_SMSGATE_ALLOWED_FROM": "192.0.2.7",
    }
    site.start_web()
    path = f"/webhooks/smsgate/{site.secret}/sms"
    assert status(raw(site, post(site, b"{}", path=path))) == 404


@pytest.mark.alone
def test_a_header_without_end_and_a_silent_caller_are_hung_up_on(running: Gateway):
    began = time.monotonic()
    lines = []
    for said in (b"", b"GET /healthz HTTP/1.1\r\nX-A: "):
        line = socket.create_connection(("127.0.0.1", running.port), 20)
        line.sendall(said)
        lines.append(line)
    for line in lines:
        with line:
            assert line.recv(4096) == b""
    assert 9 < time.monotonic() - began < 15


def test_more_bodies_that_drip_than_gunicorn_had_threads_shut_nobody_out(running: Gateway):
    with ExitStack() as stack:
        for _ in range(24):
            line = socket.create_connection(("127.0.0.1", running.port), SILENT_FOR)
            stack.enter_context(closing(line))
            line.sendall(post(running, form())[:-5])
        for _ in range(20):
            assert running.post_sms(incoming_sms(sender=phone(1))).status_code == 200


def test_clients_that_fall_silent_in_their_body_hold_no_thread_for_good(running: Gateway):
    """Phones that lost their signal: one for each thread, and one that is slow but not gone."""
    half = post(running, form())[:-5]
    began = time.monotonic()
    with ExitStack() as stack:
        silent = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(THREADS)]
        for line in silent:
            stack.enter_context(closing(line))
            line.sendall(half)
        slow = stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
        whole = post(running, form())
        slow.sendall(whole[:-10])
        for rest in range(10, 1, -1):
            time.sleep(silence.SILENT_FOR / 8)
            slow.sendall(whole[-rest : 1 - rest])
        assert status(raw(running, get("/healthz", HOST))) == 200
        assert time.monotonic() - began > silence.SILENT_FOR
        slow.sendall(whole[-1:])
        assert status(slow.recv(4096)) == 200
        for line in silent:
            line.settimeout(SILENT_FOR)
            assert status(line.recv(4096)) == 400


def test_many_idle_connections_keep_nobody_waiting(running: Gateway):
    with ExitStack() as stack:
        for _ in range(300):
            line = socket.create_connection(("127.0.0.1", running.port), SILENT_FOR)
            stack.enter_context(closing(line))
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n")
        assert running.post_sms(incoming_sms(sender=phone(1))).status_code == 200


# Starting


def refused(gateway: Gateway, wanted: str) -> ProductProcess:
    """Start the web process, which must say why not, once, and end at once."""
    web = gateway.start_web(ready=False)
    assert web.wait(20) == 1
    assert web.text().count(wanted) == 1, web.text()
    assert web.text().count("timpora: ") == 1, web.text()
    assert "Traceback" not in web.text()
    return web


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_start_that_is_refused_says_why_once_and_ends(site: Gateway, workers: str):
    site.environment |= {"TIMPORA_CHANNEL": "pigeon", "WEB_CONCURRENCY": workers}
    refused(site, "TIMPORA_CHANNEL")


def test_a_port_that_is_taken_is_named_and_never_shared(site: Gateway):
    first = site.start_web()
    refused(site, f"cannot listen on 127.0.0.1:{site.port}")
    assert first.running
    assert site.is_ready()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIMPORA_BIND", "8000"),
        ("TIMPORA_BIND", "127.0.0.1:http"),
        ("TIMPORA_BIND", "192.0.2.1:8000"),
        ("WEB_CONCURRENCY", "two"),
        ("WEB_CONCURRENCY", "0"),
    ],
)
def test_a_wrong_address_or_number_is_named(site: Gateway, name: str, value: str):
    site.environment[name] = value
    refused(site, name)


def test_it_listens_on_ipv6(site: Gateway):
    site.environment["TIMPORA_BIND"] = f"[::1]:{site.port}"
    site.start_web(ready=False)

    def answers() -> bool:
        try:
            return requests.get(f"http://[::1]:{site.port}/readyz", timeout=5).ok
        except requests.RequestException:  # it listens before it has loaded
            return False

    wait_until(answers, within=READY_WITHIN, what="it answers on ::1")


def test_told_to_wait_it_loads_and_answers_nobody_before_it_may(site: Gateway):
    command = [sys.executable, "-m", "gateway.web_server", "--wait"]
    web = subprocess.Popen(  # noqa: S603 - our own command
        command, env=site.environment, cwd=ROOT, stdin=subprocess.PIPE
    )
    assert web.stdin
    try:
        wait_until(lambda: listens(site), within=20, what="it listens")
        assert not site.is_ready(), "within the five seconds for which that waits"
        web.stdin.close()
        wait_until(site.is_ready, within=20, what="it answers")
    finally:
        web.stdin.close()
        web.terminate()
        assert web.wait(10) == 0


# Dying


def test_killed_with_9_it_takes_its_worker_along_and_the_port_is_free(site: Gateway):
    web = site.start_web()
    family = web.tree()
    assert family
    with socket.create_connection(("127.0.0.1", site.port)) as line:
        line.sendall(post(site, form())[:-5])  # a worker that waits for a client ends as well

        web.kill()

        wait_until(lambda: not alive(family), within=2, what="the worker ends")
    site.start_web()


def test_a_worker_killed_with_9_is_followed_by_another_and_nobody_is_refused(site: Gateway):
    web = site.start_web()
    for _ in range(2):
        killed = worker_of(web)
        os.kill(killed, signal.SIGKILL)
        # Whoever calls now waits in the socket that stayed.
        assert requests.get(f"{site.url}/readyz", timeout=20).status_code == 200
        assert worker_of(web) != killed
        wait_until(
            lambda: "Unexpected exit from worker-1" in web.text(), within=2, what="it is told"
        )
        time.sleep(6)  # who dies sooner is taken for one that dies at each start


def test_workers_that_die_one_after_the_other_end_it_with_a_word(site: Gateway):
    web = site.start_web()
    for _ in range(2):
        killed = worker_of(web)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda one=killed: not any(one == p.pid for p in web.tree()), within=5, what="-")
        wait_until(lambda: web.tree() or not web.running, within=5, what="the next one, or none")
    assert web.wait(10) == 1
    assert "crash loop" in web.text()


# Stopping


@contextmanager
def load(gateway: Gateway, clients: int) -> Iterator[tuple[list[str], Callable[[], None]]]:
    """Post without a pause from several clients; note each message that was answered 200."""
    kept: list[str] = []
    stop = threading.Event()

    def keep_posting(number: int) -> None:
        path = f"/webhooks/africastalking/{gateway.secret}/sms"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        address = ("127.0.0.1", gateway.port)
        with closing(http.client.HTTPConnection(*address, timeout=SILENT_FOR)) as line:
            while not stop.is_set():
                sms = incoming_sms(f"WNA 2 Australia wisata rumah {uuid4().hex}", phone(number))
                try:
                    line.request("POST", path, urlencode(sms), headers)
                    answer = line.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException):
                    return
                if answer.status == 200:
                    kept.append(sms["id"])

    threads = [threading.Thread(target=keep_posting, args=(one,)) for one in range(clients)]
    for thread in threads:
        thread.start()

    def end() -> None:
        stop.set()
        for thread in threads:
            thread.join(SILENT_FOR + 1)

    try:
        yield kept, end
    finally:
        end()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_under_load_it_ends_in_time_and_what_it_answered_is_kept(
    site: Gateway, sign: signal.Signals
):
    web = site.start_web()
    with load(site, 4) as (kept, end), ExitStack() as stack:
        for said in (b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n", b"", post(site, form())[:-5]):
            line = socket.create_connection(("127.0.0.1", site.port))
            stack.enter_context(closing(line))
            line.sendall(said)
        wait_until(lambda: len(kept) > 20, within=20, what="messages come in")
        began = time.monotonic()
        web.popen.send_signal(sign)
        assert web.wait(5) == 0
        assert time.monotonic() - began < PROMISED
        end()
    stored = {row["provider_message_id"] for row in site.messages("in")}
    assert set(kept) <= stored
    assert web.tree() == []
    assert "Traceback" not in web.text()


def test_ctrl_c_in_its_terminal_stops_it_in_order(site: Gateway):
    web = site.start_web()
    web.interrupt()
    assert web.wait(5) == 0
    assert web.text() == ""


def test_a_request_under_way_is_answered_before_it_ends(site: Gateway):
    web = site.start_web()
    whole = post(site, form())
    with socket.create_connection(("127.0.0.1", site.port), SILENT_FOR) as line:
        line.sendall(whole[:-5])
        # The worker has the request in hand when it asks for the rest; a later one is answered.
        assert site.is_ready()
        web.terminate()
        wait_until(lambda: not listens(site), within=2, what="it has heard")
        line.sendall(whole[-5:])
        assert status(line.recv(4096)) == 200
    assert web.wait(5) == 0
    assert len(site.messages("in")) == 1


def listens(gateway: Gateway) -> bool:
    try:
        socket.create_connection(("127.0.0.1", gateway.port), 1).close()
    except OSError:
        return False
    return True


def test_a_terminal_that_is_closed_does_no_harm(site: Gateway):
    web = site.start_web()
    family = web.tree()
    os.killpg(web.popen.pid, signal.SIGHUP)
    for _ in range(5):
        assert site.is_ready()
    assert web.tree() == family


# What it lets be seen


def test_the_secret_stands_in_no_title_and_no_line(site: Gateway):
    web = site.start_web()
    site.post_sms(incoming_sms(sender=phone(1)))
    requests.get(site.webhook("sms"), timeout=5)
    assert site.secret not in web.text()
    assert "ring_failed" in web.text()
    for process in [*web.tree(), web.popen]:
        line = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        assert site.secret not in line
        assert "gateway.web_server" in line

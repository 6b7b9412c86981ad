"""A local stand-in for Africa's Talking: its API, and the delivery reports it posts.

For people and acceptance checks too:

    python tests/support/africastalking_server.py --port 9011 [--dlr-url URL]

It prints one JSON line per request. `POST /_behaviour` (form: behaviour, number) changes what it
does while it runs, `GET /_requests` lists what it has seen. The behaviours:

    accept[:100|101|102]   201, taken (101 unless told)
    charset                as accept, with `application/json; charset=utf-8`
    refuse:CODE            201, and the recipient's statusCode CODE (401..502)
    empty[:REASON]         201, no recipients, the reason in Message
    http:STATUS            that HTTP status with a plain text (401, 429, 500, 503 ...)
    slow:SECONDS           as accept, after so many seconds
    silent                 takes the request and never answers
    drip                   answers, a byte of the body each second
    drip-headers           answers, a byte of the headers each second
    close                  takes the request and hangs up

The inbox (`GET /version1/messaging`) and the balance (`GET /version1/user`) can be read, too. `POST
/_inbox` (form: from, text, to, date) puts a message into the inbox.
"""

import argparse
import json
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4
from xml.sax.saxutils import escape

SEND_PATH = "/version1/messaging"
USER_PATH = "/version1/user"
#: So many rows has a page of the inbox.
PAGE = 100
API_KEY = "atsk_demo"
ACCEPTED = {100: "Processed", 101: "Success", 102: "Queued"}
REFUSED = {
    401: "RiskHold",
    402: "InvalidSenderId",
    403: "InvalidPhoneNumber",
    404: "UnsupportedNumberType",
    405: "InsufficientBalance",
    406: "UserInBlacklist",
    407: "CouldNotRoute",
    409: "DoNotDisturbRejection",
    500: "InternalServerError",
    501: "GatewayError",
    502: "RejectedByGateway",
}
BODIES = {
    400: "Request is missing required form field 'to'",
    401: "The supplied authentication is invalid",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
SILENCES = ("silent", "drip", "drip-headers")


@dataclass
class ReceivedRequest:
    """One request as it came, and what became of it."""

    path: str
    headers: dict[str, str]
    fields: dict[str, str]
    at: float
    behaviour: str = ""
    message_ids: dict[str, str] = field(default_factory=dict)
    ended_after: float | None = None
    """Seconds until the answer was out, or the other side hung up."""

    @property
    def recipients(self) -> list[str]:
        """The numbers that the message is for."""
        return [number for number in self.fields.get("to", "").split(",") if number]

    @property
    def text(self) -> str:
        """The message."""
        return self.fields.get("message", "")


@dataclass(frozen=True)
class Asked:
    """One request for the inbox or the balance."""

    path: str
    headers: dict[str, str]
    params: dict[str, str]


@dataclass(frozen=True)
class DeliveryPlan:
    """When and how delivery reports are posted by themselves after a message is taken."""

    url: str
    status: str = "Success"
    failure_reason: str = ""
    overtakes: bool = False
    """Post the report before the answer to the send: it happens."""


class AfricasTalkingServer:
    """The stand-in; one thread per connection, nothing left behind after stop()."""

    def __init__(
        self,
        port: int = 0,
        *,
        api_key: str = API_KEY,
        delivery: DeliveryPlan | None = None,
        on_request: Callable[[ReceivedRequest], None] | None = None,
    ) -> None:
        self.api_key = api_key
        self.delivery = delivery
        self.balance = "KES 1785.50"
        self.asked: list[Asked] = []
        self.stopping = threading.Event()
        self._requests: list[ReceivedRequest] = []
        self._inbox: list[dict[str, str | int]] = []
        self._behaviour = "accept"
        self._behaviour_for: dict[str, str] = {}
        self._lock = threading.Lock()
        self._posts: list[threading.Thread] = []
        self._on_request = on_request
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self._http = _QuietServer(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @classmethod
    @contextmanager
    def running(
        cls,
        port: int = 0,
        *,
        delivery: DeliveryPlan | None = None,
        on_request: Callable[[ReceivedRequest], None] | None = None,
    ) -> Iterator[Self]:
        """Run the stand-in for the length of a with block."""
        server = cls(port, delivery=delivery, on_request=on_request)
        server.start()
        try:
            yield server
        finally:
            server.stop()

    @property
    def url(self) -> str:
        """The address for TIMPORA_AFRICASTALKING_BASE_URL."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Let go of every connection, and wait for every thread."""
        self.stopping.set()
        self._http.shutdown()
        self._http.hang_up()
        self._http.server_close()
        self._thread.join()
        for post in self._posts:
            post.join()

    def behave(self, behaviour: str, *, number: str = "") -> None:
        """Change what happens to every message, or to those for one number."""
        check_behaviour(behaviour)
        with self._lock:
            if number:
                self._behaviour_for[number] = behaviour
            else:
                self._behaviour = behaviour

    def behaviour_for(self, numbers: list[str]) -> str:
        """Return what is to happen to a request as a whole: the first number's own, if any."""
        with self._lock:
            own = [self._behaviour_for[one] for one in numbers if one in self._behaviour_for]
            return own[0] if own else self._behaviour

    def record(self, request: ReceivedRequest) -> None:
        """Keep a request."""
        with self._lock:
            self._requests.append(request)
        if self._on_request:
            self._on_request(request)

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Every request to the send API so far."""
        with self._lock:
            return list(self._requests)

    def sent_to(self, number: str) -> list[ReceivedRequest]:
        """Return the requests that named this number."""
        return [one for one in self.requests if number in one.recipients]

    def gets(
        self,
        sender: str,
        text: str,
        *,
        to: str = "22345",
        date: str = "2026-11-25T01:18:52.000Z",
        row_id: int | str | None = None,
    ) -> None:
        """Put a message into the inbox; its id counts up unless it is given."""
        with self._lock:
            self._inbox.append(
                {
                    "linkId": "",
                    "text": text,
                    "to": to,
                    "id": row_id or 15071 + len(self._inbox),
                    "date": date,
                    "from": sender,
                }
            )

    def inbox_after(self, last_id: str) -> list[dict[str, str | int]]:
        """Return the page of the inbox that follows an id; 0 stands before the first."""
        with self._lock:
            ids = ["0", *(str(row["id"]) for row in self._inbox)]
            start = ids.index(last_id) if last_id in ids else len(ids)
            return self._inbox[start : start + PAGE]

    def forget(self) -> None:
        """Forget what was seen; behaviours stay."""
        with self._lock:
            self._requests.clear()

    def post_delivery_report(
        self,
        url: str,
        message_id: str,
        number: str,
        *,
        status: str = "Success",
        failure_reason: str = "",
    ) -> int:
        """Post a delivery report as Africa's Talking does, and return the HTTP status."""
        fields = {
            "id": message_id,
            "status": status,
            "phoneNumber": number,
            "networkCode": "51010",
            "retryCount": "0",
        }
        if failure_reason:
            fields["failureReason"] = failure_reason
        return post_form(url, fields)

    def report_delivery(self, request: ReceivedRequest) -> None:
        """Post the planned delivery reports for a request that was taken."""
        plan = self.delivery
        if plan is None:
            return
        for number, message_id in request.message_ids.items():
            with suppress(OSError):
                self.post_delivery_report(
                    plan.url,
                    message_id,
                    number,
                    status=plan.status,
                    failure_reason=plan.failure_reason,
                )

    def report_delivery_soon(self, request: ReceivedRequest) -> None:
        """Do the same beside the answer."""
        thread = threading.Thread(target=self.report_delivery, args=(request,), daemon=True)
        self._posts.append(thread)
        thread.start()


def check_behaviour(behaviour: str) -> None:
    """Refuse a behaviour that does not exist."""
    known = r"accept(:10[012])?|charset|refuse:\d{3}|empty(:.*)?|http:\d{3}|slow:[\d.]+|close|"
    if not re.fullmatch(known + "|".join(SILENCES), behaviour):
        raise ValueError(f"unknown behaviour {behaviour!r}; see africastalking_server.py")


def post_form(url: str, fields: Mapping[str, str]) -> int:
    """Post a form, and return the HTTP status."""
    request = Request(url, data=urlencode(fields).encode(), method="POST")  # noqa: S310
    with urlopen(request, timeout=10) as response:  # noqa: S310 - loopback
        status: int = response.status
        return status


class _QuietServer(ThreadingHTTPServer):
    """Threads are waited for at the end; a client that hangs up is no news."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep alive, or their threads would wait for more."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    stand_in: ClassVar[AfricasTalkingServer]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: requests are recorded instead."""

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/_requests":
            seen = [asdict(one) for one in self.stand_in.requests]
            self._answer(200, json.dumps(seen), "application/json")
        elif urlsplit(self.path).path in {SEND_PATH, USER_PATH}:
            self._tell()
        else:
            self._answer(404, "Not Found")

    def _tell(self) -> None:
        """Tell the inbox, or the balance."""
        address = urlsplit(self.path)
        params = dict(parse_qsl(address.query, keep_blank_values=True))
        self.stand_in.asked.append(Asked(address.path, dict(self.headers), params))
        if self.headers.get("apiKey") != self.stand_in.api_key:
            self._answer(401, BODIES[401])
        elif address.path == USER_PATH:
            told: dict[str, Any] = {"UserData": {"balance": self.stand_in.balance}}
            self._answer(200, json.dumps(told), "application/json")
        else:
            rows = self.stand_in.inbox_after(params.get("lastReceivedId", "0"))
            told = {"SMSMessageData": {"Messages": rows}}
            self._answer(200, json.dumps(told), "application/json")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
        path = urlsplit(self.path).path
        if path == "/_behaviour":
            self.stand_in.behave(fields.get("behaviour", ""), number=fields.get("number", ""))
            self._answer(200, "ok")
        elif path == "/_inbox":
            self.stand_in.gets(
                fields.get("from", ""),
                fields.get("text", ""),
                to=fields.get("to", "22345"),
                date=fields.get("date", "2026-11-25T01:18:52.000Z"),
            )
            self._answer(200, "ok")
        elif path == SEND_PATH:
            self._send(fields)
        else:
            self._answer(404, "Not Found")

    def _send(self, fields: dict[str, str]) -> None:
        request = ReceivedRequest(self.path, dict(self.headers), fields, time.time())
        request.behaviour = self.stand_in.behaviour_for(request.recipients)
        began = time.monotonic()
        if self.headers.get("apiKey") != self.stand_in.api_key:
            request.behaviour = "http:401"
        elif not all(fields.get(name) for name in ("username", "to", "message")):
            request.behaviour = "http:400"
        else:
            request.message_ids = self._ids(request)
        # Recorded before the answer: whoever got the answer can look at the record.
        self.stand_in.record(request)
        try:
            self._behave(request)
        finally:
            request.ended_after = time.monotonic() - began

    def _ids(self, request: ReceivedRequest) -> dict[str, str]:
        """Give an id to each number for which the message is taken."""
        kind = request.behaviour.partition(":")[0]
        if kind in {"refuse", "empty", "http"}:
            return {}
        valid = [one for one in request.recipients if re.fullmatch(r"\+\d{7,15}", one)]
        return {number: f"ATXid_{uuid4().hex}" for number in valid}

    def _behave(self, request: ReceivedRequest) -> None:
        kind, _, detail = request.behaviour.partition(":")
        if kind == "http":
            self._answer(int(detail), BODIES.get(int(detail), HTTPStatus(int(detail)).phrase))
            return
        if kind == "close":
            self.close_connection = True
            return
        if kind == "silent":
            self._wait_for_hang_up()
            return
        if kind == "slow":
            self.stand_in.stopping.wait(float(detail))
        body, content_type = self._body(request, kind, detail)
        if kind in {"drip", "drip-headers"}:
            self._drip(body, content_type, headers_too=kind == "drip-headers")
            return
        if self.stand_in.delivery and self.stand_in.delivery.overtakes:
            self.stand_in.report_delivery(request)
        self._answer(201, body, content_type)
        if self.stand_in.delivery and not self.stand_in.delivery.overtakes:
            self.stand_in.report_delivery_soon(request)

    def _body(self, request: ReceivedRequest, kind: str, detail: str) -> tuple[str, str]:
        """Write the answer: XML unless JSON was asked for, as the real one does."""
        recipients = [self._recipient(request, number, detail) for number in request.recipients]
        taken = len(request.message_ids)
        message = f"Sent to {taken}/{len(recipients)} Total Cost: KES {0.8 * taken:.4f}"
        if kind == "empty":
            message, recipients = detail or "InvalidSenderId", []
        if "json" not in self.headers.get("Accept", ""):
            return _xml(message, recipients), "application/xml"
        answer = {"SMSMessageData": {"Message": message, "Recipients": recipients}}
        suffix = "; charset=utf-8" if kind == "charset" else ""
        return json.dumps(answer), f"application/json{suffix}"

    def _recipient(
        self, request: ReceivedRequest, number: str, detail: str
    ) -> dict[str, str | int]:
        if message_id := request.message_ids.get(number):
            code = int(detail) if request.behaviour.startswith("accept:") else 101
            return {
                "statusCode": code,
                "number": number,
                "status": ACCEPTED[code],
                "cost": "KES 0.8000",
                "messageId": message_id,
            }
        code = int(detail) if request.behaviour.startswith("refuse:") else 403
        return {
            "statusCode": code,
            "number": number,
            "status": REFUSED.get(code, "UnknownError"),
            "cost": "0",
            "messageId": "None",
        }

    def _answer(self, status: int, body: str, content_type: str = "text/plain") -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _wait_for_hang_up(self) -> None:
        """Hold the connection, without an answer, until the other side lets go."""
        self.close_connection = True
        self.connection.settimeout(0.1)
        while not self.stand_in.stopping.is_set():
            try:
                if not self.connection.recv(1024):
                    return
            except TimeoutError:
                continue

    def _drip(self, body: str, content_type: str, *, headers_too: bool) -> None:
        """Answer so slowly that no pause is long, but the whole takes minutes."""
        self.close_connection = True
        head = (
            f"HTTP/1.1 201 Created\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body.encode())}\r\n\r\n"
        ).encode()
        slow = body.encode()
        if headers_too:
            slow = head + slow
        else:
            self.connection.sendall(head)
        for byte in slow:
            if self.stand_in.stopping.wait(1):
                return
            self.connection.sendall(bytes([byte]))


def _xml(message: str, recipients: list[dict[str, str | int]]) -> str:
    rows = "".join(
        "<Recipient>"
        + "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in one.items())
        + "</Recipient>"
        for one in recipients
    )
    return (
        "<AfricasTalkingResponse><SMSMessageData>"
        f"<Message>{escape(message)}</Message><Recipients>{rows}</Recipients>"
        "</SMSMessageData></AfricasTalkingResponse>"
    )


def _print(request: ReceivedRequest) -> None:
    print(json.dumps(asdict(request)), flush=True)  # noqa: T201 - this is what the command is for


def main() -> None:
    """Run until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A stand-in for Africa's Talking's send API.")
    parser.add_argument("--port", type=int, default=9011)
    parser.add_argument("--api-key", default=API_KEY, help=f"the key asked for ({API_KEY})")
    parser.add_argument("--dlr-url", help="post a delivery report there for each message taken")
    parser.add_argument("--behaviour", default="accept", help="see the top of the file")
    options = parser.parse_args()
    delivery = DeliveryPlan(options.dlr_url) if options.dlr_url else None
    server = AfricasTalkingServer(
        options.port, api_key=options.api_key, delivery=delivery, on_request=_print
    )
    server.behave(options.behaviour)
    # A shell that starts it in the background hands down a Ctrl-C that is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    server.start()
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    server.stop()


if __name__ == "__main__":
    main()

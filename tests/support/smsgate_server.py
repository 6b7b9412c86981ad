"""A local stand-in for a phone with SMS Gateway for Android, or for its server.

For people and acceptance checks too:

    PYTHONPATH=tests python -m support.smsgate_server --port 8080 \
        [--webhook URL --key KEY] [--server]

It prints one JSON line per message that it is given. It takes an id once and answers 409 after
that, keeps a state for each message, lists what it has received, and posts signed webhooks.
The behaviours, for new messages:

    accept                 202, taken (the state is Pending)
    error:STATUS:WORDS     that HTTP status, with the words in `message`
    fail:REASON            202, and the message has failed at once
    close                  takes the message and hangs up without an answer
"""

import argparse
import hashlib
import hmac
import json
import signal
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Self
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4

from support.stand_in import StandIn

USERNAME = "sms"
PASSWORD = "kata-sandi-hp"  # noqa: S105
KEY = "kunci-tanda-tangan-yang-panjang"
DEVICE = "dev-invented-00000001"
#: The zone of the phone: that of Timor.
ZONE = timezone(timedelta(hours=8))


@dataclass
class ReceivedRequest:
    """One message that was given to it."""

    path: str
    headers: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]


@dataclass
class Kept:
    """What it knows of a message."""

    state: str = "Pending"
    error: str | None = None
    at: str = ""


@dataclass
class Arrived:
    """A message in the phone's own inbox."""

    sender: str
    text: str
    at: datetime
    is_listed: bool = False
    """Whether the app knows of it, too: it was running, or was told to look."""

    @property
    def hash(self) -> int:
        """A signed hash of 32 bits of what it is, in place of Java's own."""
        digest = hashlib.sha256(f"{self.sender}|{self.at}|{self.text}".encode()).digest()
        return int.from_bytes(digest[:4], "big", signed=True)


@dataclass
class Phone:
    """What may be set: how it is, and what it has."""

    battery: int = 94
    is_charging: bool = True
    failed: int = 0
    all_failed: bool = False
    last_seen: datetime | None = None
    has_list: bool = True
    """Older apps have none, and only export."""
    can_look: bool = True
    """Whether it may read the phone's own inbox."""
    inbox: list[Arrived] = field(default_factory=list)


class SmsgateServer(StandIn[ReceivedRequest]):
    """The stand-in; nothing is left behind after stop()."""

    BEHAVIOURS = r"accept|close|error:\d{3}:.*|fail:.+"

    def __init__(
        self,
        port: int = 0,
        *,
        is_server: bool = False,
        webhook: str | None = None,
        key: str = KEY,
        on_request: Callable[[ReceivedRequest], None] | None = None,
    ) -> None:
        self.root = "/3rdparty/v1" if is_server else ""
        self.is_server = is_server
        self.webhook = webhook
        self.key = key
        self.phone = Phone()
        self.kept: dict[str, Kept] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        """Every other request: its method and path, and its query or body."""
        super().__init__(_Handler, port, on_request)

    @classmethod
    @contextmanager
    def running(cls, *, is_server: bool = False, webhook: str | None = None) -> Iterator[Self]:
        """Run the stand-in for the length of a with block."""
        server = cls(is_server=is_server, webhook=webhook)
        server.start()
        try:
            yield server
        finally:
            server.stop()

    def settle(
        self, message_id: str, state: str, error: str | None = None, at: datetime | None = None
    ) -> None:
        """Say what became of a message."""
        self.kept[message_id] = Kept(state, error, shown(at or datetime.now(UTC)))

    def gets(
        self, sender: str, text: str, at: datetime, *, is_listed: bool = True
    ) -> Mapping[str, Any]:
        """Put a message into the phone's inbox, and give the event that the app makes of it."""
        arrived = Arrived(sender, text, at, is_listed)
        self.phone.inbox.append(arrived)
        return received(arrived)

    def look(self, since: str, until: str) -> list[Arrived]:
        """Have the app look into the phone's inbox, and give what it had not seen."""
        begin, end = datetime.fromisoformat(since), datetime.fromisoformat(until)
        found = [one for one in self.phone.inbox if not one.is_listed and begin <= one.at <= end]
        for one in found:
            one.is_listed = True
        return found

    def listed(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """Give a page of what the app has received, the newest first."""
        begin, end = (datetime.fromisoformat(query[name]) for name in ("from", "to"))
        found = [one for one in self.phone.inbox if one.is_listed and begin <= one.at <= end]
        found.sort(key=lambda one: one.at, reverse=True)
        first = int(query["offset"])
        return [
            {
                "id": f"text:{one.hash}",
                "type": "SMS",
                "sender": one.sender,
                "simNumber": 1,
                "contentPreview": one.text,
                "createdAt": shown(one.at),
                "attachments": [],
            }
            for one in found[first : first + int(query["limit"])]
        ]

    def health(self) -> tuple[int, dict[str, Any]]:
        """Say how the phone is; without internet the whole `fails`, and that with 500."""
        sending = "fail" if self.phone.all_failed else "warn" if self.phone.failed else "pass"
        checks = {
            "messages:failed": (self.phone.failed, "messages", sending),
            "connection:status": (0, "boolean", "fail"),
            "connection:transport": (4, "flags", "pass"),
            "battery:level": (self.phone.battery, "percent", "pass"),
            "battery:charging": (5 if self.phone.is_charging else 0, "flags", "pass"),
        }
        return 500, {
            "status": "fail",
            "version": "1.68.0",
            "releaseId": 1,
            "checks": {
                name: {
                    "description": name,
                    "observedValue": value,
                    "observedUnit": unit,
                    "status": status,
                }
                for name, (value, unit, status) in checks.items()
            },
        }


def shown(moment: datetime) -> str:
    """Write a moment as the app does: in the phone's zone, with thousandths."""
    return moment.astimezone(ZONE).isoformat(timespec="milliseconds")


def event(name: str, payload: Any, **others: Any) -> dict[str, Any]:
    """Write an event; each has an id of its own, which stays the same when it is told again."""
    return {
        "deviceId": DEVICE,
        "event": name,
        "id": uuid4().hex[:21],
        "payload": payload,
        "webhookId": "wh-invented",
        **others,
    }


def received(arrived: Arrived) -> dict[str, Any]:
    """Write the event of a message that came; what is null is left out."""
    payload = {
        "messageId": f"{arrived.hash & 0xFFFFFFFF:x}",
        "message": arrived.text,
        "sender": arrived.sender,
        "phoneNumber": arrived.sender,
        "simNumber": 1,
        "receivedAt": shown(arrived.at),
    }
    return event("sms:received", payload)


def signed(body: bytes, at: float | None = None, key: str = KEY) -> dict[str, str]:
    """Sign a body as the app does: over its bytes and the time, in hex."""
    said = str(int(time.time() if at is None else at))
    digest = hmac.new(key.encode(), body + said.encode(), hashlib.sha256).hexdigest()
    return {"content-type": "application/json", "x-timestamp": said, "x-signature": digest}


def post_event(url: str, what: Mapping[str, Any], key: str = KEY) -> int:
    """Post an event to a webhook, and return the HTTP status."""
    body = json.dumps(what, ensure_ascii=False).encode()
    request = Request(url, data=body, headers=signed(body, key=key))  # noqa: S310 - loopback
    try:
        with urlopen(request, timeout=5) as response:  # noqa: S310
            status: int = response.status
            return status
    except HTTPError as error:
        return error.code


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    timeout = 30
    stand_in: ClassVar[SmsgateServer]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: requests are recorded instead."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        path = address.path.removeprefix(self.stand_in.root)
        query = dict(parse_qsl(address.query))
        self.stand_in.asked.append((f"GET {address.path}", dict(query)))
        phone = self.stand_in.phone
        if path == "/health" and not self.stand_in.is_server:
            self._answer(*self.stand_in.health())
        elif not self._is_ours(address.path):
            return
        elif path == "/devices" and self.stand_in.is_server:
            seen = shown(phone.last_seen or datetime.now(UTC))
            self._answer(200, [{"id": DEVICE, "name": "HP", "lastSeen": seen}])
        elif path == "/inbox" and phone.has_list:
            self._answer(200, self.stand_in.listed(query))
        elif (message_id := path.removeprefix("/messages/")) in self.stand_in.kept:
            self._answer(200, _state(message_id, self.stand_in.kept[message_id]))
        else:
            self._answer(404, {"message": "Not Found"})

    def do_POST(self) -> None:
        address = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = address.path.removeprefix(self.stand_in.root)
        if not self._is_ours(address.path):
            return
        if path == "/messages":
            query = dict(parse_qsl(address.query))
            self._take(ReceivedRequest(address.path, dict(self.headers), query, json.loads(raw)))
            return
        asked = json.loads(raw)
        self.stand_in.asked.append((f"POST {address.path}", asked))
        phone = self.stand_in.phone
        is_refresh = path == "/inbox/refresh" and phone.has_list
        if not is_refresh and path != "/messages/inbox/export":
            self._answer(404, {"message": "Not Found"})
        elif not phone.can_look:
            self._answer(500, {"message": "Failed to refresh inbox: Permission Denial"})
        else:
            found = self.stand_in.look(asked["since"], asked["until"])
            tells = not is_refresh or asked["triggerWebhooks"]
            self._answer(202, {})
            for one in found if tells and self.stand_in.webhook else []:
                post_event(self.stand_in.webhook or "", received(one), self.stand_in.key)

    def _is_ours(self, path: str) -> bool:
        login = b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {login}":
            self._answer(401, {"message": "Unauthorized"})
            return False
        if not path.startswith(self.stand_in.root + "/"):
            self._answer(404, {"message": "Not Found"})
            return False
        return True

    def _take(self, request: ReceivedRequest) -> None:
        self.stand_in.record(request)
        message_id = str(request.body.get("id") or uuid4().hex)
        kind, _, detail = self.stand_in.behaviour.partition(":")
        if problem := _problem(request.body):
            self._answer(400, {"message": problem})
        elif message_id in self.stand_in.kept:
            self._answer(409, {"message": "message with same ID already exists"})
        elif kind == "error":
            status, _, words = detail.partition(":")
            self._answer(int(status), {"message": words})
        else:
            failed = kind == "fail"
            self.stand_in.settle(message_id, "Failed" if failed else "Pending", detail or None)
            if kind != "close":
                self._answer(202, _state(message_id, self.stand_in.kept[message_id]))

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _problem(body: Mapping[str, Any]) -> str | None:
    """Say what the app finds wrong with a message."""
    text = body.get("textMessage")
    if not isinstance(text, dict) or not text.get("text"):
        return "Text message is empty"
    if not body.get("phoneNumbers"):
        return "Empty phone numbers list"
    if body.get("simNumber", 1) < 1:
        return "SIM number cannot be less than 1"
    return None


def _state(message_id: str, kept: Kept) -> dict[str, Any]:
    return {
        "id": message_id,
        "deviceId": DEVICE,
        "state": kept.state,
        "isHashed": False,
        "isEncrypted": False,
        "recipients": [{"phoneNumber": "+62...", "state": kept.state, "error": kept.error}],
        "states": {kept.state: kept.at},
    }


def _print(request: ReceivedRequest) -> None:
    print(json.dumps(asdict(request)), flush=True)  # noqa: T201 - this is what the command is for


def main() -> None:
    """Run until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A stand-in for SMS Gateway for Android.")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--server", action="store_true", help="be a server with one phone")
    parser.add_argument("--webhook", help="where events go: http://.../webhooks/smsgate/.../sms")
    parser.add_argument("--key", default=KEY, help="the signing key")
    parser.add_argument("--behaviour", default="accept", help="see the top of the file")
    options = parser.parse_args()
    server = SmsgateServer(
        options.port,
        is_server=options.server,
        webhook=options.webhook,
        key=options.key,
        on_request=_print,
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

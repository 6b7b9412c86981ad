"""A local stand-in for Jasmin: its HTTP API, and what its throwers call.

For people and acceptance checks too:

    PYTHONPATH=tests python -m support.jasmin_server --port 1401 [--reports]

It prints one JSON line per message that it was asked to send. With `--reports` it calls the
`dlr-url` of each message that it took, with both levels. It checks what the real one checks: the
fields that it knows, their patterns, the account. The behaviours:

    accept              200, `Success "id"`
    error:STATUS:WORDS  that HTTP status, `Error "WORDS"`
    close               takes the request and hangs up

`/ping` and `/balance` answer as the real one does.
"""

import argparse
import json
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4

import gsm0338  # noqa: F401 - it registers the codec
from support.stand_in import StandIn

USERNAME = "timpora"
PASSWORD = "rahasia-16-huruf"  # noqa: S105 - invented, and as long as Jasmin takes
_LOGIN = {"username": r".{1,16}", "password": r".{1,16}"}
#: The fields of `/send`, each with its pattern; Jasmin refuses any other.
_FIELDS: Mapping[str, str] = {
    **_LOGIN,
    "to": r"\+?\d+",
    "from": r".*",
    "coding": r"[0-9]|10|13|14",
    "priority": r"[0-3]",
    "validity-period": r"\d+",
    "dlr": r"yes|no",
    "dlr-url": r"https?://.*",
    "dlr-level": r"[1-3]",
    "dlr-method": r"(?i:get|post)",
    "tags": r"[-a-zA-Z0-9,]*",
    "content": r"(?s:.*)",
    "hex-content": r".*",
    "custom_tlvs": r".*",
}


@dataclass
class ReceivedRequest:
    """One request to send, and the id that was given to it."""

    path: str
    headers: dict[str, str]
    fields: dict[str, str]
    message_id: str | None = None

    @property
    def text(self) -> str:
        """The message as a phone would show it."""
        if "hex-content" in self.fields:
            return bytes.fromhex(self.fields["hex-content"]).decode("utf-16-be")
        return self.fields.get("content", "")


@dataclass
class Left:
    """What `/balance` says; `ND` where there is no bound."""

    balance: float | str = "ND"
    sms_count: int | str = "ND"


class JasminServer(StandIn[ReceivedRequest]):
    """The stand-in; nothing is left behind after stop()."""

    BEHAVIOURS = r"accept|close|error:\d{3}:.*"

    def __init__(
        self,
        port: int = 0,
        *,
        reports: bool = False,
        on_request: Callable[[ReceivedRequest], None] | None = None,
    ) -> None:
        self.reports = reports
        self.left = Left()
        self._posts: list[threading.Thread] = []
        super().__init__(_Handler, port, on_request)

    @classmethod
    @contextmanager
    def running(cls, port: int = 0, *, reports: bool = False) -> Iterator[Self]:
        """Run the stand-in for the length of a with block."""
        server = cls(port, reports=reports)
        server.start()
        try:
            yield server
        finally:
            server.stop()

    def stop(self) -> None:
        """Wait for every thread."""
        super().stop()
        for post in self._posts:
            post.join()

    def report_soon(self, request: ReceivedRequest) -> None:
        """Call the `dlr-url` of a message, beside the answer: taken, then delivered."""
        thread = threading.Thread(target=self._report, args=(request,), daemon=True)
        self._posts.append(thread)
        thread.start()

    def _report(self, request: ReceivedRequest) -> None:
        url, message_id = request.fields["dlr-url"], request.message_id or ""
        with suppress(OSError):
            call(url, level_1(message_id))
            call(url, level_2(message_id))


def level_1(message_id: str, status: str = "ESME_ROK") -> dict[str, str]:
    """Write a delivery report of level 1."""
    return {"id": message_id, "message_status": status, "level": "1", "connector": "operator"}


def level_2(message_id: str, status: str = "DELIVRD", err: str = "000") -> dict[str, str]:
    """Write a delivery report of level 2; its text is the beginning of our message."""
    return {
        "id": message_id,
        "message_status": status,
        "level": "2",
        "connector": "operator",
        "id_smsc": "3ac2820d",
        "sub": "001",
        "dlvrd": "001" if status == "DELIVRD" else "000",
        "subdate": "2611250918",
        "donedate": "2611250919",
        "err": err,
        "text": "Terima kasih, laporan",
    }


def message(text: str, sender: str, recipient: str = "22345", coding: int = 0) -> dict[str, Any]:
    """Write a message as the thrower does: the bytes as they are, and in hex."""
    data = text.encode({0: "gsm03.38", 3: "latin-1", 8: "utf-16-be"}[coding])
    return {
        "id": str(uuid4()),
        "from": sender,
        "to": recipient,
        "origin-connector": "operator",
        "content": data,
        "binary": data.hex(),
        "priority": "0",
        "coding": str(coding),
    }


def call(url: str, fields: Mapping[str, Any], method: str = "POST") -> str:
    """Call a webhook as Jasmin's throwers do, and return the body of the answer."""
    form = urlencode(fields)
    if method == "GET":
        request = Request(f"{url}?{form}")  # noqa: S310 - loopback
    else:
        request = Request(url, data=form.encode(), method="POST")  # noqa: S310
    with urlopen(request, timeout=10) as response:  # noqa: S310
        body: bytes = response.read()
        return body.decode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    timeout = 30
    stand_in: ClassVar[JasminServer]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: requests are recorded instead."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/ping":
            self._answer(200, "Jasmin/PONG")
        elif address.path == "/balance":
            self._tell_balance(dict(parse_qsl(address.query, keep_blank_values=True)))
        elif address.path == "/send":
            self._send(address.query)
        else:
            self._answer(404, "No Such Resource")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if urlsplit(self.path).path == "/send":
            self._send(body)
        else:
            self._answer(404, "No Such Resource")

    def _tell_balance(self, fields: dict[str, str]) -> None:
        if problem := _problem(fields, _LOGIN, tuple(_LOGIN)):
            self._answer(problem[0], json.dumps(problem[1]))
        else:
            self._answer(200, json.dumps(asdict(self.stand_in.left)))

    def _send(self, form: str) -> None:
        fields = dict(parse_qsl(form, keep_blank_values=True))
        request = ReceivedRequest(self.path, dict(self.headers), fields)
        problem = _problem(fields, _FIELDS, ("username", "password", "to"))
        kind, _, detail = self.stand_in.behaviour.partition(":")
        if problem is None and kind == "error":
            status, _, words = detail.partition(":")
            problem = int(status), words
        if problem is None and kind == "accept":
            request.message_id = str(uuid4())
        self.stand_in.record(request)
        if problem is not None:
            self._answer(problem[0], f'Error "{problem[1]}"')
        elif kind == "accept":
            self._answer(200, f'Success "{request.message_id}"')
            if self.stand_in.reports and "dlr-url" in fields:
                self.stand_in.report_soon(request)

    def _answer(self, status: int, body: str) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _problem(
    fields: Mapping[str, str], known: Mapping[str, str], needed: tuple[str, ...]
) -> tuple[int, str] | None:
    """Say what Jasmin finds wrong with a request, in its words."""
    for name, value in fields.items():
        if name not in known:
            return 400, f"Argument [{name}] is unknown."
        if not re.fullmatch(known[name], value, re.ASCII):
            return 400, f"Argument [{name}] has an invalid value: [{value}]."
    for name in needed:
        if name not in fields:
            return 400, f"Mandatory argument [{name}] is not found."
    if "to" in needed and ("content" in fields) == ("hex-content" in fields):
        return 400, "content or hex-content not present."
    if (fields["username"], fields["password"]) != (USERNAME, PASSWORD):
        return 403, f"Authentication failure for username:{fields['username']}"
    return None


def _print(request: ReceivedRequest) -> None:
    print(json.dumps(asdict(request)), flush=True)  # noqa: T201 - this is what the command is for


def main() -> None:
    """Run until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A stand-in for Jasmin's HTTP API.")
    parser.add_argument("--port", type=int, default=1401)
    parser.add_argument("--reports", action="store_true", help="call the dlr-url of each message")
    parser.add_argument("--behaviour", default="accept", help="see the top of the file")
    options = parser.parse_args()
    server = JasminServer(options.port, reports=options.reports, on_request=_print)
    server.behave(options.behaviour)
    # A shell that starts it in the background hands down a Ctrl-C that is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    server.start()
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    server.stop()


if __name__ == "__main__":
    main()

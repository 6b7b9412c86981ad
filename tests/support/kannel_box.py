"""A real Kannel (bearerbox and smsbox) of the configuration that we ship, and a network for it.

The network is Kannel's own fakesmsc: phones text through it, and it shows what phones would get.
"""

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import quote_from_bytes, unquote_to_bytes

import requests
from support.debian import demand
from support.die_with_parent import launch
from support.waiting import free_port, wait_until

from gateway.accounts import KannelAccount
from gateway.providers.base import InboundRequest, Intake
from gateway.providers.kannel import Kannel

TEMPLATE = Path(__file__).resolve().parents[2] / "deploy" / "kannel" / "kannel.conf"
FAKESMSC = Path("/usr/lib/kannel/test/fakesmsc")
USERNAME = "timpora"
#: With signs that mean something in a query and in a header.
PASSWORD = "kunci & 5%41: rahasia"  # noqa: S105
STATUS_PASSWORD = "status & rahasia"  # noqa: S105
SENDER = "TIMPORA"
LINK = "fake1"

_GOT = re.compile(
    r"Got message \d+: <(?P<sender>\S+) (?P<to>\S+)"
    r" (?:udh (?P<udh>\S+) )?(?P<kind>text|data|ucs-2) (?P<said>[^\n]*)>\n"
)


def demand_kannel() -> None:
    """Have Kannel and its fake network, or skip and say what to install."""

    def missing() -> list[str]:
        programs = [one for one in ("bearerbox", "smsbox") if not shutil.which(one)]
        return programs + ([] if FAKESMSC.exists() else ["fakesmsc"])

    demand(("kannel", "kannel-extras"), missing)


@dataclass(frozen=True)
class Received:
    """What a phone would get: one part of a message."""

    sender: str
    to: str
    kind: str
    """`text`, `data` or `ucs-2`."""
    text: str
    udh: bytes = b""


class KannelBox:
    """One Kannel with private ports and folders."""

    def __init__(self, folder: Path, gateway_url: str, secret: str, **settings: str) -> None:
        self.folder = folder
        self.sendsms_port, self.admin_port, self.link_port = free_port(), free_port(), free_port()
        self._gateway_url = gateway_url
        self._secret = secret
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._starts = 0
        for name in ("logs", "spool/store", "spool/dlr"):
            (folder / name).mkdir(parents=True)
        os.mkfifo(folder / "phones")
        self._configure(settings)

    @classmethod
    @contextmanager
    def running(
        cls, folder: Path, gateway_url: str, secret: str, **settings: str
    ) -> Iterator[Self]:
        """Run all three programs for the length of a with block."""
        box = cls(folder, gateway_url, secret, **settings)
        try:
            box.start("bearerbox")
            box.start("network")
            box.start("smsbox")
            yield box
        finally:
            box.stop()

    @property
    def log(self) -> Path:
        """Where smsbox writes what it could not bring."""
        return self.folder / "logs" / "smsbox.log"

    def account(self) -> KannelAccount:
        """Give what the gateway needs to use this Kannel."""
        return KannelAccount(
            base_url=f"http://127.0.0.1:{self.sendsms_port}",
            username=USERNAME,
            password=PASSWORD,
            sender=SENDER,
            callback_url=f"{self._gateway_url}/webhooks/kannel/{self._secret}",
            smsc=LINK,
            admin_url=f"http://127.0.0.1:{self.admin_port}",
            status_password=STATUS_PASSWORD,
            access_log=self.log,
        )

    def environment(self) -> dict[str, str]:
        """Give the same as settings of the product."""
        account = self.account()
        return {
            "TIMPORA_CHANNEL": "kannel",
            "TIMPORA_PUBLIC_URL": self._gateway_url,
            "TIMPORA_KANNEL_BASE_URL": account.base_url,
            "TIMPORA_KANNEL_USERNAME": USERNAME,
            "TIMPORA_KANNEL_PASSWORD": PASSWORD,
            "TIMPORA_KANNEL_SENDER": SENDER,
            "TIMPORA_KANNEL_ADMIN_URL": str(account.admin_url),
            "TIMPORA_KANNEL_STATUS_PASSWORD": STATUS_PASSWORD,
            "TIMPORA_KANNEL_ACCESS_LOG": str(self.log),
        }

    # Starting and stopping

    def _configure(self, settings: Mapping[str, str]) -> None:
        """Fill the template in; `settings` change a line of it, as `http_queue_delay="1"`."""
        link = self.folder / "smsc.conf"
        link.write_text(
            f"group = smsc\nsmsc = fake\nsmsc-id = {LINK}\nport = {self.link_port}\n"
            "connect-allow-ip = 127.0.0.1\n"
        )
        values = {
            "LOGS": str(self.folder / "logs"),
            "SPOOL": str(self.folder / "spool"),
            "SMSC_FILE": str(link),
            "ADMIN_PORT": str(self.admin_port),
            "ADMIN_PASSWORD": "admin rahasia",
            "STATUS_PASSWORD": STATUS_PASSWORD,
            "SMSBOX_PORT": str(free_port()),
            "SENDSMS_PORT": str(self.sendsms_port),
            "SENDSMS_USERNAME": USERNAME,
            "SENDSMS_PASSWORD": PASSWORD,
            "GATEWAY_URL": self._gateway_url,
            "WEBHOOK_SECRET": self._secret,
        }
        text = TEMPLATE.read_text("utf-8")
        text = re.sub("@([A-Z_]+)@", lambda found: values[found[1]], text.partition("\n\n")[2])
        for name, value in settings.items():
            line = re.compile(rf"^{name.replace('_', '-')} = .*$", re.MULTILINE)
            text, changed = line.subn(f"{name.replace('_', '-')} = {value}", text)
            assert changed == 1, f"{name} stands {changed} times in the template"
        (self.folder / "kannel.conf").write_text(text)

    def start(self, name: str) -> None:
        """Start `bearerbox`, `smsbox` or the `network`, and wait until it can be used."""
        self._starts += 1
        command = [name, "-v", "3", "kannel.conf"]
        if name == "network":
            # Both ends of the pipe are held, or it would end with the first phone.
            run = f"exec {FAKESMSC} -H 127.0.0.1 -r {self.link_port} -i 0.01 -m 1000000 <>phones"
            command = ["/bin/sh", "-c", run]
        with (self.folder / f"{self._starts:02d}-{name}.out").open("wb") as output:
            self._running[name] = launch(
                command, output=output, environment=os.environ, folder=self.folder
            )
        seen = {"bearerbox": "running", "network": "online", "smsbox": "on-line"}
        wait_until(lambda: seen[name] in self.status(), within=20, what=f"{name} says {seen[name]}")
        if name == "smsbox":
            wait_until(self._takes_messages, within=20, what="smsbox takes messages")

    def end(self, name: str, how: signal.Signals = signal.SIGINT) -> None:
        """End one program, by a word or without."""
        process = self._running.pop(name)
        process.send_signal(how)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
            raise

    def stop(self) -> None:
        """End all that runs."""
        for name, how in (
            ("smsbox", signal.SIGINT),
            ("network", signal.SIGKILL),
            ("bearerbox", signal.SIGINT),
        ):
            if name in self._running:
                self.end(name, how)

    def status(self) -> str:
        """Give bearerbox's own page; nothing while it is not there."""
        try:
            return requests.get(
                f"http://127.0.0.1:{self.admin_port}/status.xml",
                params={"password": STATUS_PASSWORD},
                timeout=5,
            ).text
        except requests.RequestException:
            return ""

    def _takes_messages(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.sendsms_port}/"
            return requests.get(url, timeout=5).status_code == 404
        except requests.RequestException:
            return False

    # Phones

    def text(self, sender: str, text: str, to: str = "99999") -> None:
        """Have a phone send a text of GSM-7, as one line."""
        self._say(f"{sender} {to} text {text}")

    def text_in_unicode(self, sender: str, text: str, to: str = "99999") -> None:
        """Have a phone send a text in UTF-16."""
        self._say(f"{sender} {to} ucs2 {quote_from_bytes(text.encode('utf-16-be'))}")

    def text_part(self, sender: str, udh: bytes, text: str, to: str = "99999") -> None:
        """Have a phone send a part of a long text."""
        self._say(f"{sender} {to} udh-text {quote_from_bytes(udh)} {text}")

    def _say(self, line: str) -> None:
        # One after the other: it reads a second line only when a third one comes.
        sent = self._shown().count("sent message")
        with (self.folder / "phones").open("w", encoding="utf-8") as phones:
            phones.write(f"{line}\n")
        wait_until(
            lambda: self._shown().count("sent message") > sent,
            within=15,
            what="the network takes a message of a phone",
        )

    def received(self, to: str) -> list[Received]:
        """List what a phone got, of all that the network showed."""
        return [
            Received(
                one["sender"],
                one["to"],
                one["kind"],
                _said(one["kind"], one["said"]),
                unquote_to_bytes(one["udh"] or ""),
            )
            for one in _GOT.finditer(self._shown())
            if one["to"] == to
        ]

    def _shown(self) -> str:
        files = sorted(self.folder.glob("*-network.out"))
        return "".join(one.read_text("utf-8", "replace") for one in files)


def _said(kind: str, said: str) -> str:
    if kind == "text":
        return said
    raw = unquote_to_bytes(said.replace("+", " "))
    return raw.decode("utf-16-be" if kind == "ucs-2" else "latin-1")


@dataclass
class Sink:
    """A web server that hands what Kannel fetches to the adapter, and can be out of order."""

    url: str
    intakes: list[Intake] = field(default_factory=list)
    """Of every request, those that were refused too."""
    refusals: int = 0
    """So many requests are refused from now on."""

    @classmethod
    @contextmanager
    def running(cls, secret: str) -> Iterator[Self]:
        """Listen for the length of a with block."""
        adapter = Kannel(None)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                begin = f"/webhooks/kannel/{secret}/"
                assert path.startswith(begin), path
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = InboundRequest(
                    "GET", path.removeprefix(begin), query.encode("latin-1"), headers, b""
                )
                intake = adapter.receive(request)
                sink.intakes.append(intake)
                status, body = intake.answer.status, intake.answer.body.encode()
                if sink.refusals:
                    sink.refusals -= 1
                    status = 503
                self.send_response(status)
                self.send_header("Content-Type", intake.answer.content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            sink = cls(f"http://127.0.0.1:{server.server_address[1]}")
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield sink
            server.shutdown()
            thread.join()

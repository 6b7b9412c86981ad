"""How a phone's SMS reaches the gateway by each channel, in that channel's own words."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from flask.testing import FlaskClient
from support.gammu_smsd import Tables

from gateway import clock
from gateway.accounts import GammuAccount, JasminAccount, SmsgateAccount
from gateway.clock import Timetable
from gateway.messaging.channels import Channels
from gateway.providers.gammu import Gammu
from gateway.providers.jasmin import Jasmin
from gateway.providers.smsgate import Smsgate
from gateway.watch import attending
from gateway.wiring import Wiring

SIGNING_KEY = "a-signing-key-of-the-tests"


@dataclass(frozen=True)
class Sms:
    """What a phone sends, as its network knows it."""

    sender: str
    to: str
    text: str
    at: datetime
    id: str


class Carrier(Protocol):
    """One channel, as its provider's side sees us."""

    name: str

    def bring(self, client: FlaskClient, office: Wiring, sms: Sms) -> int:
        """Bring one message; give the HTTP status that it was answered with."""


class AfricasTalkingCarrier:
    name = "africastalking"

    def bring(self, client: FlaskClient, office: Wiring, sms: Sms) -> int:
        form = {
            "from": sms.sender,
            "to": sms.to,
            "id": sms.id,
            "date": sms.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "text": sms.text,
        }
        return client.post(_url(office, self.name), data=form).status_code


class KannelCarrier:
    name = "kannel"

    def bring(self, client: FlaskClient, office: Wiring, sms: Sms) -> int:
        query = {
            "from": sms.sender,
            "to": sms.to,
            "text": " ".join(sms.text.split()),
            "bin": sms.text,
            "hex": sms.text.encode().hex().upper(),
            "coding": "0",
            "charset": "UTF-8",
            "ts": str(int(sms.at.timestamp())),
            "when": sms.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "id": sms.id,
            "smsc": "fake1",
            "udh": "",
        }
        answer = client.get(_url(office, self.name), query_string=query)
        assert answer.data == b"", "Kannel would text it to the phone"
        return answer.status_code


class JasminCarrier:
    name = "jasmin"

    def bring(self, client: FlaskClient, office: Wiring, sms: Sms) -> int:
        content, coding = sms.text.encode("utf-16-be"), "8"
        form = {
            "id": sms.id,
            "from": sms.sender.removeprefix("+"),
            "to": sms.to,
            "origin-connector": "smppcc1",
            "coding": coding,
            "binary": content.hex(),
        }
        answer = client.post(_url(office, self.name), data=form)
        assert answer.data == b"ACK/Jasmin"
        return answer.status_code


class SmsgateCarrier:
    name = "smsgate"

    def bring(self, client: FlaskClient, office: Wiring, sms: Sms) -> int:
        written = sms.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        payload = {
            "messageId": hashlib.sha256(f"{sms.sender}{sms.text}".encode()).hexdigest()[:8],
            "message": sms.text,
            "sender": sms.sender,
            "recipient": sms.to,
            "simNumber": 1,
            # Its clock knows thousandths; that of the network does not.
            "receivedAt": f"{written}.482+00:00",
        }
        body = json.dumps(
            {
                "deviceId": "dev1",
                "event": "sms:received",
                "id": sms.id,
                "webhookId": "wh1",
                "payload": payload,
            },
            ensure_ascii=False,
        ).encode()
        stamp = str(int(clock.now().timestamp()))
        signature = hmac.new(SIGNING_KEY.encode(), body + stamp.encode(), "sha256").hexdigest()
        headers = {
            "X-Timestamp": stamp,
            "X-Signature": signature,
            "Content-Type": "application/json",
        }
        return client.post(_url(office, self.name), data=body, headers=headers).status_code


class GammuCarrier:
    name = "gammu"

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def bring(self, client: FlaskClient, office: Wiring, sms: Sms) -> int:  # noqa: ARG002
        moment = sms.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        self.tables.gets(sms.sender, sms.text, ReceivingDateTime=moment)
        provider = office.channels.by_name[self.name]
        attending.attend(office.database, office.directory, office.channels, provider, Timetable())
        return 200


def all_carriers(office: Wiring, folder: Path) -> tuple[Wiring, Mapping[str, Carrier]]:
    """Set an office up so that every channel reaches it; give each channel's side."""
    tables = Tables.made_in(folder)
    signed = SmsgateAccount(
        base_url=None,
        username=None,
        password=None,
        device=None,
        signing_keys=(SIGNING_KEY,),
        clock_window=timedelta(days=1),
    )
    hub = JasminAccount("http://127.0.0.1:9", "timpora", "secret", None, "http://127.0.0.1:9")
    by_name = {
        **office.channels.by_name,
        "jasmin": Jasmin(hub),
        "gammu": Gammu(GammuAccount(tables.url, "UTC")),
        "smsgate": Smsgate(signed, takes_unsigned=False),
    }
    channels = Channels(by_name, office.channels.default, office.channels.rules)
    office = replace(office, channels=channels, desk=replace(office.desk, channels=channels))
    carriers: tuple[Carrier, ...] = (
        AfricasTalkingCarrier(),
        KannelCarrier(),
        JasminCarrier(),
        SmsgateCarrier(),
        GammuCarrier(tables),
    )
    return office, {one.name: one for one in carriers}


def _url(office: Wiring, channel: str) -> str:
    return f"/webhooks/{channel}/{office.settings.secret_of(channel)}/sms"

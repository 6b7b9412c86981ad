"""Each channel on its whole way, and what happens when one of them, or we, are away.

Gammu is a real SMSD with a modem made of files; the phone, Jasmin and Africa's Talking are
stand-ins on loopback. Kannel has a file of its own.
"""

import json
import shutil
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from support import jasmin_server, smsgate_server
from support.accounts import confirmation_number
from support.africastalking_server import API_KEY, AfricasTalkingServer
from support.database_dump import dump_database
from support.gammu_smsd import BATTERY, NETWORK, SIGNAL, GammuSmsd, Tables, demand_gammu
from support.gateway_process import Gateway, Row
from support.jasmin_server import JasminServer
from support.payloads import incoming_sms, phone
from support.redis_server import RedisServer
from support.smsgate_server import SmsgateServer
from support.waiting import free_port, wait_until

pytestmark = pytest.mark.e2e

KADES = phone(1)
OTHERS = [phone(number) for number in range(2, 6)]
ADMIN = phone(50)
#: Words that stand in no code, catalogue or log of ours, so a hit is a leak.
TEXT = "WNA#Jerman#1#riset#posyandu Oelbubuk"
LATER_TEXT = "WNA#Belanda#2#wisata#homestay Noelmina"
SECRETS = {
    API_KEY,
    smsgate_server.PASSWORD,
    smsgate_server.KEY,
    b64encode(f"{smsgate_server.USERNAME}:{smsgate_server.PASSWORD}".encode()).decode(),
    jasmin_server.PASSWORD,
}


# A deployment, and what each channel needs of it --------------------------------------------------


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """A deployment with people and an admin, which never runs: each test has a copy of it."""
    deployment = Gateway(tmp_path_factory.mktemp("prepared") / "gw")
    deployment.prepare([KADES, *OTHERS])
    who = ("--name", "Ani", "--institution", "imigrasi", "--area", "53.02", "--role", "admin")
    deployment.cli("officer", "add", "--phone", ADMIN, *who)
    return deployment


@pytest.fixture
def gateway(prepared: Gateway, tmp_path: Path, redis_server: RedisServer) -> Iterator[Gateway]:
    """A deployment on SQLite, with no channel yet."""
    deployment = Gateway(tmp_path / "gw", redis_url=redis_server.url)
    shutil.copytree(prepared.data, deployment.data, dirs_exist_ok=True)
    # Phones are found by it.
    deployment.environment["TIMPORA_SECRET_KEY"] = prepared.environment["TIMPORA_SECRET_KEY"]
    deployment.environment["TIMPORA_PUBLIC_URL"] = deployment.url
    yield deployment
    deployment.close()


@pytest.fixture
def handset() -> Iterator[SmsgateServer]:
    with SmsgateServer.running() as server:
        yield server


@contextmanager
def modem(tmp_path: Path) -> Iterator[GammuSmsd]:
    """Run a real SMSD on the tables that its package makes."""
    demand_gammu()
    folder = tmp_path / "gammu"
    folder.mkdir()
    tables = Tables.as_shipped(f"sqlite:///{folder / 'smsd.db'}")
    with GammuSmsd.running(folder, tables) as smsd:
        yield smsd


def has_smsgate(gateway: Gateway, url: str) -> None:
    gateway.environment |= {
        "TIMPORA_SMSGATE_BASE_URL": url,
        "TIMPORA_SMSGATE_USERNAME": smsgate_server.USERNAME,
        "TIMPORA_SMSGATE_PASSWORD": smsgate_server.PASSWORD,
        "TIMPORA_SMSGATE_SIGNING_KEY": smsgate_server.KEY,
    }


def has_africastalking(gateway: Gateway, provider: AfricasTalkingServer) -> None:
    gateway.environment |= {
        "TIMPORA_AFRICASTALKING_USERNAME": "timpora",
        "TIMPORA_AFRICASTALKING_API_KEY": API_KEY,
        "TIMPORA_AFRICASTALKING_BASE_URL": provider.url,
    }


def start(gateway: Gateway, *, sweeper: bool = True) -> None:
    """Start the processes of the Procfile, and wait until messages are taken."""
    gateway.start_worker()
    if sweeper:
        gateway.start_sweeper()
    gateway.start_web()


def stop(gateway: Gateway) -> None:
    running = [process for process in gateway.processes if process.running]
    for process in running:
        process.terminate()
    for process in running:
        assert process.wait(15) == 0


def webhook(gateway: Gateway, channel: str, kind: str = "sms") -> str:
    return f"{gateway.url}/webhooks/{channel}/{gateway.secret}/{kind}"


# What can be seen of it ---------------------------------------------------------------------------


def channels_now(gateway: Gateway) -> dict[str, Row]:
    """Give what `timpora channels` says of each channel."""
    return {row["channel"]: row for row in gateway.run_cli("channels", "--json")}


def table(gateway: Gateway, name: str) -> list[Row]:
    """Read a table behind the product's back: a command takes a second or two."""
    return dump_database(gateway.database_url)[name]


def wait_for_status(gateway: Gateway, status: str) -> Row:
    """Wait until the only reply there is has this status, and give its row of the table."""

    def look() -> list[Row]:
        rows = table(gateway, "outbox")
        return rows if [row["status"] for row in rows] == [status] else []

    return wait_until(look, within=25, what=f"the reply is {status}")[0]


def the_reply(gateway: Gateway) -> Row:
    """Give the only reply there is as `timpora messages` shows it."""
    (row,) = gateway.messages("out")
    return row


def assert_logs_tell_nothing(gateway: Gateway) -> None:
    """Look for numbers, texts, passwords and keys in all that the processes have written."""
    texts = {row["text"] for name in ("inbox", "outbox") for row in table(gateway, name)}
    words = {"Oelbubuk", "Noelmina", "homestay", "posyandu"}
    # Every phone here, in whatever way a number is written.
    numbers = {"812900000", "812-9000-00", "812 9000 00"}
    keys = {gateway.secret, gateway.environment["TIMPORA_SECRET_KEY"]}
    logs = gateway.log_texts()
    assert {process.text() for process in gateway.processes} <= set(logs.values())
    assert '"event": "send_ended"' in "".join(logs.values()), "the search means something"

    for place, content in logs.items():
        lower = content.lower()
        private = texts | words | numbers | keys | SECRETS
        found = [one for one in private if one and one.lower() in lower]
        assert not found, f"{place} holds {found}"
        assert "Traceback" not in content, place


# Each channel by itself ---------------------------------------------------------------------------


def test_a_report_by_a_modem_is_answered_by_it_and_the_answer_is_delivered(
    gateway: Gateway, tmp_path: Path
):
    with modem(tmp_path) as smsd:
        gateway.environment |= {
            "TIMPORA_CHANNEL": "gammu",
            "TIMPORA_GAMMU_DATABASE_URL": smsd.tables.url,
        }
        receive_now(smsd, KADES, TEXT)
        start(gateway)

        (sent,) = wait_until(
            lambda: sent_by_modem(smsd, KADES), within=25, what="the reply has left the modem"
        )
        (report,) = gateway.reports()
        assert report["number"] == confirmation_number(sent["TextDecoded"])
        assert (report["code"], report["channel"]) == ("WNA", "gammu")
        assert report["network_time"] is not None
        assert sent["Status"] == "SendingOK"

        smsd.report(KADES, "Delivered", datetime.now(UTC))
        wait_for_status(gateway, "delivered")

        reply = the_reply(gateway)
        assert reply["status"] == "delivered"
        assert sent["CreatorID"] == f"timpora:{reply['provider_message_id']}"
        assert (reply["text"], reply["attempts"]) == (sent["TextDecoded"], 1)
        line = channels_now(gateway)["gammu"]
        assert (line["is_up"], line["says"]) == (True, f"1 phone on {NETWORK}")
        assert (line["signal"], line["battery"], line["backlog"]) == (SIGNAL, BATTERY, 0)
        assert (line["is_default"], line["alarms"]) == (True, [])
        assert line["last_inbound_at"]
        assert len(sent_by_modem(smsd, KADES)) == 1
    assert_logs_tell_nothing(gateway)


def receive_now(smsd: GammuSmsd, sender: str, text: str) -> None:
    smsd.receive(sender, text, at=datetime.now(UTC).strftime("%Y%m%dT%H%M%S"))


def sent_by_modem(smsd: GammuSmsd, to: str) -> list[Mapping[str, Any]]:
    statement = 'SELECT * FROM sentitems WHERE "DestinationNumber" = :to ORDER BY "ID"'
    return smsd.tables.rows(statement, to=to)


def test_a_signed_event_of_a_phone_is_one_report_and_its_answer_leaves_once_by_our_token(
    gateway: Gateway, handset: SmsgateServer
):
    has_smsgate(gateway, handset.url)
    gateway.environment["TIMPORA_CHANNEL"] = "smsgate"
    start(gateway)
    # It stands in the phone's own list as well, which is read beside the webhook.
    event = handset.gets(KADES, TEXT, datetime.now(UTC))

    statuses = [smsgate_server.post_event(webhook(gateway, "smsgate"), event) for _ in range(3)]
    sent = wait_until(lambda: handset.requests, within=25, what="the reply reaches the phone")[0]
    reply = wait_for_status(gateway, "sent")
    moment = smsgate_server.shown(datetime.now(UTC))
    told = {"messageId": sent.body["id"], "phoneNumber": KADES, "deliveredAt": moment}
    delivered = smsgate_server.event("sms:delivered", told)
    assert smsgate_server.post_event(webhook(gateway, "smsgate", "dlr"), delivered) == 200
    wait_for_status(gateway, "delivered")

    assert the_reply(gateway)["status"] == "delivered"
    assert statuses == [200, 200, 200]
    (report,) = gateway.reports()
    (incoming,) = table(gateway, "inbox")
    assert incoming["redelivered"] >= 2
    assert report["channel"] == "smsgate"
    assert report["number"] == confirmation_number(sent.body["textMessage"]["text"])
    assert [one.body["phoneNumbers"] for one in handset.requests] == [[KADES]]
    assert sent.body["id"] == reply["token"] == reply["provider_message_id"]
    assert_logs_tell_nothing(gateway)


def test_what_a_phone_has_not_signed_is_refused_and_nothing_of_it_is_kept(
    gateway: Gateway, handset: SmsgateServer
):
    has_smsgate(gateway, handset.url)
    gateway.environment["TIMPORA_CHANNEL"] = "smsgate"
    # Nobody else runs who could write into the database, so that it can be compared whole.
    gateway.start_web()
    url = webhook(gateway, "smsgate")
    event = handset.gets(KADES, TEXT, datetime.now(UTC))
    body = json.dumps(event).encode()
    now = datetime.now(UTC).timestamp()
    right = smsgate_server.signed(body)
    plain = {"content-type": "application/json"}
    wrong = {
        "no signature": (body, plain),
        "another key": (body, smsgate_server.signed(body, key="kunci-orang-lain-yang-panjang")),
        "signed an hour ago": (body, smsgate_server.signed(body, at=now - 3600)),
        "signed an hour ahead": (body, smsgate_server.signed(body, at=now + 3600)),
        "another text than was signed": (body.replace(b"Oelbubuk", b"Noelmina"), right),
        "another time than was signed": (body, {**right, "x-timestamp": str(int(now) + 60)}),
        "an empty signature": (body, {**right, "x-signature": ""}),
        "nothing that can be read": (b"\xff\xfe", plain),
    }
    before = dump_database(gateway.database_url)

    refused = {
        label: requests.post(url, data=data, headers=headers, timeout=10).status_code
        for label, (data, headers) in wrong.items()
    }

    assert refused == dict.fromkeys(wrong, 401)
    assert dump_database(gateway.database_url) == before
    assert requests.post(url, data=body, headers=right, timeout=10).status_code == 200
    gateway.start_worker()
    wait_until(lambda: handset.requests, within=25, what="the signed one is answered")
    assert len(gateway.reports()) == 1
    wait_for_status(gateway, "sent")
    assert_logs_tell_nothing(gateway)


def test_a_report_by_jasmin_is_answered_by_it_and_the_answer_is_delivered(gateway: Gateway):
    with JasminServer.running() as jasmin:
        gateway.environment |= {
            "TIMPORA_CHANNEL": "jasmin",
            "TIMPORA_JASMIN_BASE_URL": jasmin.url,
            "TIMPORA_JASMIN_USERNAME": jasmin_server.USERNAME,
            "TIMPORA_JASMIN_PASSWORD": jasmin_server.PASSWORD,
        }
        start(gateway)
        brought = jasmin_server.message(TEXT, KADES.removeprefix("+"))

        answers = [jasmin_server.call(webhook(gateway, "jasmin"), brought) for _ in range(2)]
        sent = wait_until(lambda: jasmin.requests, within=25, what="the reply reaches Jasmin")[0]
        reply = wait_for_status(gateway, "sent")
        where, given_id = sent.fields["dlr-url"], sent.message_id or ""
        assert where == webhook(gateway, "jasmin", "dlr")
        answers.append(jasmin_server.call(where, jasmin_server.level_1(given_id)))
        assert wait_for_status(gateway, "sent")["error"] is None
        answers.append(jasmin_server.call(where, jasmin_server.level_2(given_id)))
        wait_for_status(gateway, "delivered")

        assert the_reply(gateway)["status"] == "delivered"
        assert answers == ["ACK/Jasmin"] * 4
        (report,) = gateway.reports()
        assert (report["code"], report["channel"]) == ("WNA", "jasmin")
        assert report["fields"]["place"] == "posyandu oelbubuk"
        assert report["number"] == confirmation_number(sent.text)
        assert reply["provider_message_id"] == given_id
        assert [one.fields["to"] for one in jasmin.requests] == [KADES.removeprefix("+")]
        assert [row["is_up"] for row in table(gateway, "channel_states")] == [True]
    assert_logs_tell_nothing(gateway)


# When we are away ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """A phone for each of three channels, and what each channel has seen."""

    gateway: Gateway
    smsd: GammuSmsd
    provider: AfricasTalkingServer
    handset: SmsgateServer

    by_modem, by_callback, by_handset = OTHERS[:3]

    def replies(self) -> dict[str, list[str]]:
        """Give the confirmation numbers that each phone was sent, by its own channel."""
        texts = {
            self.by_modem: [row["TextDecoded"] for row in sent_by_modem(self.smsd, self.by_modem)],
            self.by_callback: [one.text for one in self.provider.sent_to(self.by_callback)],
            self.by_handset: [
                one.body["textMessage"]["text"]
                for one in self.handset.requests
                if one.body["phoneNumbers"] == [self.by_handset]
            ],
        }
        return {to: [confirmation_number(text) for text in said] for to, said in texts.items()}

    def wait_for_replies(self, each: int) -> None:
        wait_until(
            lambda: all(len(said) >= each for said in self.replies().values()),
            within=25,
            what=f"each phone has {each} replies",
        )

    def bring(self, text: str, *, calls_us: bool) -> tuple[dict[str, str], Mapping[str, Any]]:
        """Let a message come to each channel; give what its callbacks are, called or not."""
        now = datetime.now(UTC).replace(microsecond=0)
        receive_now(self.smsd, self.by_modem, text)
        self.provider.gets(self.by_callback, text, date=now.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
        # The app itself has not seen what came while it was away, until it is told to look.
        event = self.handset.gets(self.by_handset, text, now, is_listed=calls_us)
        form = incoming_sms(
            text, self.by_callback, date=now.strftime("%Y-%m-%d %H:%M:%S"), to="22345"
        )
        if calls_us:
            self.call(form, event)
        return form, event

    def call(self, form: Mapping[str, str], event: Mapping[str, Any]) -> None:
        assert self.gateway.post_sms(form).status_code == 200
        assert smsgate_server.post_event(webhook(self.gateway, "smsgate"), event) == 200

    def is_polled(self) -> bool:
        """Say whether the two that also call us were asked for what we missed."""
        asked = {one.path for one in self.provider.asked}
        paths = {path for path, _ in self.handset.asked}
        return "/version1/messaging" in asked and "GET /inbox" in paths


@pytest.fixture
def world(
    gateway: Gateway, provider: AfricasTalkingServer, handset: SmsgateServer, tmp_path: Path
) -> Iterator[World]:
    with modem(tmp_path) as smsd:
        has_smsgate(gateway, handset.url)
        has_africastalking(gateway, provider)
        gateway.environment |= {
            "TIMPORA_CHANNEL": "gammu",
            "TIMPORA_GAMMU_DATABASE_URL": smsd.tables.url,
        }
        yield World(gateway, smsd, provider, handset)


def test_what_came_while_we_were_away_is_reported_once_though_its_callback_comes_late(
    world: World,
):
    gateway = world.gateway
    start(gateway)
    world.bring(TEXT, calls_us=True)
    world.wait_for_replies(1)
    wait_until(world.is_polled, within=15, what="every channel was asked once before")
    stop(gateway)

    late = world.bring(LATER_TEXT, calls_us=False)
    wait_until(world.smsd.tables.unread, within=15, what="the modem has taken its message")
    world.provider.asked.clear()
    world.handset.asked.clear()
    start(gateway)
    world.wait_for_replies(2)

    once = {report["number"]: report for report in gateway.reports()}
    assert sorted(report["channel"] for report in once.values()) == sorted(
        ["africastalking", "gammu", "smsgate"] * 2
    )
    places = [report["fields"]["place"] for report in once.values()]
    assert sorted(places) == ["homestay noelmina"] * 3 + ["posyandu oelbubuk"] * 3
    numbers = [number for said in world.replies().values() for number in said]
    assert sorted(numbers) == sorted(once)
    # What had come before us being away stands in both inboxes as well, and was known again.
    before = {row["channel"]: row["redelivered"] for row in table(gateway, "inbox")[:3]}
    assert before["smsgate"] >= 1

    before_the_late = redelivered(gateway)
    world.call(*late)
    # SMSD calls nobody; what it had marked as read is unread again where a crash undid the mark.
    world.smsd.tables.run("UPDATE inbox SET \"Processed\" = 'false'")
    wait_until(lambda: not world.smsd.tables.unread(), within=15, what="they are marked again")

    known_again = {
        one for one, times in redelivered(gateway).items() if times > before_the_late[one]
    }
    assert known_again == {
        ("gammu", TEXT),
        *((channel, LATER_TEXT) for channel in ("gammu", "africastalking", "smsgate")),
    }
    assert len(table(gateway, "inbox")) == 6
    assert {report["number"] for report in table(gateway, "reports")} == set(once)
    assert len(table(gateway, "outbox")) == 6
    assert table(gateway, "quarantine") == []
    assert {to: len(said) for to, said in world.replies().items()} == dict.fromkeys(OTHERS[:3], 2)
    assert_logs_tell_nothing(gateway)


def redelivered(gateway: Gateway) -> dict[tuple[str, str], int]:
    """Say how often each message has come again."""
    rows = table(gateway, "inbox")
    return {(row["channel"], row["text"]): row["redelivered"] for row in rows}


# When a channel is away ---------------------------------------------------------------------------


def post_from(gateway: Gateway, sender: str, text: str = TEXT) -> None:
    """Let the phone's app call us with a message that has come just now."""
    arrived = smsgate_server.Arrived(sender, text, datetime.now(UTC))
    event = smsgate_server.received(arrived)
    assert smsgate_server.post_event(webhook(gateway, "smsgate"), event) == 200


def sent_to(provider: AfricasTalkingServer, number: str) -> str:
    """Wait for the one SMS that a phone is sent by Africa's Talking, and give its text."""
    wait_until(lambda: provider.sent_to(number), within=30, what=f"{number[-2:]} is sent an SMS")
    (one,) = provider.sent_to(number)
    return one.text


def doctor_on_channels(gateway: Gateway) -> tuple[int, dict[str, Row]]:
    """Give the doctor's exit status, and what it finds wrong with channels."""
    done = gateway.cli("doctor", "--json", check=False)
    findings = [row for row in json.loads(done.stdout) if row["what"] == "channel"]
    return done.returncode, {row["level"]: row for row in findings if row["level"] != "green"}


def assert_in_trouble(gateway: Gateway, kind: str, says: str) -> None:
    """Check that smsgate rests, and that `channels` and the doctor say so and why."""
    rows = channels_now(gateway)
    row = rows["smsgate"]
    assert datetime.fromisoformat(row["resting_until"]) > datetime.now(UTC)
    assert row["resting_for"] == kind
    assert [one["kind"] for one in row["alarms"]] == [kind]
    assert says in row["alarms"][0]["says"]
    status, found = doctor_on_channels(gateway)
    assert status == 1
    assert found["red"]["says"] == f"smsgate: {kind}: {row['alarms'][0]['says']}"
    assert found["red"]["mend"] == "mend it, then: timpora channels resume smsgate"
    assert rows["africastalking"]["resting_until"] is None


def assert_well(gateway: Gateway) -> None:
    row = channels_now(gateway)["smsgate"]
    assert (row["resting_until"], row["resting_for"], row["alarms"]) == (None, None, [])
    assert doctor_on_channels(gateway) == (0, {})


def test_while_a_phone_refuses_our_password_another_channel_sends_and_an_admin_is_told(
    gateway: Gateway, handset: SmsgateServer, provider: AfricasTalkingServer
):
    has_smsgate(gateway, handset.url)
    has_africastalking(gateway, provider)
    gateway.environment["TIMPORA_CHANNEL"] = "smsgate"
    # It looks for alarms when it starts, and then each twenty seconds: it starts when there is one.
    start(gateway, sweeper=False)
    handset.behave("error:401:Unauthorized")

    post_from(gateway, KADES)
    reply = sent_to(provider, KADES)
    post_from(gateway, OTHERS[0])
    sent_to(provider, OTHERS[0])

    assert confirmation_number(reply) in {row["number"] for row in table(gateway, "reports")}
    # It was asked once, and then left alone.
    assert len(handset.requests) == 1
    gateway.start_sweeper()
    assert_in_trouble(gateway, "account", "HTTP 401")
    assert "smsgate: akun atau kunci ditolak" in sent_to(provider, ADMIN)

    handset.behave("accept")
    assert gateway.cli("channels", "resume", "smsgate").stdout == "smsgate sends again\n"
    post_from(gateway, OTHERS[1])
    wait_until(lambda: len(handset.requests) == 2, within=15, what="the phone sends again")
    assert handset.requests[1].body["phoneNumbers"] == [OTHERS[1]]
    assert provider.sent_to(OTHERS[1]) == []
    assert_well(gateway)
    assert_logs_tell_nothing(gateway)


def test_while_a_phone_is_away_another_channel_sends_and_an_admin_is_told(
    gateway: Gateway, provider: AfricasTalkingServer
):
    port = free_port()
    has_smsgate(gateway, f"http://127.0.0.1:{port}")
    has_africastalking(gateway, provider)
    gateway.environment["TIMPORA_CHANNEL"] = "smsgate"
    start(gateway, sweeper=False)

    # Three sends that find nobody, and it rests; each of the three is tried again in a minute.
    for number in OTHERS[:3]:
        post_from(gateway, number)
    wait_until(
        lambda: (
            [row["pause_reason"] for row in table(gateway, "channel_states")] == ["unreachable"]
        ),
        within=25,
        what="the phone rests",
    )
    post_from(gateway, KADES)
    reply = sent_to(provider, KADES)

    assert confirmation_number(reply) in {row["number"] for row in table(gateway, "reports")}
    gateway.start_sweeper()
    assert_in_trouble(gateway, "unreachable", "Connect")
    assert "smsgate: tidak bisa dihubungi" in sent_to(provider, ADMIN)

    phone_again = SmsgateServer(port)
    phone_again.start()
    try:
        assert gateway.cli("channels", "resume", "smsgate").stdout == "smsgate sends again\n"
        post_from(gateway, OTHERS[3])
        wait_until(lambda: phone_again.requests, within=15, what="the phone sends again")
        assert provider.sent_to(OTHERS[3]) == []
    finally:
        phone_again.stop()
    assert_logs_tell_nothing(gateway)

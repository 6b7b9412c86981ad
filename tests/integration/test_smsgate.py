"""A phone with SMS Gateway before the real core: what comes twice, what was missed, what failed."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from support.office_work import do_all_work, register
from support.smsgate_server import (
    DEVICE,
    KEY,
    PASSWORD,
    USERNAME,
    SmsgateServer,
    event,
    signed,
)

from gateway import clock
from gateway.accounts import SmsgateAccount
from gateway.app import create_app
from gateway.clock import Timetable
from gateway.messaging.channels import Channels
from gateway.providers.smsgate import Smsgate
from gateway.watch import attending
from gateway.wiring import Wiring
from models.channels import Alarm, ChannelState
from models.inbox import InboundMessage, Quarantined
from models.outbox import OutboundMessage
from models.report import Report
from models.states import AlarmKind, MessageStatus

KADES, OTHER = "+6281237000111", "+6281237000112"
OINLASI = "53.02.02.2008"
MONDAY = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@dataclass
class Village:
    """An office whose phone is this one, and what it makes of what the phone does."""

    office: Wiring
    client: FlaskClient
    phone: SmsgateServer
    set_clock: Callable[[datetime], None]

    def post(self, what: Mapping[str, Any], *, path: str = "sms", key: str = KEY) -> int:
        """Post an event as the app does, and do the work that it makes."""
        body = json.dumps(what, ensure_ascii=False).encode()
        headers = signed(body, clock.now().timestamp(), key)
        secret = self.office.settings.rules["smsgate"].webhook_secrets[0]
        answer = self.client.post(f"/webhooks/smsgate/{secret}/{path}", data=body, headers=headers)
        do_all_work(self.office)
        return answer.status_code

    def report(self, name: str, message_id: str, **fields: object) -> None:
        what = event(name, {"messageId": message_id, "phoneNumber": KADES, **fields})
        assert self.post(what, path="dlr") == 200

    def poll(self) -> None:
        """Do what a sweeper that has just started does, and the work that it makes."""
        provider = self.office.channels.by_name["smsgate"]
        attending.attend(
            self.office.database,
            self.office.directory,
            self.office.channels,
            provider,
            Timetable(),
        )
        do_all_work(self.office)

    def rows(self, model: type) -> list:
        with self.office.database.reading() as session:
            return list(session.scalars(sa.select(model).order_by(model.id)))

    def rows_of_channel(self) -> list[ChannelState]:
        with self.office.database.reading() as session:
            found = sa.select(ChannelState).where(ChannelState.channel == "smsgate")
            return list(session.scalars(found))

    def codes(self) -> list[str]:
        return [report.code for report in self.rows(Report)]

    def sent(self) -> OutboundMessage:
        (message,) = self.rows(OutboundMessage)
        return message


@pytest.fixture
def village(office: Wiring, monkeypatch: pytest.MonkeyPatch) -> Iterator[Village]:
    def set_clock(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    with SmsgateServer.running() as phone:
        account = SmsgateAccount(phone.url, USERNAME, PASSWORD, None, (KEY,), timedelta(minutes=5))
        by_name = {**office.channels.by_name, "smsgate": Smsgate(account)}
        channels = Channels(by_name, "smsgate", office.settings.rules)
        office = replace(office, channels=channels, desk=replace(office.desk, channels=channels))
        set_clock(MONDAY)
        register(office, KADES, [OINLASI])
        register(office, OTHER, [OINLASI])
        yield Village(office, create_app(office).test_client(), phone, set_clock)


def test_dedupe_weekly_nihil_not_dropped(village: Village):
    """An app before 1.66.2 gives the same text of the same sender the same id each week."""
    for week in (0, 1):
        village.set_clock(MONDAY + timedelta(weeks=week))
        nihil = dict(village.phone.gets(KADES, "NIHIL", clock.now()))
        nihil["payload"] = {**nihil["payload"], "messageId": "5eed0001"}
        assert village.post(nihil) == 200

    assert village.codes() == ["NIHIL", "NIHIL"]


def test_dedupe_five_seconds_apart(village: Village):
    """The app tells one message twice, under two ids of the event."""
    once = village.phone.gets(KADES, "WNA 2 AUS wisata", MONDAY)
    assert village.post(once) == 200
    village.set_clock(MONDAY + timedelta(seconds=5))
    assert village.post({**once, "id": "another-event"}) == 200

    assert village.codes() == ["WNA"]
    assert [row.redelivered for row in village.rows(InboundMessage)] == [1]
    assert [row.reply_key for row in village.rows(OutboundMessage)] == ["OK_WNA"]


@pytest.mark.parametrize("made_up", ["A1234567", "X123456", "5302011203900001"])
def test_an_id_that_looks_like_a_document_is_no_document_of_the_senders(
    village: Village, made_up: str
):
    sms = village.phone.gets(KADES, "WNA 2 AUS wisata", MONDAY)
    assert village.post({**sms, "id": made_up, "deviceId": made_up}) == 200

    assert [row.flags for row in village.rows(InboundMessage)] == [[]]
    assert [row.reply_key for row in village.rows(OutboundMessage)] == ["OK_WNA"]


def test_dedupe_android_id_is_32_bit(village: Village):
    first = village.phone.gets(KADES, "WNA 2 AUS wisata", MONDAY)
    given_id = first["payload"]["messageId"]
    others = [
        village.phone.gets(KADES, "WNA 3 jerman wisata", MONDAY),
        village.phone.gets(OTHER, "WNA 2 AUS wisata", MONDAY),
    ]
    village.post(first)
    for other in others:
        village.post({**other, "payload": {**other["payload"], "messageId": given_id}})

    assert len(village.rows(InboundMessage)) == 3
    assert len(village.rows(Report)) == 3


def test_after_an_outage_the_poll_brings_only_what_the_webhook_missed(village: Village):
    for number in range(1, 6):
        at = MONDAY - timedelta(minutes=10 - number)
        heard = village.phone.gets(KADES, f"WNA {number} AUS wisata", at, is_listed=number % 2 == 1)
        if number == 1:
            village.post(heard)

    village.poll()
    village.poll()

    texts = [(row.text, row.redelivered) for row in village.rows(InboundMessage)]
    assert texts == [
        ("WNA 1 AUS wisata", 2),
        *[(f"WNA {number} AUS wisata", 1) for number in range(2, 6)],
    ]
    assert len(village.rows(Report)) == 5


def test_a_webhook_that_comes_after_the_poll_is_known(village: Village):
    late = village.phone.gets(KADES, "WNA 2 AUS wisata", MONDAY - timedelta(minutes=1))

    village.poll()
    assert village.post(late) == 200

    assert village.codes() == ["WNA"]


def test_an_app_without_a_list_tells_again_what_was_missed(village: Village):
    village.phone.phone.has_list = False
    told = village.phone.gets(KADES, "NIHIL", MONDAY - timedelta(hours=2), is_listed=False)
    village.post(told)
    village.poll()
    # What the export makes it post: the same message, under another id of the event.
    village.post({**told, "id": "of-the-export"})

    assert village.codes() == ["NIHIL"]
    assert "POST /messages/inbox/export" in [path for path, _ in village.phone.asked]


def test_reports_move_the_message_that_they_are_of(village: Village):
    village.post(village.phone.gets(KADES, "WNA 2 AUS wisata", MONDAY))
    (token,) = village.phone.kept
    assert village.sent().status is MessageStatus.SENT
    assert village.sent().provider_message_id == token == village.sent().token

    village.report("sms:delivered", token, deliveredAt="2026-11-23T12:00:00.000+08:00")
    village.report("sms:sent", token, partsCount=1)
    village.report("sms:delivered", token)
    village.report("sms:failed", token, reason="Delivery result: 70")

    assert village.sent().status is MessageStatus.DELIVERED
    assert village.codes() == ["WNA"]


def test_a_message_that_did_not_arrive_has_failed(village: Village):
    village.post(village.phone.gets(KADES, "NIHIL", MONDAY))
    (token,) = village.phone.kept

    village.report("sms:failed", token, reason="Delivery result from SC +62811000000: 70")

    assert village.sent().status is MessageStatus.FAILED
    assert village.sent().error == "sms:failed Delivery result 70"


def test_delivery_sim_limit(village: Village):
    village.post(village.phone.gets(KADES, "NIHIL", MONDAY))
    (token,) = village.phone.kept
    limit = "Send result: RESULT_ERROR_LIMIT_EXCEEDED (Failed because we reached the limit)"
    village.phone.settle(token, "Failed", limit, MONDAY)
    village.report("sms:failed", token, reason=limit)

    (state,) = village.rows_of_channel()
    assert state.pause_reason == "throttled"
    assert village.sent().status is MessageStatus.QUEUED

    village.set_clock(MONDAY + timedelta(hours=2))
    do_all_work(village.office)

    assert village.sent().status is MessageStatus.SENT
    assert len(village.phone.kept) == 2


def test_a_sim_that_fails_again_and_again_is_told_of(village: Village):
    village.phone.behave("fail:Send result: RESULT_ERROR_GENERIC_FAILURE (Generic failure cause)")
    for number in range(3):
        village.set_clock(MONDAY + timedelta(hours=number))
        village.post(village.phone.gets(KADES, f"WNA {number + 2} AUS wisata", clock.now()))

    alarms = {alarm.kind: alarm.says for alarm in village.rows(Alarm)}
    assert "check pulsa, signal and SIM" in alarms[AlarmKind.CREDIT]
    assert {row.status for row in village.rows(OutboundMessage)} == {MessageStatus.QUEUED}


def test_what_nobody_can_read_is_set_apart_without_numbers_and_answered_by_200(village: Village):
    mms = event("mms:received", {"sender": KADES, "size": 5000, "subject": "foto"})

    assert village.post(mms) == 200
    assert village.post(event("sms:received", {"message": f"dari {OTHER}"})) == 200

    apart = village.rows(Quarantined)
    assert [one.reason for one in apart] == [
        "an MMS or a data message, which only a person can read",
        "no sender (`sender`, `phoneNumber`)",
    ]
    assert not [one for one in apart if KADES[1:] in one.body or OTHER[1:] in one.body]


def test_sec_forged_webhook(village: Village):
    forged = village.phone.gets(KADES, "WNA 2 AUS wisata", MONDAY)

    assert village.post(forged, key="kunci-orang-lain") == 401
    answer = village.client.post(
        f"/webhooks/smsgate/{village.office.settings.rules['smsgate'].webhook_secrets[0]}/sms",
        json=forged,
    )

    assert answer.status_code == 401
    assert village.rows(InboundMessage) == []


def test_a_ping_is_a_sign_of_life(village: Village):
    assert village.post(event("system:ping", {"health": {}}, deviceId=DEVICE)) == 200

    (state,) = village.rows_of_channel()
    assert state.heard_at == MONDAY
    assert state.inbound_at is None

"""Resends and redeliveries from public bug reports, each under the name it has in our case list."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from support.office_work import do_all_work, register

from gateway import clock
from gateway.app import create_app
from gateway.messaging import receiving
from gateway.providers.base import InboundSms, Intake
from gateway.wiring import Wiring
from models.inbox import InboundMessage
from models.outbox import OutboundMessage
from models.report import Report

KADES, OTHER = "+6281237000111", "+6281237000112"
OINLASI = "53.02.02.2008"
SMS = "/webhooks/africastalking/webhook-secret/sms"
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@pytest.fixture
def village(office: Wiring) -> Wiring:
    register(office, KADES, [OINLASI])
    register(office, OTHER, [OINLASI])
    return office


def deliver(
    office: Wiring,
    text: str,
    given: str | None = None,
    *,
    sender: str = KADES,
    channel: str = "africastalking",
    hashed_at: datetime | None = None,
) -> None:
    """Deliver one SMS; `hashed_at`: its id is only a hash of the text, and this its time."""
    message = InboundSms(
        sender=sender,
        recipient="22345",
        text=text,
        provider_message_id=given,
        network_time=hashed_at,
        id_is_a_hash=hashed_at is not None,
    )
    with office.database.writing() as session:
        receiving.accept(session, office.directory, channel, Intake(messages=(message,)))
    do_all_work(office)


def rows(office: Wiring, model: type) -> list:
    with office.database.reading() as session:
        return list(session.scalars(sa.select(model).order_by(model.id)))


def replies(office: Wiring) -> list[str]:
    return [out.reply_key for out in rows(office, OutboundMessage)]


@pytest.mark.parametrize(
    ("case", "seconds"), [("dedupe-same-provider-id", 0), ("dedupe-five-seconds-apart", 5)]
)
def test_a_redelivery_makes_one_report_and_one_reply(
    village: Wiring, monkeypatch: pytest.MonkeyPatch, case: str, seconds: int
) -> None:
    client = create_app(village).test_client()
    form = {"from": KADES, "to": "22345", "id": case, "text": "WNA 2 AUS wisata"}
    for turn in range(2):
        moment = NOON + timedelta(seconds=turn * seconds)
        monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
        assert client.post(SMS, data=form).status_code == 200
        do_all_work(village)

    assert [report.code for report in rows(village, Report)] == ["WNA"]
    assert replies(village) == ["OK_WNA"]


@pytest.mark.parametrize(
    "case", ["dedupe-id-collision-different-text", "dedupe-android-id-is-32-bit"]
)
def test_an_id_given_twice_does_not_make_two_messages_one(village: Wiring, case: str) -> None:
    deliver(village, "WNA 2 AUS wisata", case)
    deliver(village, "WNA 3 jerman wisata", case)
    deliver(village, "WNA 2 AUS wisata", case, sender=OTHER)

    assert len(rows(village, InboundMessage)) == 3
    assert len(rows(village, Report)) == 3


def test_dedupe_id_scoped_to_channel(village: Wiring) -> None:
    deliver(village, "WNA 2 AUS wisata", "1001")
    deliver(village, "WNA 2 AUS wisata", "1001", sender=OTHER, channel="loopback")

    assert len(rows(village, Report)) == 2


def test_dedupe_null_external_id(village: Wiring) -> None:
    client = create_app(village).test_client()
    for number in range(1, 11):
        form = {"from": KADES, "to": "22345", "text": f"WNA {number} jerman wisata"}
        form["id"] = ("null", "", "None")[number % 3]
        assert client.post(SMS, data=form).status_code == 200
    do_all_work(village)

    assert len(rows(village, Report)) == 10


def test_dedupe_hash_full_text(village: Wiring) -> None:
    long = (
        "PMI 3 Malaysia besok naik kapal, " + "mereka sudah kumpul di rumah bpk kepala dusun " * 3
    )
    assert len(long) > 160
    deliver(village, f"{long}lima", "a")
    deliver(village, f"{long}enam", "b")

    assert len(rows(village, Report)) == 2


def test_dedupe_reply_with_old_number(village: Wiring) -> None:
    deliver(village, "WNA 2 AUS wisata", "first")
    deliver(village, "WNA 2 AUS wisata", "second")

    (report,) = rows(village, Report)
    assert report.code == "WNA"
    first, again = rows(village, OutboundMessage)
    assert (first.reply_key, again.reply_key) == ("OK_WNA", "ERR_SAMA")


def test_dedupe_flood(village: Wiring) -> None:
    for number in range(234):
        deliver(village, "WNA 2 AUS wisata", f"{number}")

    assert len(rows(village, Report)) == 1
    assert replies(village) == ["OK_WNA", "ERR_SAMA"]  # the first resend is told, the rest counted
    assert len(rows(village, InboundMessage)) == 234


def test_dedupe_weekly_nihil_not_dropped(village: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    for week in (0, 1):
        moment = NOON + timedelta(weeks=week)
        monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
        deliver(village, "NIHIL", "old-app-1", hashed_at=moment)

    assert [report.code for report in rows(village, Report)] == ["NIHIL", "NIHIL"]

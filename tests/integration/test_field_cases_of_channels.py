"""Public bug reports about what providers bring, each on every channel that it can come by.

The ids are those of our case list. A case that one channel alone can meet, and that is held where
this channel is tested, does not come again here.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from support.carriers import SIGNING_KEY, Carrier, GammuCarrier, Sms, all_carriers
from support.office_work import appoint, do_all_work, register

from gateway import clock, listing
from gateway.app import create_app
from gateway.clock import Timetable
from gateway.messaging import alarms, deliveries, sending
from gateway.watch import attending, telling
from gateway.wiring import Wiring
from models.inbox import InboundMessage, Quarantined
from models.outbox import DeliveryReport, OutboundMessage
from models.people import Phone, PhoneKind, Reporter, Village
from models.report import Report
from models.states import AlarmKind, Lane, MessageStatus
from parsers import msisdn

CHANNELS = ("africastalking", "kannel", "jasmin", "smsgate", "gammu")
WEBHOOKS = CHANNELS[:-1]
FORMS = CHANNELS[:3]
#: An SMPP hub tells no time.
TIMED = tuple(one for one in CHANNELS if one != "jasmin")
FORM = "application/x-www-form-urlencoded"
HEAD, OTHER, ADMIN = "+6281200000123", "+6281290000002", "+6281290000003"
OINLASI, BISENE = "53.02.02.2008", "53.02.02.2010"
#: Half an hour before midnight in the village, so that an hour ahead is another day.
NOW = datetime(2026, 11, 25, 15, 30, tzinfo=UTC)
WNA = "WNA 2 AUS WISATA"
HOUR = timedelta(hours=1)


@dataclass
class Field:
    """An office that all five channels reach, and what comes of what they bring."""

    office: Wiring
    carriers: Mapping[str, Carrier]
    client: FlaskClient
    set_clock: Callable[[datetime], None]
    now: datetime = NOW

    def __post_init__(self) -> None:
        self._ids = count(1)
        self.set_clock(self.now)

    def pass_time(self, amount: timedelta) -> None:
        self.now += amount
        self.set_clock(self.now)

    def work(self) -> None:
        do_all_work(self.office)

    def brings(
        self, channel: str, text: str, sender: str = HEAD, given_id: str | None = None
    ) -> None:
        """Bring a message that is as it should be, a moment after it was sent."""
        at = self.now - timedelta(seconds=3)
        sms = Sms(sender, "22345", text, at, given_id or f"m-{next(self._ids)}")
        assert self.carriers[channel].bring(self.client, self.office, sms) == 200

    def brings_odd(
        self,
        channel: str,
        text: str | None,
        *,
        sender: str = HEAD,
        given_id: str | None = None,
        said_time: str | None = None,
    ) -> None:
        """Bring a message with nothing in it but what is given, and that however it looks."""
        if channel == "gammu":
            gammu = self.carriers[channel]
            assert isinstance(gammu, GammuCarrier)
            written = said_time or as_told(channel, self.now)
            gammu.tables.gets(sender, text or "", ReceivingDateTime=written)
            provider = self.office.channels.by_name[channel]
            attending.attend(
                self.office.database,
                self.office.directory,
                self.office.channels,
                provider,
                Timetable(),
            )
            return
        names = {
            "africastalking": ("from", "text", "id", "date"),
            "kannel": ("from", "text", "id", "ts"),
            "jasmin": ("from", "content", "id", "-"),
            "smsgate": ("sender", "message", "messageId", "receivedAt"),
        }[channel]
        values = zip(names, (sender, text, given_id, said_time), strict=True)
        fields = {name: value for name, value in values if value is not None}
        if channel == "smsgate":
            self.tells("sms:received", fields)
        else:
            # A blank is written as `+`: just what a plus that nobody escaped looks like.
            self.calls(channel, urlencode(fields).encode())

    def calls(self, channel: str, raw: bytes, content_type: str = FORM, path: str = "sms") -> None:
        """Call a webhook with these very bytes: Kannel in the query, the others in the body."""
        url = self.url(channel, path)
        if channel == "kannel":
            query = {"QUERY_STRING": raw.decode("latin-1")}
            answer = self.client.get(url, environ_overrides=query)
        else:
            answer = self.client.post(url, data=raw, content_type=content_type)
        assert answer.status_code == 200

    def tells(self, event: str, payload: Mapping[str, Any], path: str = "sms") -> None:
        """Post an event as the app on a phone signs it."""
        what = {"deviceId": "dev1", "event": event, "id": f"e-{next(self._ids)}"}
        body = json.dumps({**what, "webhookId": "wh1", "payload": payload}).encode()
        stamp = str(int(self.now.timestamp()))
        signature = hmac.new(SIGNING_KEY.encode(), body + stamp.encode(), "sha256").hexdigest()
        headers = {"X-Timestamp": stamp, "X-Signature": signature}
        answer = self.client.post(self.url("smsgate", path), data=body, headers=headers)
        assert answer.status_code == 200

    def url(self, channel: str, path: str = "sms") -> str:
        return f"/webhooks/{channel}/{self.office.settings.secret_of(channel)}/{path}"

    def rows(self, model: type) -> list[Any]:
        with self.office.database.reading() as session:
            return list(session.scalars(sa.select(model).order_by(model.id)))

    def replies(self) -> list[str]:
        return [one.reply_key for one in self.rows(OutboundMessage)]

    def senders(self) -> list[tuple[str, PhoneKind]]:
        """Give number and kind of the sender of each message."""
        query = (
            sa.select(Phone.number, Phone.kind)
            .join(InboundMessage, InboundMessage.phone_id == Phone.id)
            .order_by(InboundMessage.id)
        )
        with self.office.database.reading() as session:
            return [(number, kind) for number, kind in session.execute(query)]

    def with_senders(self) -> list[tuple[tuple[str, PhoneKind], InboundMessage]]:
        return list(zip(self.senders(), self.rows(InboundMessage), strict=True))

    def shown(self) -> str:
        """Give all that is listed to a person, as it is printed."""
        zone = self.office.settings.timezone
        with self.office.database.reading() as session:
            rows = [
                *listing.messages(session, zone),
                *listing.inbox(session, zone),
                *listing.reports(session, listing.reports_query(None, None), zone),
            ]
        return json.dumps(rows, ensure_ascii=False)


@pytest.fixture
def field(office: Wiring, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Field:
    office, carriers = all_carriers(office, tmp_path)

    def set_clock(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    found = Field(office, carriers, create_app(office).test_client(), set_clock)
    register(office, HEAD, [OINLASI])
    register(office, OTHER, [BISENE])
    return found


def over(channels: tuple[str, ...]) -> pytest.MarkDecorator:
    """Run a test by each channel: the first one on PostgreSQL, the others on SQLite.

    What a channel makes of a message is made before any database sees it.
    """
    pairs = [(channel, "sqlite" if at else "postgresql") for at, channel in enumerate(channels)]
    return pytest.mark.parametrize(("channel", "kind"), pairs, indirect=["kind"])


# Who sends ----------------------------------------------------------------------------------------


@over(CHANNELS)
def test_a_machine_is_kept_and_shown_and_never_answered(field: Field, channel: str):
    # hook-alphanumeric-sender, phone-short-code-no-reply, delivery-automated-sender-silent
    said = {
        "TELKOMSEL": "Sisa pulsa Anda Rp 1.250",
        "VODAFONE": "blah blah WNA",
        "3636": WNA,
        "123456": "PMI 3 Malaysia besok",
        "INFO": "",
    }
    for sender, text in said.items():
        field.brings(channel, text, sender)
        field.work()

    assert [one.text for one in field.rows(InboundMessage)] == list(said.values())
    assert {one.outcome for one in field.rows(InboundMessage)} == {"operator"}
    assert [number for number, _ in field.senders()] == list(said)
    assert field.rows(OutboundMessage) == field.rows(Report) == field.rows(Quarantined) == []
    assert all(text in field.shown() for text in said.values())


SPELLINGS = {
    "phone-00-prefix": "006281200000123",
    "phone-double-62": "6281200000123",
    # In a form this blank is a plus that nobody escaped.
    "phone-double-62, hook-plus-becomes-space": " 6281200000123",
    "phone-extra-zero-after-code": "+62081200000123",
    "phone-extra-zero-after-code, in brackets": "+62 (0)812-0000-0123",
    "phone-indonesian-spacing": "0812-0000-0123",
    "phone-pasted-invisible": "\u200b\t+62 812 0000 0123\ufeff",
    "phone-pasted-invisible, hyphens": "+62\u2011812\u20110000\u20110123",
}


@over(CHANNELS)
def test_a_head_is_known_however_the_number_comes(field: Field, channel: str):
    for at, sender in enumerate(SPELLINGS.values(), 1):
        field.brings_odd(channel, f"WNA {at} AUS WISATA", sender=sender)
    field.work()

    every = len(SPELLINGS)
    assert field.senders() == [(HEAD, PhoneKind.MOBILE)] * every
    known = [(one.verified, one.village_code) for one in field.rows(Report)]
    assert known == [(True, OINLASI)] * every


@over(CHANNELS)
def test_a_head_with_a_foreign_sim_is_matched_and_answered(field: Field, channel: str):
    # phone-foreign-sim-border; Jasmin tells no plus
    border = "+60123450000"
    register(field.office, border, [OINLASI])
    field.brings(channel, "NIHIL", border)
    field.work()

    assert field.senders() == [(border, PhoneKind.MOBILE)]
    assert [(one.code, one.verified) for one in field.rows(Report)] == [("NIHIL", True)]
    assert field.replies() == ["OK_NIHIL"]


# What is not there --------------------------------------------------------------------------------


@over(CHANNELS)
def test_a_message_without_words_is_kept_and_gets_one_help(field: Field, channel: str):
    without = {
        "+6281290000011": "",  # hook-empty-sms-wanted
        "+6281290000012": " ",  # hook-blank-message-reply
        "+6281290000013": None,  # hook-text-missing
    }
    for sender, text in without.items():
        register(field.office, sender, [OINLASI])
        for _ in range(3):
            field.brings_odd(channel, text, sender=sender)
            field.pass_time(timedelta(minutes=1))
    field.brings(channel, "NIHIL", OTHER)
    field.work()

    texts = {number: one.text for (number, _), one in field.with_senders()}
    assert texts == {sender: text or "" for sender, text in without.items()} | {OTHER: "NIHIL"}
    assert [one.code for one in field.rows(Report)] == ["NIHIL"], "others are read all the same"
    assert sorted(field.replies()) == ["ERR_KOSONG"] * 3 + ["OK_NIHIL"]


@over(WEBHOOKS)
def test_a_word_that_stands_for_no_id_is_none(field: Field, channel: str):
    # dedupe-null-external-id
    for number in range(1, 11):
        given = (None, "", "null", "None", "NULL")[number % 5]
        field.brings_odd(channel, f"WNA {number} jerman wisata", given_id=given)
    field.work()

    assert {one.provider_message_id for one in field.rows(InboundMessage)} == {None}
    assert [one.fields["count"] for one in field.rows(Report)] == list(range(1, 11))


def test_an_id_counts_within_its_channel_and_for_its_sender(field: Field):
    # dedupe-id-scoped-to-channel
    for channel in CHANNELS:
        for sender in (HEAD, OTHER):
            field.brings(channel, f"WNA 2 AUS wisata, {channel}", sender, given_id="1001")
    field.work()

    assert len(field.rows(Report)) == 2 * len(CHANNELS)


@over(CHANNELS)
def test_a_message_that_is_brought_twice_is_one_report_and_one_reply(field: Field, channel: str):
    # dedupe-same-provider-id
    at = field.now
    for seconds in (0, 5, 3600):  # dedupe-five-seconds-apart
        field.set_clock(at + timedelta(seconds=seconds))
        sms = Sms(HEAD, "22345", WNA, at, "the-same-id")
        assert field.carriers[channel].bring(field.client, field.office, sms) == 200
        field.work()

    (report,) = field.rows(Report)
    (reply,) = field.rows(OutboundMessage)
    assert report.number in reply.text
    assert [one.redelivered for one in field.rows(InboundMessage)] == [2]


# When ---------------------------------------------------------------------------------------------


def as_told(channel: str, moment: datetime) -> str:
    """Write a time as the provider does."""
    if channel == "kannel":
        return str(int(moment.timestamp()))
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ" if channel == "smsgate" else "%Y-%m-%d %H:%M:%S")


@over(TIMED)
def test_a_time_to_come_is_flagged_and_the_dates_are_by_our_clock(field: Field, channel: str):
    # hook-future-timestamp: a zone that is wrong, a clock that is, and no time at all
    hour, days = (as_told(channel, NOW + ahead) for ahead in (HOUR, timedelta(days=5)))
    for number, said in enumerate((hour, days, "00000101000000"), 3):
        text = f"PMI {number} Malaysia besok naik kapal"
        field.brings_odd(channel, text, said_time=said)
    field.work()

    messages, reports = field.rows(InboundMessage), field.rows(Report)
    assert [(one.flags, one.received_at) for one in messages] == [(["odd_date"], NOW)] * 3
    assert messages[2].network_time is None
    assert [one.fields["event_date"] for one in reports] == ["2026-11-26"] * 3
    assert [one.received_at for one in reports] == [NOW] * 3


@over(TIMED)
def test_a_time_that_can_be_is_kept_as_it_is(field: Field, channel: str):
    # hook-at-date-two-shapes, and what each other channel writes
    sent_at = NOW - timedelta(days=1, hours=2)
    field.brings_odd(
        channel, "PMI 3 Malaysia besok naik kapal", said_time=as_told(channel, sent_at)
    )
    field.work()

    (message,) = field.rows(InboundMessage)
    assert (message.flags, message.network_time) == ([], sent_at)
    (report,) = field.rows(Report)
    assert report.fields["event_date"] == "2026-11-25", "`besok` was said the day before"


# Letters ------------------------------------------------------------------------------------------


@over(CHANNELS)
def test_nul_is_the_at_sign_and_what_nobody_sees_does_not_matter(field: Field, channel: str):
    # enc-at-sign-as-nul, enc-inbound-invisible-characters
    field.brings(channel, "PMI 3 MYS hub agen\x00contoh.id")
    field.brings(channel, "W\u200bNA 2\u200b AU\u00adS\u00a0 WISATA")
    field.brings(channel, "\ufeffNIHIL", OTHER)
    field.work()

    assert field.rows(InboundMessage)[0].text == "PMI 3 MYS hub agen@contoh.id"
    workers, guests, none = field.rows(Report)
    assert "agen@contoh.id" in workers.note
    seen = {name: guests.fields[name] for name in ("country", "count", "purpose")}
    assert seen == {"country": "AU", "count": 2, "purpose": "wisata"}
    assert none.code == "NIHIL"


TEMPLATES = ("{{7*7}}", "${7*7}", "{no}", "%(no)s", "<%= 7*7 %>")


@over(CHANNELS)
def test_what_people_write_is_no_template(field: Field, channel: str):
    # sec-template-from-sms: in a note, in a value that is told back, and in a name
    with field.office.database.writing() as session:
        for reporter in session.scalars(sa.select(Reporter)):
            reporter.name = "".join(TEMPLATES)
        session.get_one(Village, OINLASI).name = "{{7*7}}"
    field.brings(channel, WNA)
    field.brings(channel, "WNA {{7*7}} wisata", OTHER)
    field.work()
    (guests, _) = field.rows(Report)
    for written in TEMPLATES:
        field.brings(channel, f"TAMBAH {guests.number} tamu bernama {written} di rumah")
    field.work()

    guests = field.rows(Report)[0]
    told = [one.text.replace(guests.number, "") for one in field.rows(OutboundMessage)]
    assert "Ds ((7*7))" in told[0], "braces would cost two units each"
    assert not [text for text in told if "49" in text]
    assert [written for written in TEMPLATES if written not in guests.note] == []
    assert [written for written in TEMPLATES if written not in field.shown()] == []


@over(FORMS)
def test_a_form_in_another_charset_loses_nothing(field: Field, channel: str):
    name = b"content" if channel == "jasmin" else b"text"
    head, other = b"from=%2B6281200000123&" + name, b"from=%2B6281290000002&" + name
    latin = f"{FORM}; charset=iso-8859-1"
    field.calls(channel, head + b"=WNA+2+AUS+WISATA+caf%E9", latin)  # enc-form-latin1-percent
    field.calls(channel, other + b"=NIHIL\x80")  # enc-form-raw-bytes-empty
    field.work()

    assert field.senders() == [(HEAD, PhoneKind.MOBILE), (OTHER, PhoneKind.MOBILE)]
    messages = field.rows(InboundMessage)
    assert [one.text for one in messages] == ["WNA 2 AUS WISATA caf\u00e9", "NIHIL\x80"]
    assert [one.flags for one in messages] == [["odd_encoding"]] * 2
    guests, none = field.rows(Report)
    assert "caf\u00e9" in guests.note
    assert none.code == "NIHIL"


def test_an_accent_of_gsm_is_that_letter_wherever_it_is_shown(field: Field):
    # enc-jasmin-raw-gsm-bytes, enc-jasmin-accent-lost
    text = b"from=6281200000123&coding=0&content=WNA+2+AUS+WISATA+Caf%05"
    field.calls("jasmin", text)
    field.work()

    assert [one.text for one in field.rows(InboundMessage)] == ["WNA 2 AUS WISATA Caf\u00e9"]
    assert "Caf\u00e9" in field.rows(Report)[0].note
    assert "\\u0005" not in field.shown()


# Long, many, and round in circles -----------------------------------------------------------------


@over(CHANNELS)
def test_pieces_without_a_number_are_one_report(field: Field, channel: str):
    # hook-long-sms-in-pieces
    desk = replace(field.office.desk, piece_wait=timedelta(seconds=20))
    field.office = replace(field.office, desk=desk)
    head = "PMI 3 MYS besok naik kapal dari Kupang, calo namanya belum tahu, oto biru, "
    head += "mereka sudah kumpul di rumah kepala dusun dua dekat gereja sejak kemarin sore deng"
    rest = "barang banyak dan surat jalan belum ada"
    field.brings(channel, head.ljust(160, "x"))
    field.work()
    field.pass_time(timedelta(seconds=1))
    field.brings(channel, rest)
    field.work()
    field.pass_time(timedelta(seconds=30))
    field.work()

    (report,) = field.rows(Report)
    assert rest in report.note
    assert [one.outcome for one in field.rows(InboundMessage)] == ["report", "joined"]
    assert field.replies() == ["OK_PMI_MENDESAK"]


def test_a_flood_is_one_report_two_replies_and_one_word_to_the_admin(field: Field):
    # dedupe-flood; the contract has the first resend told, so that there are two replies
    appoint(field.office, ADMIN, "imigrasi", "53.02", "admin")
    for number in range(234):
        field.pass_time(timedelta(seconds=0.25))
        field.brings("kannel", WNA, given_id=f"copy-{number}")
        if number % 13 == 0:
            field.work()
    field.work()

    outcomes = [one.outcome for one in field.rows(InboundMessage)]
    copies = sum(1 + one.redelivered for one in field.rows(InboundMessage)) - 1
    assert (outcomes[0], set(outcomes[1:]), copies) == ("report", {"again"}, 233)
    assert len(field.rows(Report)) == 1
    assert field.replies() == ["OK_WNA", "ERR_SAMA"]
    told = []
    for _ in range(3):
        with field.office.database.writing() as session:
            assert [one.kind for one in alarms.open_alarms(session)] == [AlarmKind.FLOOD]
            office = field.office
            told += telling.tell(session, office.channels, office.texts, office.settings.timezone)
    assert len(told) == 1


@over(CHANNELS)
def test_an_operator_that_answers_each_of_our_texts_is_soon_alone(field: Field, channel: str):
    # delivery-operator-loop: from phones that nobody knows and from those of heads
    register(field.office, "+6281200000998", [OINLASI])
    for sender, echoes in (
        ("+6281200000999", False),
        ("+6281200000997", True),
        ("+6281200000998", False),
        (HEAD, True),
    ):
        said, before, answered = "Layanan ini tidak tersedia", len(field.replies()), 0
        for _ in range(20):
            field.brings(channel, said, sender)
            field.work()
            field.pass_time(timedelta(seconds=20))
            replies = field.rows(OutboundMessage)[before:]
            if len(replies) == answered:
                break
            answered = len(replies)
            said = replies[-1].text if echoes else said

        assert 1 <= answered <= 3
        assert echoes or answered == 1, "nothing is said to a text that was answered already"


# What became of what we sent ----------------------------------------------------------------------

SENT_ID = "1d6a811f00000a7b"


@dataclass(frozen=True)
class Words:
    """How a provider tells what became of a message, in its own names."""

    fields: tuple[str, str]
    delivered: str
    pending: str
    failed: str
    unknown: tuple[str, ...]


WORDS = {
    "africastalking": Words(
        ("id", "status"), "Success", "Buffered", "Failed", ("Teleported", "66")
    ),
    "kannel": Words(("id", "status"), "1", "8", "2", ("66", "0")),
    "jasmin": Words(
        ("id", "message_status"), "DELIVRD", "ENROUTE", "UNDELIV", ("SKIPPED", "UNKNOWN")
    ),
    "smsgate": Words(("messageId", "event"), "sms:delivered", "sms:sent", "sms:failed", ()),
}


@dataclass
class Sent:
    """A message that has left by a channel, and what is told of it."""

    field: Field
    channel: str

    def __post_init__(self) -> None:
        with self.field.office.database.writing() as session:
            to = self.field.office.directory.phone(session, msisdn.read_sender(HEAD))
            message = sending.queue(
                session,
                channel=self.channel,
                phone_id=to.id,
                text="Terima kasih.",
                reply_key="OK_WNA",
                lane=Lane.REPLY,
                counted_from=clock.now(),
            )
            message.become(MessageStatus.SENDING)
            message.become(MessageStatus.SENT)
            message.provider_message_id = SENT_ID
            message.provider_key = deliveries.key_of(SENT_ID)

    def told(self, said: str, given_id: str = SENT_ID, **others: str) -> None:
        id_name, status_name = WORDS[self.channel].fields
        if self.channel == "smsgate":
            self.field.tells(said, {id_name: given_id, "phoneNumber": HEAD, **others}, "dlr")
        else:
            raw = urlencode({id_name: given_id, status_name: said, **others}).encode()
            self.field.calls(self.channel, raw, path="dlr")

    @property
    def status(self) -> MessageStatus:
        (message,) = self.field.rows(OutboundMessage)
        return message.status

    def kept(self) -> list[tuple[str, int]]:
        rows = self.field.rows(DeliveryReport)
        return [(one.raw_status, one.times) for one in rows]


@over(WEBHOOKS)
def test_a_delivery_is_not_taken_back_and_each_report_is_kept(field: Field, channel: str):
    # delivery-status-backwards, delivery-id-letter-case
    sent, words = Sent(field, channel), WORDS[channel]
    for said in (words.delivered, words.pending, words.delivered, words.failed):
        sent.told(said, SENT_ID.upper())
        assert sent.status is MessageStatus.DELIVERED

    assert sent.kept() == [(words.delivered, 2), (words.pending, 1), (words.failed, 1)]
    assert field.rows(InboundMessage) == []


@over(FORMS)
def test_a_status_or_an_id_that_nobody_knows_moves_nothing(field: Field, channel: str):
    # delivery-unknown-status
    sent, words = Sent(field, channel), WORDS[channel]
    for said in words.unknown:
        sent.told(said)
    sent.told(words.delivered, "11c5a259-9c3a-4c39-bd4f-5a8d1c60f3c8")

    assert sent.status is MessageStatus.SENT
    assert sent.kept() == [(said, 1) for said in (*words.unknown, words.delivered)]


RECEIPT = "id:1 sub:001 dlvrd:001 submit date:2611251530 done date:2611251230 stat:DELIVRD err:000"
EARLY = {
    "kannel": {"answer": RECEIPT},
    "jasmin": {"level": "2", "subdate": "2611251530", "donedate": "2611251230", "err": "000"},
    "smsgate": {"deliveredAt": "2026-11-25T12:30:00.000+00:00"},
}


@over(tuple(EARLY))
def test_a_receipt_from_before_the_sending_is_a_receipt(field: Field, channel: str):
    # delivery-receipt-in-other-zone
    sent = Sent(field, channel)
    sent.told(WORDS[channel].delivered, **EARLY[channel])

    assert sent.status is MessageStatus.DELIVERED


def test_a_report_of_a_phone_on_the_path_of_messages_is_no_message(field: Field):
    # hook-android-event-type
    sent = Sent(field, "smsgate")
    field.tells("sms:delivered", {"messageId": SENT_ID, "phoneNumber": HEAD}, "sms")
    field.work()

    assert sent.status is MessageStatus.DELIVERED
    assert field.rows(InboundMessage) == field.rows(Report) == []


def test_a_bad_one_in_a_batch_spoils_none_beside_it(field: Field):
    # hook-batch-one-bad; a sender that is a name can be read, and is kept as an operator's
    good = {"messageId": "b1", "sender": HEAD[1:], "message": "NIHIL"}
    batch = [{"sender": "INFO", "message": "Promo"}, {"message": "tanpa pengirim"}, good]
    field.tells("sms:batch:received", {"messages": batch})
    field.work()

    kept = [(one.text, one.outcome) for one in field.rows(InboundMessage)]
    assert kept == [("Promo", "operator"), ("NIHIL", "report")]
    assert ["tanpa pengirim" in one.body for one in field.rows(Quarantined)] == [True]
    assert field.replies() == ["OK_NIHIL"]


# Who may bring ------------------------------------------------------------------------------------


@over(WEBHOOKS)
def test_who_has_not_the_secret_brings_nothing(field: Field, channel: str):
    # sec-forged-webhook
    what = {"from": HEAD, "text": WNA, "content": WNA, "id": "1", "status": "1"}
    ours = field.office.settings.secret_of(channel)
    for secret in ("", "wrong", ours[:-1], f"{ours}x", ours.upper(), "%00"):
        for path in ("sms", "dlr"):
            url = f"/webhooks/{channel}/{secret}/{path}"
            assert field.client.get(url, query_string=what).status_code == 404
            assert field.client.post(url, data=what).status_code == 404
    field.work()

    assert field.rows(InboundMessage) == field.rows(DeliveryReport) == field.rows(Quarantined) == []

"""SMS Gateway for Android, as it really speaks: its signed webhooks, its list, its answers."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.provider_contract import (
    MESSAGE,
    SEND_ERRORS,
    DeliveryCase,
    InboundCase,
    ProviderContract,
    Reached,
    SeenRequest,
    SendingCase,
    is_an_id,
    send_to_any_answer,
)
from support.raw_server import RawServer, body_of, http_answer, lasting_at_most
from support.smsgate_server import (
    DEVICE,
    KEY,
    PASSWORD,
    USERNAME,
    SmsgateServer,
    event,
    shown,
    signed,
)
from support.waiting import free_port

from gateway import clock
from gateway.accounts import SmsgateAccount
from gateway.providers.base import (
    AccountRefused,
    Health,
    InboundRequest,
    InboundSms,
    Intake,
    NotReached,
    NotSigned,
    NumberRefused,
    OutboundSms,
    OutOfCredit,
    PolledProvider,
    ReportedDelivery,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Throttled,
    Unreadable,
    WatchedProvider,
)
from gateway.providers.smsgate import Smsgate, failure_of, short_reason
from models.states import Fault, MessageStatus

OLD_KEY = "kunci-lama-yang-masih-dipakai"
TOKEN = "00000000000000a8"  # noqa: S105
PHONE = "+6281200000123"
#: 25 November 2026, 01:20:42 UTC.
STAMP = 1_795_569_642
NOW = datetime.fromtimestamp(STAMP, UTC)
AT_0846 = datetime(2026, 11, 25, 1, 16, 11, tzinfo=UTC)
WHEN = "2026-11-25T08:16:11.000+07:00"
PLAIN = {"messageId": "9f3a12bc", "sender": PHONE, "message": "NIHIL", "receivedAt": WHEN}


@pytest.fixture(autouse=True)
def _at_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


def account(
    base_url: str | None = None,
    *,
    device: str | None = None,
    keys: tuple[str, ...] = (OLD_KEY, KEY),
) -> SmsgateAccount:
    return SmsgateAccount(base_url, USERNAME, PASSWORD, device, keys, timedelta(minutes=5))


def post(what: object, path: str = "sms", **headers: str) -> InboundRequest:
    """Write a signed request: of an object, or of bytes as they are."""
    raw = what if isinstance(what, bytes) else json.dumps(what, ensure_ascii=False).encode()
    return InboundRequest("POST", path, b"", signed(raw, STAMP) | headers, raw)


# What comes ---------------------------------------------------------------------------------------


def told(name: str, payload: object, **others: object) -> dict[str, Any]:
    """Write an event with an id that is always the same."""
    return event(name, payload) | {"id": "ev-1", **others}


def sms(label: str, changed: Mapping[str, object], **expected: Any) -> InboundCase:
    """Write a case of one message: the plainest event, but for what is changed or left out."""
    payload = {name: value for name, value in {**PLAIN, **changed}.items() if value is not ...}
    plain: dict[str, Any] = {
        "sender": PHONE,
        "recipient": None,
        "text": "NIHIL",
        "provider_message_id": "9f3a12bc",
        "network_time": AT_0846,
        "payload": {"receivedAt": WHEN, "deviceId": DEVICE, "eventId": "ev-1"},
        "id_is_a_hash": True,
    }
    message = InboundSms(**(plain | expected))
    return InboundCase(label, post(told("sms:received", payload)), Intake((message,)))


def dated(label: str, said: object, moment: datetime | None) -> InboundCase:
    """Write a case of a date: whatever it is, the message is kept, and the date as it was sent."""
    payload = {"receivedAt": said} if isinstance(said, str) else {}
    if isinstance(said, int) and not isinstance(said, bool):
        payload = {"receivedAt": str(said)}
    return sms(
        label,
        {"receivedAt": said},
        network_time=moment,
        flags=() if moment else ("odd_date",),
        payload={**payload, "deviceId": DEVICE, "eventId": "ev-1"},
    )


def unreadable(label: str, what: object, reason: str) -> InboundCase:
    request = post(what)
    return InboundCase(label, request, Intake(unreadable=(Unreadable(reason, request.body),)))


def dropped(name: str, payload: object) -> InboundCase:
    return InboundCase(f"{name}, a sign of life", post(told(name, payload)), Intake())


NO_EVENT = "no event of SMS Gateway"
NO_SENDER = "no sender (`sender`, `phoneNumber`)"
NOT_KNOWN = "an event that is not known"
NO_PAYLOAD = "an event without a `payload`"
ENCRYPTED = "encrypted: switch encryption off in the app"
OTHER_KIND = "an MMS or a data message, which only a person can read"
NO_TEXT = "a `message` that is no text"
NO_MESSAGE = "a message that is no object"
OF_EVENT = {"deviceId": DEVICE, "eventId": "ev-1"}
BARE = InboundSms(
    PHONE,
    None,
    "NIHIL",
    "9f3a12bc",
    AT_0846,
    payload={"receivedAt": WHEN, **OF_EVENT},
    id_is_a_hash=True,
)


def raw_bytes(text: str) -> bytes:
    """Write the plainest event by hand, with blanks and lines where no library would put them."""
    return (
        f'{{ "event" :"sms:received",\n\t"deviceId":"{DEVICE}", "id":"ev-1",\r\n  "payload":'
        f'{{"message"  : "{text}","sender":"{PHONE}",  "receivedAt":"{WHEN}", '
        '"messageId":"9f3a12bc"} }\n'
    ).encode()


BATCH = [
    PLAIN,
    {"message": "tanpa pengirim"},
    "salah",
    PLAIN | {"message": "WNA 2 AUS wisata", "messageId": "1"},
]

INBOUND = [
    sms(
        "a message with every field",
        {
            "recipient": "+6281100000001",
            "phoneNumber": PHONE,
            "simNumber": 1,
            "contentType": "text",
        },
        recipient="+6281100000001",
        payload={"receivedAt": WHEN, "simNumber": "1", "contentType": "text", **OF_EVENT},
    ),
    # hook-android-field-rename
    sms("only the old name of the sender", {"sender": ..., "phoneNumber": PHONE}),
    sms("a sender under both names: the new one", {"phoneNumber": "+6281200000999"}),
    sms("a blank sender, and the old name", {"sender": " ", "phoneNumber": PHONE}),
    sms("null for a recipient and a SIM", {"recipient": None, "simNumber": None}),
    sms("a blank recipient", {"recipient": " "}),
    # hook-alphanumeric-sender
    sms("a sender that is a name", {"sender": "TELKOMSEL"}, sender="TELKOMSEL"),
    sms("a sender that is a short code", {"sender": "3636"}, sender="3636"),
    sms("a sender that is a number in JSON", {"sender": 3636}, sender="3636"),
    sms("blanks around a sender", {"sender": f" {PHONE} "}),
    # hook-empty-sms-wanted
    sms("an empty text", {"message": ""}, text=""),
    sms("no text", {"message": ...}, text=""),
    sms("null for a text", {"message": None}, text=""),
    sms("one blank", {"message": " "}, text=" "),
    sms("a number for a text", {"message": 7}, text="7"),
    sms("a long text, joined by the phone", {"message": "x" * 2000}, text="x" * 2000),
    sms("letters and signs", {"message": "café \U0001f600\n½"}, text="café \U0001f600\n½"),
    sms("NUL in a text", {"message": "agen\x00contoh"}, text="agen\x00contoh"),
    sms("no id", {"messageId": ...}, provider_message_id=None),
    sms("null for an id", {"messageId": None}, provider_message_id=None),
    sms("the word null for an id", {"messageId": "null"}, provider_message_id=None),
    sms("the word None for an id", {"messageId": " None "}, provider_message_id=None),
    sms("an empty id", {"messageId": ""}, provider_message_id=None),
    sms("a number for an id", {"messageId": 5}, provider_message_id="5"),
    sms("a list for an id", {"messageId": [5]}, provider_message_id=None),
    # hook-future-timestamp: whether it can be right is for the core to say.
    dated("a date in the phone's own zone", "2026-11-25T09:16:11.123+08:00", AT_0846),
    dated("a date in UTC without thousandths", "2026-11-25T01:16:11Z", AT_0846),
    dated("a date an hour ahead", "2026-11-25T09:16:11+07:00", AT_0846 + timedelta(hours=1)),
    dated("a date five days ahead", "2026-11-30T08:16:11+07:00", AT_0846 + timedelta(days=5)),
    dated("a date in the year nought", "00000101000000", None),
    dated("a date without a zone, which could be any", "2026-11-25T08:16:11", None),
    dated("a date that no calendar has", "2026-02-30T06:04:45Z", None),
    dated("a date before all time", "0001-01-01T00:00:00+23:59", None),
    dated("a date after all time", "9999-12-31T23:59:59-23:59", None),
    dated("a date in seconds since 1970", 1795569371, None),
    dated("a list for a date", [2026, 11], None),
    sms("no date", {"receivedAt": ...}, network_time=None, payload=OF_EVENT),
    sms("null for a date", {"receivedAt": None}, network_time=None, payload=OF_EVENT),
    sms(
        "an empty date is not an odd one",
        {"receivedAt": ""},
        network_time=None,
        payload={"receivedAt": "", **OF_EVENT},
    ),
    sms("fields that are no texts are not kept", {"x": {"y": 1}, "z": [1], "simNumber": None}),
    # sec-signature-on-raw-body
    InboundCase(
        "odd blanks and letters, signed over their bytes",
        post(raw_bytes("Terima kasih, café ☺")),
        Intake((replace(BARE, text="Terima kasih, café ☺"),)),
    ),
    InboundCase(
        "the same letters escaped, which are other bytes",
        post(raw_bytes("caf\\u00e9 \\u263a \\u003d")),
        Intake((replace(BARE, text="café ☺ ="),)),
    ),
    # hook-android-event-type: any event may be registered on any of our two paths.
    InboundCase(
        "a message on the path of reports",
        post(told("sms:received", PLAIN), "dlr"),
        Intake((BARE,)),
    ),
    InboundCase(
        "a report on the path of messages",
        post(told("sms:delivered", {"messageId": TOKEN, "phoneNumber": PHONE})),
        Intake(deliveries=(ReportedDelivery(TOKEN, "sms:delivered", "", MessageStatus.DELIVERED),)),
    ),
    # hook-batch-one-bad
    InboundCase(
        "a batch with two bad ones in it",
        post(told("sms:batch:received", {"messages": BATCH})),
        Intake(
            (BARE, replace(BARE, text="WNA 2 AUS wisata", provider_message_id="1")),
            unreadable=(
                Unreadable(NO_SENDER, b'{"message": "tanpa pengirim"}'),
                Unreadable(NO_MESSAGE, b'"salah"'),
            ),
        ),
    ),
    InboundCase("an empty batch", post(told("sms:batch:received", {"messages": []})), Intake()),
    unreadable("a batch that is none", told("sms:batch:received", PLAIN), NO_MESSAGE),
    dropped("system:ping", {"health": {"status": "pass"}}),
    dropped("app:started", {}),
    InboundCase("a sign of life without a payload", post({"event": "system:ping"}), Intake()),
    unreadable("a data message", told("sms:data-received", {"data": "AA=="}), OTHER_KIND),
    unreadable("an MMS", told("mms:received", {"sender": PHONE, "size": 5}), OTHER_KIND),
    unreadable("an MMS that was fetched", told("mms:downloaded", {"body": "WNA 2"}), OTHER_KIND),
    InboundCase(
        "a picture, which is not kept",
        post(told("mms:downloaded", {"sender": PHONE, "attachments": [{"data": "/9j/4AAQ"}]})),
        Intake(
            unreadable=(
                Unreadable(OTHER_KIND, f'{{"sender": "{PHONE}", "attachments": 1}}'.encode()),
            )
        ),
    ),
    InboundCase(
        "a batch of MMS",
        post(told("mms:batch:received", {"messages": [{"sender": PHONE}]})),
        Intake(unreadable=(Unreadable(OTHER_KIND, f'{{"sender": "{PHONE}"}}'.encode()),)),
    ),
    unreadable("an event that nobody knows", told("sms:opened", PLAIN), NOT_KNOWN),
    unreadable("an encrypted event", told("sms:received", PLAIN, isEncrypted=True), ENCRYPTED),
    unreadable(
        "an encrypted message", told("sms:received", PLAIN | {"isEncrypted": True}), ENCRYPTED
    ),
    unreadable("no sender", told("sms:received", {"message": "NIHIL"}), NO_SENDER),
    unreadable("null for a sender", told("sms:received", {"sender": None}), NO_SENDER),
    unreadable("true for a sender", told("sms:received", {"sender": True}), NO_SENDER),
    unreadable("an object for a text", told("sms:received", PLAIN | {"message": {}}), NO_TEXT),
    unreadable("true for a text", told("sms:received", PLAIN | {"message": True}), NO_TEXT),
    unreadable("no payload", {"event": "sms:received"}, NO_PAYLOAD),
    unreadable("a list for a payload", told("sms:received", [PLAIN]), NO_PAYLOAD),
    unreadable("a list for an event", told("sms:received", PLAIN) | {"event": []}, NO_EVENT),
    unreadable("no event", {"payload": PLAIN}, NO_EVENT),
    unreadable("a list of events", [told("sms:received", PLAIN)], NO_EVENT),
    unreadable("null", b"null", NO_EVENT),
    unreadable("nothing", b"", NO_EVENT),
    unreadable("half an event", b'{"event": "sms:received", "payload": {', NO_EVENT),
    unreadable("bytes", b"\xff\x00\xfe", NO_EVENT),
    unreadable("a byte that is no UTF-8", raw_bytes("caf").replace(b"caf", b"caf\xe9"), NO_EVENT),
    unreadable("a form", b"from=%2B6281200000123&text=NIHIL", NO_EVENT),
    unreadable("lists too deep to read", b"[" * 60_000, NO_EVENT),
    unreadable("a number without end", b'{"event": ' + b"9" * 5000 + b"}", NO_EVENT),
]


def report(
    label: str,
    name: str,
    payload: Mapping[str, object],
    status: MessageStatus,
    reason: str = "",
    fault: Fault | None = None,
) -> DeliveryCase:
    request = post(told(name, {"messageId": TOKEN, "phoneNumber": PHONE, **payload}), "dlr")
    return DeliveryCase(label, request, ReportedDelivery(TOKEN, name, reason, status, fault))


def failed(reason: object, expected: str, fault: Fault | None = None) -> DeliveryCase:
    label = f"failed: {str(reason)[:50]!r}"
    payload = {"reason": reason}
    return report(label, "sms:failed", payload, MessageStatus.FAILED, expected, fault)


def no_report(label: str, payload: object, name: str = "sms:sent") -> DeliveryCase:
    return DeliveryCase(label, post(told(name, payload), "dlr"), None)


DELIVERY = [
    report("sent", "sms:sent", {"partsCount": 1, "sentAt": WHEN}, MessageStatus.SENT),
    report("sent, of parts that are not known", "sms:sent", {"partsCount": -1}, MessageStatus.SENT),
    # Each part of a long message brings one; the app itself takes any of them for the whole.
    report("delivered", "sms:delivered", {"deliveredAt": WHEN}, MessageStatus.DELIVERED),
    report("cancelled", "sms:cancelled", {"cancelledAt": WHEN}, MessageStatus.FAILED),
    failed(
        "Send result: RESULT_ERROR_GENERIC_FAILURE (Generic failure cause)",
        "RESULT_ERROR_GENERIC_FAILURE",
        Fault.SIM,
    ),
    failed(
        "Send result: RESULT_ERROR_LIMIT_EXCEEDED (...)",
        "RESULT_ERROR_LIMIT_EXCEEDED",
        Fault.THROTTLED,
    ),
    failed("Send result: RESULT_ERROR_NO_SERVICE (...)", "RESULT_ERROR_NO_SERVICE", Fault.SIM),
    failed("Send result: Unknown error code: 7", "Send result: Unknown error code: 7", Fault.SIM),
    failed("Send result: RESULT_ENCODING_ERROR (...)", "RESULT_ENCODING_ERROR"),
    failed("Delivery result from SC +62811000000: 70", "Delivery result 70"),
    failed("Delivery result: -1", "Delivery result -1"),
    failed("TTL expired", "TTL expired"),
    failed("Can't send message: No SIMs found", "Can't send message: No SIMs found", Fault.SIM),
    failed("sendSMS: Invalid phone number +6281290000001", "sendSMS: Invalid phone number ..."),
    failed("Unknown", "Unknown"),
    failed("x" * 300, "x" * 60),
    failed("", ""),
    failed(None, ""),
    failed(["x"], ""),
    no_report("no id", {"sentAt": WHEN}),
    no_report("null for an id", {"messageId": None}),
    no_report("the word None for an id", {"messageId": "None"}, "sms:delivered"),
    no_report("an object for an id", {"messageId": {}}, "sms:failed"),
    no_report("no payload", None, "sms:failed"),
]

# What we send -------------------------------------------------------------------------------------


def raw(
    label: str, answer: object, outcome: Any, said: str | None = None, status: str = "202 Accepted"
) -> SendingCase:
    body = answer if isinstance(answer, bytes | str) else json.dumps(answer)
    return SendingCase(label, http_answer(body, status), outcome, said)


def error(status: int, words: str, outcome: type[Exception], said: str = "") -> SendingCase:
    quoted = f'HTTP {status}: {{"message": "{words}"}}'
    return SendingCase(f"{status} {words}", f"error:{status}:{words}", outcome, said or quoted)


def at_once(reason: str, outcome: type[Exception], said: str) -> SendingCase:
    return SendingCase(f"failed at once: {reason}", f"fail:{reason}", outcome, said)


def texted(label: str, text: str) -> SendingCase:
    return SendingCase(label, "accept", TOKEN, message=OutboundSms(TOKEN, MESSAGE.to, text))


def by_line(label: str, line: str) -> SendingCase:
    message = OutboundSms(TOKEN, MESSAGE.to, MESSAGE.text, line)
    return SendingCase(label, "accept", TOKEN, message=message)


def misdialled(label: str, to: str) -> SendingCase:
    said = "not a number that a phone sends to"
    message = OutboundSms(TOKEN, to, MESSAGE.text)
    return SendingCase(label, "accept", NumberRefused, said, message=message, requests=0)


NOT_THEIRS = "HTTP 202 with an answer that is not theirs"
RIGHT = " (is TIMPORA_SMSGATE_DEVICE right?)"

SENDING = [
    SendingCase("taken", "accept", MESSAGE.token),
    texted("letters that GSM 03.38 has not", "“Selamat” café ☺"),
    texted("an emoji", "Terima kasih \U0001f600"),
    texted("several segments", "Laporan diterima. " * 40),
    texted("line ends and backslashes", 'a\nb\\c"d'),
    by_line("the second SIM", "2"),
    by_line("a SIM that has a name, not a number", "telkomsel"),
    by_line("no SIM of a phone", "0"),
    misdialled("a number that is none", "TELKOMSEL"),
    misdialled("a number with a line end", f"{MESSAGE.to}\n"),
    raw("an id of their own", {"id": "theirs-1", "state": "Pending"}, "theirs-1"),
    raw("no id, but a state", {"state": "Pending"}, MESSAGE.token),
    raw("taken with 201", {"id": MESSAGE.token}, MESSAGE.token, status="201 Created"),
    error(400, "Text message is empty", SendRefused),
    error(400, "failed to use phone in row 1: invalid", NumberRefused),
    error(400, "failed to select device: record not found", AccountRefused),
    error(401, "Unauthorized", AccountRefused),
    error(403, "insufficient scope", AccountRefused),
    error(
        404,
        "Cannot POST /messages",
        AccountRefused,
        f'HTTP 404: {{"message": "Cannot POST /messages"}}{RIGHT}',
    ),
    raw("a page of somebody else's", "<html>", AccountRefused, status="405 Method Not Allowed"),
    error(413, "Too large", SendRefused),
    error(429, "Too many", Throttled, "HTTP 429"),
    error(500, "failed to handle request", SendDeferred, "HTTP 500"),
    error(502, "Bad gateway", SendDeferred, "HTTP 502"),
    error(503, "queue limit exceeded", Throttled),
    error(504, "Too late", SendUnconfirmed, "HTTP 504"),
    raw("another address, which is not followed", "", AccountRefused, status="302 Found"),
    at_once(
        "Send result: RESULT_ERROR_LIMIT_EXCEEDED (...)", Throttled, "RESULT_ERROR_LIMIT_EXCEEDED"
    ),
    at_once(
        "Send result: RESULT_ERROR_GENERIC_FAILURE (...)",
        OutOfCredit,
        "RESULT_ERROR_GENERIC_FAILURE: check pulsa, signal and SIM",
    ),
    at_once(
        "Can't send message: SIM 2 not found",
        AccountRefused,
        "Can't send message: SIM 2 not found: look at the phone and its SIM",
    ),
    at_once(f"Invalid phone number {MESSAGE.to}", NumberRefused, "Invalid phone number ..."),
    raw("a failure without a reason", {"id": "a", "state": "Failed"}, SendDeferred),
    raw("a page with 202", "<html>OK</html>", SendUnconfirmed, NOT_THEIRS),
    raw("an empty answer", "", SendUnconfirmed, NOT_THEIRS),
    raw("a list", [], SendUnconfirmed, NOT_THEIRS),
    raw("an object of nothing", {}, SendUnconfirmed, NOT_THEIRS),
    raw("bytes", b"\xff\xfe\x00", SendUnconfirmed, NOT_THEIRS),
    raw("too deep to read", "[" * 60_000, SendUnconfirmed, NOT_THEIRS),
    SendingCase("nobody there", None, SendDeferred, "no connection (ConnectionError)", requests=0),
    SendingCase("hung up without an answer", "close", SendUnconfirmed),
    SendingCase("half an answer", http_answer('{"id": "a"}')[:60], SendUnconfirmed),
    SendingCase("no HTTP at all", b"SSH-2.0-OpenSSH_9.2\r\n", SendUnconfirmed),
    SendingCase(
        "a refusal that repeats the request",
        lambda request: http_answer(b"Bad: " + body_of(request)[:200], "422 Unprocessable"),
        SendRefused,
    ),
]


class TestSmsgate(ProviderContract):
    NAME = "smsgate"
    ROUTES: ClassVar[Mapping[str, str]] = {"sms": "POST", "dlr": "POST"}
    INBOUND: ClassVar = INBOUND
    DELIVERY: ClassVar = DELIVERY
    SENDING: ClassVar = SENDING
    SECRETS: ClassVar = (PASSWORD, KEY, OLD_KEY)
    PIECES: ClassVar = (
        b'{"event":"sms:received",',
        b'"payload":{',
        b'"sender":"6",',
        b'"message":',
        b'"messageId":',
        b'"sms:failed"',
        b'"\\ud800"',
        b"null",
        b"[",
        b"}",
    )

    def adapter(self) -> Smsgate:
        """Make one that only receives, and has the key that the requests here are signed with."""
        return Smsgate(replace(account(), username=None, password=None))

    def empty_request(self, method: str, route: str) -> InboundRequest:
        return InboundRequest(method, route, b"", signed(b"", STAMP), b"")

    @contextmanager
    def reaching(self, behaviour: Any) -> Iterator[Reached]:
        """Reach nobody (None), the stand-in that behaves so, or a server with that very answer."""
        if behaviour is None:
            yield Reached(Smsgate(account(f"http://127.0.0.1:{free_port()}")))
        elif isinstance(behaviour, str):
            with SmsgateServer.running() as stand_in:
                stand_in.behave(behaviour)
                yield Reached(Smsgate(account(stand_in.url)), lambda: seen_by(stand_in))
        else:
            with RawServer.answering(behaviour) as server:
                yield Reached(
                    Smsgate(account(server.url)),
                    lambda: [
                        SeenRequest(path.partition("?")[0], headers, flat(json.loads(body_of(one))))
                        for (path, headers), one in zip(
                            server.heads(), server.requests, strict=True
                        )
                    ],
                )

    def check_request(self, seen: SeenRequest, message: OutboundSms) -> None:
        expected = {
            "id": message.token,
            "textMessage": {"text": message.text},
            "phoneNumbers": [message.to],
            "withDeliveryReport": True,
            "ttl": 172_800,
        }
        if message.line == "2":
            expected["simNumber"] = 2
        assert seen.fields == flat(expected)
        assert seen.path == "/messages"
        assert seen.headers["Authorization"].startswith("Basic ")
        assert seen.headers["Content-Type"] == "application/json"

    def test_it_offers_all_that_it_can(self):
        adapter = self.adapter()

        assert not adapter.can_send
        assert Smsgate(account("http://127.0.0.1:8080")).can_send
        assert adapter.sends_once
        assert adapter.tells_time
        assert isinstance(adapter, PolledProvider)
        assert isinstance(adapter, WatchedProvider)
        with pytest.raises(SendDeferred, match="TIMPORA_SMSGATE_BASE_URL"):
            adapter.send(MESSAGE)

    def test_the_webhook_takes_ids_as_hashes_so_that_the_time_tells_messages_apart(self):
        (message,) = self.adapter().receive(post(told("sms:received", PLAIN))).messages

        assert message.id_is_a_hash

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=80) | st.text(max_size=40).map(str.encode))
    def test_any_signed_bytes_are_read_or_set_apart(self, body: bytes):
        intake = self.adapter().receive(post(body))

        assert intake.answer.status == 200
        assert len(intake.unreadable) == 1

    def test_any_signed_json_is_read_or_set_apart(self):
        adapter = self.adapter()
        leaves = (
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=12)
            | st.sampled_from([PHONE, WHEN, "9f3a12bc"])
        )
        fields = st.sampled_from(
            [
                "event",
                "payload",
                "sender",
                "phoneNumber",
                "message",
                "messageId",
                "receivedAt",
                "reason",
                "messages",
                "attachments",
                "isEncrypted",
                "deviceId",
            ]
        )
        names = st.sampled_from(
            ["sms:received", "sms:batch:received", "sms:failed", "mms:downloaded", "system:ping"]
        )
        anything = st.recursive(
            leaves,
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(fields, inner, max_size=6),
            max_leaves=12,
        )
        events = st.fixed_dictionaries({"event": names | anything, "payload": anything})

        @settings(max_examples=400, deadline=None)
        @given(anything | events)
        def read(what: object) -> None:
            # With every letter escaped, as some of them are halves of pairs.
            intake = adapter.receive(post(json.dumps(what).encode()))
            assert intake.answer.status == 200
            for message in intake.messages:
                assert message.sender
                assert message.network_time is None or message.network_time.tzinfo is not None
            for item in intake.unreadable:
                assert PHONE not in item.reason

        read()

    def test_any_answer_ends_in_an_id_or_one_of_the_three(self):
        pieces = st.sampled_from(
            [b'{"id": "a"', b', "state": "Failed"', b', "recipients": [{"error": 5}]', b"}", b"[]"]
        )
        bodies = st.lists(pieces, max_size=4).map(b"".join) | st.binary()
        statuses = ["200 OK", "202 No", "204 No", "400 Bad", "409 Twice", "600"]

        send_to_any_answer(lambda url: Smsgate(account(url)), bodies, statuses, is_an_id)


def flat(body: Mapping[str, Any]) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in body.items()}


def seen_by(stand_in: SmsgateServer) -> list[SeenRequest]:
    return [
        SeenRequest(one.path, one.headers, flat(one.body), str(one.body.get("id")))
        for one in stand_in.requests
    ]


class TestSignature:
    """Who may bring us anything."""

    VECTOR = (
        b'{"deviceId":"dev1","event":"sms:received","id":"ev1","webhookId":"wh1","payload":'
        b'{"messageId":"9f3a12bc","message":"HARGA padi","sender":"+6281200000123","simNumber":1,'
        b'"receivedAt":"2026-11-25T08:46:11.000+07:00"}}'
    )
    #: Made by openssl: dgst -sha256 -hmac a1b2c3d4, over the body and `1795569642`.
    SIGNATURE = "85298345ef0d274c60e4de6e3b6b6f05212299d83b512a037710f1aff02a2b88"

    def receive(self, headers: Mapping[str, str], body: bytes = VECTOR, *keys: str) -> Intake:
        adapter = Smsgate(account(keys=keys or ("a1b2c3d4",)))
        return adapter.receive(InboundRequest("POST", "sms", b"", headers, body))

    def test_a_signature_that_another_program_made_is_right(self):
        headers = {"x-timestamp": str(STAMP), "x-signature": self.SIGNATURE}

        assert self.receive(headers).messages[0].text == "HARGA padi"
        assert self.receive(headers | {"x-signature": f" {self.SIGNATURE.upper()} "}).messages

    @pytest.mark.parametrize("key", [KEY, OLD_KEY])
    def test_any_of_the_keys_may_have_signed(self, key: str):
        headers = signed(self.VECTOR, STAMP, key)

        assert self.receive(headers, self.VECTOR, OLD_KEY, KEY).messages

    @pytest.mark.parametrize("seconds", [-300, -299, 0, 300])
    def test_the_clocks_may_differ_by_the_window(self, seconds: int):
        assert self.receive(signed(self.VECTOR, STAMP + seconds, "a1b2c3d4")).messages

    @pytest.mark.parametrize("seconds", [-86_400, -301, 301, 86_400])
    def test_what_was_signed_outside_the_window_is_refused(self, seconds: int):
        # sec-replay: the same bytes a day later.
        with pytest.raises(NotSigned):
            self.receive(signed(self.VECTOR, STAMP + seconds, "a1b2c3d4"))

    def test_a_true_retry_is_signed_anew_and_its_message_may_be_old(self):
        old = told("sms:received", PLAIN | {"receivedAt": "2026-11-23T08:16:11.000+07:00"})

        (message,) = Smsgate(account()).receive(post(old)).messages

        assert message.network_time == AT_0846 - timedelta(days=2)

    @pytest.mark.parametrize(
        "changed",
        [
            {"x-signature": ""},
            {"x-signature": "0" * 64},
            {"x-signature": SIGNATURE[:-1]},
            {"x-signature": f"sha256={SIGNATURE}"},
            {"x-signature": "\u00e9" * 64},
            {"x-signature": "\ud800"},
            {"x-timestamp": ""},
            {"x-timestamp": str(STAMP + 1)},
            {"x-timestamp": "\u0661\u0667\u0669"},
            {"x-timestamp": "\ud800"},
        ],
        ids=[
            "no signature",
            "a wrong one",
            "one that is cut off",
            "one of another kind",
            "letters that are not ASCII",
            "half a pair",
            "no time",
            "another time",
            "a time in other digits",
            "half a pair for a time",
        ],
    )
    def test_a_header_that_is_wrong_is_refused(self, changed: Mapping[str, str]):
        headers = {"x-timestamp": str(STAMP), "x-signature": self.SIGNATURE}

        with pytest.raises(NotSigned):
            self.receive(headers | changed)

    @pytest.mark.parametrize("missing", ["x-timestamp", "x-signature", "both"])
    def test_a_header_that_is_missing_is_refused(self, missing: str):
        # sec-signature-header-missing
        headers = {"x-timestamp": str(STAMP), "x-signature": self.SIGNATURE}
        left = {} if missing == "both" else {k: v for k, v in headers.items() if k != missing}

        with pytest.raises(NotSigned):
            self.receive(left)

    @pytest.mark.parametrize("said", ["", "soon", "1e9", "-1", "9" * 13, "9" * 5000, "1.5"])
    def test_a_time_that_is_none_is_refused_though_it_is_signed(self, said: str):
        digest = signed(self.VECTOR + said.encode(), 0, "a1b2c3d4")["x-signature"]
        # What was signed is the body, the word and a nought: the body may end as it likes.
        with pytest.raises(NotSigned):
            self.receive({"x-timestamp": f"{said}0", "x-signature": digest})

    @pytest.mark.parametrize("at", [0, 10, 100, -2])
    def test_one_byte_changed_is_refused(self, at: int):
        changed = bytearray(self.VECTOR)
        changed[at] ^= 1
        headers = {"x-timestamp": str(STAMP), "x-signature": self.SIGNATURE}

        with pytest.raises(NotSigned):
            self.receive(headers, bytes(changed))

    def test_nothing_is_read_before_the_signature_is_right(self):
        for body in (b"", b"{", b"[" * 60_000, b"\xff"):
            with pytest.raises(NotSigned):
                self.receive({}, body)

    @pytest.mark.parametrize("of", [None, account(keys=())], ids=["no account", "no key"])
    def test_without_a_key_nothing_is_taken_but_where_that_is_allowed(
        self, of: SmsgateAccount | None
    ):
        # sec-fail-closed
        request = InboundRequest("POST", "sms", b"", {}, self.VECTOR)

        with pytest.raises(NotSigned):
            Smsgate(of).receive(request)
        assert Smsgate(of, takes_unsigned=True).receive(request).messages

    def test_with_a_key_everything_must_be_signed_even_in_development(self):
        with pytest.raises(NotSigned):
            Smsgate(account(), takes_unsigned=True).receive(
                InboundRequest("POST", "sms", b"", {}, self.VECTOR)
            )


class TestFailure:
    """What a reason means, that comes long after the message was taken."""

    @pytest.mark.parametrize(
        ("reason", "kind"),
        [
            ("Send result: RESULT_ERROR_LIMIT_EXCEEDED (sending queue limit)", Throttled),
            ("Send result: RESULT_RIL_REQUEST_RATE_LIMITED (overly-frequent)", Throttled),
            ("Send result: RESULT_UNEXPECTED_EVENT_STOP_SENDING (user denied)", Throttled),
            ("Send result: RESULT_ERROR_GENERIC_FAILURE (Generic failure cause)", OutOfCredit),
            ("Send result: RESULT_RIL_GENERIC_ERROR (A RIL error)", OutOfCredit),
            ("Can't send message: No SIMs found", AccountRefused),
            ("Can't send message: SIM 2 not found", AccountRefused),
            ("SIM selection requires READ_PHONE_STATE permission", AccountRefused),
            ("Send result: RESULT_NO_DEFAULT_SMS_APP (no default SMS app)", AccountRefused),
            ("Send result: RESULT_ERROR_FDN_CHECK_FAILURE (FDN is enabled)", AccountRefused),
            ("Send result: RESULT_INVALID_SMSC_ADDRESS (invalid)", AccountRefused),
            ("Send result: RESULT_ERROR_SHORT_CODE_NOT_ALLOWED (denied)", NumberRefused),
            ("sendSMS: Invalid phone number", NumberRefused),
            ("Delivery result from SC +62811000000: 70", SendRefused),
            ("TTL expired", SendRefused),
            ("Send result: RESULT_ENCODING_ERROR (an encoding error)", SendRefused),
            ("Send result: RESULT_ERROR_NO_SERVICE (service is unavailable)", SendDeferred),
            ("Send result: RESULT_ERROR_RADIO_OFF (radio turned off)", SendDeferred),
            ("Send result: RESULT_RIL_MODEM_ERR (vendor RIL)", SendDeferred),
            ("Send result: RESULT_NETWORK_REJECT (network rejection)", SendDeferred),
            ("Send result: Unknown error code: 1000", SendDeferred),
            ("Unknown", SendDeferred),
            ("", SendDeferred),
        ],
    )
    def test_a_reason_means_an_error_as_the_send_would_have_met(
        self, reason: str, kind: type[Exception]
    ):
        # delivery-sim-limit
        assert type(failure_of(reason)) is kind
        # The report keeps the short one: it must mean the same.
        assert type(failure_of(short_reason(reason))) is kind

    def test_a_limit_lets_the_channel_rest_for_an_hour(self):
        failure = failure_of("RESULT_ERROR_LIMIT_EXCEEDED")

        assert isinstance(failure, Throttled)
        assert failure.rest == timedelta(hours=1)

    def test_no_credit_is_told_in_words_for_whoever_goes_to_the_phone(self):
        assert "check pulsa" in str(failure_of("RESULT_ERROR_GENERIC_FAILURE"))


class TestOnce:
    """A message that they have already is not sent again, unless it failed."""

    @pytest.mark.parametrize("state", ["Pending", "Processed", "Sent", "Delivered", "Later"])
    def test_a_message_that_is_on_its_way_is_taken_as_it_is(self, state: str):
        with SmsgateServer.running() as stand_in:
            stand_in.settle(MESSAGE.token, state)

            assert Smsgate(account(stand_in.url)).send(MESSAGE) == MESSAGE.token
            assert list(stand_in.kept) == [MESSAGE.token]

    def test_a_message_whose_answer_was_lost_is_sent_once(self):
        with SmsgateServer.running() as stand_in:
            adapter = Smsgate(account(stand_in.url))
            stand_in.behave("close")
            with pytest.raises(SendUnconfirmed):
                adapter.send(MESSAGE)
            stand_in.behave("accept")

            assert adapter.send(MESSAGE) == MESSAGE.token
            assert list(stand_in.kept) == [MESSAGE.token]

    @pytest.mark.parametrize(
        ("error", "minutes", "kind"),
        [
            ("RESULT_ERROR_LIMIT_EXCEEDED", 59, Throttled),
            ("RESULT_ERROR_GENERIC_FAILURE", 9, OutOfCredit),
            ("No SIMs found", 9, AccountRefused),
            ("RESULT_ERROR_NO_SERVICE", 0, SendDeferred),
            ("RESULT_ERROR_NO_SERVICE", -0.4, SendDeferred),
            ("Invalid phone number", 9000, NumberRefused),
            ("Delivery result: 70", 9000, SendRefused),
            ("TTL expired", 9000, SendRefused),
        ],
    )
    def test_one_that_failed_just_now_or_for_good_is_not_tried_again(
        self, error: str, minutes: float, kind: type[Exception]
    ):
        with SmsgateServer.running() as stand_in:
            at = NOW - timedelta(minutes=minutes)
            stand_in.settle(MESSAGE.token, "Failed", error, at)

            with pytest.raises(kind) as raised:
                Smsgate(account(stand_in.url)).send(MESSAGE)

            assert type(raised.value) is kind
            assert list(stand_in.kept) == [MESSAGE.token]

    def test_what_is_left_of_a_rest_is_told(self):
        with SmsgateServer.running() as stand_in:
            at = NOW - timedelta(minutes=20)
            stand_in.settle(MESSAGE.token, "Failed", "RESULT_ERROR_LIMIT_EXCEEDED", at)

            with pytest.raises(Throttled) as raised:
                Smsgate(account(stand_in.url)).send(MESSAGE)

        assert raised.value.rest == timedelta(minutes=40)

    @pytest.mark.parametrize(
        ("error", "minutes"),
        [
            ("RESULT_ERROR_LIMIT_EXCEEDED", 60),
            ("RESULT_ERROR_GENERIC_FAILURE", 10),
            ("RESULT_ERROR_NO_SERVICE", 1),
            # A phone whose clock is far ahead must not hold it up for ever.
            ("RESULT_ERROR_GENERIC_FAILURE", -600),
        ],
    )
    def test_one_that_failed_a_while_ago_goes_under_the_next_id(self, error: str, minutes: int):
        with SmsgateServer.running() as stand_in:
            adapter = Smsgate(account(stand_in.url))
            at = NOW - timedelta(minutes=minutes)
            stand_in.settle(MESSAGE.token, "Failed", error, at)

            assert adapter.send(MESSAGE) == f"{MESSAGE.token}-1"
            # Asked once more, it is known by that one.
            assert adapter.send(MESSAGE) == f"{MESSAGE.token}-1"
            assert list(stand_in.kept) == [MESSAGE.token, f"{MESSAGE.token}-1"]

    @pytest.mark.parametrize("states", [None, [], {}, {"Failed": 5}, {"Failed": "soon"}])
    def test_a_failure_without_a_time_is_an_old_one(self, states: object):
        asked = []

        def answer(request: bytes) -> bytes:
            asked.append(request)
            failed = {"state": "Failed", "states": states, "recipients": [{"error": "Unknown"}]}
            if request.startswith(b"GET"):
                return http_answer(json.dumps(failed), "200 OK")
            if len(asked) == 1:
                return http_answer("", "409 Conflict")
            return http_answer(json.dumps({"id": f"{MESSAGE.token}-1"}))

        with RawServer.answering(answer) as server:
            assert Smsgate(account(server.url)).send(MESSAGE) == f"{MESSAGE.token}-1"

    def test_one_that_failed_five_times_has_failed(self):
        with SmsgateServer.running() as stand_in:
            at = NOW - timedelta(hours=2)
            for given_id in ("", "-1", "-2", "-3", "-4"):
                name = f"{MESSAGE.token}{given_id}"
                stand_in.settle(name, "Failed", "RESULT_ERROR_GENERIC_FAILURE", at)

            with pytest.raises(SendRefused, match="5 tries have failed, the last one: RESULT_"):
                Smsgate(account(stand_in.url)).send(MESSAGE)

    @pytest.mark.parametrize("state", ["Cancelled", "Cancelling"])
    def test_one_that_somebody_cancelled_stays_so(self, state: str):
        with SmsgateServer.running() as stand_in:
            stand_in.settle(MESSAGE.token, state)

            with pytest.raises(SendRefused, match="it was cancelled on the phone"):
                Smsgate(account(stand_in.url)).send(MESSAGE)

    @pytest.mark.parametrize(
        "state",
        [
            http_answer("", "404 Not Found"),
            http_answer("", "500 Trouble"),
            http_answer("{}", "200 OK"),
            http_answer("[]", "200 OK"),
            http_answer('{"state": 5}', "200 OK"),
            b"",
        ],
        ids=["none", "trouble", "nothing", "a list", "a number", "hung up"],
    )
    def test_one_whose_state_they_do_not_tell_is_asked_for_again(self, state: bytes):
        def answer(request: bytes) -> bytes:
            return state if request.startswith(b"GET") else http_answer("", "409 Conflict")

        with (
            RawServer.answering(answer) as server,
            pytest.raises(SendUnconfirmed, match="they have it"),
        ):
            Smsgate(account(server.url)).send(MESSAGE)

    def test_all_that_is_asked_for_one_message_ends_in_time(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("gateway.providers.smsgate.SEND_WITHIN", timedelta(seconds=1.5))

        def answer(request: bytes) -> bytes:
            failed = {"state": "Failed", "recipients": [{"error": "Unknown"}]}
            if request.startswith(b"GET"):
                return http_answer(json.dumps(failed), "200 OK")
            return http_answer("", "409 Conflict")

        with RawServer.answering(answer) as server:
            server.pause = 0.005
            with lasting_at_most(2), pytest.raises(SEND_ERRORS):
                Smsgate(account(server.url)).send(MESSAGE)


class TestServer:
    """A server between us and the phone: the same API below another path."""

    def test_a_device_means_a_server(self):
        with SmsgateServer.running(is_server=True) as stand_in:
            adapter = Smsgate(account(stand_in.url, device=DEVICE))

            assert adapter.send(MESSAGE) == MESSAGE.token
            (request,) = stand_in.requests
            assert request.path == "/3rdparty/v1/messages"
            assert request.body["deviceId"] == DEVICE
            assert request.query == {"skipPhoneValidation": "true"}

    def test_a_path_in_the_address_is_that_of_the_api(self):
        with SmsgateServer.running(is_server=True) as stand_in:
            stand_in.root = "/api/3rdparty/v1"
            adapter = Smsgate(account(f"{stand_in.url}/api/3rdparty/v1/"))

            assert adapter.send(MESSAGE) == MESSAGE.token
            assert stand_in.requests[0].path == "/api/3rdparty/v1/messages"
            assert "deviceId" not in stand_in.requests[0].body

    def test_their_cloud_is_a_server_without_a_device_too(self):
        with pytest.MonkeyPatch.context() as patch:
            asked: list[str] = []

            def ask(call: Any, within: timedelta) -> None:  # noqa: ARG001
                asked.append(call.url)
                raise NotReached("nobody")

            patch.setattr("gateway.providers.http.ask", ask)
            with pytest.raises(NotReached):
                Smsgate(account("https://api.sms-gate.app")).health()

        assert asked == ["https://api.sms-gate.app/3rdparty/v1/devices"]

    def test_a_device_in_the_settings_of_a_phone_is_told_as_what_it_is(self):
        with SmsgateServer.running() as stand_in:
            adapter = Smsgate(account(stand_in.url, device=DEVICE))

            with pytest.raises(AccountRefused, match="is TIMPORA_SMSGATE_DEVICE right"):
                adapter.send(MESSAGE)

    def test_what_the_webhook_missed_is_asked_to_be_told_again(self):
        with SmsgateServer.running(is_server=True) as stand_in:
            polled = Smsgate(account(stand_in.url, device=DEVICE)).poll(None)

            assert polled.intake == Intake()
            ((path, asked),) = stand_in.asked
            assert path == "POST /3rdparty/v1/inbox/refresh"
            assert asked == {
                "since": "2026-11-23T00:50:42.000Z",
                "until": "2026-11-26T01:20:42.000Z",
                "triggerWebhooks": True,
                "webhookDelivery": "Individual",
                "deviceId": DEVICE,
            }


def at(minutes: float) -> datetime:
    """Say when it was so many minutes ago."""
    return NOW - timedelta(minutes=minutes)


def texts(intake: Intake) -> list[str]:
    return [message.text for message in intake.messages]


class TestPoll:
    """What the webhook missed."""

    def test_a_row_of_the_list_is_the_message_of_the_webhook_to_the_letter(self):
        with SmsgateServer.running() as stand_in:
            what = stand_in.gets(PHONE, "Terima kasih, café ☺ =5", at(3))
            adapter = Smsgate(account(stand_in.url))
            (by_poll,) = adapter.poll(None).intake.messages
            (by_webhook,) = adapter.receive(post(what)).messages

        assert replace(by_poll, payload={}) == replace(by_webhook, payload={})
        assert by_poll.payload == {"type": "SMS", "simNumber": "1", "createdAt": shown(at(3))}

    def test_the_oldest_comes_first(self):
        with SmsgateServer.running() as stand_in:
            stand_in.gets(PHONE, "kedua", at(2))
            stand_in.gets(PHONE, "pertama", at(20))

            polled = Smsgate(account(stand_in.url)).poll(None)

        assert texts(polled.intake) == ["pertama", "kedua"]

    def test_what_the_app_had_not_seen_itself_is_looked_for_in_the_phone(self):
        with SmsgateServer.running(webhook="http://127.0.0.1:9/none") as stand_in:
            stand_in.gets(PHONE, "aplikasi mati", at(90), is_listed=False)

            polled = Smsgate(account(stand_in.url)).poll(None)

        assert texts(polled.intake) == ["aplikasi mati"]

    def test_a_phone_that_may_not_be_looked_into_is_read_as_far_as_it_goes(self):
        with SmsgateServer.running() as stand_in:
            stand_in.phone.can_look = False
            stand_in.gets(PHONE, "NIHIL", at(5))

            assert texts(Smsgate(account(stand_in.url)).poll(None).intake) == ["NIHIL"]

    def test_the_first_poll_leaves_alone_what_is_older_than_two_days(self):
        with SmsgateServer.running() as stand_in:
            stand_in.gets(PHONE, "milik pribadi", at(60 * 24 * 3))
            stand_in.gets(PHONE, "NIHIL", at(60 * 47))

            assert texts(Smsgate(account(stand_in.url)).poll(None).intake) == ["NIHIL"]

    def test_the_next_poll_looks_back_half_an_hour(self, monkeypatch: pytest.MonkeyPatch):
        with SmsgateServer.running() as stand_in:
            adapter = Smsgate(account(stand_in.url))
            stand_in.gets(PHONE, "tiga jam lalu", at(180))
            stand_in.gets(PHONE, "baru saja", at(10))
            mark = adapter.poll(None).since
            stand_in.gets(PHONE, "masuk terlambat", at(25))
            monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(minutes=10))

            again = adapter.poll(mark)

        assert texts(again.intake) == ["masuk terlambat", "baru saja"]
        assert again.since == "2026-11-25T01:30:42.000Z 2026-11-25T01:20:42.000Z"

    def test_now_and_then_it_looks_back_two_days(self, monkeypatch: pytest.MonkeyPatch):
        with SmsgateServer.running() as stand_in:
            adapter = Smsgate(account(stand_in.url))
            mark = adapter.poll(None).since
            stand_in.gets(PHONE, "tertahan tanpa sinyal", at(60 * 20))

            monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(hours=5, minutes=59))
            soon = adapter.poll(mark)
            monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(hours=6))
            late = adapter.poll(soon.since)

        assert texts(soon.intake) == []
        assert texts(late.intake) == ["tertahan tanpa sinyal"]

    def test_after_a_long_outage_all_of_it_is_read(self, monkeypatch: pytest.MonkeyPatch):
        with SmsgateServer.running() as stand_in:
            adapter = Smsgate(account(stand_in.url))
            mark = adapter.poll(None).since
            stand_in.gets(PHONE, "hari pertama", NOW + timedelta(days=1))
            monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(days=9))

            assert texts(adapter.poll(mark).intake) == ["hari pertama"]

    def test_a_message_from_a_clock_that_is_ahead_is_read(self):
        with SmsgateServer.running() as stand_in:
            stand_in.gets(PHONE, "jam maju", NOW + timedelta(hours=8))

            assert texts(Smsgate(account(stand_in.url)).poll(None).intake) == ["jam maju"]

    def test_a_long_list_is_read_page_by_page_and_over_several_polls(self):
        with SmsgateServer.running() as stand_in:
            adapter = Smsgate(account(stand_in.url))
            for number in range(620):
                stand_in.gets(PHONE, f"{number}", at(640 - number))

            first = adapter.poll(None)
            second = adapter.poll(first.since)
            third = adapter.poll(second.since)

        assert texts(first.intake) == [f"{number}" for number in range(120, 620)]
        assert texts(second.intake) == [f"{number}" for number in range(120)]
        assert first.since.endswith(" 500")
        assert len(third.since.split()) == 2
        refreshes = [path for path, _ in stand_in.asked if path == "POST /inbox/refresh"]
        assert len(refreshes) == 2

    def test_rows_longer_than_what_is_read_of_an_answer_are_all_read(self):
        with SmsgateServer.running() as stand_in:
            for number in range(60):
                stand_in.gets(PHONE, f"{number} " + "é" * 1500, at(100 - number))

            polled = Smsgate(account(stand_in.url)).poll(None)

        assert [text.split()[0] for text in texts(polled.intake)] == [f"{n}" for n in range(60)]
        assert polled.intake.unreadable == ()

    def test_one_row_that_fills_an_answer_is_set_apart_and_passed_over(self):
        with SmsgateServer.running() as stand_in:
            stand_in.gets(PHONE, "sebelum", at(30))
            stand_in.gets(PHONE, "x" * 70_000, at(20))
            stand_in.gets(PHONE, "sesudah", at(10))

            polled = Smsgate(account(stand_in.url)).poll(None)

        assert texts(polled.intake) == ["sebelum", "sesudah"]
        assert len(polled.intake.unreadable) == 1

    def test_an_app_without_a_list_is_asked_to_tell_again(self):
        with (
            RawServer.answering(http_answer("", "200 OK")) as webhook,
            SmsgateServer.running(webhook=webhook.url) as stand_in,
        ):
            stand_in.phone.has_list = False
            stand_in.gets(PHONE, "NIHIL", at(5), is_listed=False)

            polled = Smsgate(account(stand_in.url)).poll(None)

        assert polled.intake == Intake()
        assert polled.since == "2026-11-25T01:20:42.000Z 2026-11-25T01:20:42.000Z"
        (told_again,) = webhook.requests
        headers = {name.lower(): value for name, value in webhook.heads()[0][1].items()}
        # Signed by the true time of this test, not by the one that is made up.
        stamp = datetime.fromtimestamp(int(headers["x-timestamp"]), UTC)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock, "now", lambda: stamp)
            request = InboundRequest("POST", "sms", b"", headers, body_of(told_again))
            assert texts(Smsgate(account()).receive(request)) == ["NIHIL"]

    @pytest.mark.parametrize(
        "mark",
        [
            "",
            "0",
            "soon",
            "a b",
            "a b c d e",
            "2026-11-25T01:20:42Z",
            "2026-11-25T01:20:42Z 2026-11-25T01:20:42Z 7",
            "2026-11-25T01:20:42Z 2026-11-25T01:20:42Z x y 7",
            f"{'2026-11-25T01:20:42Z ' * 4}-7",
        ],
    )
    def test_a_mark_that_is_none_is_the_beginning(self, mark: str):
        with SmsgateServer.running() as stand_in:
            stand_in.gets(PHONE, "NIHIL", at(60 * 40))

            assert texts(Smsgate(account(stand_in.url)).poll(mark).intake) == ["NIHIL"]

    @pytest.mark.parametrize(
        "deep", ["2026-11-25T01:20:42Z", "2027-11-25T01:20:42Z"], ids=["the mark", "both"]
    )
    def test_a_mark_ahead_of_the_clock_asks_for_no_time_that_is_to_come(self, deep: str):
        with SmsgateServer.running() as stand_in:
            stand_in.gets(PHONE, "NIHIL", at(20))

            polled = Smsgate(account(stand_in.url)).poll(f"2027-11-25T01:20:42Z {deep}")

        assert texts(polled.intake) == ["NIHIL"]

    def test_rows_that_make_no_sense_are_set_apart_and_their_neighbours_kept(self):
        good = {"sender": PHONE, "contentPreview": "NIHIL", "createdAt": WHEN, "type": "SMS"}
        rows: list[object] = [
            good,
            {"contentPreview": "tanpa pengirim"},
            good | {"type": "MMS"},
            good | {"type": []},
            good | {"isEncrypted": True},
            good | {"contentPreview": []},
            "salah",
            None,
            good | {"id": "text:-5", "contentPreview": ""},
        ]
        with RawServer.answering(http_answer(json.dumps(rows), "200 OK")) as server:
            intake = Smsgate(account(server.url)).poll(None).intake

        assert [(one.text, one.provider_message_id) for one in intake.messages] == [
            ("", "fffffffb"),
            ("NIHIL", None),
        ]
        assert {one.reason for one in intake.unreadable} == {
            "a row of the app's list that is no object",
            "a `contentPreview` that is no text",
            ENCRYPTED,
            OTHER_KIND,
            NO_SENDER,
        }
        assert len(intake.unreadable) == 7

    @pytest.mark.parametrize(
        ("status", "body", "said"),
        [
            ("401 Unauthorized", "", "it does not take our name and password"),
            ("500 Trouble", "", "HTTP 500"),
            ("200 OK", "<html>", "an answer that is not theirs"),
            ("200 OK", "[", "an answer that is not theirs"),
            ("200 OK", "{}", "an answer that is not theirs"),
            ("200 OK", "[" * 60_000, "an answer that is not theirs"),
            ("404 Not Found", "", "HTTP 404"),
        ],
    )
    def test_an_answer_that_is_none_says_that_it_was_not_reached(
        self, status: str, body: str, said: str
    ):
        with (
            RawServer.answering(http_answer(body, status)) as server,
            pytest.raises(NotReached) as raised,
        ):
            Smsgate(account(server.url)).poll(None)

        assert str(raised.value) == said

    def test_a_list_that_breaks_off_gives_what_came_and_goes_on_there(self):
        page = [{"sender": PHONE, "contentPreview": "x", "createdAt": WHEN}] * 50

        def answer(request: bytes) -> bytes:
            ok = b"offset=0" in request or request.startswith(b"POST")
            return http_answer(json.dumps(page), "200 OK") if ok else b""

        with RawServer.answering(answer) as server:
            polled = Smsgate(account(server.url)).poll(None)

        assert len(polled.intake.messages) == 50
        assert polled.since.endswith(" 50")

    def test_nobody_there_and_no_account(self):
        with pytest.raises(NotReached):
            Smsgate(account(f"http://127.0.0.1:{free_port()}")).poll(None)
        assert Smsgate(None).poll("5").intake == Intake()
        assert Smsgate(None).poll("5").since == "5"

    def test_taking_note_of_a_poll_asks_nothing(self):
        with SmsgateServer.running() as stand_in:
            adapter = Smsgate(account(stand_in.url))
            polled = adapter.poll(None)
            before = len(stand_in.asked)
            adapter.kept(polled)

            assert len(stand_in.asked) == before


class TestHealth:
    """What the phone says of itself, or its server of it."""

    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({}, Health(is_up=True, says="answers", battery=94)),
            (
                {"battery": 7, "is_charging": False},
                Health(is_up=True, says="answers; does not charge", battery=7),
            ),
            (
                {"failed": 2},
                Health(is_up=True, says="answers; 2 messages failed in the last hour", battery=94),
            ),
            # One alone may be the fault of its number.
            (
                {"failed": 1, "all_failed": True},
                Health(is_up=True, says="answers; 1 messages failed in the last hour", battery=94),
            ),
            (
                {"failed": 3, "all_failed": True},
                Health(
                    is_up=False,
                    says="every message of the last hour has failed: check pulsa, signal and SIM",
                    battery=94,
                ),
            ),
        ],
        ids=["well", "a flat battery", "some failed", "one failed", "all failed"],
    )
    def test_a_phone_tells_how_it_is(self, changed: Mapping[str, Any], expected: Health):
        # Without internet the whole `fails`, with HTTP 500: on a network of one's own that is well.
        with SmsgateServer.running() as stand_in:
            for name, value in changed.items():
                setattr(stand_in.phone, name, value)

            assert Smsgate(account(stand_in.url)).health() == expected

    @pytest.mark.parametrize("odd", ["true", "null", '"94"', "-1", "101", "9e99", "[]"])
    def test_a_battery_that_no_phone_has_is_not_told(self, odd: str):
        body = f'{{"checks": {{"battery:level": {{"observedValue": {odd}}}}}}}'
        with RawServer.answering(http_answer(body, "200 OK")) as server:
            assert Smsgate(account(server.url)).health() == Health(is_up=True, says="answers")

    @pytest.mark.parametrize(
        "body", ["", "nginx", "[]", "{}", '{"checks": []}', "[" * 60_000], ids=range(6)
    )
    def test_whoever_answers_in_its_place_is_not_it(self, body: str):
        with RawServer.answering(http_answer(body, "502 Bad Gateway")) as server:
            assert Smsgate(account(server.url)).health() == Health(
                is_up=False, says="HTTP 502, and no word of SMS Gateway's"
            )

    @pytest.mark.parametrize(
        ("minutes", "is_up"), [(0, True), (59, True), (60, False), (600, False), (-5, True)]
    )
    def test_a_server_tells_when_it_heard_of_the_phone(self, minutes: int, *, is_up: bool):
        with SmsgateServer.running(is_server=True) as stand_in:
            stand_in.phone.last_seen = at(minutes)
            health = Smsgate(account(stand_in.url, device=DEVICE)).health()

        assert health == Health(
            is_up=is_up, says=f"the phone asked its server {max(minutes, 0)} min ago"
        )

    @pytest.mark.parametrize(
        ("status", "body", "is_up", "says"),
        [
            ("401 No", "", False, "it does not take our name and password"),
            ("500 No", "", False, "HTTP 500, and no word of its phones"),
            ("200 OK", "<html>", False, "HTTP 200, and no word of its phones"),
            ("200 OK", "[]", False, "the server knows no such phone"),
            (
                "200 OK",
                '[{"id": "another"}, {"id": []}, 5]',
                False,
                "the server knows no such phone",
            ),
            (
                "200 OK",
                f'[{{"id": "{DEVICE}", "lastSeen": 5}}]',
                True,
                "the server answers, and does not say when it heard of it",
            ),
        ],
    )
    def test_a_server_that_tells_nothing_of_it(
        self, status: str, body: str, says: str, *, is_up: bool
    ):
        with RawServer.answering(http_answer(body, status)) as server:
            health = Smsgate(account(server.url, device=DEVICE)).health()

        assert health == Health(is_up=is_up, says=says)

    def test_without_a_device_in_the_settings_any_phone_of_the_server_will_do(self):
        with SmsgateServer.running(is_server=True) as stand_in:
            health = Smsgate(account(f"{stand_in.url}/3rdparty/v1")).health()

        assert health.is_up

    def test_nobody_there_is_said_by_an_error(self):
        with pytest.raises(NotReached):
            Smsgate(account(f"http://127.0.0.1:{free_port()}")).health()
        with pytest.raises(NotReached, match="TIMPORA_SMSGATE_BASE_URL"):
            Smsgate(None).health()

"""Kannel, as it really speaks: what it fetches from us, what it makes of our messages, its log."""

import gzip
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.provider_contract import (
    FORM_PIECES,
    MESSAGE,
    SEND_ERRORS,
    DeliveryCase,
    InboundCase,
    ProviderContract,
    Reached,
    SeenRequest,
    SendingCase,
)
from support.raw_server import RawServer, http_answer, lasting_at_most
from support.waiting import free_port

from gateway import clock
from gateway.accounts import KannelAccount
from gateway.providers import kannel as kannel_module
from gateway.providers.base import (
    AccountRefused,
    Answer,
    Health,
    InboundRequest,
    InboundSms,
    Intake,
    NotReached,
    NumberRefused,
    OutboundSms,
    Part,
    PolledProvider,
    ReportedDelivery,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Throttled,
    Unreadable,
    WatchedProvider,
)
from gateway.providers.kannel import MOST_SEGMENTS, Kannel
from models.states import MessageStatus

FORM = "application/x-www-form-urlencoded"
USERNAME = "timpora"
PASSWORD = "kunci & rahasia/8"  # noqa: S105
STATUS_PASSWORD = "status rahasia"  # noqa: S105
SECRET = "rahasia-webhook"  # noqa: S105
SENDER = "TIMPORA"
CALLBACK = f"http://gateway.invalid:8000/webhooks/kannel/{SECRET}"

PHONE = "+6281290000001"
FROM = "from=%2B6281290000001"
AT = datetime(2026, 3, 1, 6, 4, 45, tzinfo=UTC)
TS = "1772345085"
UUID = "11c5a259-9c3a-4c39-bd4f-5a8d1c60f3c8"

# What comes ---------------------------------------------------------------------------------------


def get(path: str, query: str | bytes) -> InboundRequest:
    raw = query.encode() if isinstance(query, str) else query
    return InboundRequest("GET", path, raw, {}, b"")


def post(path: str, body: str, content_type: str = FORM, query: bytes = b"") -> InboundRequest:
    return InboundRequest("POST", path, query, {"content-type": content_type}, body.encode())


def read_as(label: str, request: InboundRequest, **expected: Any) -> InboundCase:
    """Write a case of one message; what is not named is as in the shortest query there is."""
    plain: dict[str, Any] = {"sender": PHONE, "recipient": None, "text": ""}
    message = InboundSms(**(plain | expected))
    # 200 and nothing else: a body would be texted to the phone, and 204 is a failure to Kannel.
    return InboundCase(label, request, Intake((message,), answer=Answer(200, "")))


def sms(label: str, query: str | bytes, **expected: Any) -> InboundCase:
    return read_as(label, get("sms", query), **expected)


def texted(label: str, query: str, text: str, *, odd: bool = False, **payload: str) -> InboundCase:
    """Write a case of what the text is, and whether its encoding was odd."""
    flags = ("odd_encoding",) if odd else ()
    return sms(label, f"{FROM}&{query}", text=text, flags=flags, payload=payload)


def dated(label: str, query: str, moment: datetime | None, *, odd: bool = False) -> InboundCase:
    """Write a case of a time: whatever it is, the message is kept, and the time as it was sent."""
    payload = {name: value for name, value in parse_qsl(query) if value.strip()}
    flags = ("odd_date",) if odd else ()
    return sms(label, f"{FROM}&{query}", network_time=moment, flags=flags, payload=payload)


def with_id(label: str, given_id: str, expected: str | None) -> InboundCase:
    return sms(label, f"{FROM}&id={given_id}", provider_message_id=expected)


def from_sender(label: str, sent: str, sender: str) -> InboundCase:
    return sms(label, f"from={sent}&text=NIHIL", sender=sender, text="NIHIL")


def parted(label: str, header: bytes, part: Part | None) -> InboundCase:
    return sms(label, f"{FROM}&text=dan+dua&udh={quote(header)}", text="dan dua", part=part)


def unreadable(
    label: str, request: InboundRequest, reason: str, body: bytes | None = None
) -> InboundCase:
    """Write a case of what is kept for a person: the body, or the query where there is none."""
    kept = (request.body or request.query) if body is None else body
    return InboundCase(label, request, Intake(unreadable=(Unreadable(reason, kept),)))


def hexed(text: str, codec: str = "utf-8") -> str:
    return text.encode(codec).hex().upper()


#: As it came from the Kannel of Debian, but for numbers and times.
WHOLE = (
    f"{FROM}&to=99999&text=HARGA+padi+jumat&bin=HARGA+padi++jumat"
    f"&hex={hexed('HARGA padi  jumat')}&coding=0&charset=UTF-8&ts={TS}&when=2026-03-01+06:04:45"
    f"&id={UUID}&smsc=fake1&udh=&service=timpora&account=&binfo="
)
OF_WHOLE: Mapping[str, Any] = {
    "recipient": "99999",
    "text": "HARGA padi  jumat",
    "provider_message_id": UUID,
    "network_time": AT,
    "payload": {
        "coding": "0",
        "charset": "UTF-8",
        "ts": TS,
        "when": "2026-03-01 06:04:45",
        "smsc": "fake1",
        "service": "timpora",
    },
}
SMILE = "Ha— \U0001f600"
NO_SENDER = "no sender (parameter `from`)"
UTF16: Mapping[str, str] = {"coding": "2", "charset": "UTF-16BE"}

TEXTS = [
    texted("double blanks, which `text` has squeezed", "text=a+b&bin=a++b&hex=61202062", "a  b"),
    texted("double blanks without `hex`", "text=a+b&bin=a++b", "a  b"),
    texted("a text alone", "text=a+b", "a b"),
    texted("a text under the name that others use", "message=NIHIL", "NIHIL"),
    texted("an empty text under that name", "message=", ""),
    texted("no text at all", "to=", ""),
    texted("every text empty", "text=&bin=&hex=", ""),
    texted("one blank", "text=+&bin=+&hex=20", " "),
    texted("`hex` that is empty where a text is not", "hex=&text=NIHIL", "NIHIL"),
    texted("`hex` that is none", "hex=%25e&bin=NIHIL+1&text=NIHIL", "NIHIL 1"),
    texted("`hex` of half a byte", "hex=4E4&text=NIHIL", "NIHIL"),
    texted("`hex` in small letters", "hex=6e696869c3a9", "nihié"),
    texted("`hex` that says something else than the text", "hex=57&text=X", "W"),
    texted(
        "Unicode as Kannel recodes it", f"hex={hexed(SMILE)}&charset=UTF-8", SMILE, charset="UTF-8"
    ),
    texted("Unicode in `bin` alone", f"bin={quote(SMILE)}", SMILE),
    texted("Unicode in `text` alone", f"text={quote(SMILE)}", SMILE),
    texted(
        "UTF-16, where Kannel does not recode",
        f"hex={hexed(SMILE, 'utf-16-be')}&text=%00H%00a%14&coding=2&charset=UTF-16BE",
        SMILE,
        **UTF16,
    ),
    texted(
        "UTF-16 in `bin` alone",
        f"bin={quote(SMILE.encode('utf-16-be'))}&coding=2&charset=UTF-16BE",
        SMILE,
        **UTF16,
    ),
    texted(
        "UTF-16 told by its coding alone",
        f"hex={hexed(SMILE, 'utf-16-be')}&coding=2",
        SMILE,
        coding="2",
    ),
    texted("UTF-16 with half a letter", "hex=004800&coding=2", "H\ufffd", odd=True, coding="2"),
    texted(
        "Windows-1252, as its guide has it",
        "hex=80E9&charset=WINDOWS-1252",
        "€é",
        charset="WINDOWS-1252",
    ),
    texted(
        "a charset in quotes", 'hex=E9&charset="iso-8859-1"', "é", odd=True, charset='"iso-8859-1"'
    ),
    texted(
        "eight bits",
        "hex=0001FF616263&coding=1&charset=8-BIT",
        "\x00\x01ÿabc",
        odd=True,
        coding="1",
        charset="8-BIT",
    ),
    texted("eight bits, and all of them letters", "hex=616263&coding=1", "abc", coding="1"),
    texted("a charset that nobody knows", "hex=C3A9&charset=klingon", "é", charset="klingon"),
    texted(
        "a codec of Python's that is no charset",
        "hex=414243&charset=base64",
        "ABC",
        charset="base64",
    ),
    texted("Latin-1 under no name", "hex=636166E9", "café", odd=True),
    texted("Latin-1 in the text", "text=caf%E9", "café", odd=True),
    texted(
        "NUL for the at sign of GSM",
        "text=agen%00contoh.id&hex=6167656E00636F6E746F682E6964&coding=0",
        "agen@contoh.id",
        coding="0",
    ),
    texted("bytes of GSM", "hex=436166050011&charset=GSM", "Café@_", charset="GSM"),
    texted("bytes that GSM has not", "hex=C3A9&charset=GSM", "é", odd=True, charset="GSM"),
    texted(
        "an apostrophe, brackets, a percent sign", "text=it's+(a)+50%25+%2541", "it's (a) 50% %41"
    ),
    texted("line ends", "hex=504D490D0A33", "PMI\r\n3"),
    texted("a long text", f"hex={'41' * 2000}", "A" * 2000),
]

DATES = [
    dated("seconds since 1970", f"ts={TS}", AT),
    dated("seconds before words", f"ts={TS}&when=2020-01-01+00:00:00", AT),
    dated("words alone, which are UTC", "when=2026-03-01+06:04:45", AT),
    dated("words where seconds are none", "ts=%25T&when=2026-03-01+06:04:45", AT),
    dated("seconds with blanks around them", f"ts=+{TS}+", AT),
    dated(
        "words to the minute, which two messages may share", "when=2026-03-01+06:04", None, odd=True
    ),
    dated("a day that no calendar has", "when=2026-02-30+06:04:45", None, odd=True),
    dated("seconds that Kannel does not know", "ts=-1", None, odd=True),
    dated("milliseconds", f"ts={TS}000", None, odd=True),
    dated("seconds of twelve digits", "ts=999999999999", None, odd=True),
    dated("seconds without end", f"ts={'9' * 5000}", None, odd=True),
    dated("seconds in other digits", "ts=%D9%A1%D9%A2", None, odd=True),
    dated("no time at all", "ts=&when=", None),
]

INBOUND = [
    sms("a message as Kannel brings it", WHOLE, **OF_WHOLE),
    read_as("the same, posted as a form", post("sms", WHOLE), **OF_WHOLE),
    read_as(
        "a form, and what the query has beside it",
        post("sms", f"{FROM}&text=WNA", query=b"text=PMI&to=99999"),
        text="WNA",
        recipient="99999",
    ),
    read_as(
        "a body that is the text alone, beside a whole query",
        post("sms", "HARGA=padi", "text/plain; charset=UTF-8", WHOLE.encode()),
        **OF_WHOLE,
    ),
    read_as(
        "a form in Latin-1",
        post("sms", f"{FROM}&text=caf%E9", f"{FORM}; charset=iso-8859-1"),
        text="café",
        flags=("odd_encoding",),
    ),
    sms("the sender alone", FROM),
    *TEXTS,
    *DATES,
    with_id("the same id again, as Kannel tries again", UUID, UUID),
    with_id("no id but the parameter", "", None),
    with_id("null for an id", "null", None),
    with_id("None for an id", "None", None),
    from_sender("a raw plus, which is a blank in a query", "+6281290000001", " 6281290000001"),
    from_sender("a number without a plus", "6281290000001", "6281290000001"),
    from_sender("a number with two noughts", "006281290000001", "006281290000001"),
    from_sender("a sender that is a name", "TELKOMSEL", "TELKOMSEL"),
    from_sender("a sender that is a short code", "3636", "3636"),
    sms("a parameter that comes twice: the first", f"{FROM}&text=WNA&text=PMI", text="WNA"),
    sms(
        "a parameter that nobody knows",
        f"{FROM}&meta=%3Fsmpp%3F&=x&&",
        payload={"meta": "?smpp?"},
    ),
    sms(
        "a raw byte that is no UTF-8",
        FROM.encode() + b"&text=NIHIL\x80",
        text="NIHIL\x80",
        flags=("odd_encoding",),
    ),
    sms(
        "a raw byte in a parameter beside the text",
        FROM.encode() + b"&text=NIHIL&service=\xe9",
        text="NIHIL",
        flags=("odd_encoding",),
        payload={"service": "é"},
    ),
    sms("a parameter of bytes that is not read", FROM.encode() + b"&hex=4F4B&text=\xff", text="OK"),
    parted("a part by a count of a byte", b"\x05\x00\x03*\x02\x01", Part(42, 1, 2)),
    parted("a part by a count of two bytes", b"\x06\x08\x04\x01\x02\x03\x03", Part(258, 3, 3)),
    parted("a part behind something else", b"\x09\x24\x01\x00\x00\x03\x00\x02\x02", Part(0, 2, 2)),
    parted(
        "a part behind ports",
        b"\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\xff\xff\x80",
        Part(255, 128, 255),
    ),
    parted("a message of one part", b"\x05\x00\x03*\x01\x01", None),
    parted("a part with the number nought", b"\x05\x00\x03*\x02\x00", None),
    parted("a part beyond the last", b"\x05\x00\x03*\x02\x03", None),
    parted("a header that is cut", b"\x05\x00\x03*\x02", None),
    parted("a header of one byte", b"\x05", None),
    parted("a header that says too short a length", b"\x02\x00\x03*\x02\x01", None),
    parted("a count of the wrong length", b"\x05\x00\x02*\x02\x01", None),
    parted("a header of nothing", b"", None),
    unreadable("no sender", get("sms", "text=NIHIL&id=5"), NO_SENDER),
    unreadable("a blank sender", get("sms", "from=+&text=NIHIL"), NO_SENDER),
    unreadable("no sender in a form", post("sms", "text=NIHIL"), NO_SENDER),
    unreadable("a text alone in the body", post("sms", FROM, "text/plain"), NO_SENDER),
    unreadable("JSON", post("sms", '{"from": "+62812"}', "application/json"), NO_SENDER),
    unreadable("bytes in the query", get("sms", b"\xff\x00\xfe"), NO_SENDER),
    unreadable(
        "nothing but broken `hex`", get("sms", f"{FROM}&hex=4X"), "`hex` is not hexadecimal"
    ),
    unreadable(
        "a report of nothing in the query", get("dlr", "status=1"), "no `id` or no `status`"
    ),
    unreadable("a report of no status", get("dlr", "id=a7&status="), "no `id` or no `status`"),
]


def report(label: str, query: str, status: MessageStatus | None, **told: str) -> DeliveryCase:
    expected = ReportedDelivery("00000000000000a7", **({"reason": ""} | told), status=status)
    return DeliveryCase(label, get("dlr", f"id=00000000000000a7&{query}"), expected)


def status(said: str, meaning: MessageStatus | None) -> DeliveryCase:
    return report(f"the status {said!r}", f"status={said}&answer=", meaning, raw_status=said)


def reason(label: str, said: str, told: str) -> DeliveryCase:
    query = f"status=2&answer={quote(said)}"
    return report(label, query, MessageStatus.FAILED, raw_status="2", reason=told)


DELIVERY = [
    status("1", MessageStatus.DELIVERED),
    status("2", MessageStatus.FAILED),
    status("4", MessageStatus.SENT),
    status("8", MessageStatus.SENT),
    status("16", MessageStatus.FAILED),
    # Unknown codes were once taken as failed.
    status("0", None),
    status("66", None),
    status("3", None),
    status("-1", None),
    status("delivered", None),
    report("a status that was not filled in", "status=%25d", None, raw_status="%d"),
    report("a status with blanks around it", "status=+8+", MessageStatus.SENT, raw_status="8"),
    report("a report without their words", "status=1", MessageStatus.DELIVERED, raw_status="1"),
    reason("their words", "ACK/", "ACK/"),
    reason(
        "a refusal",
        "NACK/0x0000000B/Invalid Destination Address",
        "NACK/0x0000000B/Invalid Destination Address",
    ),
    reason(
        "a receipt, which repeats number and text",
        "id:6281290000001 sub:001 dlvrd:000 submit date:2603010604 done date:2603010605 "
        "stat:UNDELIV err:069 text:Terima kasih",
        "UNDELIV 069",
    ),
    reason("a receipt without an error", "stat:DELIVRD text:Terima err:1", "DELIVRD 1"),
    reason("words that repeat a number", "no such phone +62 812-9000-0001", "no such phone ..."),
    reason("words that repeat the text", "refused text:Terima kasih\nbanyak", "refused"),
    reason("very many words", "x" * 500, "x" * 60),
    DeliveryCase("a form of no id", post("dlr", "status=1"), None),
    DeliveryCase("a form of no status", post("dlr", "id=a7"), None),
    DeliveryCase("a form that is empty", post("dlr", ""), None),
    DeliveryCase(
        "a report that is posted",
        post("dlr", "id=00000000000000a7&status=1&answer="),
        ReportedDelivery("00000000000000a7", "1", "", MessageStatus.DELIVERED),
    ),
]

# What we send -------------------------------------------------------------------------------------


def said(text: str, status: str, label: str, outcome: Any, told: str | None = None) -> SendingCase:
    """Write a case of an answer by smsbox, as it words it."""
    return SendingCase(label, http_answer(text, status, "text/html"), outcome, told)


def to_send(
    label: str, text: str, outcome: Any = MESSAGE.token, told: str | None = None
) -> SendingCase:
    message = replace(MESSAGE, text=text)
    asked = 1 if outcome == MESSAGE.token else 0
    return SendingCase(label, http_answer(ACCEPTED, TAKEN), outcome, told, message, asked)


def addressed(label: str, to: str) -> SendingCase:
    message = replace(MESSAGE, to=to)
    told = "not a number that Kannel takes"
    return SendingCase(label, http_answer(ACCEPTED, TAKEN), NumberRefused, told, message, 0)


TAKEN = "202 Accepted"
ACCEPTED = "0: Accepted for delivery"
NOT_THEIRS = "HTTP 200 with an answer that is not Kannel's"

SENDING = [
    said(ACCEPTED, TAKEN, "taken", MESSAGE.token),
    said("3: Queued for later delivery", TAKEN, "taken while the modem is away", MESSAGE.token),
    said("", TAKEN, "taken without a word", MESSAGE.token),
    said(
        "Authorization failed for sendsms",
        "403 Forbidden",
        "a wrong password",
        AccountRefused,
        "HTTP 403: Authorization failed for sendsms",
    ),
    said(
        "Not routable. Do not try again.",
        "403 Forbidden",
        "no way to that number",
        SendRefused,
        "HTTP 403: Not routable. Do not try again.",
    ),
    said("Missing receiver number, rejected", "400 Bad Request", "no receiver", NumberRefused),
    said(
        "Empty receiver number not allowed, rejected",
        "400 Bad Request",
        "an empty one",
        NumberRefused,
    ),
    said(
        "Number(s) has/have been denied by white- and/or black-lists.",
        "400 Bad Request",
        "a receiver that is denied",
        NumberRefused,
    ),
    said(
        "Sender missing and no global set, rejected",
        "400 Bad Request",
        "no sender of ours",
        AccountRefused,
    ),
    said("DLR-URL field misformed, rejected", "400 Bad Request", "another word", SendRefused),
    said("Unknown request.", "404 Not Found", "an address that is wrong", AccountRefused),
    said("", "302 Found", "another address, which is not followed", AccountRefused),
    said(
        "Temporal failure, try again later.",
        "503 Service Unavailable",
        "bearerbox is away",
        SendDeferred,
        "HTTP 503",
    ),
    said("", "500 Internal Server Error", "trouble of theirs", SendDeferred),
    said("", "504 Gateway Timeout", "a time-out behind a proxy", SendUnconfirmed),
    said("", "429 Too Many Requests", "too many for a proxy", Throttled),
    said(
        "<h1>It works</h1>", "200 OK", "a web server that is no Kannel", SendUnconfirmed, NOT_THEIRS
    ),
    SendingCase("nobody there", None, SendDeferred, "no connection (ConnectionError)", requests=0),
    SendingCase("hung up without an answer", b"", SendUnconfirmed),
    SendingCase("no HTTP at all", b"SSH-2.0-OpenSSH_9.2\r\n", SendUnconfirmed),
    SendingCase("half an answer", http_answer(ACCEPTED, TAKEN)[:-5], SendUnconfirmed),
    to_send("GSM-7 with what is two units", "Harga €5 {} [x] é @ \n~"),
    to_send("one letter that GSM-7 has not", "Sudah diterima: Ngadha — 1"),
    to_send("an emoji, which is two units of UTF-16", "Terima kasih \U0001f600"),
    to_send("a text of several parts", "Terima kasih. " * 40),
    to_send("signs that a query knows", "a=b&c+d%41#e?f\u00e9"),
    to_send("as long as Kannel sends", "x" * 153 * MOST_SEGMENTS),
    to_send("Unicode as long as Kannel sends", "\u2014" * 67 * MOST_SEGMENTS),
    to_send(
        "longer than Kannel sends, which it would cut",
        "x" * (153 * MOST_SEGMENTS + 1),
        SendRefused,
        "longer than 10 parts, to which Kannel would cut it",
    ),
    to_send("Unicode longer than Kannel sends", "\u2014" * (67 * MOST_SEGMENTS + 1), SendRefused),
    to_send("an empty text", "", SendRefused, "an empty text, which Kannel would send"),
    to_send("half of a pair", "salah \ud800", SendRefused, "a text that no encoding holds"),
    addressed("a name for a receiver", "TELKOMSEL"),
    addressed("a number without a plus", "081290000001"),
    addressed("two receivers", "+6281290000001 +6281290000002"),
    addressed("nobody for a receiver", ""),
    addressed("a receiver with a line end", "+6281290000001\n"),
    # Whatever they repeat of ours ends in our log and in a row of the outbox.
    SendingCase(
        "a proxy that repeats the request",
        lambda request: http_answer(request, "400 Bad Request", "text/html"),
        SendRefused,
    ),
    SendingCase(
        "a proxy that repeats the text",
        lambda request: http_answer(
            request.partition(b"&text=")[2].partition(b"&")[0], "403 Forbidden", "text/html"
        ),
        AccountRefused,
        "HTTP 403: ...",
    ),
    said(
        f"cannot call {CALLBACK}/dlr",
        "400 Bad Request",
        "an error that repeats our secret",
        SendRefused,
        "HTTP 400: cannot call http://gateway.invalid:8000/webhooks/kannel/.../dlr",
    ),
    said(
        f"{PASSWORD} of {MESSAGE.to} for {MESSAGE.text}",
        "403 Forbidden",
        "an error that repeats password, number and text",
        AccountRefused,
        "HTTP 403: ... of +... for ...",
    ),
]


def account(base_url: str = "http://127.0.0.1:9", **other: Any) -> KannelAccount:
    plain: dict[str, Any] = {
        "username": USERNAME,
        "password": PASSWORD,
        "sender": SENDER,
        "callback_url": CALLBACK,
        "smsc": None,
        "admin_url": None,
        "status_password": STATUS_PASSWORD,
        "access_log": None,
    }
    return KannelAccount(base_url, **(plain | other))


def asked(request: bytes) -> tuple[str, dict[str, bytes]]:
    """Read what was asked for: the method and path, and the parameters, byte by byte."""
    method, address, _ = request.split(b"\r\n", 1)[0].decode().split(" ")
    path, _, query = address.partition("?")
    pairs = [pair.partition("=")[::2] for pair in query.split("&")]
    fields = {name: unquote_to_bytes(value.replace("+", " ")) for name, value in pairs}
    return f"{method} {path}", fields


class TestKannel(ProviderContract):
    NAME = "kannel"
    ROUTES: ClassVar[Mapping[str, tuple[str, ...]]] = dict.fromkeys(("sms", "dlr"), ("GET", "POST"))
    INBOUND: ClassVar = INBOUND
    DELIVERY: ClassVar = DELIVERY
    SENDING: ClassVar = SENDING
    SECRETS: ClassVar = (PASSWORD, STATUS_PASSWORD, SECRET)
    PIECES: ClassVar = (
        *FORM_PIECES,
        b"from=6",
        b"hex=0",
        b"udh=%05%00%03",
        b"charset=GSM",
        b"coding=2",
        b"ts=9",
        b"when=2026-",
        b"bin=%00",
        b"status=",
    )

    def adapter(self) -> Kannel:
        return Kannel(None)

    @contextmanager
    def reaching(self, behaviour: Any) -> Iterator[Reached]:
        """Reach nobody (None), or a server with that very answer."""
        if behaviour is None:
            yield Reached(Kannel(account(f"http://127.0.0.1:{free_port()}")))
            return
        with RawServer.answering(behaviour) as server:

            def seen() -> Sequence[SeenRequest]:
                return [
                    SeenRequest(what, {}, {name: value.hex() for name, value in fields.items()})
                    for what, fields in map(asked, server.requests)
                ]

            yield Reached(Kannel(account(server.url)), seen)

    def check_request(self, seen: SeenRequest, message: OutboundSms) -> None:
        fields = {name: bytes.fromhex(value) for name, value in seen.fields.items()}
        text = fields.pop("text")
        assert seen.path == "GET /cgi-bin/sendsms"
        if fields.pop("coding", b"0") == b"2":
            # No charset: a Kannel that was built without iconv refuses any.
            assert "charset" not in fields
            assert text.decode("utf-16-be") == message.text
        else:
            assert fields.pop("charset") == b"UTF-8"
            assert text.decode("utf-8") == message.text
            message.text.encode("gsm03.38")
        assert {name: value.decode() for name, value in fields.items()} == {
            "username": USERNAME,
            "password": PASSWORD,
            "from": SENDER,
            "to": message.to,
            "dlr-mask": "31",
            # With the signs that Kannel fills in.
            "dlr-url": f"{CALLBACK}/dlr?id={message.token}&status=%d&answer=%A",
        }

    def test_only_a_text_that_needs_it_goes_out_in_utf_16(self):
        with RawServer.answering(http_answer(ACCEPTED, TAKEN)) as server:
            for text in ("Harga €5 {é}", "Harga — 5"):
                Kannel(account(server.url)).send(replace(MESSAGE, text=text))

            (_, plain), (_, unicode) = map(asked, server.requests)
        assert "coding" not in plain
        assert plain["text"] == "Harga €5 {é}".encode()
        assert unicode["coding"] == b"2"
        assert "charset" not in unicode
        assert unicode["text"] == "Harga — 5".encode("utf-16-be")

    def test_a_message_leaves_by_the_link_that_is_named_and_without_a_sender_where_there_is_none(
        self,
    ):
        with RawServer.answering(http_answer(ACCEPTED, TAKEN)) as server:
            Kannel(account(server.url, sender=None, smsc="modem1")).send(MESSAGE)

            _, fields = asked(server.requests[0])
        assert fields["smsc"] == b"modem1"
        assert "from" not in fields

    def test_a_password_of_any_letters_goes_out(self):
        with RawServer.answering(http_answer(ACCEPTED, TAKEN)) as server:
            Kannel(account(server.url, password="kunci—é&+%")).send(MESSAGE)  # noqa: S106

            _, fields = asked(server.requests[0])
        assert fields["password"].decode() == "kunci—é&+%"

    def test_any_answer_ends_in_the_token_or_one_of_the_family(self):
        statuses = st.integers(200, 599).map(lambda code: f"{code} Word")

        with RawServer.answering() as server:
            adapter = Kannel(account(server.url))

            @settings(max_examples=100, deadline=None)
            @given(st.binary(), statuses)
            def send(body: bytes, status: str) -> None:
                server.answer = lambda _request: http_answer(body, status)
                try:
                    assert adapter.send(MESSAGE) == MESSAGE.token
                except SEND_ERRORS:
                    assert not status.startswith("202")
                else:
                    assert status.startswith("202")

            send()

    def test_it_sends_only_with_an_account(self):
        assert not Kannel(None).can_send
        assert Kannel(account()).can_send
        with pytest.raises(SendDeferred, match="TIMPORA_KANNEL_BASE_URL, _USERNAME and _PASSWORD"):
            Kannel(None).send(MESSAGE)

    def test_it_is_polled_and_watched_and_claims_one_at_a_time(self):
        assert isinstance(self.adapter(), PolledProvider)
        assert isinstance(self.adapter(), WatchedProvider)
        assert self.adapter().claims_at_once == 1
        assert not self.adapter().sends_once

    def test_any_query_is_one_message_or_one_thing_that_cannot_be_read(self):
        pieces = st.lists(st.sampled_from(self.PIECES) | st.binary(max_size=6), max_size=16)

        @settings(max_examples=300, deadline=None)
        @given(pieces.map(b"".join))
        def read(query: bytes) -> None:
            intake = self.adapter().receive(get("sms", FROM.encode() + b"&" + query))
            assert len(intake.messages) + len(intake.unreadable) == 1
            assert intake.answer == Answer(200, "")

        read()


class TestDeployment:
    """The configuration that we ship, where the adapter builds on it."""

    @pytest.fixture
    def shipped(self) -> str:
        root = Path(__file__).resolve().parents[2]
        return (root / "deploy" / "kannel" / "kannel.conf").read_text("utf-8")

    def test_kannel_sends_as_many_parts_as_the_adapter_gives_it(self, shipped: str):
        sendsms_user = shipped.partition("group = sendsms-user")[2].partition("\n\n")[0]
        assert f"\nmax-messages = {MOST_SEGMENTS}\n" in sendsms_user

    def test_nothing_is_ever_texted_to_the_sender_by_kannel_itself(self, shipped: str):
        service = shipped.partition("group = sms-service")[2]
        assert "\nmax-messages = 0\nomit-empty = true\n" in service

    def test_a_webhook_is_tried_for_half_an_hour(self, shipped: str):
        assert "\nhttp-request-retry = 60\nhttp-queue-delay = 30\n" in shipped

    def test_both_logs_of_smsbox_are_the_file_that_is_polled(self, shipped: str):
        smsbox = shipped.partition("group = smsbox")[2].partition("\n\n")[0]
        for line in ("log-file", "access-log"):
            assert f'\n{line} = "@LOGS@/smsbox.log"\n' in smsbox
        assert "\nlog-level = 3\n" in smsbox


# How it is ----------------------------------------------------------------------------------------


def link(name: str, state: str, queued: int = 0) -> str:
    return f"<smsc><id>{name}</id><status>{state}</status><queued>{queued}</queued></smsc>"


def status_page(*links: str, state: str = "running, uptime 0d 0h", queued: int = 0) -> str:
    return (
        f'<?xml version="1.0"?>\n<gateway>\n<version>Kannel</version><status>{state}</status>'
        f"<sms><sent><total>9</total><queued>{queued}</queued></sent></sms>"
        "<boxes><box><type>smsbox</type><status>on-line 0d 0h 0m 4s</status></box></boxes>"
        f"<smscs><count>{len(links)}</count>{''.join(links)}</smscs></gateway>"
    )


ONLINE = link("modem1", "online 4s")
PAGES = {
    "all is well": (status_page(ONLINE), True, "bearerbox running, 1 of 1 links online", 0),
    "a queue, and one of a link": (
        status_page(link("modem1", "online 4s", 2), queued=3),
        True,
        "bearerbox running, 1 of 1 links online",
        5,
    ),
    "one link of two": (
        status_page(ONLINE, link("modem2", "re-connecting")),
        True,
        "bearerbox running, 1 of 2 links online",
        0,
    ),
    "no link": (
        status_page(link("modem1", "connecting"), queued=7),
        False,
        "bearerbox running, 0 of 1 links online",
        7,
    ),
    "not even one that is set up": (
        status_page(),
        False,
        "bearerbox running, 0 of 0 links online",
        0,
    ),
    "suspended": (
        status_page(ONLINE, state="suspended, uptime 0d"),
        False,
        "bearerbox suspended, 1 of 1 links online",
        0,
    ),
    "no smsbox": (
        status_page(ONLINE).replace("on-line", "off-line"),
        False,
        "bearerbox running, 1 of 1 links online, no smsbox",
        0,
    ),
    "a queue that is no number": (
        status_page(ONLINE).replace("<queued>0", "<queued>x"),
        True,
        "bearerbox running, 1 of 1 links online",
        0,
    ),
}


class TestHealth:
    @pytest.mark.parametrize("page", PAGES)
    def test_bearerbox_tells_how_it_is(self, page: str):
        body, is_up, says, backlog = PAGES[page]
        with RawServer.answering(http_answer(body, "200 OK", "text/xml")) as server:
            adapter = Kannel(account(admin_url=server.url))

            assert adapter.health() == Health(is_up, says, backlog=backlog)
            assert asked(server.requests[0]) == (
                "GET /status.xml",
                {"password": b"status rahasia"},
            )

    @pytest.mark.parametrize("state", ["online 4s", "re-connecting"])
    def test_only_the_link_that_we_send_by_counts_where_it_is_named(self, state: str):
        other = "re-connecting" if state == "online 4s" else "online 4s"
        page = status_page(link("other", other), link("Modem1", state))
        with RawServer.answering(http_answer(page, "200 OK", "text/xml")) as server:
            adapter = Kannel(account(admin_url=server.url, smsc="modem1"))

            assert adapter.health().is_up == (state == "online 4s")

    @pytest.mark.parametrize(
        "answer",
        [
            http_answer('<?xml version="1.0"?><gateway>Denied</gateway>', "200 OK", "text/xml"),
            http_answer("<html><status>running</status></html>", "200 OK", "text/html"),
            http_answer("It works", "200 OK", "text/html"),
            http_answer(b"\xff\x00", "200 OK", "text/html"),
            http_answer("", "500 No", "text/html"),
            b"",
        ],
        ids=["a wrong password", "another page of XML", "no XML", "bytes", "nothing", "hung up"],
    )
    def test_an_answer_that_tells_nothing_is_none(self, answer: bytes):
        with RawServer.answering(answer) as server, pytest.raises(NotReached) as raised:
            Kannel(account(admin_url=server.url)).health()

        assert STATUS_PASSWORD not in str(raised.value)

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            ("404 Not Found", Health(is_up=True, says="smsbox answers")),
            ("200 OK", Health(is_up=False, says="not a smsbox")),
        ],
    )
    def test_without_the_address_of_bearerbox_smsbox_is_asked_for_a_page_it_has_not(
        self, status: str, expected: Health
    ):
        with RawServer.answering(http_answer("Unknown request.", status)) as server:
            assert Kannel(account(server.url)).health() == expected

    def test_nobody_there_and_no_account_is_no_answer(self):
        nobody = f"http://127.0.0.1:{free_port()}"
        for adapter in (
            Kannel(None),
            Kannel(account(nobody)),
            Kannel(account(admin_url=nobody)),
        ):
            with pytest.raises(NotReached):
                adapter.health()


# What its log kept --------------------------------------------------------------------------------

NOW = datetime.now(UTC).replace(microsecond=0)
RECENT = int(NOW.timestamp()) - 60
WHEN = "2026-11-28 20:13:27"
BEGINS = f"{WHEN} Log begins\n"


def address(number: int, *, ts: int = RECENT) -> str:
    """Write the address of message `number`, as Kannel logs it."""
    text = f"it's {number}"
    return (
        f"http://127.0.0.1:8000/webhooks/kannel/{SECRET}/sms?{FROM}&to=99999&text=it's+{number}"
        f"&hex={hexed(text)}&coding=0&charset=UTF-8&ts={ts}&id=id-{number}&udh="
    )


def not_fetched(url: str) -> str:
    return f"{WHEN} [10156] [9] ERROR: Couldn't fetch <{url}>\n"


def answered(url: str, status: int, reply: str = "") -> str:
    return (
        f"{WHEN} SMS HTTP-request sender:+6281290000001 request: 'Could not fetch content, sorry.' "
        f"url: '{url}' reply: {status} '{reply}'\n"
    )


def lost(number: int) -> str:
    return not_fetched(address(number))


class TestAccessLog:
    """What Kannel could not bring to us and has dropped is found in its log."""

    @pytest.fixture
    def log(self, tmp_path: Path) -> Path:
        path = tmp_path / "smsbox.log"
        path.write_text(BEGINS)
        return path

    @pytest.fixture
    def adapter(self, log: Path) -> Kannel:
        return Kannel(account(access_log=log))

    @staticmethod
    def add(log: Path, *lines: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write("".join(lines))

    @staticmethod
    def numbers(intake: Intake) -> list[str | None]:
        return [message.provider_message_id for message in intake.messages]

    def read_all(self, adapter: Kannel, since: str | None = None) -> tuple[list[str | None], str]:
        """Poll until nothing comes any more; give the ids of all that came, and the mark."""
        found: list[str | None] = []
        while True:
            polled = adapter.poll(since)
            adapter.kept(polled)
            found += self.numbers(polled.intake)
            if polled.since == since:
                return found, polled.since
            since = polled.since

    def test_a_message_is_the_same_as_by_its_webhook(self, adapter: Kannel, log: Path):
        url = address(1)
        self.add(log, not_fetched(url))

        assert adapter.poll(None).intake == adapter.receive(get("sms", url.partition("?")[2]))

    def test_a_message_that_was_refused_to_the_last_is_found(self, adapter: Kannel, log: Path):
        self.add(log, answered(address(1), 503), answered(address(2), 404, "it's 'not' here"))

        assert self.numbers(adapter.poll(None).intake) == ["id-1", "id-2"]

    def test_a_message_that_was_taken_is_not(self, adapter: Kannel, log: Path):
        self.add(log, answered(address(1), 200), answered(address(2), 202), answered("", -1))

        assert adapter.poll(None).intake == Intake()

    def test_several_tries_of_a_message_are_one(self, adapter: Kannel, log: Path):
        self.add(log, lost(1), lost(2), lost(1))

        assert self.numbers(adapter.poll(None).intake) == ["id-1", "id-2"]

    def test_a_delivery_report_is_found_too(self, adapter: Kannel, log: Path):
        self.add(log, not_fetched(f"{CALLBACK}/dlr?id=00000000000000a7&status=1&answer="))

        assert adapter.poll(None).intake.deliveries == (
            ReportedDelivery("00000000000000a7", "1", "", MessageStatus.DELIVERED),
        )

    def test_an_address_that_makes_no_sense_is_kept_for_a_person(self, adapter: Kannel, log: Path):
        self.add(log, not_fetched(f"{CALLBACK}/sms?text=NIHIL"), lost(2))

        polled = adapter.poll(None)
        assert polled.intake.unreadable == (Unreadable(NO_SENDER, b"text=NIHIL"),)
        assert self.numbers(polled.intake) == ["id-2"]

    @pytest.mark.parametrize(
        "line",
        [
            not_fetched("http://127.0.0.1:8000/elsewhere?from=1&text=x"),
            not_fetched(address(1).replace(SECRET, "not-the-secret")),
            not_fetched(address(1).replace(SECRET, f"x{SECRET}")),
            not_fetched(address(1)).replace("/sms?", "/ussd?"),
            not_fetched(f"{CALLBACK}/sms"),
            not_fetched("http://[::1"),
            f"{WHEN} send-SMS request added - sender:u:TIMPORA request: '{lost(1).strip()}'\n",
            f" {lost(1)}",
            lost(1).replace("fetch <", "fetch "),
            "\n",
            "\x00\n",
        ],
        ids=[
            "of another service",
            "of another secret",
            "of a longer secret",
            "of another webhook",
            "of no query at all",
            "of no address",
            "in a text of ours",
            "behind a blank",
            "without its sign",
            "of nothing",
            "of NUL",
        ],
    )
    def test_a_line_brings_no_message(self, adapter: Kannel, log: Path, line: str):
        self.add(log, line, lost(2))

        assert self.numbers(adapter.poll(None).intake) == ["id-2"]

    def test_a_text_of_ours_with_line_breaks_forges_nothing(self, adapter: Kannel, log: Path):
        forged = not_fetched(address(1).replace(SECRET, "guessed-it"))
        self.add(log, f"{WHEN} send-SMS request added - request: 'x\n{forged}'\n", lost(2))

        assert self.numbers(adapter.poll(None).intake) == ["id-2"]

    def test_only_what_is_new_comes_at_the_next_poll(self, adapter: Kannel, log: Path):
        self.add(log, lost(1))
        first = adapter.poll(None)
        second = adapter.poll(first.since)
        self.add(log, lost(2))
        third = adapter.poll(second.since)

        assert [self.numbers(one.intake) for one in (first, second, third)] == [
            ["id-1"],
            [],
            ["id-2"],
        ]
        assert not second.brings_anything(first.since)

    def test_a_line_is_read_when_it_is_whole(self, adapter: Kannel, log: Path):
        line = lost(1)
        self.add(log, line[:-30])
        first = adapter.poll(None)
        self.add(log, line[-30:])

        assert self.numbers(first.intake) == []
        assert self.numbers(adapter.poll(first.since).intake) == ["id-1"]

    @pytest.mark.parametrize("name", ["smsbox.log.1", "smsbox.log-20261128"])
    def test_a_log_that_was_rotated_away_is_read_to_its_end_first(
        self, adapter: Kannel, log: Path, name: str
    ):
        self.add(log, lost(1))
        first = adapter.poll(None)
        self.add(log, lost(2))
        log.rename(log.with_name(name))
        log.write_text(BEGINS.replace("27", "28") + lost(3))

        assert self.read_all(adapter, first.since)[0] == ["id-2", "id-3"]

    def test_a_log_that_is_rotated_away_before_its_heir_is_there_is_read_on(
        self, adapter: Kannel, log: Path
    ):
        self.add(log, lost(1))
        first = adapter.poll(None)
        self.add(log, lost(2))
        log.rename(log.with_name("smsbox.log.1"))

        assert self.numbers(adapter.poll(first.since).intake) == ["id-2"]

    def test_an_empty_heir_moves_no_mark_and_brings_nothing_twice(self, adapter: Kannel, log: Path):
        self.add(log, lost(1))
        log.rename(log.with_name("smsbox.log.1"))
        log.touch()

        found, mark = self.read_all(adapter)
        assert found == ["id-1"]
        self.add(log, BEGINS.replace("27", "28"), lost(2))
        assert self.read_all(adapter, mark)[0] == ["id-2"]

    def test_several_logs_that_were_rotated_away_are_read_in_turn(self, adapter: Kannel, log: Path):
        _, mark = self.read_all(adapter)
        for number in (1, 2, 3):
            self.add(log, f"{number}\n", lost(number))
            for older in (2, 1):
                if (path := log.with_name(f"smsbox.log.{older}")).exists():
                    path.rename(log.with_name(f"smsbox.log.{older + 1}"))
            log.rename(log.with_name("smsbox.log.1"))
            log.touch()
            stamp = NOW.timestamp() - 100 + number
            os.utime(log.with_name("smsbox.log.1"), (stamp, stamp))
        self.add(log, "4\n", lost(4))

        assert self.read_all(adapter, mark)[0] == ["id-1", "id-2", "id-3", "id-4"]

    def test_a_log_whose_heir_begins_in_the_same_second_is_read_to_its_end_first(
        self, adapter: Kannel, log: Path
    ):
        mark = adapter.poll(None).since
        self.add(log, lost(1))
        log.rename(log.with_name("smsbox.log.1"))
        log.write_text(BEGINS + lost(2))

        assert self.read_all(adapter, mark)[0] == ["id-1", "id-2"]

    def test_a_log_that_was_copied_and_emptied_is_read_to_its_end_first(
        self, adapter: Kannel, log: Path
    ):
        self.add(log, lost(1))
        first = adapter.poll(None)
        self.add(log, lost(2))
        log.with_name("smsbox.log.1").write_bytes(log.read_bytes())
        log.write_text(BEGINS + lost(3))

        assert self.read_all(adapter, first.since)[0] == ["id-2", "id-3"]

    def test_a_copy_of_the_log_brings_nothing_twice(self, adapter: Kannel, log: Path):
        self.add(log, lost(1))
        first = adapter.poll(None)
        log.with_name("smsbox.log.1").write_bytes(log.read_bytes())

        assert self.read_all(adapter, first.since)[0] == []

    def test_a_log_that_ends_within_a_line_holds_up_none_after_it(self, adapter: Kannel, log: Path):
        self.add(log, lost(1)[:-30])
        log.rename(log.with_name("smsbox.log.1"))
        log.write_text(BEGINS.replace("27", "28") + lost(2))

        first = adapter.poll(None)
        assert self.numbers(first.intake) == ["id-2"]
        assert self.read_all(adapter, first.since)[0] == []

    def test_a_log_without_one_whole_line_holds_up_none_after_it(self, adapter: Kannel, log: Path):
        mark = adapter.poll(None).since
        log.rename(log.with_name("smsbox.log.2"))
        log.with_name("smsbox.log.1").write_text("half")
        log.write_text(BEGINS.replace("27", "28") + lost(2))

        found, mark = self.read_all(adapter, mark)
        assert found == ["id-2"]
        assert adapter.poll(mark).since == mark

    def test_a_log_that_was_emptied_in_its_place_is_read_anew(self, adapter: Kannel, log: Path):
        self.add(log, lost(1), lost(2))
        first = adapter.poll(None)
        log.write_text(BEGINS + lost(3))

        assert self.numbers(adapter.poll(first.since).intake) == ["id-3"]

    def test_a_compressed_log_is_over(self, adapter: Kannel, log: Path):
        self.add(log, lost(1))
        first = adapter.poll(None)
        log.with_name("smsbox.log.2.gz").write_bytes(gzip.compress(log.read_bytes()))
        log.write_text(BEGINS.replace("27", "29") + lost(3))

        assert self.numbers(adapter.poll(first.since).intake) == ["id-3"]

    def test_where_no_mark_is_known_messages_of_last_week_are_left_alone(
        self, adapter: Kannel, log: Path
    ):
        old = not_fetched(address(1, ts=int((clock.now() - timedelta(days=8)).timestamp())))
        self.add(log, old, lost(2))

        assert self.numbers(adapter.poll(None).intake) == ["id-2"]
        assert self.numbers(adapter.poll("rubbish").intake) == ["id-2"]
        # Behind a mark they are what nobody has read yet, however late.
        mark = adapter.poll(None).since
        self.add(log, old)
        assert self.numbers(adapter.poll(mark).intake) == ["id-1"]

    @pytest.mark.parametrize(
        "mark", ["", "0", "rubbish", "1:1:1:0", "-1:0:0:" + "0" * 32, "9" * 30 + ":1:1:" + "0" * 32]
    )
    def test_a_mark_that_makes_no_sense_means_from_the_beginning(
        self, adapter: Kannel, log: Path, mark: str
    ):
        self.add(log, lost(1))

        assert self.numbers(adapter.poll(mark).intake) == ["id-1"]

    def test_a_poll_brings_a_bounded_number_and_the_next_the_rest(self, adapter: Kannel, log: Path):
        self.add(log, *(lost(number) for number in range(450)))

        counts, since = [], None
        for _ in range(4):
            polled = adapter.poll(since)
            counts.append(len(polled.intake.messages))
            since = polled.since
        assert counts == [200, 200, 50, 0]

    def test_a_poll_reads_a_bounded_amount_and_passes_over_what_is_no_line(
        self, adapter: Kannel, log: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(kannel_module, "_READ_AT_ONCE", 1000)
        self.add(log, "x" * 2500, "\n", *(lost(number) for number in range(5)))

        first = adapter.poll(None)
        assert first.intake == Intake()
        found, _ = self.read_all(adapter, first.since)
        assert found == ["id-0", "id-1", "id-2", "id-3", "id-4"]

    def test_bytes_of_any_kind_raise_nothing(self, adapter: Kannel, log: Path):
        pieces = [lost(1).encode(), answered(address(2), 503).encode(), b"\n", b"'", b"\xff\x00"]
        lines = st.lists(st.sampled_from(pieces) | st.binary(max_size=9), max_size=12)

        @settings(max_examples=100, deadline=None)
        @given(lines.map(b"".join))
        def read(content: bytes) -> None:
            log.write_bytes(content)
            polled = adapter.poll(None)
            assert set(self.numbers(polled.intake)) <= {"id-1", "id-2"}

        read()

    def test_a_log_that_cannot_be_read_is_not_reached(self, tmp_path: Path):
        with pytest.raises(NotReached, match=r"cannot be read \(FileNotFoundError\)"):
            Kannel(account(access_log=tmp_path / "nothing.log")).poll(None)

    def test_without_a_log_a_poll_brings_nothing(self):
        for adapter in (Kannel(None), Kannel(account())):
            for since in (None, "", "5"):
                polled = adapter.poll(since)
                assert polled.intake == Intake()
                assert polled.since == (since or "")

    def test_it_ends_in_time(self, adapter: Kannel, log: Path):
        self.add(log, "x url: '" * 60000, "\n", lost(1))

        with lasting_at_most(5):
            adapter.poll(None)
